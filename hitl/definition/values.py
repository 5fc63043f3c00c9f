"""Values of a policy: what must be true before a request counts as approved."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import timedelta
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
    model_validator,
)

from hitl.exceptions import InvalidPolicy

Level = Literal["info", "confirm", "verify"]
Risk = Literal["low", "medium", "high", "critical"]
OnTimeout = Literal["reject", "approve", "escalate"]
CommentRule = Literal["never", "on_approve", "on_reject", "always"]

RISKS: tuple[Risk, ...] = ("low", "medium", "high", "critical")
LEVELS: tuple[Level, ...] = ("info", "confirm", "verify")
HARMLESS = ("low", "medium")  # what may pass by rule, be only told of, or be confirmed by who asked
REQUESTER = "requester"

_REVIEWER = re.compile(r"(group|user):\S(.*\S)?|requester")
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_BUSINESS = re.compile(r"(\S+) business(?: ([a-z0-9][a-z0-9_-]*))?")
_LONGEST = timedelta(days=366).total_seconds()
_LONGEST_BUSINESS = timedelta(hours=2000).total_seconds()


def _as_seconds(value: Any) -> Any:
    """`4h`, `1h30m`, `2d`, a timedelta, or seconds."""
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, str):
        found = _DURATION.fullmatch(value.strip())
        if found is None or not any(found.groups()):
            raise ValueError(f"{value!r} is no duration: write 45m, 4h, 1h30m or 2d")
        days, hours, minutes, secs = (int(part or 0) for part in found.groups())
        return float(((days * 24 + hours) * 60 + minutes) * 60 + secs) if len(value) < 40 else _LONGEST * 2
    return value


Duration = Annotated[float, BeforeValidator(_as_seconds), Field(gt=0, le=_LONGEST)]


class Business(float):
    """Seconds that count only while a calendar says that people work: the project's own, or the one it calls so."""

    calendar: str = ""

    @classmethod
    def of(cls, value: float, calendar: str = "") -> Business:
        """So many seconds of this calendar."""
        found = cls(value)
        found.calendar = calendar
        return found

    def __str__(self) -> str:
        """As it is written: `8h business`."""
        left, told = int(self), ""
        for unit, length in (("h", 3600), ("m", 60), ("s", 1)):
            many, left = divmod(left, length)
            told += f"{many}{unit}" if many else ""
        return f"{told} business {self.calendar}".rstrip()


def _with_business(value: Any, clock: ValidatorFunctionWrapHandler) -> float:
    """A duration, or `8h business`, or `8h business berlin` by the calendar of this name."""
    found = _BUSINESS.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        seconds: float = clock(float(value) if isinstance(value, Business) else value)
        return Business.of(seconds, value.calendar) if isinstance(value, Business) else seconds
    if "d" in found[1]:
        raise ValueError(f"{value!r}: a day of business can be read in two ways; write hours, as in 16h business")
    span: float = clock(found[1])
    if span > _LONGEST_BUSINESS:
        raise ValueError(f"{value!r} is longer than 2000h of business")
    return Business.of(span, found[2] or "")


def as_written(value: float) -> float | str:
    """A duration as it is kept: seconds, or the words of business hours."""
    return str(value) if isinstance(value, Business) else value


Span = Annotated[Duration, WrapValidator(_with_business), PlainSerializer(as_written)]


def _alike(one: float, other: float) -> bool:
    """Whether two durations are measured in the same way, so that they can be compared."""
    return isinstance(one, Business) == isinstance(other, Business)


def _before(after: float, ends: float | None) -> bool:
    """Whether something comes before the end, as far as the durations tell."""
    return not ends or after < ends or not _alike(after, ends)


def _reviewers(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if not _REVIEWER.fullmatch(name):
            raise ValueError(f"{name!r} is no reviewer: write 'group:NAME' or 'user:NAME'")
    return tuple(dict.fromkeys(names))


class Value(BaseModel):
    """A frozen value that refuses what it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Escalation(Value):
    """One more step up the escalation ladder: `after` so long in a stage, `to` these people, beside those asked so far
    (`add`) or in their place (`replace`)."""

    after: Span
    to: tuple[str, ...] = Field(min_length=1)
    mode: Literal["add", "replace"] = "add"

    @field_validator("to")
    @classmethod
    def _named(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if REQUESTER in names:
            raise ValueError("a request is never escalated to the one who asks")
        return _reviewers(names)


class Stage(Value):
    """One sign-off: `approvals` of the reviewers must agree; `rejections` of them refuse it.

    Without `approvals` it is one, or two where the risk is critical and there is no other stage. Times count from the
    moment the stage opens; `fallback` are asked when the others cannot reach the quorum.
    """

    reviewers: tuple[str, ...] = Field(min_length=1)
    approvals: int | None = Field(default=None, ge=1, le=100)
    rejections: int = Field(default=1, ge=1, le=100)
    timeout: Span | None = None
    remind: tuple[Span, ...] = Field(default=(), max_length=20)
    escalate: tuple[Escalation, ...] = Field(default=(), max_length=10)
    fallback: tuple[str, ...] = ()

    @field_validator("reviewers", "fallback")
    @classmethod
    def _named(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return _reviewers(names)

    @model_validator(mode="after")
    def _satisfiable(self) -> Self:
        people = all(name.startswith("user:") for name in (*self.reviewers, *self.fallback))
        if people and not self.escalate and self.need > len({*self.reviewers, *self.fallback}):
            raise ValueError(f"{self.need} approvals are asked of {len(self.reviewers)} people")
        if self.by_requester and (self.reviewers != (REQUESTER,) or self.need > 1 or self.escalate):
            raise ValueError("the requester confirms alone: no other reviewers, no quorum, no escalation")
        if REQUESTER in self.fallback:
            raise ValueError("the requester is no fallback for other people")
        for name, after in (("remind", self.remind), ("escalate", [rung.after for rung in self.escalate])):
            falls = any(one > later and _alike(one, later) for one, later in pairwise(after))
            if falls or not all(_before(one, self.timeout) for one in after):
                raise ValueError(f"{name}: times come in their order, and before the timeout")
        return self

    @property
    def need(self) -> int:
        """How many approvals let it pass."""
        return self.approvals or 1

    @property
    def by_requester(self) -> bool:
        """Whether it is a confirmation by the person who asked."""
        return REQUESTER in self.reviewers

    def at(self, approvals: int, timeout: float | None) -> Stage:
        """The stage with these for what it leaves open; what would come after its end is left out."""
        ends = self.timeout or timeout
        return Stage.model_validate(
            {
                **self.model_dump(),
                "approvals": self.approvals or approvals,
                "timeout": ends,
                "remind": [after for after in self.remind if _before(after, ends)],
                "escalate": [rung for rung in self.escalate if _before(rung.after, ends)],
            }
        )


def _together(stages: tuple[Stage, ...]) -> tuple[Stage, ...]:
    if len(stages) > 1 and any(stage.by_requester for stage in stages):
        raise ValueError("a confirmation by the requester is never one stage of several")
    return stages


def calendars(stages: Iterable[Stage], *more: float | None) -> set[str]:
    """The names of the calendars that these stages, and `more` durations, are measured by; the project's own is
    empty."""
    spans = [span for s in stages for span in (s.timeout, *s.remind, *(rung.after for rung in s.escalate))] + [*more]
    return {span.calendar for span in spans if isinstance(span, Business)}


Stages = Annotated[tuple[Stage, ...], AfterValidator(_together), Field(max_length=10)]


class Requirement(Value):
    """Who must say yes and how; the snapshot an approval carries. `policy` and `rule` say where it came from."""

    stages: Stages = Field(min_length=1)
    level: Level | None = None
    on_timeout: OnTimeout = "reject"
    comment: CommentRule = "on_reject"
    prevent_self_review: bool = True
    step_up: dict[Risk, Literal["password"]] = {}
    extend: Duration = timedelta(days=7).total_seconds()
    policy: str = ""
    rule: str = ""
    auto: bool = False

    @property
    def need(self) -> int:
        """How many approvals there must be over all stages."""
        return sum(stage.need for stage in self.stages)

    @property
    def by_requester(self) -> bool:
        """Whether it is a confirmation by the person who asked."""
        return self.stages[0].by_requester

    def at(self, risk: str, *, reversible: bool, timeout: float | None = None) -> Requirement:
        """What holds at this risk, with nothing left open: critical needs two people and a typed phrase unless somebody
        said otherwise, and silence, a rule or being told pass only what is not dangerous. `timeout` is for stages
        without their own. Raises InvalidPolicy for what can then not be asked, such as the requester's own yes to high
        risk."""
        if self.by_requester and risk not in HARMLESS:
            raise InvalidPolicy(f"{risk} risk is not for the requester to confirm alone: name other reviewers")
        two = risk == "critical" and len(self.stages) == 1
        level = "confirm" if self.level == "info" and risk not in HARMLESS else self.level
        silent = self.on_timeout == "approve" and not (risk == "low" and reversible)
        try:
            return self.model_copy(
                update={
                    "stages": tuple(stage.at(2 if two else 1, timeout) for stage in self.stages),
                    "level": level or ("verify" if risk == "critical" else "confirm"),
                    "on_timeout": "reject" if silent else self.on_timeout,
                    "prevent_self_review": self.prevent_self_review and not self.by_requester,
                    "step_up": {name: how for name, how in self.step_up.items() if name == risk},
                }
            )
        except ValidationError as error:
            raise InvalidPolicy(f"at {risk} risk: {explain(error)}") from error


def explain(error: ValidationError) -> str:
    """A pydantic error in one line: each field and what is wrong with it."""
    parts = []
    for item in error.errors(include_url=False, include_context=False, include_input=False):
        where = ".".join(str(part) for part in item["loc"])
        parts.append(f"{where}: {item['msg']}" if where else item["msg"])
    return "; ".join(parts)


def seconds(delta: timedelta | None) -> float | None:
    """A duration as it is written into a definition; integers stay integers, so that digests do not wander."""
    if delta is None:
        return None
    value = delta.total_seconds()
    return int(value) if value == int(value) else value
