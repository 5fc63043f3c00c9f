"""The options of a gate, as authors write them and as a definition keeps them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, ValidationError

from hitl.definition.action import model_schema
from hitl.definition.policy.rules import Rule
from hitl.definition.specs import GateSpec
from hitl.definition.values import RISKS, Requirement, Stage, explain, seconds
from hitl.exceptions import InvalidPolicy, InvalidWorkflow


def gate_spec(
    where: str,
    *,
    policy: str = "",
    reviewers: Iterable[str] | None = None,
    stages: Iterable[Stage | dict[str, Any]] | None = None,
    rules: Iterable[Rule | dict[str, Any]] = (),
    approvals: int | None = None,
    rejections: int | None = None,
    remind: Iterable[timedelta | str] | None = None,
    comment: str | None = None,
    prevent_self_review: bool | None = None,
    step_up: dict[str, str] | None = None,
    title: str = "",
    impact: str = "",
    description: str = "",
    topic: str = "",
    subject: str = "",
    level: str | None = None,
    phrase: str = "",
    risk: str = "medium",
    reversible: bool = False,
    timeout: timedelta | str | None = None,
    on_timeout: str | None = None,
    editable: Iterable[str] | None = None,
    execute_within: timedelta | None = None,
    cool_off: timedelta | None = None,
    revise: str = "",
    max_revisions: int = 3,
    on_max_revisions: str = "reject",
    types: dict[str, type[BaseModel] | dict[str, Any] | None] | None = None,
    calls_action: bool = False,
    calls_risk: bool = False,
) -> GateSpec:
    """How a gate asks; `where` begins every message.

    `policy` names a stored policy; otherwise `reviewers` (`"group:NAME"`, `"user:NAME"`, or `"requester"` alone), how
    many `approvals` let it pass and how many `rejections` refuse it, or several `stages` one after the other; `rules`
    change that where their condition holds. `remind` says after how long people are reminded.
    `level="verify"` makes the reviewer type `phrase`; `level="info"` tells people and goes on. `timeout` is how long
    each stage has (a timedelta, or words such as `"8h business"`), `on_timeout` what silence means (refused unless low
    risk and reversible: `"approve"`, or `"escalate"`). `editable` are the arguments reviewers may change (default:
    all); `types` are other actions they may make of it, each with its model or schema. `execute_within` is how long the
    approval is good for, `cool_off` how long it can be revoked before the step may start. When a revision is asked for,
    the run goes back to the step `revise` (default: the one that proposed), at most `max_revisions` times, and then
    refuses or escalates (`on_max_revisions`). Raises InvalidWorkflow.
    """
    given = _given(
        approvals=approvals, rejections=rejections, remind=remind, comment=comment,
        prevent_self_review=prevent_self_review, step_up=step_up,
    )  # fmt: skip
    _check_who(where, policy, reviewers, stages, given)
    _check_how(where, level, phrase, editable)
    _check_silence(where, on_timeout, sure_risk=None if calls_risk else risk, reversible=reversible)
    check_durations(where, timeout=None if isinstance(timeout, str) else timeout, execute_within=execute_within)
    check_durations(where, least=timedelta(0), cool_off=cool_off)
    try:
        return GateSpec(
            policy=policy,
            requirement=None if policy else _inline(reviewers, stages, given, risk=None if calls_risk else risk),
            rules=tuple(Rule.model_validate(rule) for rule in rules),
            types={name: _schema(model) for name, model in (types or {}).items()},
            on_max_revisions=on_max_revisions,
            title=title,
            impact=impact,
            description=description,
            topic=topic or subject,
            level=level,
            phrase=phrase,
            risk=risk,
            reversible=reversible,
            timeout=timeout if isinstance(timeout, str) else seconds(timeout),
            on_timeout=on_timeout,
            editable=None if editable is None else tuple(editable),
            execute_within=seconds(execute_within),
            cool_off=seconds(cool_off) or 0,
            revise=revise,
            max_revisions=max_revisions,
            calls_action=calls_action,
            calls_risk=calls_risk,
        )
    except ValidationError as error:
        raise InvalidWorkflow(f"{where}: {explain(error)}") from error
    except InvalidPolicy as error:
        raise InvalidWorkflow(f"{where}: {error.message}") from error


def _given(**options: Any) -> dict[str, Any]:
    """What the author said of the requirement itself."""
    return {name: tuple(value) if name == "remind" else value for name, value in options.items() if value is not None}


def _check_who(
    where: str, policy: str, reviewers: Iterable[str] | None, stages: Iterable[Any] | None, given: dict[str, Any]
) -> None:
    if (reviewers is not None) + (stages is not None) + bool(policy) != 1:
        raise InvalidWorkflow(
            f"{where} needs one of policy=, reviewers= and stages=: no reviewers means nobody can answer"
        )
    for name, value in (("reviewers", reviewers), ("stages", stages)):
        if isinstance(value, str | dict):
            raise InvalidWorkflow(f"{where}: {name}= is a list, not {value!r}")
    if policy and given:
        raise InvalidWorkflow(f"{where}: {', '.join(given)} would be ignored: the policy {policy!r} says so itself")
    for_one = sorted(given.keys() & {"approvals", "rejections", "remind"})
    if stages is not None and for_one:
        raise InvalidWorkflow(f"{where}: {', '.join(for_one)} belongs into each of the stages")


def _check_how(where: str, level: str | None, phrase: str, editable: Iterable[str] | None) -> None:
    if isinstance(editable, str):
        raise InvalidWorkflow(f"{where}: editable= is a list, not the text {editable!r}")
    if phrase.strip() and level != "verify":
        raise InvalidWorkflow(f"{where}: phrase= belongs to level='verify'")
    if level == "verify" and not phrase.strip():
        raise InvalidWorkflow(f"{where}: level='verify' needs the phrase= that people type")


def _check_silence(where: str, on_timeout: str | None, *, sure_risk: str | None, reversible: bool) -> None:
    if on_timeout == "approve" and not (sure_risk == "low" and reversible):
        raise InvalidWorkflow(f"{where}: on_timeout='approve' is for low risk and reversible actions only")


def check_durations(where: str, *, least: timedelta = timedelta(microseconds=1), **given: timedelta | None) -> None:
    """Raise InvalidWorkflow for a duration that is no timedelta, or shorter than it can be."""
    for name, delta in given.items():
        if delta is not None and not isinstance(delta, timedelta):
            raise InvalidWorkflow(f"{where}: {name} is a timedelta, not {delta!r}")
        if delta is not None and delta < least:
            raise InvalidWorkflow(f"{where}: {name} must be longer than nothing, not {delta}")


def _inline(
    reviewers: Iterable[str] | None, stages: Iterable[Any] | None, given: dict[str, Any], *, risk: str | None
) -> Requirement:
    if stages is None:
        votes = {name: given.pop(name) for name in ("approvals", "rejections", "remind") if name in given}
        stages = [Stage(reviewers=tuple(reviewers or ()), **votes)]
    found = Requirement(stages=tuple(Stage.model_validate(stage) for stage in stages), **given)
    if risk is not None and risk in RISKS:
        found.at(risk, reversible=False)
    return found


def _schema(model: type[BaseModel] | dict[str, Any] | None) -> dict[str, Any] | None:
    return model_schema(model) if isinstance(model, type) else model
