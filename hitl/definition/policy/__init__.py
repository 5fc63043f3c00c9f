"""What a named policy says.

Question it answers: who must say yes to this action, by which rule, and may a document say so?
May call: the values of `definition`, the CEL library, `exceptions`.
Never: groups and users, a clock, a database.
"""

from hitl.definition.policy.calendar import Calendar
from hitl.definition.policy.document import PolicyDocument
from hitl.definition.policy.rules import FACTS, Rule, choose

__all__ = ["FACTS", "Calendar", "PolicyDocument", "Rule", "choose"]
