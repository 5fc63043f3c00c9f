"""What came of a step, written in one fenced transaction with everything that follows from it."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

from hitl import decisions, progress
from hitl.audit import SYSTEM
from hitl.conf import conf
from hitl.definition import canonical
from hitl.definition.action import to_json
from hitl.engine import gates
from hitl.engine.claim import Claimed, Picked
from hitl.engine.context import Pause, WaitForApproval, WaitForSignal
from hitl.engine.signals import take_waiting
from hitl.exceptions import LeaseLost
from hitl.models import Approval, Result, Step
from hitl.states import ApprovalStatus, StepStatus
from hitl.transitions import Transition, locked

_LONGEST_BACKOFF = 300


def succeeded(claimed: Claimed, value: Any) -> Picked | None:
    """The step is done: store its output, start or open what follows. Returns a step to go on with inline.

    Raises NotCanonical or TooLarge for an output that cannot be kept, LeaseLost when the outcome came too late.
    """
    output = to_json(value)
    canonical(output, what=f"output of step {claimed.step.name!r}", limit=conf.MAX_PAYLOAD)
    found = gates.followers(claimed.run, claimed.step.name, output)
    with locked(claimed.run.pk) as t:
        step = _held(t, claimed)
        if step is None:
            return None
        t.move(step, StepStatus.SUCCEEDED, output=output)
        t.record("hitl.step.succeeded", f"step:{step.name}", step=step.name, attempt=step.attempt)
        progress.follow(t, opened=gates.opener(found))
        inline = _inline(t, step)
    return inline


def failed(claimed: Claimed, *, code: str, why: str, retry: bool, after: timedelta | None = None) -> None:
    """The handler raised: try again later, or fail the run."""
    spec = claimed.spec
    with locked(claimed.run.pk) as t:
        step = _held(t, claimed)
        if step is None:
            return
        if retry and step.attempt < spec.max_attempts:
            wait = after or backoff(spec.backoff, step.attempt)
            t.move(step, StepStatus.READY, ready_at=t.now + wait, attempt=step.attempt + 1)
            t.record("hitl.step.retried", f"step:{step.name}", step=step.name, why=why, attempt=step.attempt)
            progress.settle(t)
        else:
            progress.fail_step(t, step, code, why)


def paused(claimed: Claimed, pause: Pause) -> bool:
    """Park the step, unless its answer is there already: then keep the lease and return True (enter it again)."""
    proposal = decisions.prepare(pause.gate, pause.action) if isinstance(pause, WaitForApproval) else None
    with locked(claimed.run.pk) as t:
        step = _held(t, claimed)
        if step is None:
            return False
        if isinstance(pause, WaitForSignal):
            if take_waiting(t, step, pause.name, pause.sender):
                return True
            until = t.now + pause.timeout
            _park(t, step, f"signal:{pause.name}", wake_at=until)
            t.add(_waiting(t, step, pause))
        elif isinstance(pause, WaitForApproval):
            assert proposal is not None
            _park(t, step, f"approval:{pause.key}")
            old = Approval.objects.filter(step=step.pk, key=pause.key).order_by("-revision").first()
            again = old is not None and old.status == ApprovalStatus.PENDING and old.args == pause.action.args
            if not again:
                decisions.request(t, step, proposal, key=pause.key)
        progress.settle(t)
    return False


def give_back(claimed: Claimed) -> None:
    """This worker has no handler for the step: let others claim it, a little later."""
    with locked(claimed.run.pk) as t:
        step = _held(t, claimed)
        if step is not None:
            t.move(step, StepStatus.READY, ready_at=t.now + timedelta(seconds=5))


def backoff(base: float, attempt: int) -> timedelta:
    """How long to wait before the next attempt: doubling, at most five minutes, spread a little."""
    wait = min(base * 2 ** (attempt - 1), _LONGEST_BACKOFF)
    return timedelta(seconds=wait * random.uniform(0.9, 1.1))  # noqa: S311 - spreads load, guards nothing


def _held(t: Transition, claimed: Claimed) -> Step | None:
    """The locked row if our lease still holds; otherwise the late outcome is refused, and that is recorded."""
    try:
        return t.held(claimed.step)
    except LeaseLost as error:
        step = claimed.step
        t.refuse(error, "hitl.step.refused", f"step:{step.name}", actor=SYSTEM, step=step.name)
        return None


def _park(t: Transition, step: Step, waiting_for: str, **fields: Any) -> None:
    t.move(step, StepStatus.WAITING, waiting_for=waiting_for, **fields)
    t.record("hitl.step.waiting", f"step:{step.name}", step=step.name, waiting_for=waiting_for)


def _waiting(t: Transition, step: Step, pause: WaitForSignal) -> Result:
    # Kept beside the results, so that a signal knows on arrival whether this wait takes it.
    value = {"sender": pause.sender}
    return Result(step=step, iteration=step.iteration, key=f"wait:{pause.name}", value=value, created_at=t.now)


def _inline(t: Transition, done: Step) -> Picked | None:
    """A step that became ready on our own queue: this worker goes on with it and needs no bell for it."""
    ready = [step for step in t.readied if step.queue == done.queue]
    if len(ready) == 1:
        t.unring(done.queue)
    if not ready:
        return None
    step = ready[0]
    return Picked(step.pk, t.run.pk, step.name, t.run.workflow_id, step.guarded, entered=False)
