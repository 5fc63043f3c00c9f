"""Claiming a step: who may run it now, and is what it is about to do still what was approved?"""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from hitl import progress
from hitl.audit import SYSTEM, Actor
from hitl.crashpoints import crashpoint
from hitl.decisions.expire import lapse
from hitl.definition import StepSpec
from hitl.definition.binding import binding_digest
from hitl.models import Approval, Run, Step, sql
from hitl.states import ApprovalStatus, StepStatus
from hitl.transitions import Transition, claim_plain, definition_of, locked, planned_spec

_HANDFUL = 8


@dataclass(frozen=True, slots=True)
class Picked:
    """A step that looked ready without a lock; claiming it finds out."""

    step_id: uuid.UUID
    run_id: uuid.UUID
    name: str
    workflow_id: int
    guarded: bool
    entered: bool
    planned: dict[str, Any] | None = None
    principal: str = ""
    worker: str = ""

    @property
    def freezes(self) -> list[str]:
        """The freezes that would cover it."""
        return freezes_over(definition_of(self.workflow_id).name, self.run_id, self.principal, self.worker)

    @property
    def spec(self) -> StepSpec:
        """What the definition, or its plan, says of it."""
        return planned_spec(self.planned) if self.planned else definition_of(self.workflow_id).by_name[self.name]


@dataclass(frozen=True, slots=True)
class Claimed:
    """A step this worker holds a lease on, its run, the approvals whose grants it used, and which program outside holds
    it, with the person who owns its key, if it is one."""

    step: Step
    run: Run
    grants: tuple[Approval, ...] = ()
    by: Actor = SYSTEM
    owner: Actor | None = None

    @property
    def spec(self) -> StepSpec:
        """What the definition, or its plan, says of it."""
        if self.step.spec is not None:
            return planned_spec(self.step.spec)
        return definition_of(self.run.workflow_id).by_name[self.step.name]


def freezes_over(workflow: str, run_id: uuid.UUID, *principals: str) -> list[str]:
    """The freezes that would cover a step of this run, for whoever started it and whoever would work on it."""
    return ["all", f"workflow:{workflow}", f"run:{run_id}", *filter(None, principals)]


def pick(queue: str) -> list[Picked]:
    """A handful of steps that look ready, in random order so that workers get into each other's way less."""
    picked = [Picked(*row) for row in sql.ready_steps(queue, _HANDFUL)]
    random.shuffle(picked)
    return picked


def claim(picked: Picked, lease: timedelta | None = None) -> Claimed | None:
    """Make the step running under our lease (of `HITL_LEASE`, if none is named), or None when it is not ours to run
    (any more)."""
    if picked.guarded:
        return _claim_guarded(picked, lease)
    step = claim_plain(picked.step_id, picked.freezes, lease)
    return None if step is None else Claimed(step, sql.read_run(picked.run_id))


def _claim_guarded(picked: Picked, lease: timedelta | None) -> Claimed | None:
    """Claim under the run's lock, using up the grants that let it run. A grant that is gone ends the run instead."""
    with locked(picked.run_id) as t:
        step = t.steps.get(picked.name)
        if step is None or step.pk != picked.step_id or step.status != StepStatus.READY or not step.guarded:
            return None
        if step.ready_at is not None and step.ready_at > t.now:
            return None
        sql.hold_freezes(shared=True)
        if sql.is_frozen(picked.freezes):
            return None
        grants = use_grants(t, step)
        if grants is None:
            return None
        if not t.spec(step).gates and not t.spec(step).repeatable:
            t.record("hitl.step.started", f"step:{step.name}", step=step.name, attempt=step.attempt)
        t.lease(step, lease)
    crashpoint("after_claim")
    return Claimed(step, t.run, tuple(grants))


def use_grants(t: Transition, step: Step) -> list[Approval] | None:
    """Use up what lets this step run, in the caller's transition; None where it may not (yet): a cool-off puts it off,
    a grant that is gone ends the run."""
    grants = _grants(t, step)
    if not _complete(t, step, grants) or not all(_usable(t, step, grant) for grant in grants):
        return None
    for grant in grants:
        if grant.consumed_at is None:
            t.set(grant, consumed_at=t.now, consumed_by=step)
            t.record(
                "hitl.grant.consumed",
                f"approval:{grant.pk}",
                step=step.name,
                title=grant.title,
                digest=grant.current_digest,
            )
    return grants


def _grants(t: Transition, step: Step) -> list[Approval]:
    """The newest approval of every gate before the step, and what its own handler was granted."""
    gates = {t.step(name).pk for name in t.spec(step).gates}
    rows = sql.lock_approvals(t.run.pk, [*gates, step.pk])
    newest = {(row.step_id, row.key): row for row in rows}
    return [row for (owner, _), row in newest.items() if owner in gates or row.status == ApprovalStatus.APPROVED]


def _complete(t: Transition, step: Step, grants: list[Approval]) -> bool:
    """Whether every gate before the step was asked at all in this run; closed on doubt."""
    asked = {grant.step_id for grant in grants}
    missing = [name for name in t.spec(step).gates if t.step(name).pk not in asked]
    if missing:
        _refuse(t, step, "grant_missing", f"nobody was asked at {', '.join(missing)}")
    return not missing


def _usable(t: Transition, step: Step, grant: Approval) -> bool:
    """Whether this step may run on this grant; if it never may, the run ends here and says why."""
    if grant.status != ApprovalStatus.APPROVED or (grant.consumed_at and grant.consumed_by_id != step.pk):
        _refuse(t, step, "grant_missing", f"its approval is {grant.status}, or was used by another step")
    elif grant.consumed_at is None and grant.not_before and t.now < grant.not_before:
        t.set(step, ready_at=grant.not_before)
    elif grant.consumed_at is None and grant.execute_by and t.now >= grant.execute_by:
        lapse(t, grant)
    elif binding_digest(grant.current_bytes) != grant.current_digest:
        _refuse(t, step, "digest_mismatch", "the stored action is not the one that was approved")
    else:
        return True
    return False


def _refuse(t: Transition, step: Step, code: str, why: str) -> None:
    t.record("hitl.grant.refused", f"step:{step.name}", step=step.name, code=code, why=why)
    progress.fail_step(t, step, code, why)
