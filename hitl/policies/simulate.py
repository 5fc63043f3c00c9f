"""What a policy would say to an action that nobody has proposed: which rule holds, and how many people that asks.

It chooses with the very functions that requests are opened with; nothing is written, and without `behind` nothing is
read either, so that a policy can be tested where there is no database.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Count
from django.utils.translation import gettext_lazy as _

from hitl import clock
from hitl.definition import PolicyDocument, Requirement, Stage, choose
from hitl.definition.policy import FACTS
from hitl.exceptions import BadInput, ConditionFailed
from hitl.models import people
from hitl.policies.requirements import Candidate, candidates, settled

_MOST_PEOPLE = 10_000
_NOTHING = {
    "args": {}, "type": "", "target": "", "reversible": False, "risk": "medium", "confidence": None, "agent": "",
    "requester": "", "workflow": "", "step": "", "iteration": 0,
}  # fmt: skip
SAID = {
    "no": _("does not match"),
    "holds": _("matches, and holds"),
    "later": _("matches too, after the one that holds"),
    "barred": _("matches, and may not pass this by itself"),
    "doubt": _("could not be evaluated"),
    "doubt_holds": _("could not be evaluated, which counts as matching"),
}


@dataclass(frozen=True, slots=True)
class Looked:
    """One rule before an action: whether its condition `matched` (None where nobody can say, and `why`), whether it is
    the one that `holds`, and what came of it as a key of `SAID`."""

    number: int
    name: str
    when: str
    auto: bool
    matched: bool | None
    why: str
    holds: bool
    said: str


@dataclass(frozen=True, slots=True)
class Simulation:
    """What would be required, and what each rule said to it."""

    requirement: Requirement
    rules: tuple[Looked, ...]

    @property
    def held(self) -> Looked | None:
        """The rule that holds, or None for the default."""
        return next((rule for rule in self.rules if rule.holds), None)


@dataclass(frozen=True, slots=True)
class Behind:
    """How many active people stand behind a stage: by each name it may ever ask (None where there is no such group or
    user), all its reviewers `together` and who the `first` of them are, and whether these, with the fallback, are
    `enough` to agree."""

    stage: Stage
    by_name: dict[str, int | None]
    together: int
    first: tuple[Any, ...]
    enough: bool


def facts_of(**known: Any) -> dict[str, Any]:
    """What conditions may look at, with nothing for what is not said. Raises BadInput for what is no fact."""
    unknown = sorted(known.keys() - set(FACTS))
    if unknown:
        raise BadInput(f"there is no {', '.join(unknown)}; there are {', '.join(FACTS)}")
    return {**_NOTHING, "confidence": known.get("args", {}).get("confidence"), **known}


def simulate(document: PolicyDocument, facts: Mapping[str, Any], *, version: int = 0) -> Simulation:
    """What this document asks for these facts. Raises InvalidPolicy for what could not be asked."""
    known, base = dict(facts), document.requirement(version)
    found = settled(base, document.rules, None, known, risk=known["risk"], reversible=known["reversible"])
    held = _held(document, base, known)
    looked = tuple(_look(rule, number, known, held) for number, rule in enumerate(document.rules, 1))
    return Simulation(found, looked)


def behind(
    stages: Sequence[Stage], *, requester: Any = None, without: Iterable[Any] = (), first: int = 0
) -> list[Behind]:
    """Who stands behind these stages just now, leaving out the users `without`. The queries do not grow with people
    nor with names: a few for all, and at most two for a stage, to count once who is named more than once."""
    left_out = list(without)
    found = candidates(list(dict.fromkeys(name for stage in stages for name in _names(stage))), requester)
    counts = _counts(found, left_out)
    return [_behind(stage, found, counts, left_out, first) for stage in stages]


def _names(stage: Stage) -> list[str]:
    return [*stage.reviewers, *stage.fallback, *(name for rung in stage.escalate for name in rung.to)]


def _behind(
    stage: Stage, found: dict[str, Candidate], counts: dict[str, int], without: list[Any], first: int
) -> Behind:
    alone = len(stage.reviewers) == 1 and not first
    asked = [] if alone else _people(stage.reviewers, found, without)
    together = counts.get(stage.reviewers[0], 0) if alone else len(asked)
    more = together < stage.need and bool(stage.fallback)
    enough = len(_people((*stage.reviewers, *stage.fallback), found, without)) if more else together
    by_name = {name: counts.get(name) for name in _names(stage)}
    return Behind(stage, by_name, together, tuple(asked[:first]), enough >= stage.need)


def _people(names: Iterable[str], found: dict[str, Candidate], without: list[Any]) -> list[Any]:
    asked = [found[name] for name in names if name in found]
    users = [one.user_id for one in asked if one.user_id is not None]
    groups = [one.group_id for one in asked if one.group_id is not None]
    return people.reachable(users, groups, without, _MOST_PEOPLE)


def _counts(found: dict[str, Candidate], without: list[Any]) -> dict[str, int]:
    """How many active people each name is."""
    model = get_user_model()
    active = model._default_manager.order_by().exclude(pk__in=without)
    if any(field.name == "is_active" for field in model._meta.concrete_fields):
        active = active.filter(is_active=True)
    users = {one.user_id for one in found.values()} - {None}
    groups = {one.group_id for one in found.values()} - {None}
    here = set(active.filter(pk__in=users).values_list("pk", flat=True)) if users else set()
    counted = active.filter(groups__in=groups).values_list("groups").annotate(Count("pk")) if groups else []
    many = {pk: number for pk, number in counted}
    return {
        name: many.get(one.group_id, 0) if one.group_id is not None else int(one.user_id in here)
        for name, one in found.items()
    }


def _held(document: PolicyDocument, base: Requirement, facts: dict[str, Any]) -> int:
    """The number of the rule that holds, 0 for the default: chosen once more with numbers for names, since two rules
    may have one name, and a rule may be named "default"."""
    numbered = tuple(rule.model_copy(update={"name": f"#{n}"}) for n, rule in enumerate(document.rules, 1))
    told = re.match(r"#(\d+)", choose(numbered, base, facts, today=clock.now().date()).rule)
    return int(told[1]) if told else 0


def _look(rule: Any, number: int, facts: dict[str, Any], held: int) -> Looked:
    matched: bool | None
    try:
        matched, why = rule.matches(facts), ""
    except ConditionFailed as error:
        matched, why = None, error.message
    said = _said(matched, number, held)
    return Looked(number, rule.name, rule.when, rule.auto is not None, matched, why, number == held, said)


def _said(matched: bool | None, number: int, held: int) -> str:
    if matched is None:
        return "doubt_holds" if number == held else "doubt"
    if not matched:
        return "no"
    if number == held:
        return "holds"
    return "later" if 0 < held < number else "barred"
