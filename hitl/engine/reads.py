"""What Django code asks about runs."""

from __future__ import annotations

import uuid
from typing import Any

from django.db.models import QuerySet

from hitl.decisions import inbox
from hitl.exceptions import UnknownRun
from hitl.models import Event, Run, Step
from hitl.states import StepStatus
from hitl.transitions import as_uuid

_MOST = 1000


def get_event(run: Run | uuid.UUID | str, key: str) -> Any:
    """The latest value a run published under a key, or None; raises UnknownRun."""
    pk = run.pk if isinstance(run, Run) else as_uuid(run)
    row = Event.objects.filter(run=pk, key=key).first()
    if row is None and not Run.objects.filter(pk=pk).exists():
        raise UnknownRun(f"there is no run {pk}")
    return None if row is None else row.value


def waiting(*, workflow: str = "", for_: Any = None) -> QuerySet[Step]:
    """Steps that wait, the longest waiting first: of one workflow, or for one user's decision
    (then at most a thousand, those due soonest)."""
    rows = Step.objects.filter(status=StepStatus.WAITING).select_related("run__workflow").order_by("parked_at")
    if workflow:
        rows = rows.filter(run__workflow__name=workflow)
    if for_ is not None:
        rows = rows.filter(pk__in=[approval.step_id for approval in inbox(for_, limit=_MOST)])
    return rows
