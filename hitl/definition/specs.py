"""The frozen values a workflow is made of. They are JSON, so that a run can keep the version it started with."""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import Any, Literal

from pydantic import Field

from hitl.definition.canonical import canonical, digest
from hitl.definition.values import Level, OnTimeout, Requirement, Risk, Value


class GateSpec(Value):
    """How a gate asks: who, in which words, for how long, and what silence means. Durations are seconds."""

    policy: str = ""
    requirement: Requirement | None = None
    title: str = ""
    impact: str = ""
    description: str = ""
    topic: str = Field(default="", max_length=200)
    level: Level | None = None
    phrase: str = Field(default="", max_length=200)
    risk: Risk = "medium"
    reversible: bool = False
    timeout: float | None = None
    on_timeout: OnTimeout | None = None
    editable: tuple[str, ...] | None = None
    execute_within: float | None = None
    cool_off: float = 0
    calls_action: bool = False
    calls_risk: bool = False


class StepSpec(Value):
    """One step. `gates` are the gates whose grants its claim consumes; `asks` is set on a gate itself."""

    name: str
    kind: Literal["step", "gate"] = "step"
    after: tuple[str, ...] = ()
    gates: tuple[str, ...] = ()
    when: bool = False
    queue: str = Field(default="default", min_length=1, max_length=100)
    timeout: float | None = None
    max_attempts: int = 3
    backoff: float = 1
    repeatable: bool = True
    asks: GateSpec | None = None

    @property
    def guarded(self) -> bool:
        """Whether its claim must be synchronous and under the run's lock: it uses up a grant, or may not repeat."""
        return bool(self.gates) or not self.repeatable


class Definition(Value):
    """A workflow as a run keeps it: steps in the order they were written."""

    name: str
    title: str = ""
    input_schema: dict[str, Any] | None = None
    deadline: float | None = None
    steps: tuple[StepSpec, ...] = Field(min_length=1)

    @cached_property
    def body(self) -> bytes:
        """Canonical JSON without defaults, so that a new option leaves old digests alone."""
        return canonical(self.model_dump(mode="json", exclude_defaults=True), what=f"definition of {self.name}")

    @cached_property
    def digest(self) -> str:
        """What tells two versions apart."""
        return digest("hitl.definition.v1", self.body)

    @cached_property
    def by_name(self) -> dict[str, StepSpec]:
        """Steps by their names."""
        return {spec.name: spec for spec in self.steps}


@lru_cache(maxsize=512)
def read_definition(body: str) -> Definition:
    """The definition a Workflow row holds."""
    return Definition.model_validate_json(body)
