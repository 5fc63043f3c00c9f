"""A policy as people write it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from hitl.definition.policy.rules import Rule
from hitl.definition.values import CommentRule, Duration, Level, OnTimeout, Requirement, Risk, Stages, Value, explain
from hitl.exceptions import InvalidPolicy


class PolicyDefault(Value):
    """What holds when no rule matches."""

    stages: Stages = Field(min_length=1)
    level: Level | None = None
    on_timeout: OnTimeout = "reject"


class PolicyDocument(Value):
    """A named policy: rules, the first that matches holds, and a default for what none matches.

    `comment` says when a reason is required, `step_up` at which risks people re-enter their password, `extend` how much
    later than at first the deadline of a stage may be set. `on_timeout` may also stand beside `default`.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,99}$")
    description: str = Field(default="", max_length=2000)
    rules: tuple[Rule, ...] = Field(default=(), max_length=100)
    default: PolicyDefault
    comment: CommentRule = "on_reject"
    prevent_self_review: bool = True
    step_up: dict[Risk, Literal["password"]] = {}
    extend: Duration = timedelta(days=7).total_seconds()

    @model_validator(mode="before")
    @classmethod
    def _on_timeout_beside(cls, document: Any) -> Any:
        if isinstance(document, dict) and "on_timeout" in document and isinstance(document.get("default"), dict):
            rest = {name: value for name, value in document.items() if name != "on_timeout"}
            return {**rest, "default": {"on_timeout": document["on_timeout"], **document["default"]}}
        return document

    @classmethod
    def read(cls, document: Any) -> PolicyDocument:
        """The document as a value; raises InvalidPolicy naming the field that is wrong."""
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            raise InvalidPolicy(explain(error)) from error

    @property
    def everybody(self) -> list[str]:
        """Every reviewer this policy may ever ask, once."""
        stages = [*self.default.stages, *(stage for rule in self.rules for stage in rule.stages)]
        names = [name for stage in stages for name in (*stage.reviewers, *stage.fallback)]
        names += [name for stage in stages for rung in stage.escalate for name in rung.to]
        return list(dict.fromkeys(names))

    def requirement(self, version: int) -> Requirement:
        """What holds when no rule matches, marked with the policy's name and version."""
        return Requirement(
            stages=self.default.stages,
            level=self.default.level,
            on_timeout=self.default.on_timeout,
            comment=self.comment,
            prevent_self_review=self.prevent_self_review,
            step_up=self.step_up,
            extend=self.extend,
            policy=f"{self.name} v{version}",
        )
