"""What people do to runs."""

from __future__ import annotations

import uuid
from typing import Any

from hitl import progress
from hitl.audit import Actor
from hitl.definition.text import clean
from hitl.exceptions import RunEnded
from hitl.models import Run
from hitl.states import RUN_ENDS, RunStatus
from hitl.transitions import locked


def cancel(run: Run | uuid.UUID | str, *, actor: Any, reason: str = "") -> Run:
    """End a run: open requests, waits and leases close in the same transaction, and a running handler is fenced off.

    Raises UnknownRun, and RunEnded when it has ended already.
    """
    who = Actor.of(actor)
    with locked(run.pk if isinstance(run, Run) else run) as t:
        if t.run.status in RUN_ENDS:
            error = RunEnded(f"the run has {t.run.status} already", status=t.run.status)
            t.refuse(error, "hitl.cancel.refused", "run", actor=who)
        else:
            why = clean(reason.strip()) or "no reason given"
            progress.finish(t, RunStatus.CANCELLED, code="cancelled", why=why, actor=who)
    return t.run
