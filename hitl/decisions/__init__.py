"""What people are asked and what they said.

Question it answers: what was asked, who answered, and what does the answer mean?
May call: `policies` (who), `notifications` (tell them), `progress` and `transitions`.
Never: the engine; a decision writes rows and rings the bell. Author code.
"""

from hitl.decisions.decide import Outcome, decide
from hitl.decisions.expire import expire, expire_grant
from hitl.decisions.inbox import find_visible, inbox
from hitl.decisions.request import Proposal, prepare, request
from hitl.decisions.revoke import revoke

__all__ = [
    "Outcome",
    "Proposal",
    "decide",
    "expire",
    "expire_grant",
    "find_visible",
    "inbox",
    "prepare",
    "request",
    "revoke",
]
