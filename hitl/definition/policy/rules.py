"""Conditions of a policy, and which rule holds. Pure: facts in, a requirement out.

A condition is CEL. What it may cost is bounded before it runs, and what cannot be evaluated means "ask a person".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from typing import Any, Literal, Self

import cel
from pydantic import Field, field_validator, model_validator

from hitl.definition.values import HARMLESS, Level, OnTimeout, Requirement, Stages, Value
from hitl.exceptions import ConditionFailed

FACTS = (
    "args", "type", "target", "reversible", "risk", "confidence", "agent", "requester", "workflow", "step", "iteration",
)  # fmt: skip

# Evaluation has no clock of its own, so what it may cost is bounded by what may be written: a list is walked at most
# twice inside itself, and never copied (`map` and `filter` take minutes on two nested lists of a thousand).
_LONGEST_LIST = {0: 1000, 1: 1000, 2: 100}  # by how often a condition walks lists
_MOST_WALKS = 2
_DEEPEST = 20
_WALKS = re.compile(r"\.\s*(all|exists|exists_one)\s*\(")
_TEXTS = re.compile(r"""(\w*)(\"{3}|'{3}|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*')""")
_CALLS = re.compile(r"([A-Za-z_]\w*)\s*\(")
_MAY_CALL = {
    "all", "exists", "exists_one", "has", "size", "matches", "contains", "startsWith", "endsWith", "bool", "bytes",
    "double", "duration", "dyn", "int", "string", "timestamp", "type", "uint", "getDate", "getDayOfMonth",
    "getDayOfWeek", "getDayOfYear", "getFullYear", "getHours", "getMilliseconds", "getMinutes", "getMonth",
    "getSeconds",
}  # fmt: skip
_BOUND = re.compile(r"\.\s*(?:all|exists|exists_one)\s*\(\s*(\w+)")


class Rule(Value):
    """When the condition (CEL) holds, this instead of the default: other stages, another level, or passing by itself
    until a day. `name` is how people are told of it."""

    when: str = Field(min_length=1, max_length=1000)
    name: str = Field(default="", max_length=200)
    auto: Literal["approve"] | None = None
    until: date | None = None
    stages: Stages = ()
    level: Level | None = None
    on_timeout: OnTimeout | None = None

    @field_validator("when")
    @classmethod
    def _read(cls, when: str) -> str:
        program(when)
        return when

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        asks = bool(self.stages or self.level or self.on_timeout)
        if self.auto and (asks or self.until is None):
            raise ValueError("auto: approve has an end (until: YYYY-MM-DD), and asks nobody")
        if not self.auto and (not asks or self.until is not None):
            raise ValueError("a rule says stages, level or on_timeout, or auto: approve with until:")
        return self

    def over(self, base: Requirement, label: str) -> Requirement:
        """What this rule makes of the base."""
        over = {"stages": self.stages, "level": self.level, "on_timeout": self.on_timeout}
        kept = {name: value for name, value in over.items() if value}
        return base.model_copy(update={**kept, "rule": label, "auto": self.auto is not None})

    @property
    def passes(self) -> bool:
        """Whether nobody would be waited for."""
        return self.auto is not None or self.level == "info"

    def matches(self, facts: Mapping[str, Any]) -> bool:
        """Whether the condition holds for these facts; raises ConditionFailed where that cannot be said."""
        longest = _LONGEST_LIST[len(_WALKS.findall(self.when))]
        if _longest_list(facts) > longest:
            raise ConditionFailed(f"a list of more than {longest} items")
        try:
            found = program(self.when).execute(dict(facts))
        except Exception as error:  # the library raises many kinds; each means that nobody knows
            raise ConditionFailed(f"{type(error).__name__}: {error}") from error
        if not isinstance(found, bool):
            raise ConditionFailed("it is neither true nor false")
        return found


@lru_cache(maxsize=1024)
def program(when: str) -> cel.Program:
    """The compiled condition; raises ValueError for what is none, or could cost too much."""
    depth = deepest = 0
    for sign in when:
        depth += (sign in "([{") - (sign in ")]}")
        deepest = max(deepest, depth)
    if deepest > _DEEPEST or len(_WALKS.findall(when)) > _MOST_WALKS:
        raise ValueError(f"too much for a condition: at most {_MOST_WALKS} all/exists, {_DEEPEST} deep")
    hides = any(prefix or quoted in ('"""', "'''") for prefix, quoted in _TEXTS.findall(when))
    bare = _TEXTS.sub(" ", when)
    if hides or "//" in bare:
        raise ValueError("a condition has no comments (//), and no raw or triple-quoted texts")
    strange = sorted({*_CALLS.findall(bare)} - _MAY_CALL - {"and", "in", "not", "or"})
    if strange:  # also what only looks like a call: a macro of the library must not slip in
        raise ValueError(f"{when!r} calls {', '.join(strange)}; there are {', '.join(sorted(_MAY_CALL))}")
    try:
        found = cel.compile(when)
    except Exception as error:
        hint = "; write && for and, || for or, ! for not" if re.search(r"\b(and|or|not)\b", when) else ""
        raise ValueError(f"{when!r} is no condition{hint}: {str(error).splitlines()[0][:200]}") from error
    unknown = sorted(set(found.variables()) - {*FACTS, *_BOUND.findall(when)})
    if unknown:
        raise ValueError(f"{when!r} asks for {', '.join(unknown)}; there are {', '.join(FACTS)}")
    return found


def choose(rules: tuple[Rule, ...], base: Requirement, facts: Mapping[str, Any], *, today: date) -> Requirement:
    """The requirement of the first rule that matches, or the base's.

    Closed on doubt: a rule that cannot be evaluated may have matched if it asks people, so the strictest holds of it
    and of what would hold without it; and from then on nothing passes by itself, be it let pass or only told of.
    Neither does anything after a rule's last day.
    """
    doubt = ""
    perhaps = []
    for number, rule in enumerate(rules, 1):
        label = rule.name or f"rule {number}: {rule.when}"
        try:
            matched = rule.matches(facts)
        except ConditionFailed as error:
            doubt = f" (could not be evaluated: {error.message})"[:300]
            if not rule.passes:
                perhaps.append(rule.over(base, label + doubt))
            continue
        if rule.auto and (doubt or facts["risk"] not in HARMLESS or (rule.until is not None and today > rule.until)):
            continue
        if matched:
            base = rule.over(base, label)
            break
    else:
        base = base.model_copy(update={"rule": f"default{doubt}"}) if rules else base
    return max((_sure(found, doubt) for found in (*perhaps, base)), key=_strictness)


def _strictness(requirement: Requirement) -> tuple[bool, int, bool]:
    return not requirement.by_requester, requirement.need, requirement.level == "verify"


def _sure(requirement: Requirement, doubt: str) -> Requirement:
    """After a doubt people decide, also about what would else only be told."""
    asks = doubt and requirement.level == "info"
    return requirement.model_copy(update={"level": "confirm"}) if asks else requirement


def _longest_list(value: Any) -> int:
    if isinstance(value, Mapping):
        return max((_longest_list(item) for item in value.values()), default=0)
    if isinstance(value, list | tuple):
        return max(len(value), *(_longest_list(item) for item in value), 0)
    return 0
