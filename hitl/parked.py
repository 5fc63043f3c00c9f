"""What wakes a handler that waits: the answer is stored under the wait's name, and the step is ready again."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from hitl import progress
from hitl.models import Result, Step
from hitl.states import StepStatus
from hitl.transitions import Transition


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
    progress.close_approvals(t, why=f"{kind} {name} came first", step=step)
