"""The frozen values a workflow is made of. They are JSON, so that a run can keep the version it started with."""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import Any, Literal

from pydantic import Field

from hitl.definition.canonical import canonical, digest
from hitl.definition.policy.rules import Rule
from hitl.definition.values import Level, OnTimeout, Requirement, Risk, Span, Value, calendars

EXTERNAL = "external:"  # begins the queues that programs outside look at; no worker of ours does


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
    timeout: Span | None = None
    on_timeout: OnTimeout | None = None
    editable: tuple[str, ...] | None = None
    execute_within: float | None = None
    cool_off: float = 0
    revise: str = ""
    max_revisions: int = Field(default=3, ge=0, le=100)
    on_max_revisions: Literal["reject", "escalate"] = "reject"
    rules: tuple[Rule, ...] = ()
    types: dict[str, dict[str, Any] | None] = {}
    question: str = ""
    response_schema: dict[str, Any] | None = None
    calls_action: bool = False
    calls_risk: bool = False
    outside: bool = False  # said by an agent, so that it can only make its policy stricter

    @property
    def calendars(self) -> set[str]:
        """The calendars that its own durations are measured by."""
        own = self.requirement.stages if self.requirement is not None else ()
        return calendars((*own, *(stage for rule in self.rules for stage in rule.stages)), self.timeout)


class LoopSpec(Value):
    """How long an agent may go on. Durations are seconds."""

    max_iterations: int = Field(default=10, ge=1, le=100_000)
    max_duration: float | None = None
    delay: float = 0


class PlanSpec(Value):
    """What a plan may bring into a run."""

    max_steps: int = Field(default=20, ge=1, le=1000)
    max_depth: int = Field(default=1, ge=1, le=10)
    allowed: tuple[str, ...] = Field(min_length=1)


class StepSpec(Value):
    """One step. `gates` are the gates whose grants its claim consumes; `asks` is set on a gate itself.

    `handler` names its code where that is not the step's own name; `args` are a planned step's. A step of kind
    `failure` waits for `failure_of` to fail, and takes part in nothing else.
    """

    name: str
    kind: Literal["step", "gate", "loop", "planner", "question", "wait", "sleep", "run", "failure"] = "step"
    handler: str = ""
    args: Any = None
    after: tuple[str, ...] = ()
    gates: tuple[str, ...] = ()
    when: bool = False
    queue: str = Field(default="default", min_length=1, max_length=100)
    timeout: float | None = None
    max_attempts: int = 3
    backoff: float = 1
    repeatable: bool = True
    external: bool = False
    asks: GateSpec | None = None
    loop: LoopSpec | None = None
    plan: PlanSpec | None = None
    rungs: tuple[str, ...] = ()
    failure_of: str = ""
    max_restarts: int = 3

    @property
    def code(self) -> str:
        """The name its handler is found by."""
        return self.handler or self.name

    @property
    def row_queue(self) -> str:
        """The queue its rows stand in: an external step's is one that no worker of ours looks at."""
        return f"{EXTERNAL}{self.queue}" if self.external else self.queue

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
