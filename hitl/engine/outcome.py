"""What came of a step, written in one fenced transaction with everything that follows from it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from hitl import parked, progress
from hitl.conf import conf
from hitl.definition import Continue, Plan, Restart, StepSpec, canonical, graph
from hitl.definition.action import to_json
from hitl.engine import gates, plans
from hitl.engine.claim import Claimed, Picked
from hitl.exceptions import BadInput, LeaseLost
from hitl.models import Step
from hitl.states import RunStatus, StepStatus
from hitl.transitions import Transition, definition_of, locked

_LONGEST_BACKOFF = 300


def write(claimed: Claimed, value: Any) -> Picked | None:
    """Write what a handler returned; returns a step to go on with inline.

    Raises NotCanonical, TooLarge, InvalidPlan or BadInput for what cannot be taken; a late outcome is refused and
    recorded, and raises LeaseLost.
    """
    if isinstance(value, Continue):
        return _continued(claimed, value)
    if isinstance(value, Plan):
        return _planned(claimed, value)
    if isinstance(value, Restart):
        return _restarted(claimed, value)
    return _succeeded(claimed, value)


def _succeeded(claimed: Claimed, value: Any) -> Picked | None:
    output = to_json(value)
    canonical(output, what=f"output of step {claimed.step.name!r}", limit=conf.MAX_PAYLOAD)
    # The author's code runs in workers, never in the web process that an outside worker talks to.
    found = gates.followers(claimed.run, claimed.step.name, output) if not claimed.spec.external else {}
    with held(claimed) as (t, step):
        t.move(step, StepStatus.SUCCEEDED, output=output)
        t.record("hitl.step.succeeded", f"step:{step.name}", actor=claimed.by, step=step.name, attempt=step.attempt)
        if step.kind == "failure":
            progress.end_as_told(t, step)
        else:
            progress.follow(t, opened=gates.opener(found))
        inline = _inline(t, step)
    return inline


def _continued(claimed: Claimed, turn: Continue) -> Picked | None:
    """One turn of an agent loop is over: keep its state, count it, and go on unless a limit says no."""
    loop = claimed.spec.loop
    if loop is None:
        raise BadInput(f"step {claimed.step.name!r} is no agent_loop, so it cannot Continue")
    state = to_json(turn.state)
    canonical(state, what=f"state of step {claimed.step.name!r}", limit=conf.MAX_PAYLOAD)
    with held(claimed) as (t, step):
        worked = (t.now - (step.started_at or t.now)).total_seconds() - step.waited
        if step.iteration + 1 >= loop.max_iterations:
            progress.fail_step(t, step, "max_iterations", f"not done after {loop.max_iterations} iterations")
        elif loop.max_duration is not None and worked > loop.max_duration:
            progress.fail_step(t, step, "max_duration", f"not done after {worked:.0f} s of work")
        else:
            ready = t.now + timedelta(seconds=loop.delay)
            iteration = step.iteration + 1
            t.move(step, StepStatus.READY, iteration=iteration, attempt=1, checkpoint=state, ready_at=ready)
            t.record("hitl.step.continued", f"step:{step.name}", actor=claimed.by, step=step.name, iteration=iteration)
            progress.settle(t)
        inline = _inline(t, step, entered=True) if not loop.delay else None
    return inline


def _planned(claimed: Claimed, plan: Plan) -> Picked | None:
    specs = plans.read_plan(plan, claimed.step, claimed.spec)
    with held(claimed) as (t, step):
        t.move(step, StepStatus.WAITING, waiting_for="plan")
        plans.expand(t, step, specs)
        progress.follow(t)
        inline = _inline(t, step)
    return inline


def _restarted(claimed: Claimed, back: Restart) -> Picked | None:
    """A failure handler sends the run back to a step, a bounded number of times."""
    if claimed.step.kind != "failure":
        raise BadInput(f"Restart({back.step!r}) is for on_failure handlers")
    if back.step not in graph.upstream(_definition(claimed), claimed.spec.failure_of):
        raise BadInput(f"Restart({back.step!r}): only {claimed.spec.failure_of!r} or a step before it can begin again")
    with held(claimed) as (t, step):
        told = claimed.step.checkpoint or {}
        t.move(step, StepStatus.SUCCEEDED)
        t.record("hitl.step.succeeded", f"step:{step.name}", step=step.name, attempt=step.attempt)
        if step.revision > claimed.spec.max_restarts:
            why = f"started over {claimed.spec.max_restarts} times; last: {told.get('why', '')}"
            progress.finish(t, RunStatus.FAILED, code="max_restarts", why=why)
        else:
            progress.restart(t, back.step, back.instructions or told.get("why", ""), why=told.get("why", ""))
            progress.follow(t)
        inline = _inline(t, step)
    return inline


def failed(claimed: Claimed, *, code: str, why: str, retry: bool, after: timedelta | None = None) -> None:
    """The handler raised: try again later, or fail the run."""
    spec = claimed.spec
    with held(claimed) as (t, step):
        if retry and step.attempt < spec.max_attempts:
            wait = backoff(spec.backoff, step.attempt) if after is None else after
            t.move(step, StepStatus.READY, ready_at=t.now + wait, attempt=step.attempt + 1)
            t.record("hitl.step.retried", f"step:{step.name}", step=step.name, why=why, attempt=step.attempt)
            progress.settle(t)
        else:
            progress.fail_step(t, step, code, why)


def give_back(claimed: Claimed) -> None:
    """This worker has no handler for the step: let others claim it; when none has for a while, it waits visibly."""
    with held(claimed) as (t, step):
        parked.without_code(t, step)


def backoff(base: float, attempt: int) -> timedelta:
    """How long to wait before the next attempt: doubling, at most five minutes, spread a little."""
    wait = min(base * 2 ** (attempt - 1), _LONGEST_BACKOFF)
    return timedelta(seconds=wait * random.uniform(0.9, 1.1))  # noqa: S311 - spreads load, guards nothing


@contextmanager
def held(claimed: Claimed) -> Iterator[tuple[Transition, Step]]:
    """Lock the run for this step's outcome. When the lease is lost, the refusal is recorded and committed first, and
    LeaseLost is raised: from the check, before the body runs."""
    refused: LeaseLost | None = None
    with locked(claimed.run.pk) as t:
        try:
            step = t.held(claimed.step)
        except LeaseLost as error:
            refused = error
            name = claimed.step.name
            t.record(
                "hitl.step.refused", f"step:{name}", actor=claimed.by, step=name, why=error.message, code=error.code
            )
        else:
            if claimed.owner is not None:  # what their program makes of the run is not theirs to approve
                t.set(t.run, authors=progress.with_author(t.run.authors, claimed.owner))
            yield t, step
    if refused is not None:
        raise refused


def _inline(t: Transition, done: Step, *, entered: bool = False) -> Picked | None:
    """A step that became ready on our own queue: this worker goes on with it and needs no bell for it."""
    ready = [step for step in t.readied if step.queue == done.queue]
    if len(ready) == 1:
        t.unring(done.queue)
    if not ready:
        return None
    step = ready[0]
    return Picked(
        step.pk,
        t.run.pk,
        step.name,
        t.run.workflow_id,
        step.guarded,
        entered=entered,
        planned=step.spec,
        principal=t.run.principal,
    )


def _definition(claimed: Claimed) -> tuple[StepSpec, ...]:
    return definition_of(claimed.run.workflow_id).steps
