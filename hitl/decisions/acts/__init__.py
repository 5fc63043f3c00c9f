"""What else people do with a request than vote.

Question it answers: who takes it, hands it on, pushes it up, speaks about it, takes back what was said?
May call: what `decisions` may; `policies.acts` says who may.
Never: votes; a vote is `decide`.
"""

from hitl.decisions.acts.ends import cancel, revoke, withdraw
from hitl.decisions.acts.hands import assign, claim, delegate, release
from hitl.decisions.acts.pace import escalate, extend, remind
from hitl.decisions.acts.scene import attempt
from hitl.decisions.acts.words import comment, unwatch, watch

__all__ = [
    "assign",
    "attempt",
    "cancel",
    "claim",
    "comment",
    "delegate",
    "escalate",
    "extend",
    "release",
    "remind",
    "revoke",
    "unwatch",
    "watch",
    "withdraw",
]
