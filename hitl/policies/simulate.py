"""What a policy would say to an action that nobody has proposed: which rule holds, and how many people that asks.

It chooses with the very functions that requests are opened with; nothing is written, and without `crowd` nothing is
read either, so that a policy can be tested where there is no database.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hitl import clock
from hitl.definition import PolicyDocument, Requirement, choose
from hitl.definition.policy import FACTS
from hitl.exceptions import BadInput, ConditionFailed
from hitl.models import people
from hitl.policies.requirements import resolve, settled

_MOST_PEOPLE = 10_000
_NOTHING = {
    "args": {}, "type": "", "target": "", "reversible": False, "risk": "medium", "confidence": None, "agent": "",
    "requester": "", "workflow": "", "step": "", "iteration": 0,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Looked:
    """One rule before an action: whether its condition `matched` (None where nobody can say, and `why`), and whether it
    is the one that `holds`."""

    number: int
    name: str
    when: str
    auto: bool
    matched: bool | None
    why: str
    holds: bool


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
class Crowd:
    """How many active people stand behind some reviewers: by name (None where there is no such group or user), and all
    of them together, each once."""

    by_name: dict[str, int | None]
    together: int


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


def crowd(names: Iterable[str], *, requester: Any = None, without: Iterable[Any] = ()) -> Crowd:
    """How many active people these reviewers are just now, leaving out the users `without`."""
    listed, left_out = list(names), list(without)
    by_name: dict[str, int | None] = {}
    for name in listed:
        found = resolve([name], requester=requester, skip_unknown=True)
        by_name[name] = _count(found, left_out) if found else None
    return Crowd(by_name, _count(resolve(listed, requester=requester, skip_unknown=True), left_out))


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
    return Looked(number, rule.name, rule.when, rule.auto is not None, matched, why, number == held)


def _count(candidates: Iterable[Any], without: list[Any]) -> int:
    found = list(candidates)
    users = [one.user_id for one in found if one.user_id is not None]
    groups = [one.group_id for one in found if one.group_id is not None]
    return len(people.reachable(users, groups, without, _MOST_PEOPLE))
