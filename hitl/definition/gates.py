"""The options of a gate, as authors write them and as a definition keeps them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from pydantic import ValidationError

from hitl.definition.specs import GateSpec
from hitl.definition.values import Requirement, Stage, explain, seconds
from hitl.exceptions import InvalidWorkflow


def gate_spec(
    where: str,
    *,
    policy: str = "",
    reviewers: Iterable[str] | None = None,
    approvals: int | None = None,
    rejections: int | None = None,
    comment: str | None = None,
    prevent_self_review: bool | None = None,
    title: str = "",
    impact: str = "",
    description: str = "",
    topic: str = "",
    subject: str = "",
    level: str | None = None,
    phrase: str = "",
    risk: str = "medium",
    reversible: bool = False,
    timeout: timedelta | None = None,
    on_timeout: str | None = None,
    editable: Iterable[str] | None = None,
    execute_within: timedelta | None = None,
    cool_off: timedelta | None = None,
    revise: str = "",
    max_revisions: int = 3,
    calls_action: bool = False,
    calls_risk: bool = False,
) -> GateSpec:
    """How a gate asks; `where` begins every message.

    `policy` names a stored policy; otherwise `reviewers` (`"group:NAME"`, `"user:NAME"`), how many `approvals` let it
    pass and how many `rejections` refuse it. `level="verify"` makes the reviewer type `phrase`. `timeout` is how long
    people have, `on_timeout` what silence means (refused unless low risk and reversible: `"approve"`).
    `editable` are the arguments reviewers may change (default: all). `execute_within` is how long the approval is good
    for, `cool_off` how long it can be revoked before the step may start. When a revision is asked for, the run goes
    back to the step `revise` (default: the one that proposed), at most `max_revisions` times. Raises InvalidWorkflow.
    """
    inline = {
        "approvals": approvals,
        "rejections": rejections,
        "comment": comment,
        "prevent_self_review": prevent_self_review,
    }
    given = {name: value for name, value in inline.items() if value is not None}
    _check_who(where, policy, reviewers, given)
    _check_how(where, level, phrase, editable)
    _check_silence(where, on_timeout, sure_risk=None if calls_risk else risk, reversible=reversible)
    check_durations(where, timeout=timeout, execute_within=execute_within)
    check_durations(where, least=timedelta(0), cool_off=cool_off)
    try:
        return GateSpec(
            policy=policy,
            requirement=None if reviewers is None else _inline(tuple(reviewers), given),
            title=title,
            impact=impact,
            description=description,
            topic=topic or subject,
            level=level,
            phrase=phrase,
            risk=risk,
            reversible=reversible,
            timeout=seconds(timeout),
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


def _check_who(where: str, policy: str, reviewers: Iterable[str] | None, given: dict[str, Any]) -> None:
    if (reviewers is None) == (not policy):
        raise InvalidWorkflow(f"{where} needs either policy= or reviewers=: no reviewers means nobody can answer")
    if isinstance(reviewers, str):
        raise InvalidWorkflow(f"{where}: reviewers= is a list, not the text {reviewers!r}")
    if policy and given:
        raise InvalidWorkflow(f"{where}: {', '.join(given)} would be ignored: the policy {policy!r} says so itself")


def _check_how(where: str, level: str | None, phrase: str, editable: Iterable[str] | None) -> None:
    if isinstance(editable, str):
        raise InvalidWorkflow(f"{where}: editable= is a list, not the text {editable!r}")
    if (level == "verify") != bool(phrase.strip()):
        raise InvalidWorkflow(f"{where}: level='verify' and phrase= belong together")


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


def _inline(reviewers: tuple[str, ...], given: dict[str, Any]) -> Requirement:
    votes = {name: given.pop(name) for name in ("approvals", "rejections") if name in given}
    return Requirement(stages=(Stage(reviewers=reviewers, **votes),), **given)
