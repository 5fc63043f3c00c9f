"""What is remembered.

Question it answers: which rows are there, and which of them do you mean?
May call: `states`, `definition`, Django's ORM; `sql`, `people` and `triggers` hold all hand-written SQL.
Never: rules that need more than one row, status writes, sockets.
"""

from hitl.models import audit as _audit  # noqa: F401 - registers the tables; only `hitl.audit` may write them
from hitl.models.approvals import Approval, Assignment, Decision
from hitl.models.messages import Comment, Event, Feedback, Freeze, StreamChunk, Watch
from hitl.models.notifications import Notification, Preference, Profile, ReviewLink, WebhookEndpoint
from hitl.models.operations import IdempotencyRecord, SweepMark
from hitl.models.policies import ApiKey, Delegation, Policy
from hitl.models.runs import Result, Run, Signal, Step, Workflow

__all__ = [
    "ApiKey",
    "Approval",
    "Assignment",
    "Comment",
    "Decision",
    "Delegation",
    "Event",
    "Feedback",
    "Freeze",
    "IdempotencyRecord",
    "Notification",
    "Policy",
    "Preference",
    "Profile",
    "Result",
    "ReviewLink",
    "Run",
    "Signal",
    "Step",
    "StreamChunk",
    "SweepMark",
    "Watch",
    "WebhookEndpoint",
    "Workflow",
]
