"""Taking what came of a request, once; and saying what came of running it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from hitl import progress
from hitl.conf import conf
from hitl.decisions.acts.scene import Scene, acting
from hitl.decisions.expire import expire_now
from hitl.engine import outcome
from hitl.engine.claim import freezes_over, use_grants
from hitl.engine.outside.builtin import ACT, NAMES
from hitl.engine.outside.told import Told, newest, own, tell
from hitl.engine.outside.workers import hold
from hitl.exceptions import AlreadyConsumed, BadInput, BatchOpen, Frozen, NotDecided, TooEarly
from hitl.models import Approval, Run, Step, sql
from hitl.states import ApprovalStatus, StepStatus
from hitl.transitions import Transition, definition_of


@dataclass(frozen=True, slots=True)
class Taken:
    """What the first who asks gets: the request, what came of it, and where it was approved the lease's token and until
    when the outcome is to be reported."""

    approval: Approval
    told: Told
    token: UUID | None = None
    report_by: datetime | None = None


def released(approval: Approval) -> bool:
    """Whether its answer may be used: alone at once, in a batch when all of it was asked and decided."""
    if not approval.batch or approval.batch_size is None:
        return True
    rows = Approval.objects.all().of_batch(approval).order_by("revision").values_list("run", "status")
    newest_of = {**dict(rows), approval.run_id: approval.status}  # what was proposed again counts once
    return len(newest_of) >= approval.batch_size and ApprovalStatus.PENDING not in newest_of.values()


def take(approval: Any, *, actor: Any) -> Taken:
    """Take what came of a request, once: whoever is second gets AlreadyConsumed, so that of two resumes one acts.

    Of an approved one the grant is used: the agent runs exactly `told.args` now, and reports. Any other end is marked
    as taken. Raises UnknownApproval, NotDecided, BatchOpen, TooEarly (cool-off), Frozen, AlreadyConsumed, and BadInput
    for the request of a workflow, whose own step uses it.
    """
    row = newest(own(approval, actor))
    _check(row)
    with acting(row, actor=actor, act="consume") as scene:
        step = _use(scene)
        token, until = (step.lease_token, step.lease_expires_at) if step is not None else (None, None)
    row = Approval.objects.select_related("run__workflow", "step").get(pk=row.pk)
    told = tell(row)
    if told is None:  # it was overdue, and went up the ladder instead of ending
        raise NotDecided()
    if step is None and row.taken_at is None:  # its time was over: then that is what came of it
        return take(row, actor=actor)
    return Taken(row, told, token, until)


def report(approval: Any, token: UUID, *, actor: Any, output: Any = None, error: str | None = None) -> Run:
    """Say what came of running it: its output, or the error. Raises UnknownApproval, NotDecided where nothing was
    taken, and LeaseLost where the time to report is over or somebody else took it since."""
    row = newest(own(approval, actor))
    step = Step.objects.filter(run=row.run_id, name=ACT).order_by("-revision").first()
    if step is None or row.consumed_at is None:
        raise NotDecided("nothing was taken of this, so that there is nothing to report")
    held = hold(step.pk, token, actor=actor, ends=True, alone=True)
    if error is None:
        outcome.write(held, output)
    else:
        outcome.failed(held, code="reported_failed", why=error, retry=False)
    return Run.objects.select_related("workflow").get(pk=row.run_id)


def _check(row: Approval) -> None:
    """What is found without a lock, so that asking too early, again and again, leaves no lines."""
    workflow = definition_of(row.run.workflow_id).name
    if workflow not in NAMES:
        raise BadInput("this was asked by a step of a workflow, which goes on by itself")
    if row.is_pending and sql.database_clock() < row.expires_at:
        raise NotDecided()
    if not row.is_pending and not released(row):
        raise BatchOpen(batch=row.batch)
    _check_fresh(row)
    if row.status == ApprovalStatus.APPROVED and row.consumed_at is None:
        if sql.is_frozen(freezes_over(workflow, row.run_id, row.run.principal)):
            raise Frozen()
        if row.not_before is not None and sql.database_clock() < row.not_before:
            raise _too_early(row.not_before)


def _check_fresh(row: Approval) -> None:
    """Nobody has taken it; a step that a person lets happen again may be."""
    if row.taken_at is not None:
        raise AlreadyConsumed("the answer was taken already", taken_at=row.taken_at.isoformat())
    again = Step.objects.filter(run=row.run_id, name=ACT, status=StepStatus.READY)
    if row.consumed_at is not None and not again.exists():
        raise AlreadyConsumed("the approval was used already", consumed_at=row.consumed_at.isoformat())


def _use(scene: Scene) -> Step | None:
    """The step that holds the lease now, or None where there is nothing to run."""
    t, row = scene.t, scene.approval
    if row.is_pending and t.now >= row.expires_at:
        expire_now(t, row)
    if row.is_pending:
        return None
    if not released(row):  # its time ran out just now, while others of its batch are open
        raise BatchOpen(batch=row.batch)
    if row.status != ApprovalStatus.APPROVED:
        if row.taken_at is not None:
            raise AlreadyConsumed("the answer was taken already", taken_at=row.taken_at.isoformat())
        t.set(row, taken_at=t.now)
        scene.record("hitl.approval.taken", outcome=str(row.status))
        return None
    return _start(t, row)


def _start(t: Transition, row: Approval) -> Step | None:
    step = t.step(ACT)
    if step.status != StepStatus.READY:
        told = {"consumed_at": row.consumed_at.isoformat()} if row.consumed_at else {}
        raise AlreadyConsumed("the approval was used already", **told)
    if step.ready_at is not None and t.now < step.ready_at:
        raise _too_early(step.ready_at)
    sql.hold_freezes(shared=True)
    if sql.is_frozen(freezes_over(t.definition.name, t.run.pk, t.run.principal)):
        raise Frozen()
    if use_grants(t, step) is None:
        return None
    t.lease(step, timedelta(seconds=row.report_within or conf.REPORT_WITHIN.total_seconds()))
    progress.settle(t)
    return step


def _too_early(at: datetime) -> TooEarly:
    return TooEarly(f"it may start at {at.isoformat()}", not_before=at.isoformat())
