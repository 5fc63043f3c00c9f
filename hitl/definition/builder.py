"""What authors write: a Workflow object in any app's `workflows.py`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ValidationError

from hitl.definition import graph, registry
from hitl.definition.action import dropped, model_schema
from hitl.definition.gates import check_durations, gate_spec
from hitl.definition.kinds import Gate, Kinds, rung_names
from hitl.definition.specs import Definition, StepSpec
from hitl.definition.values import explain, seconds
from hitl.exceptions import BadInput, InvalidWorkflow

Handler = TypeVar("Handler", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class StepRef:
    """A name to write behind `after=` and `before=`."""

    workflow: str
    name: str


After = Callable[..., Any] | StepRef | str | Iterable[Callable[..., Any] | StepRef | str] | None


class Workflow(Kinds):
    """A recipe of steps and gates, known by its name.

    `input` is a pydantic model every run's input must satisfy. `deadline` ends a run as failed after so long.
    The object registers itself; `definition()` checks everything and is called at start-up by a system check.
    """

    def __init__(
        self,
        name: str,
        *,
        title: str = "",
        input: type[BaseModel] | None = None,
        deadline: timedelta | None = None,
    ) -> None:
        _check_name("workflow", name)
        check_durations(f"workflow {name!r}", deadline=deadline)
        self.name = name
        self.title = title or name.replace("-", " ").replace("_", " ").capitalize()
        self.input = input
        self.deadline = deadline
        self.handlers: dict[str, Callable[..., Any]] = {}
        self.whens: dict[str, Callable[..., Any]] = {}
        self.actions: dict[str, Callable[..., Any]] = {}
        self.risks: dict[str, Callable[..., Any]] = {}
        self.ladders: dict[str, tuple[tuple[Any, ...], Callable[[Any], bool] | None]] = {}
        self.function: Callable[..., Any] | None = None
        self._steps: list[StepSpec] = []
        self._before: dict[str, str] = {}
        self._definition: Definition | None = None
        registry.register(self)

    def step(
        self,
        handler: Handler | None = None,
        *,
        name: str = "",
        after: After = None,
        gate: Gate | str | None = None,
        when: Callable[..., Any] | None = None,
        queue: str = "default",
        timeout: timedelta | None = None,
        max_attempts: int = 3,
        backoff: timedelta = timedelta(seconds=1),
        repeatable: bool = True,
        escalation: Iterable[Any] = (),
        escalate_when: Callable[[Any], bool] | None = None,
        **spec: Any,
    ) -> Any:
        """Add a step; as a decorator, with or without arguments. The function stays callable.

        `gate=Gate(...)` puts a gate in front of it, `gate="name"` one that stands already. `when(ctx)` false skips it.
        A raising handler is tried `max_attempts` times, `backoff` doubling in between. A worker that dies inside a step
        that is not `repeatable` leaves it uncertain, for a person to resolve. `escalation` is the ladder (functions for
        other agents, `Human(...)` for people) climbed while `escalate_when(result)` holds. `external=True` needs a name
        and no handler: a program outside claims it from `queue` over the API.
        """
        options = dict(locals())
        if handler is None and not spec.get("external"):
            for own in ("self", "handler", "spec"):
                del options[own]
            return lambda handler: self.step(handler, **options, **spec)
        name = name or getattr(handler, "__name__", "")
        where = f"step {name!r} of workflow {self.name!r}"
        _check_outside(where, handler, name, queue, escalation, spec)
        if max_attempts < 1:
            raise InvalidWorkflow(f"{where}: max_attempts is {max_attempts}; at least 1 is needed")
        check_durations(where, timeout=timeout)
        check_durations(where, least=timedelta(0), backoff=backoff)
        ladder = tuple(escalation)
        self._add(
            name=name,
            after=self._behind(name, after, gate),
            when=when is not None,
            queue=queue,
            timeout=seconds(timeout),
            max_attempts=max_attempts,
            backoff=seconds(backoff) or 0,
            repeatable=repeatable,
            rungs=rung_names(where, ladder),
            **spec,
        )
        if when is not None:
            self.whens[name] = when
        if handler is None:
            return self._ref(name)
        self.handlers[name] = handler
        self.ladders[name] = (ladder, escalate_when)
        return handler

    def approval(
        self,
        name: str,
        *,
        after: After = None,
        before: Callable[..., Any] | StepRef | str | None = None,
        action: Callable[..., Any] | None = None,
        risk: str | Callable[..., Any] = "medium",
        revise: Callable[..., Any] | StepRef | str | None = None,
        **options: Any,
    ) -> StepRef:
        """Add a gate: the run waits there until people have decided on an action.

        It proposes the output of the step before it, or what `action(ctx)` returns, and protects the one step that
        follows it (or `before=`). Who decides: `policy=`, or `reviewers=` with `approvals=` and `rejections=`.
        The other options are those of `hitl.definition.gates.gate_spec`.
        """
        asks = gate_spec(
            f"gate {name!r} of workflow {self.name!r}",
            risk="medium" if callable(risk) else risk,
            calls_action=action is not None,
            calls_risk=callable(risk),
            revise=self._name_of(revise) if revise is not None else "",
            **options,
        )
        self._add(name=name, kind="gate", after=self._names(name, after), asks=asks)
        if before is not None:
            self._before[self._name_of(before)] = name
        if action is not None:
            self.actions[name] = action
        if callable(risk):
            self.risks[name] = risk
        return StepRef(self.name, name)

    def definition(self) -> Definition:
        """The frozen definition; raises InvalidWorkflow with what to change."""
        if self._definition is None:
            self._check_allowed()
            steps = [self._placed(spec) for spec in self._steps]
            graph.check(self.name, steps)
            gates = graph.gates_of(steps)
            steps = [spec.model_copy(update={"gates": gates.get(spec.name, ())}) for spec in steps]
            self._definition = Definition(
                name=self.name,
                title=self.title,
                input_schema=model_schema(self.input) if self.input else None,
                deadline=seconds(self.deadline),
                steps=tuple(steps),
            )
        return self._definition

    def read_input(self, value: Any) -> Any:
        """The input of a run as JSON, checked by the workflow's model; raises BadInput."""
        if isinstance(value, BaseModel):
            value = value.model_dump(mode="json")
        if self.input is None:
            return value
        try:
            read = self.input.model_validate(value, strict=None)
        except ValidationError as error:
            raise BadInput(f"input of workflow {self.name!r}: {explain(error)}") from error
        unknown = sorted(dropped(value, read.model_dump(by_alias=True), read.model_dump()))
        if unknown:
            raise BadInput(f"input of workflow {self.name!r} has unknown fields: {', '.join(unknown)}")
        return read.model_dump(mode="json")

    def start(self, input: Any = None, *, requester: Any, **options: Any) -> Any:
        """Start a run and return it; see `hitl.start`."""
        return registry.call("start", self.name, input, requester=requester, **options)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """A durable function stays callable, with a context of the caller's."""
        if self.function is None:
            raise TypeError(f"workflow {self.name!r} is no function; start() a run of it")
        return self.function(*args, **kwargs)

    def graph(self) -> str:
        """The workflow as Mermaid text."""
        return graph.mermaid(self.definition())

    def __repr__(self) -> str:
        return f"<Workflow {self.name}>"

    def _add(self, **spec: Any) -> None:
        _check_name("step", spec["name"])
        try:
            self._steps.append(StepSpec(**spec))
        except ValidationError as error:
            raise InvalidWorkflow(f"step {spec['name']!r} of workflow {self.name!r}: {explain(error)}") from error
        self._definition = None

    def _ref(self, name: str) -> StepRef:
        return StepRef(self.name, name)

    def _behind(self, name: str, after: After, gate: Gate | str | None) -> tuple[str, ...]:
        """What a step comes after, with its own gate put in between."""
        before = self._names(name, after)
        if gate is None:
            return before
        if isinstance(gate, str):
            return tuple(dict.fromkeys((*before, gate)))
        self.approval(f"{name}.gate", after=before, **gate.options)
        return (f"{name}.gate",)

    def _placed(self, spec: StepSpec) -> StepSpec:
        """The step with `before=` gates put in front of it: the gate takes over what the step came after."""
        gate = self._before.get(spec.name)
        if gate is not None:
            return spec.model_copy(update={"after": tuple(dict.fromkeys((*spec.after, gate)))})
        for step, name in self._before.items():
            if name == spec.name and not spec.after:
                after = next((other.after for other in self._steps if other.name == step), ())
                return spec.model_copy(update={"after": tuple(n for n in after if n != name)})
        return spec

    def _names(self, step: str, after: After) -> tuple[str, ...]:
        if after is None:
            return ()
        if isinstance(after, str | StepRef) or not isinstance(after, Iterable):
            after = [after]
        return tuple(dict.fromkeys(self._name_of(item, step) for item in after))

    def _name_of(self, item: Callable[..., Any] | StepRef | str, step: str = "") -> str:
        if isinstance(item, str):
            return item
        if isinstance(item, StepRef):
            if item.workflow != self.name:
                raise InvalidWorkflow(f"{item.name!r} is a step of workflow {item.workflow!r}, not of {self.name!r}")
            return item.name
        names = [name for name, handler in self.handlers.items() if handler is item]
        if len(names) != 1:
            told = getattr(item, "__name__", repr(item))
            raise InvalidWorkflow(
                f"{step or 'before='!r} of workflow {self.name!r} names the function {told!r}, which is "
                + (f"the handler of {len(names)} steps; write the step's name" if names else "not a step of it")
            )
        return names[0]


def workflow(name: str, **options: Any) -> Callable[[Callable[..., Any]], Workflow]:
    """Decorator: one durable function as a whole workflow, with the same context and the same guarantees."""

    def make(function: Callable[..., Any]) -> Workflow:
        flow = Workflow(name, **options)
        flow.step(function, name=function.__name__)
        flow.function = function
        return flow

    return make


def is_async(handler: Callable[..., Any]) -> bool:
    """Whether calling it gives a coroutine."""
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(
        getattr(cast(Any, handler), "__call__", None)  # noqa: B004
    )


def _check_outside(where: str, handler: Any, name: str, queue: str, escalation: Any, spec: dict[str, Any]) -> None:
    if not queue or not all(c.isalnum() or c in "-_." for c in queue):
        raise InvalidWorkflow(f"{where}: a queue's name is made of letters, digits, '-', '_' and '.', not {queue!r}")
    if spec.get("external") and (handler is not None or not name or escalation):
        raise InvalidWorkflow(f"{where} is external: it has a name, and no handler and no ladder of ours")


def _check_name(what: str, name: str) -> None:
    if not isinstance(name, str) or not name or len(name) > 100 or not all(c.isalnum() or c in "-_." for c in name):
        raise InvalidWorkflow(f"{name!r} is no name for a {what}: up to 100 letters, digits, '-', '_' and '.'")
    if what == "workflow" and name.startswith("hitl."):
        raise InvalidWorkflow(f"{name!r} is no name for a workflow: names that begin with 'hitl.' are hitl's own")
