"""What people do to runs: cancel, retry, fork, resolve, freeze."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import transaction

from hitl import audit, progress
from hitl.audit import Actor, Entry
from hitl.audit.reading import last_actor
from hitl.conf import conf
from hitl.definition import canonical, graph
from hitl.definition.action import to_json
from hitl.definition.text import clean
from hitl.engine.outside.builtin import NAMES as BUILTIN
from hitl.engine.start import new_steps
from hitl.exceptions import BadInput, Frozen, NotAllowed, RunEnded, UnknownRun, UnknownStep
from hitl.models import Freeze, Run, Step, sql
from hitl.models.fields import uuid7
from hitl.states import RUN_ENDS, RunStatus, StepStatus
from hitl.transitions import as_uuid, created, definition_of, latest, locked

RESOLVE = ("succeeded", "failed", "retry")


def cancel(run: Run | uuid.UUID | str, *, actor: Any, reason: str = "") -> Run:
    """End a run: open requests, waits and leases close in the same transaction, and a running handler is fenced off.

    Runs it started and waits for are cancelled after it. Raises UnknownRun, and RunEnded when it has ended already.
    """
    who = Actor.of(actor)
    with locked(run.pk if isinstance(run, Run) else run) as t:
        if t.run.status in RUN_ENDS:
            error = RunEnded(f"the run has {t.run.status} already", status=t.run.status)
            t.refuse(error, "hitl.cancel.refused", "run", actor=who)
        else:
            why = clean(reason.strip()) or "no reason given"
            progress.finish(t, RunStatus.CANCELLED, code="cancelled", why=why, actor=who)
    progress.end_children(t.run.pk, actor=who)
    return t.run


def retry(run: Run | uuid.UUID | str, *, actor: Any) -> Run:
    """Try an ended run again from where it failed: a new run, linked by `retry_of`, that keeps what succeeded.

    Protected steps ask again. Raises UnknownRun, and BadInput for a run that has not ended or did not fail.
    """
    old = _read(run)
    steps = latest(list(Step.objects.filter(run=old)))
    failed = [spec.name for spec in definition_of(old.workflow_id).steps if steps[spec.name].status == "failed"]
    if old.status not in RUN_ENDS or old.status == RunStatus.SUCCEEDED:
        raise BadInput(f"only a run that ended badly can be tried again; this one is {old.status}")
    first = failed or [s.name for s in definition_of(old.workflow_id).steps if steps[s.name].status == "cancelled"]
    return _fork(old, first, {}, Actor.of(actor), retry_of=old)


def fork(run: Run | uuid.UUID | str, step: str, *, actor: Any, patch: dict[str, Any] | None = None) -> Run:
    """A new run that begins at a step of another one, keeping the outputs before it; `patch` changes some of them.

    A step behind gates asks again. Raises UnknownRun, UnknownStep, and BadInput for a patch of a step that comes later.
    """
    old = _read(run)
    spec = definition_of(old.workflow_id).by_name.get(step)
    if spec is None or spec.kind == "failure":
        raise UnknownStep(f"workflow {definition_of(old.workflow_id).name!r} has no step {step!r}")
    return _fork(old, [step], patch or {}, Actor.of(actor), forked_from=old)


def resolve(
    run: Run | uuid.UUID | str, step: str, outcome: str, *, actor: Any, output: Any = None, reason: str = ""
) -> Run:
    """Say what became of an uncertain step: `succeeded` (with its output), `failed`, or `retry` it after all.

    A person says so, never a program. Raises UnknownRun, UnknownStep, NotAllowed, and BadInput for another outcome
    or a step that is not uncertain.
    """
    who = Actor.of(actor)
    if not who.is_person:
        raise NotAllowed("a person says what became of it, never a program", reason="agent")
    if outcome not in RESOLVE:
        raise BadInput(f"{outcome!r} is no outcome; there are {', '.join(RESOLVE)}")
    value = to_json(output)
    canonical(value, what="output", limit=conf.MAX_PAYLOAD)
    with locked(run.pk if isinstance(run, Run) else run) as t:
        row = t.step(step)
        if row.status != StepStatus.UNCERTAIN:
            raise BadInput(f"step {step!r} is {row.status}, not uncertain")
        why = clean(reason.strip()) or "no reason given"
        t.record("hitl.step.resolved", f"step:{step}", actor=who, step=step, verdict=outcome, why=why)
        if outcome == "succeeded":
            # Who wrote an output by hand may not approve what is made of it.
            t.set(t.run, authors=progress.with_author(t.run.authors, who))
            t.move(row, StepStatus.SUCCEEDED, output=value)
            progress.follow(t)
        elif outcome == "failed":
            progress.fail_step(t, row, "resolved_failed", why)
        else:
            t.move(row, StepStatus.READY, attempt=row.attempt + 1)
            t.ring(row.queue)
            progress.settle(t)
    return t.run


def freeze(target: str = "all", *, actor: Any, reason: str = "") -> list[Step]:
    """Stop claims of `all`, `workflow:NAME`, `run:ID` or an agent (`key:ID`); returns the steps in flight there.

    Nothing it covers is claimed after it; deadlines go on. Again is fine.
    """
    who = Actor.of(actor)
    target = _checked(target)
    why = clean(reason.strip()) or "no reason given"
    with transaction.atomic():
        sql.hold_freezes()
        rows = Freeze.objects.filter(target=target, lifted_at=None)
        if rows.exists() and who.kind != "key" and frozen_by(target).startswith("key:"):
            rows.update(lifted_at=sql.database_clock())  # from now on it is not the program's to lift
        by = who.id if who.is_person else None
        values = {"by_id": by, "reason": why, "at": sql.database_clock()}
        _, new = Freeze.objects.get_or_create(target=target, lifted_at=None, defaults=values)
        if new:
            audit.append(
                "system", [Entry("hitl.freeze.set", who, f"freeze:{target}"[:200], {"target": target, "why": why})]
            )
    running = Step.objects.filter(status=StepStatus.RUNNING).select_related("run__workflow")
    kind, _, name = target.partition(":")
    if kind == "workflow":
        running = running.filter(run__workflow__name=name)
    elif kind == "run":
        running = running.filter(run=name)
    elif kind != "all":
        running = running.filter(run__principal=target)
    return list(running)


def unfreeze(target: str = "all", *, actor: Any, own: bool = False) -> bool:
    """Lift a freeze; False when there was none. The next sweep rings for what became ready meanwhile. With `own` only
    one that this actor set; raises NotAllowed for another."""
    who, target = Actor.of(actor), _checked(target)
    with transaction.atomic():
        sql.hold_freezes()
        if own and frozen_by(target) not in ("", who.text):
            raise NotAllowed("operators lift it, and who set it", reason="not_operator")
        lifted = Freeze.objects.filter(target=target, lifted_at=None).update(lifted_at=sql.database_clock())
        if lifted:
            audit.append("system", [Entry("hitl.freeze.lifted", who, f"freeze:{target}"[:200], {"target": target})])
    return bool(lifted)


def frozen_by(target: str) -> str:
    """Who set the freeze that stands: an empty text where none does, and `system` where that is not on record."""
    if not Freeze.objects.filter(target=target, lifted_at=None).exists():
        return ""
    return last_actor("system", "hitl.freeze.set", f"freeze:{target}"[:200]) or "system"


def _checked(target: str) -> str:
    """What is to be frozen, as claims look for it; raises BadInput and UnknownRun."""
    kind, _, name = target.partition(":")
    if (kind, bool(name)) not in {("all", False), ("workflow", True), ("run", True), ("key", True), ("user", True)}:
        raise BadInput(f"{target!r} cannot be frozen; write all, workflow:NAME, run:ID, key:ID or user:ID")
    if len(target) > 160:
        raise BadInput("the target is too long")
    return f"run:{as_uuid(name)}" if kind == "run" else target


def _read(run: Run | uuid.UUID | str) -> Run:
    pk = run.pk if isinstance(run, Run) else as_uuid(run)
    found = Run.objects.filter(pk=pk).first()
    if found is None:
        raise UnknownRun(f"there is no run {pk}")
    return found


def _fork(old: Run, first: list[str], patch: dict[str, Any], who: Actor, **link: Run) -> Run:
    definition = definition_of(old.workflow_id)
    if definition.name in BUILTIN:
        raise BadInput("a request that came alone is not begun again: let the agent ask anew")
    if who.kind == "key" and sql.is_frozen([f"run:{old.pk}"]):
        raise Frozen("this run is frozen: it goes on when that is lifted, and not in another run")
    again = set(graph.again(definition, first))
    unknown = sorted(set(patch) & again | set(patch) - definition.by_name.keys())
    if unknown:
        raise BadInput(
            f"these steps run again or do not exist, so their outputs cannot be patched: {', '.join(unknown)}"
        )
    values = {name: to_json(value) for name, value in patch.items()}
    canonical(values, what="patch", limit=conf.MAX_PAYLOAD)
    before = latest(list(Step.objects.filter(run=old)))
    run = Run(
        id=uuid7(),
        workflow_id=old.workflow_id,
        input=old.input,
        principal=old.principal,
        requester_id=old.requester_id,
        on_behalf_of_id=old.on_behalf_of_id,
        authors=progress.with_author(old.authors, who) if patch else old.authors,
        risk=old.risk,
        **link,
    )
    steps = new_steps(run, definition)
    with created(run, steps) as t:
        data = {"workflow": definition.name, "digest": definition.digest, "patched": sorted(patch)}
        t.record("hitl.run.started", "run", actor=who, of=str(old.pk), again=sorted(again), **data)
        for step in steps:
            kept = before.get(step.name)
            if step.name not in again and kept is not None and kept.status in graph.DONE:
                output = values.get(step.name, kept.output)
                if kept.status == StepStatus.SKIPPED:
                    t.move(step, StepStatus.SKIPPED)
                else:
                    t.carry_over(step, output)
        progress.follow(t)
    return run
