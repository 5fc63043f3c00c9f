"""What people are asked and what they said.

Question it answers: what was asked, who answered, and what does the answer mean?
May call: `policies` (who), `notifications` (tell them), `progress` and `transitions`.
Never: the engine; a decision writes rows and rings the bell. Author code.
"""

from hitl.decisions.acts import (
    assign,
    attempt,
    cancel,
    claim,
    comment,
    delegate,
    escalate,
    extend,
    release,
    remind,
    revoke,
    unwatch,
    watch,
    withdraw,
)
from hitl.decisions.bulk import Item, decide_all, preflight
from hitl.decisions.decide import Outcome, decide
from hitl.decisions.expire import escalate_due, expire, expire_grant, remind_due
from hitl.decisions.feedback import give_feedback
from hitl.decisions.inbox import find_visible, inbox
from hitl.decisions.request import Proposal, prepare, request

__all__ = [
    "Item",
    "Outcome",
    "Proposal",
    "assign",
    "attempt",
    "cancel",
    "claim",
    "comment",
    "decide",
    "decide_all",
    "delegate",
    "escalate",
    "escalate_due",
    "expire",
    "expire_grant",
    "extend",
    "find_visible",
    "give_feedback",
    "inbox",
    "preflight",
    "prepare",
    "release",
    "remind",
    "remind_due",
    "request",
    "revoke",
    "unwatch",
    "watch",
    "withdraw",
]
