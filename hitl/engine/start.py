"""Starting a run: one transaction, once for one idempotency key."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Max

from hitl import progress
from hitl.audit import Actor
from hitl.conf import conf
from hitl.definition import Definition, canonical, registry
from hitl.definition.values import RISKS
from hitl.exceptions import BadInput, IdempotencyConflict
from hitl.models import Run, Step, Workflow
from hitl.models.fields import uuid7
from hitl.transitions import Transition, created

_rows: dict[tuple[str, str], int] = {}


def start(
    workflow: str,
    input: Any = None,
    *,
    requester: Any,
    on_behalf_of: Any = None,
    idempotency_key: str | None = None,
    external_id: str = "",
    risk: str = "",
) -> Run:
    """Start a run of a registered workflow and return it.

    `requester` is a user, an API key or `hitl.SYSTEM`; `on_behalf_of` the user it is for. `risk` raises
    the risk of every request of this run to at least that; nothing lowers it. The same requester with the
    same `idempotency_key`, workflow and input gets the run that was started first, also when two calls race; with
    another input IdempotencyConflict. Raises UnknownWorkflow, BadInput and its kinds.
    """
    recipe = registry.get(workflow)
    definition = recipe.definition()
    value = recipe.read_input(input)
    canonical(value, what=f"input of workflow {workflow!r}", limit=conf.MAX_PAYLOAD)
    who = Actor.of(requester)
    if risk and risk not in RISKS:
        raise BadInput(f"{risk!r} is no risk; there are {', '.join(RISKS)}")
    _check_text(idempotency_key=idempotency_key, external_id=external_id)
    run = Run(
        id=uuid7(),
        workflow_id=workflow_row(definition),
        input=value,
        principal=who.text,
        requester_id=who.id if who.is_person else None,
        on_behalf_of=on_behalf_of,
        idempotency_key=idempotency_key,
        external_id=external_id,
        risk=risk,
    )
    try:
        return _create(run, definition, who)
    except IntegrityError:
        if idempotency_key is None:
            raise
        return first(run, idempotency_key, who)


def child_run(t: Transition, step: Step, name: str, workflow: str, input: Any) -> Run:
    """Start the run a step waits for, inside the transition that parks the step: the parent is locked first."""
    recipe = registry.get(workflow)
    definition = recipe.definition()
    who = Actor("run", str(t.run.pk), t.definition.title)
    run = Run(
        id=uuid7(),
        workflow_id=workflow_row(definition),
        input=recipe.read_input(input),
        principal=t.run.principal,
        requester_id=t.run.requester_id,
        on_behalf_of_id=t.run.on_behalf_of_id,
        authors=t.run.authors,
        risk=t.run.risk,
        parent_step=step,
        external_id=name,
    )
    return _create(run, definition, who)


def new_steps(run: Run, definition: Definition) -> list[Step]:
    """The rows a run begins with."""
    return [
        Step(run=run, name=spec.name, kind=spec.kind, queue=spec.row_queue, guarded=spec.guarded)
        for spec in definition.steps
    ]


def workflow_row(definition: Definition) -> int:
    """The id of the row that holds this definition; a changed definition gets the next version, once."""
    key = (definition.name, definition.digest)
    if key not in _rows:
        found = _find_or_create(definition).pk
        # Not before it is there for good: a call with an idempotency key may still be rolled back.
        transaction.on_commit(lambda: _rows.__setitem__(key, found))
        return found
    return _rows[key]


def forget_rows() -> None:
    """Forget which rows there are: for tests, which empty the database under a living process."""
    _rows.clear()


def _create(run: Run, definition: Definition, who: Actor) -> Run:
    steps = new_steps(run, definition)
    with created(run, steps) as t:
        if definition.deadline is not None:
            run.deadline_at = t.now + timedelta(seconds=definition.deadline)
        t.record("hitl.run.started", "run", actor=who, workflow=definition.name, digest=definition.digest)
        progress.follow(t)
    return run


def first(run: Run, idempotency_key: str, who: Actor) -> Run:
    """The run that this key started; raises IdempotencyConflict where it was another one."""
    found = Run.objects.get(principal=who.text, idempotency_key=idempotency_key)
    if (found.workflow_id, found.input, found.risk) != (run.workflow_id, run.input, run.risk):
        raise IdempotencyConflict(
            f"the key {idempotency_key!r} started run {found.pk} with another input", run=found.pk
        )
    return found


def _find_or_create(definition: Definition) -> Workflow:
    rows = Workflow.objects.filter(name=definition.name)
    for _ in range(5):  # another process may register the same or the next version at this moment
        found = rows.filter(digest=definition.digest).first()
        if found is not None:
            return found
        version = (rows.aggregate(last=Max("version"))["last"] or 0) + 1
        try:
            with transaction.atomic():
                return Workflow.objects.create(
                    name=definition.name,
                    version=version,
                    digest=definition.digest,
                    body=definition.body.decode(),
                    title=definition.title[:200],
                )
        except IntegrityError:
            continue
    raise AssertionError(f"version of workflow {definition.name} could not be registered")


def _check_text(**texts: str | None) -> None:
    for name, text in texts.items():
        if text is None:
            continue
        canonical(text, what=name)
        if len(text) > 200 or (name == "idempotency_key" and not text):
            raise BadInput(f"{name} has 1 to 200 characters, not {len(text)}")
