"""A request from outside: one run of a built-in workflow, opened in the transaction that starts it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.db import IntegrityError

from hitl import decisions, progress
from hitl.audit import Actor
from hitl.conf import conf
from hitl.decisions.acts.scene import acting
from hitl.decisions.edits import misfits
from hitl.definition import Action, GateSpec, StepSpec, canonical
from hitl.definition.action import ENVELOPE, schema_of
from hitl.definition.specs import Definition
from hitl.engine.context.waits import question_wait
from hitl.engine.gates import Evaluated, apply
from hitl.engine.outside.builtin import ACT, GATE, NAMES, QUESTION, REQUEST
from hitl.engine.outside.schemas import check_schema
from hitl.engine.outside.told import newest, own
from hitl.engine.start import first, new_steps, workflow_row
from hitl.exceptions import AlreadyDecided, BadInput, InvalidAction, TooLarge
from hitl.models import ApiKey, Approval, Run
from hitl.models.fields import uuid7
from hitl.notifications import check_url
from hitl.policies import Asks
from hitl.policies.outside import check_room, of_agent
from hitl.states import ApprovalStatus
from hitl.transitions import created, definition_of

_LONGEST_REPORT = timedelta(days=7)
_SHORTEST = 1  # second: shorter, nobody could read it


def ask(
    action: Action,
    gate: GateSpec,
    *,
    actor: ApiKey,
    args_schema: dict[str, Any] | None = None,
    report_within: float | None = None,
    **more: Any,
) -> Approval:
    """Ask people for a yes to an action that the agent itself will run, by a gate that says it comes from `outside`.

    `args_schema` is the JSON Schema that the arguments, also changed ones, satisfy. After `consume` the agent has
    `report_within` seconds (`HITL_REPORT_WITHIN`) to say what came of it. `more` is what `_open` takes.
    Raises NotAllowed, OverLimit, UnknownPolicy, UnknownReviewer, InvalidPolicy, InvalidAction, BadInput and TooLarge.
    """
    check_times(gate, report_within)
    _check_args(action, args_schema)
    columns: dict[str, Any] = {"report_within": report_within or conf.REPORT_WITHIN.total_seconds()}
    if args_schema is not None:
        columns["args_schema"] = args_schema
    return _open(REQUEST, action, gate, actor, columns=columns, **more)


def ask_question(
    question: str,
    gate: GateSpec,
    *,
    actor: ApiKey,
    schema: dict[str, Any] | None = None,
    options: list[Any] | None = None,
    title: str = "",
    **more: Any,
) -> Approval:
    """Ask people something, their answer being checked against `schema` or one of `options`. The run's output is the
    answer. Raises like `ask`."""
    check_question(question, schema, options)
    wait = question_wait("", question, schema, options, gate)
    words = {**wait.action.envelope()[ENVELOPE], "title": title or question.strip().splitlines()[0][:500]}
    return _open(QUESTION, Action(**words), wait.gate, actor, columns={}, **more)


def revise(approval: Any, action: Action, *, actor: ApiKey, context: Any = None) -> Approval:
    """Propose again after people asked for a revision: the next revision, which they decide afresh.

    `action` keeps the type, and the terms stay those of the request. Raises UnknownApproval, AlreadyDecided where no
    revision is asked for (any more), and like `ask`.
    """
    old = newest(own(approval, actor))
    if definition_of(old.run.workflow_id).name not in NAMES:
        raise BadInput("this was asked by a step of a workflow, which proposes again by itself")
    if action.type != old.action_type:
        raise InvalidAction(f"the action stays a {old.action_type!r}; for another one ask anew")
    # Only what the agent gave it binds it; what was read off its first arguments is read off the next ones again.
    schema = None if old.args_schema == schema_of(old.args) else old.args_schema
    _check_args(action, schema)
    _check_context(context, None)
    gate = GateSpec.model_validate((old.step.spec or {}).get("asks") or {})
    proposal = decisions.prepare(gate, action, asks=Asks(old.run, REQUEST.name, ACT))
    columns = {
        name: getattr(old, name) for name in ("batch", "batch_size", "report_within", "resume_data", "callback_url")
    }
    columns |= {"context": context, **({"args_schema": schema} if schema is not None else {})}
    with acting(old, actor=actor, act="revise") as scene:
        step = scene.t.step(GATE)
        if scene.approval.status != ApprovalStatus.REVISION_REQUESTED or step.waiting_for != "revision":
            raise AlreadyDecided(f"no revision of this is asked for: it is {scene.approval.status}")
        scene.t.set(step, waiting_for="approval:", wake_at=None)
        fresh = decisions.request(scene.t, step, replace(proposal, columns=columns), old=scene.approval)
        progress.settle(scene.t)
    return Approval.objects.select_related("run__workflow", "step").get(pk=fresh.pk)


def check_question(question: str, schema: dict[str, Any] | None, options: list[Any] | None) -> None:
    """Raise BadInput for a question without words, with options that are none, or with a schema that is not to be
    applied to what people answer."""
    if schema is not None and options is not None:
        raise BadInput("options: give a schema or options, not both")
    if schema is not None:
        check_schema(schema, "schema")
    if options is not None and not options:
        raise BadInput("options: there must be one at least")
    if not question.strip():
        raise BadInput("question: ask something")


def _open(
    definition: Definition,
    action: Action,
    gate: GateSpec,
    actor: ApiKey,
    *,
    columns: dict[str, Any],
    on_behalf_of: Any = None,
    external_id: str = "",
    idempotency_key: str | None = None,
    context: Any = None,
    batch: str = "",
    batch_size: int | None = None,
    resume_data: Any = None,
    callback_url: str = "",
) -> Approval:
    """`context` is shown as the agent's own words; `resume_data` is given back to this key alone. Requests of one
    `batch` with a `batch_size` are released together, when all of them are decided. The same `idempotency_key` gets the
    request that was made with it, however long ago; of another action, IdempotencyConflict. `callback_url` is told how
    it ends."""
    gate = of_agent(actor, gate)
    _check_context(context, resume_data)
    if callback_url:
        check_url(callback_url)
    check_room(actor)
    who = Actor.of(actor)
    run = Run(
        id=uuid7(),
        input={"type": action.type, "args": action.args},
        principal=who.text,
        on_behalf_of=on_behalf_of,
        external_id=external_id,
        idempotency_key=idempotency_key,
    )
    proposal = decisions.prepare(gate, action, asks=Asks(run, definition.name, ACT))
    run.workflow_id = workflow_row(definition)  # only now: what is refused leaves no row
    columns = columns | {
        "context": context, "batch": batch, "batch_size": batch_size, "resume_data": resume_data,
        "callback_url": callback_url,
    }  # fmt: skip
    steps = new_steps(run, definition)
    steps[0].spec = StepSpec(name=GATE, kind="gate", asks=gate).model_dump(mode="json", exclude_defaults=True)
    try:
        with created(run, steps) as t:
            t.record("hitl.run.started", "run", actor=who, workflow=definition.name, digest=definition.digest)
            apply(t, t.step(GATE), Evaluated(replace(proposal, columns=columns)))
            progress.follow(t)
    except IntegrityError:
        if idempotency_key is None:
            raise
        run = first(run, idempotency_key, who)
    rows = Approval.objects.select_related("run__workflow", "step")
    return rows.filter(run=run).order_by("-revision")[0]


def check_times(gate: GateSpec, report_within: float | None = None) -> None:
    """Raise BadInput where an agent's yes would be good for longer than the project's, or its report could come late
    without end."""
    for name, span in (("timeout", gate.timeout), ("report_within", report_within)):
        if span is not None and span < _SHORTEST:
            raise BadInput(f"{name} is at least {_SHORTEST} s")
    most = conf.EXECUTE_WITHIN.total_seconds()
    if gate.execute_within and gate.execute_within > most:
        raise BadInput(f"execute_within: an approval is good for at most {most:.0f} s")
    if report_within and report_within > _LONGEST_REPORT.total_seconds():
        raise BadInput(f"report_within is at most {_LONGEST_REPORT.days} days")


def _check_args(action: Action, schema: dict[str, Any] | None) -> None:
    if schema is None:
        return
    check_schema(schema, "args_schema")
    wrong = misfits(schema, action.args)
    if wrong:
        raise InvalidAction("the arguments do not fit args_schema", fields=wrong)


def _check_context(context: Any, resume_data: Any) -> None:
    for name, value in (("context", context), ("resume_data", resume_data)):
        limit = conf.MAX_CONTEXT if name == "context" else conf.MAX_RESUME
        try:
            canonical(value, what=name, limit=limit)
        except TooLarge as error:
            raise TooLarge(f"{name} has more than {limit} bytes", limit=limit) from error
