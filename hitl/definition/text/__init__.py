"""Text that agents and people wrote, made safe to look at and to keep.

Question it answers: what in a text cannot be seen or reads like something else, and what of it may be kept?
May call: `unicodedata`, `exceptions`.
Never: HTML; a change to the bytes that a decision is bound to.
"""

from hitl.definition.text.hidden import hidden_count, pieces, reveal
from hitl.definition.text.lookalikes import Lookalike, lookalikes
from hitl.definition.text.written import clean, one_line, told

__all__ = ["Lookalike", "clean", "hidden_count", "lookalikes", "one_line", "pieces", "reveal", "told"]
