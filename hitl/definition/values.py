"""Values of a policy: what must be true before a request counts as approved."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from hitl.exceptions import InvalidPolicy

Level = Literal["confirm", "verify"]
Risk = Literal["low", "medium", "high", "critical"]
OnTimeout = Literal["reject", "approve"]
CommentRule = Literal["never", "on_approve", "on_reject", "always"]

_REVIEWER = re.compile(r"(group|user):\S(.*\S)?")


class Value(BaseModel):
    """A frozen value that refuses what it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Stage(Value):
    """One sign-off: `approvals` of the reviewers must agree; `rejections` of them refuse it."""

    reviewers: tuple[str, ...] = Field(min_length=1)
    approvals: int = Field(default=1, ge=1, le=100)
    rejections: int = Field(default=1, ge=1, le=100)

    @field_validator("reviewers")
    @classmethod
    def _named(cls, reviewers: tuple[str, ...]) -> tuple[str, ...]:
        for name in reviewers:
            if not _REVIEWER.fullmatch(name):
                raise ValueError(f"{name!r} is no reviewer: write 'group:NAME' or 'user:NAME'")
        return tuple(dict.fromkeys(reviewers))

    @model_validator(mode="after")
    def _satisfiable(self) -> Self:
        people = all(name.startswith("user:") for name in self.reviewers)
        if people and self.approvals > len(self.reviewers):
            raise ValueError(f"{self.approvals} approvals are asked of {len(self.reviewers)} people")
        return self


class Requirement(Value):
    """Who must say yes and how; the snapshot an approval carries. `policy` says where it came from."""

    stages: tuple[Stage, ...] = Field(min_length=1)
    level: Level = "confirm"
    on_timeout: OnTimeout = "reject"
    comment: CommentRule = "on_reject"
    prevent_self_review: bool = True
    policy: str = ""


class PolicyDefault(Value):
    """What holds when no rule matches."""

    stages: tuple[Stage, ...] = Field(min_length=1, max_length=1)
    level: Level = "confirm"
    on_timeout: OnTimeout = "reject"


class PolicyDocument(Value):
    """A named policy as people write it."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,99}$")
    default: PolicyDefault
    comment: CommentRule = "on_reject"
    prevent_self_review: bool = True

    @classmethod
    def read(cls, document: Any) -> PolicyDocument:
        """The document as a value; raises InvalidPolicy naming the field that is wrong."""
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            raise InvalidPolicy(explain(error)) from error

    def requirement(self, version: int) -> Requirement:
        """The requirement this policy makes, marked with its name and version."""
        return Requirement(
            stages=self.default.stages,
            level=self.default.level,
            on_timeout=self.default.on_timeout,
            comment=self.comment,
            prevent_self_review=self.prevent_self_review,
            policy=f"{self.name} v{version}",
        )


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
