"""What follows from a change: which steps start, how the run stands, and what closes when it ends.

Decisions, signals, timers and workers all end with these functions: a run goes on the same way whoever moved it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q

from hitl.audit import SYSTEM, Actor
from hitl.definition import StepSpec, graph
from hitl.exceptions import BadInput
from hitl.models import Approval, Result, Run, Step
from hitl.states import RUN_ENDS, STEP_ENDS, ApprovalStatus, RunStatus, StepStatus
from hitl.transitions import Transition, locked

Opener = Callable[[Transition, Step, StepSpec], bool]


def follow(t: Transition, *, opened: Opener | None = None, not_before: datetime | None = None) -> None:
    """Make everything startable ready, then bring the run's status up to date.

    `opened` may take a step itself (a worker opens a gate it evaluated beforehand, or skips a step) and says whether
    it did; whatever it leaves is made ready for a worker. `not_before` delays what becomes ready (cool-off).
    """
    while True:
        fresh = graph.startable(t.specs, statuses(t))
        for spec in fresh:
            step = t.step(spec.name)
            if opened is None or not opened(t, step, spec):
                t.move(step, StepStatus.READY, ready_at=max(t.now, not_before or t.now))
                t.ring(step.queue)
        if not _end_plans(t) and not fresh:
            break
    settle(t)


def settle(t: Transition) -> None:
    """Let the run's status follow from its steps'. A failure handler nobody needed keeps nothing open."""
    found = {s.status for s in t.steps.values() if not (s.kind == "failure" and s.status == StepStatus.PENDING)}
    if found <= STEP_ENDS:
        finish(t, RunStatus.SUCCEEDED)
        return
    active = found & {StepStatus.READY, StepStatus.RUNNING}
    status = RunStatus.RUNNING if active else RunStatus.WAITING
    if t.run.status != status:
        if t.run.status == RunStatus.PENDING and status == RunStatus.WAITING:
            t.move(t.run, RunStatus.RUNNING)
        t.move(t.run, status)


def finish(t: Transition, status: RunStatus, *, code: str = "", why: str = "", actor: Actor = SYSTEM) -> None:
    """End the run, and with it everything that is open: steps, waits, leases, requests, unused grants."""
    clean = status == RunStatus.SUCCEEDED and {s.status for s in t.steps.values()} == {StepStatus.SUCCEEDED}
    if not clean:  # otherwise every grant was used by the step it protects
        close_approvals(t, why=why or f"the run {status.value}")
    for step in t.steps.values():
        if step.status not in STEP_ENDS:
            unneeded = step.kind == "failure" and status == RunStatus.SUCCEEDED
            t.move(step, StepStatus.SKIPPED if unneeded else StepStatus.CANCELLED)
    fields: dict[str, Any] = {"failure_code": code, "failure_text": why}
    if status == RunStatus.SUCCEEDED:
        fields = {"output": _output(t)}
    t.move(t.run, status, **fields)
    t.record(f"hitl.run.{status.value}", "run", actor=actor, **({"code": code, "why": why or code} if code else {}))
    if t.run.parent_step_id is not None:
        child = t.run.pk
        transaction.on_commit(lambda: wake_parent(Run.objects.get(pk=child)), robust=True)


def end_children(run_id: Any, *, actor: Actor = SYSTEM) -> None:
    """Cancel the runs that an ended run had started and waited for, each in a transaction of its own."""
    for child in Run.objects.live().filter(parent_step__run=run_id):
        with locked(child.pk) as t:
            if t.run.status not in RUN_ENDS:
                why = "the run that waited for it was cancelled"
                finish(t, RunStatus.CANCELLED, code="cancelled", why=why, actor=actor)
        end_children(child.pk, actor=actor)


def fail_step(t: Transition, step: Step, code: str, why: str) -> None:
    """A step failed for good: its failure handler has a word, or the run fails with it."""
    t.move(step, StepStatus.FAILED, failure_code=code, failure_text=why)
    t.record("hitl.step.failed", f"step:{step.name}", step=step.name, code=code, why=why)
    refuse_step(t, step, RunStatus.FAILED, code, f"step {step.name}: {why}")


def refuse_step(t: Transition, step: Step, status: RunStatus, code: str, why: str) -> None:
    """A step has ended badly: start its failure handler if there is one, else end the run as `status`."""
    planner = step.name.partition("/")[0]  # of a planned step
    handler = t.steps.get(f"{step.name}.on_failure") or t.steps.get(f"{planner}.on_failure")
    if handler is None or handler.status != StepStatus.PENDING:
        finish(t, status, code=code, why=why)
        return
    t.set(handler, instructions=why, checkpoint={"status": status.value, "code": code, "why": why})
    t.move(handler, StepStatus.READY)
    t.ring(handler.queue)
    settle(t)


def end_as_told(t: Transition, handler: Step) -> None:
    """A failure handler is done and goes nowhere: the run ends as it would have without it."""
    told = Step.objects.values_list("checkpoint", flat=True).get(pk=handler.pk) or {}
    finish(t, RunStatus(told["status"]), code=told["code"], why=told["why"])


def restart(t: Transition, name: str, instructions: str, *, why: str) -> None:
    """Begin again at a step, with everything that comes after it: new rows at the next revision, old ones closed.

    The gates before all that are asked again: what they granted was used up.
    """
    again = graph.again(t.definition, [name])
    planned = [s.name for s in t.steps.values() if s.spec is not None and s.name.split("/")[0] in again]
    old_rows = [t.step(old) for old in (*again, *planned)]
    close_approvals(t, why=why, steps=old_rows)  # a grant of the past must neither be used nor lapse
    for step in old_rows:
        if step.status not in STEP_ENDS:
            t.move(step, StepStatus.CANCELLED)
    rows = []
    for old in (t.step(old) for old in again):
        spec = t.definition.by_name[old.name]
        fresh = Step(run=t.run, name=old.name, kind=old.kind, queue=spec.row_queue, guarded=spec.guarded)
        fresh.revision = old.revision + 1
        fresh.instructions = instructions if old.name == name else ""
        rows.append(fresh)
    t.add(*rows)
    t.record("hitl.step.restarted", f"step:{name}", step=name, revision=t.step(name).revision, why=why)


def close_approvals(t: Transition, *, why: str, steps: Iterable[Step] | None = None) -> None:
    """Cancel pending requests and take back unused grants, of the whole run or of some steps."""
    unused = Q(status=ApprovalStatus.PENDING) | Q(status=ApprovalStatus.APPROVED, consumed_at=None)
    rows = Approval.objects.filter(unused, run=t.run).select_for_update().order_by("id")
    for approval in rows if steps is None else rows.filter(step__in=[step.pk for step in steps]):
        if t.knows(approval):
            continue
        pending = approval.status == ApprovalStatus.PENDING
        t.move(approval, ApprovalStatus.CANCELLED if pending else ApprovalStatus.REVOKED)
        if pending:
            t.set(approval, decided_via="cancel")
        name = "cancelled" if pending else "revoked"
        t.record(f"hitl.approval.{name}", f"approval:{approval.pk}", title=approval.title, why=why)


def with_author(authors: str, who: Actor) -> str:
    """The people who changed outputs by hand, or whose program made them, with one more: they do not approve what is
    made of it. Raises BadInput when the list is full."""
    if not who.is_person or f",{who.id}," in authors:
        return authors
    longer = f"{authors or ','}{who.id},"
    if len(longer) > 500:
        raise BadInput("too many people have changed this run by hand; start a new one")
    return longer


def wake_parent(child: Run) -> bool:
    """Hand a child's end to the step that waits for it, in a transaction of the parent; False when it was told."""
    if child.parent_step is None or child.status not in RUN_ENDS:
        return False
    with locked(child.parent_step.run_id) as t:
        step = t.step_by_id(child.parent_step.pk)
        if step is None or step.status != StepStatus.WAITING or step.waiting_for != f"run:{child.pk}":
            return False
        value = {"status": child.status, "output": child.output, "code": child.failure_code, "why": child.failure_text}
        key = f"run:{child.external_id}"
        t.add(Result(step=step, iteration=step.iteration, key=key, value=value, created_at=t.now))
        if child.authors:  # who wrote it by hand does not approve what is made of it
            wrote = sorted({*t.run.authors.split(","), *child.authors.split(",")} - {""})
            t.set(t.run, authors=f",{','.join(wrote)},")
        t.move(step, StepStatus.READY)
        t.record("hitl.step.resumed", f"step:{step.name}", step=step.name, why=f"its run {child.status}")
        t.ring(step.queue)
        settle(t)
    return True


def statuses(t: Transition) -> dict[str, str]:
    """Every step's status, as it will be."""
    return {name: step.status for name, step in t.steps.items()}


def _end_plans(t: Transition) -> bool:
    """End planners whose steps have all ended well; returns whether any did."""
    ended = False
    for planner in [s for s in t.steps.values() if s.status == StepStatus.WAITING and s.waiting_for == "plan"]:
        children = [s for s in t.steps.values() if s.parent_id == planner.pk]
        if all(child.status in graph.DONE for child in children):
            stored = dict(Step.objects.filter(parent=planner.pk).values_list("pk", "output"))
            known = {child.pk: child.output for child in children if "output" in child.__dict__}
            outputs = {child.name.rsplit("/", 1)[1]: (stored | known).get(child.pk) for child in children}
            t.move(planner, StepStatus.SUCCEEDED, output=outputs)
            t.record("hitl.step.succeeded", f"step:{planner.name}", step=planner.name, attempt=planner.attempt)
            ended = True
    return ended


def _output(t: Transition) -> Any:
    """The output of the last step, or of each of them by name where there are several."""
    ends = [spec.name for spec in graph.sinks(t.definition)]
    outputs = {name: t.step(name).output for name in ends}
    return outputs[ends[0]] if len(ends) == 1 else outputs
