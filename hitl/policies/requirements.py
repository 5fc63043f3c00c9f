"""From what a gate says to the requirement an approval carries, and the rows of who is asked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group

from hitl import clock
from hitl.conf import conf
from hitl.definition import Action, GateSpec, Requirement, choose
from hitl.definition.policy import FACTS, Calendar
from hitl.definition.values import LEVELS, REQUESTER, Business, Stage, calendars
from hitl.exceptions import InvalidPolicy, UnknownPolicy, UnknownReviewer
from hitl.models import ApiKey, Policy, Run


@dataclass(frozen=True, slots=True)
class Candidate:
    """One who is asked: a user or a group, by id."""

    user_id: Any = None
    group_id: Any = None


@dataclass(frozen=True, slots=True)
class Asks:
    """Where a request comes from: the run, the step that asks, and its iteration."""

    run: Run
    workflow: str
    step: str
    iteration: int = 0

    def facts(self, action: Action, risk: str) -> dict[str, Any]:
        """What conditions may look at."""
        kind, _, pk = self.run.principal.partition(":")
        agent = ApiKey.objects.filter(pk=pk).values_list("agent", flat=True).first() if kind == "key" else ""
        requester = self.run.requester
        values = (
            action.args,
            action.type,
            action.target,
            action.reversible,
            risk,
            action.args.get("confidence"),
            agent or "",
            requester.get_username() if requester is not None else "",
            self.workflow,
            self.step,
            self.iteration,
        )
        return dict(zip(FACTS, values, strict=True))


def active_policy(name: str) -> Policy:
    """The version new requests get; raises UnknownPolicy."""
    policy = Policy.objects.filter(name=name, active=True).first()
    if policy is None:
        raise UnknownPolicy(f"there is no policy {name!r}; apply one with manage.py hitl policy apply FILE")
    return policy


def requirement_for(gate: GateSpec, action: Action, *, risk: str, asks: Asks) -> Requirement:
    """The snapshot: what the gate itself says, or the active version of its policy, by the first rule that matches this
    action, with the gate's level, timeout and on_timeout laid over it. Raises UnknownPolicy and InvalidPolicy."""
    policy = active_policy(gate.policy) if gate.requirement is None else None
    return _found_for(gate, policy, action, risk=risk, asks=asks)


def rerun(old: Requirement, gate: Any, action: Action, *, risk: str, asks: Asks) -> Requirement:
    """What holds, by the same rules and the same version of the policy, after a person made another action of it;
    `gate` is what the request keeps of them, nothing where there are none. `auto` says that it would pass by itself."""
    if gate is None:
        return old
    spec = GateSpec.model_validate(gate)
    name, _, version = old.policy.rpartition(" v")
    policy = Policy.objects.get(name=name, version=version) if spec.policy else None
    found = _found_for(spec, policy, action, risk=risk, asks=asks)
    return found.model_copy(update={"auto": True, "level": "confirm"}) if found.level == "info" else found


def _found_for(gate: GateSpec, policy: Policy | None, action: Action, *, risk: str, asks: Asks) -> Requirement:
    if gate.requirement is not None:
        base, rules = gate.requirement, gate.rules
    else:
        assert policy is not None
        document = policy.value
        base, rules = document.requirement(policy.version), (*gate.rules, *document.rules)
    facts = asks.facts(action, risk) if rules else {}
    return settled(base, rules, gate, facts, risk=risk, reversible=action.reversible)


def settled(
    base: Requirement, rules: Any, gate: GateSpec | None, facts: dict[str, Any], *, risk: str, reversible: bool
) -> Requirement:
    """The requirement of these rules for these facts, with nothing left open."""
    found = choose(tuple(rules), base, facts, today=clock.now().date())
    if gate is not None:
        over = _stricter(found, gate) if gate.outside else {"level": gate.level, "on_timeout": gate.on_timeout}
        found = found.model_copy(update={name: value for name, value in over.items() if value is not None})
    if gate is not None and gate.timeout is not None:
        stages = tuple(stage.model_copy(update={"timeout": gate.timeout}) for stage in found.stages)
        found = found.model_copy(update={"stages": stages})
    check_calendars(found.stages)
    usual = conf.CRITICAL_GATE_TIMEOUT if risk == "critical" else conf.GATE_TIMEOUT
    return found.at(risk, reversible=reversible, timeout=usual.total_seconds())


def _stricter(found: Requirement, gate: GateSpec) -> dict[str, Any]:
    """What an agent's own words change: the harder level, and then people are asked in any case. Raises InvalidPolicy
    where a time of its own would turn silence into a yes."""
    if gate.timeout is not None and found.on_timeout == "approve":
        raise InvalidPolicy("by this policy silence means yes, so that its time is not for the agent to choose")
    level = gate.level and max(gate.level, found.level or "confirm", key=LEVELS.index)
    return {"level": level, "on_timeout": gate.on_timeout, "auto": False if level else None}


def when(start: datetime, span: float) -> datetime:
    """The moment that lies a duration after another: by the clock, or by the calendar of business hours. One that is no
    longer there is replaced by the project's own."""
    if not isinstance(span, Business):
        return start + timedelta(seconds=span)
    given = conf.CALENDARS.get(span.calendar, conf.CALENDAR)
    return Calendar.model_validate({"time_zone": settings.TIME_ZONE, **given}).later(start, span)


def check_calendars(stages: Iterable[Stage]) -> None:
    """Raise InvalidPolicy where a duration is measured by a calendar there is not."""
    unknown = sorted(calendars(stages) - {"", *conf.CALENDARS})
    if unknown:
        raise InvalidPolicy(f"there is no calendar {', '.join(unknown)}; name it in HITL_CALENDARS")


def resolve(reviewers: Iterable[str], *, requester: Any = None, skip_unknown: bool = False) -> list[Candidate]:
    """`group:NAME`, `user:NAME` and `requester` as ids; raises UnknownReviewer naming all that do not exist, unless
    those are to be skipped."""
    names = list(reviewers)
    found = candidates(names, requester)
    missing = [name for name in names if name not in found]
    if missing and not skip_unknown:
        told = ", ".join(missing)
        if REQUESTER in missing:
            raise UnknownReviewer("nobody asked for this run, so that reviewers=['requester'] is nobody: name others")
        raise UnknownReviewer(f"no such reviewer: {told}; create them or change the gate or policy", missing=missing)
    return list(dict.fromkeys(found[name] for name in names if name in found))


def candidates(reviewers: Sequence[str], requester: Any) -> dict[str, Candidate]:
    """Of these reviewers those that exist, by their names."""
    names: dict[str, set[str]] = {"group": set(), "user": set(), REQUESTER: set()}
    for reviewer in reviewers:
        kind, _, name = reviewer.partition(":")
        names[kind].add(name)
    users = get_user_model().objects.filter(**{f"{_login()}__in": names["user"]}).values_list(_login(), "pk")
    groups = Group.objects.filter(name__in=names["group"]).values_list("name", "pk")
    found = {f"user:{name}": Candidate(user_id=pk) for name, pk in (users if names["user"] else [])}
    found |= {f"group:{name}": Candidate(group_id=pk) for name, pk in (groups if names["group"] else [])}
    return found | ({REQUESTER: Candidate(user_id=requester)} if requester is not None else {})


def _login() -> str:
    return str(get_user_model().USERNAME_FIELD)
