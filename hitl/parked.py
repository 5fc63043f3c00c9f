"""What wakes a handler that waits: the answer is stored under the wait's name, and the step is ready again."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from hitl import audit, progress
from hitl.conf import conf
from hitl.models import Result, Step
from hitl.states import StepStatus
from hitl.transitions import Transition

_ELSEWHERE = timedelta(seconds=5)  # how long others have to take what this worker lacks the code for


def answer(t: Transition, step: Step, key: str, value: Any) -> None:
    """Store what a wait returns when the handler is entered again."""
    t.add(Result(step=step, iteration=step.iteration, key=key, value=value, created_at=t.now))


def wake(t: Transition, step: Step, *, why: str = "", ready_at: datetime | None = None, guarded: bool = False) -> None:
    """Let the handler be entered again; `guarded` when its claim has a grant to use."""
    t.move(step, StepStatus.READY, ready_at=max(t.now, ready_at or t.now), guarded=step.guarded or guarded)
    if why:
        t.record("hitl.step.resumed", f"step:{step.name}", step=step.name, why=why)
    t.ring(step.queue)
    progress.settle(t)


def without_code(t: Transition, step: Step) -> None:
    """The worker that has this step lacks its code. Let others look every few seconds; when none has had it for
    `HITL_HANDLER_WAIT`, the step waits visibly, and is looked at again from time to time.

    `parked_at` keeps since when nobody has it; it stands on record once.
    """
    since = step.parked_at or t.now
    kept = {"parked_at": since, "waited": step.waited}
    if t.now - since >= conf.HANDLER_WAIT:
        t.move(step, StepStatus.WAITING, waiting_for="handler", wake_at=t.now + conf.HANDLER_WAIT / 2, **kept)
        told = audit.records_of(t.run.stream).filter(subject=f"step:{step.name}", action="hitl.step.waiting")
        if not told.filter(at__gte=since).exists():
            t.record("hitl.step.waiting", f"step:{step.name}", step=step.name, waiting_for="its handler")
    elif step.status == StepStatus.READY:
        t.set(step, ready_at=t.now + _ELSEWHERE, **kept)
    else:
        t.move(step, StepStatus.READY, ready_at=t.now + _ELSEWHERE, **kept)
    progress.settle(t)


def look_again(t: Transition, step: Step) -> None:
    """A worker may have the code of a step that waits for it."""
    t.move(step, StepStatus.READY, parked_at=step.parked_at, waited=step.waited)
    t.ring(step.queue)
    progress.settle(t)


def waits_for(step: Step, kind: str, name: str) -> bool:
    """Whether a waiting step waits for this signal or approval, alone or as one of several."""
    if step.status != StepStatus.WAITING:
        return False
    if step.waiting_for == f"{kind}:{name}":
        return True
    return step.waiting_for.startswith("any:") and name in any_of(step)[kind]


def any_of(step: Step) -> dict[str, list[str]]:
    """The signals and approvals a `wait_any` waits for."""
    key = f"any-of:{step.waiting_for.removeprefix('any:')}"
    row = Result.objects.filter(step=step, iteration=step.iteration, key=key).order_by("-id").first()
    return {"signal": [], "approval": []} if row is None else dict(row.value)


def win(t: Transition, step: Step, kind: str, name: str, value: Any) -> None:
    """One of several came first: store it, and close the requests that lost."""
    waited = step.waiting_for.removeprefix("any:")
    answer(t, step, f"any:{waited}", {"kind": kind, "name": name, "value": value})
    progress.close_approvals(t, why=f"{kind} {name} came first", steps=[step])
