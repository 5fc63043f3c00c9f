"""What each notice says to a person, as the parts that all mails have.

Question it answers: in which words is this told, and what of it may leave the house?
May call: `policies` (what silence means), `models`.
Never: an argument or free words at high and critical risk; markup, which is in `templates/hitl/mail/`.
"""

from hitl.notifications.words.asked import asking
from hitl.notifications.words.common import TAGS, Letter, requester_name
from hitl.notifications.words.happened import happened

__all__ = ["TAGS", "Letter", "asking", "happened", "requester_name"]
