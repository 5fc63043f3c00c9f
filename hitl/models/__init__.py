"""What is remembered.

Question it answers: which rows are there, and which of them do you mean?
May call: `states`, `definition`, Django's ORM; `sql` and `triggers` hold all hand-written SQL.
Never: rules that need more than one row, status writes, sockets.
"""

from hitl.models import audit as _audit  # noqa: F401 - registers the tables; only `hitl.audit` may write them
from hitl.models.approvals import Approval, Assignment, Decision, ReviewLink
from hitl.models.messages import Event, Freeze, StreamChunk
from hitl.models.notifications import Notification
from hitl.models.operations import SweepMark
from hitl.models.policies import ApiKey, Policy
from hitl.models.runs import Result, Run, Signal, Step, Workflow

__all__ = [
    "ApiKey",
    "Approval",
    "Assignment",
    "Decision",
    "Event",
    "Freeze",
    "Notification",
    "Policy",
    "Result",
    "ReviewLink",
    "Run",
    "Signal",
    "Step",
    "StreamChunk",
    "SweepMark",
    "Workflow",
]
