"""Parking: look for an answer that is there already, inside the transaction that would park, else let the worker go."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from hitl import decisions, parked, progress
from hitl.conf import conf
from hitl.decisions import Proposal
from hitl.definition import canonical
from hitl.engine.claim import Claimed
from hitl.engine.context.pauses import (
    Park,
    WaitForAny,
    WaitForApproval,
    WaitForRun,
    WaitForSignal,
    WaitForTime,
)
from hitl.engine.outcome import held
from hitl.engine.signals import take_waiting
from hitl.engine.start import child_run
from hitl.models import Approval, Result, Step
from hitl.policies import Asks
from hitl.states import ApprovalStatus, StepStatus
from hitl.transitions import Transition, definition_of


def park(claimed: Claimed, pause: Park) -> bool:
    """Park the step, unless its answer is there already: then keep the lease and return True (enter it again).

    Policies and reviewers are looked up before the run is locked. Raises LeaseLost for a worker that was too slow.
    """
    asks = [pause] if isinstance(pause, WaitForApproval) else list(getattr(pause, "asks", ()))
    origin = Asks(claimed.run, definition_of(claimed.run.workflow_id).name, claimed.step.name, claimed.step.iteration)
    proposals = {ask.key: decisions.prepare(ask.gate, ask.action, asks=origin) for ask in asks}
    if isinstance(pause, WaitForRun):
        canonical(pause.input, what=f"input of run_workflow({pause.name!r})", limit=conf.MAX_PAYLOAD)
    with held(claimed) as (t, step):
        again = _PARK[type(pause)](t, step, pause, proposals)
        progress.settle(t)
    return again


def _signal(t: Transition, step: Step, pause: WaitForSignal, proposals: dict[str, Proposal]) -> bool:
    if take_waiting(t, step, pause.name, pause.sender):
        return True
    _wait(t, step, f"signal:{pause.name}", wake_at=t.now + pause.timeout)
    # Kept beside the results, so that a signal knows on arrival whether this wait takes it.
    _note(t, step, f"wait:{pause.name}", {"sender": pause.sender})
    return False


def _approval(t: Transition, step: Step, pause: WaitForApproval, proposals: dict[str, Proposal]) -> bool:
    _wait(t, step, f"approval:{pause.key}")
    if _ask(t, step, pause, proposals) is not None:
        parked.wake(t, step, guarded=True)
    return False


def _time(t: Transition, step: Step, pause: WaitForTime, proposals: dict[str, Proposal]) -> bool:
    _wait(t, step, f"sleep:{pause.name}" if pause.name else "timer", wake_at=t.now + pause.delta)
    return False


def _run(t: Transition, step: Step, pause: WaitForRun, proposals: dict[str, Proposal]) -> bool:
    child = child_run(t, step, pause.name, pause.workflow, pause.input)
    _wait(t, step, f"run:{child.pk}")
    return False


def _any(t: Transition, step: Step, pause: WaitForAny, proposals: dict[str, Proposal]) -> bool:
    for name in pause.signals:
        row = take_waiting(t, step, name, "any", into=f"any:{pause.name}")
        if row:
            progress.close_approvals(t, why=f"signal {name} came first", steps=[step])
            return True
    _wait(t, step, f"any:{pause.name}", wake_at=t.now + pause.delta)
    keys = [ask.key for ask in pause.asks]
    _note(t, step, f"any-of:{pause.name}", {"signal": list(pause.signals), "approval": keys})
    passing = [ask for ask in pause.asks if proposals[ask.key].passes]
    for ask in passing[:1] or pause.asks:
        passed = _ask(t, step, ask, proposals)
        if passed is not None:
            won = {"kind": "approval", "name": ask.key, "value": str(passed.pk)}
            parked.answer(t, step, f"any:{pause.name}", won)
            progress.close_approvals(t, why=f"approval {ask.key} came first", steps=[step])
            parked.wake(t, step, guarded=True)
    return False


def _ask(t: Transition, step: Step, pause: WaitForApproval, proposals: dict[str, Proposal]) -> Approval | None:
    """Open the request, or keep the one that is pending about the same arguments; returns one that passed at once."""
    old = Approval.objects.filter(step=step.pk, key=pause.key).order_by("-revision").first()
    if old is not None and old.status == ApprovalStatus.PENDING and old.args == pause.action.args:
        return None
    approval = decisions.request(t, step, proposals[pause.key], key=pause.key)
    return None if approval.is_pending else approval


def _wait(t: Transition, step: Step, waiting_for: str, *, wake_at: datetime | None = None) -> None:
    t.move(step, StepStatus.WAITING, waiting_for=waiting_for, wake_at=wake_at)
    t.record("hitl.step.waiting", f"step:{step.name}", step=step.name, waiting_for=waiting_for)


def _note(t: Transition, step: Step, key: str, value: Any) -> None:
    """Keep what a wait is about; entered and parked again, it stands there already."""
    if not Result.objects.filter(step=step, iteration=step.iteration, key=key).exists():
        parked.answer(t, step, key, value)


_PARK: dict[type[Park], Callable[[Transition, Step, Any, dict[str, Proposal]], bool]] = {
    WaitForSignal: _signal,
    WaitForApproval: _approval,
    WaitForTime: _time,
    WaitForRun: _run,
    WaitForAny: _any,
}
