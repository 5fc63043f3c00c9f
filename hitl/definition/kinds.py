"""The other kinds of steps: loops, questions, plans, waits, child runs, pipelines and failure handlers.

Most are a step whose handler is written here in terms of the context's verbs, so that the engine knows few kinds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from hitl.definition.outcomes import Human, Plan
from hitl.definition.specs import LoopSpec, PlanSpec
from hitl.definition.values import seconds
from hitl.exceptions import InvalidWorkflow

if TYPE_CHECKING:
    from hitl.definition.builder import StepRef

MISSING: Any = object()


class Gate:
    """A gate to put in front of a step: `step(pay, gate=Gate(reviewers=[…]))`; its options are those of `approval`."""

    def __init__(self, **options: Any) -> None:
        self.options = options


class Kinds:
    """Builder methods of a Workflow beside `step` and `approval`."""

    name: str
    handlers: dict[str, Callable[..., Any]]

    if TYPE_CHECKING:

        def step(self, handler: Any = None, **options: Any) -> Any: ...

        def approval(self, name: str, **options: Any) -> StepRef: ...

        def _add(self, **spec: Any) -> None: ...

        def _name_of(self, item: Any, step: str = "") -> str: ...

        def _ref(self, name: str) -> StepRef: ...

    def agent_loop(
        self,
        name: str,
        handler: Callable[..., Any] | None = None,
        *,
        max_iterations: int = 10,
        max_duration: timedelta | None = None,
        iteration_timeout: timedelta = timedelta(seconds=90),
        loop_delay: timedelta = timedelta(0),
        **options: Any,
    ) -> StepRef:
        """A handler that is called turn after turn until it completes; `Continue(state)` keeps its checkpoint.

        With `external=True` a program outside takes each turn, and there is no handler. More than `max_iterations`
        turns, or longer than `max_duration`, ends it as failed with that code.
        """
        if handler is None and not options.get("external"):
            raise InvalidWorkflow(f"agent_loop {name!r} of workflow {self.name!r} needs a handler, or external=True")
        loop = LoopSpec(
            max_iterations=max_iterations, max_duration=seconds(max_duration), delay=seconds(loop_delay) or 0
        )
        self.step(handler, name=name, kind="loop", timeout=iteration_timeout, loop=loop, **options)
        return self._ref(name)

    def question(self, name: str, *, question: str | Callable[..., str], after: Any = None, **options: Any) -> StepRef:
        """Ask people something; their typed answer is the step's output. Options are those of `ctx.ask`."""

        def ask(ctx: Any) -> Any:
            words = question(ctx) if callable(question) else question
            return ctx.ask(name, words, **options)

        self.step(ask, name=name, kind="question", after=after)
        return self._ref(name)

    def planner(
        self,
        name: str,
        *,
        allowed: Iterable[str],
        plan_from: Any = None,
        handler: Callable[..., Any] | None = None,
        ungated: str = "",
        max_steps: int = 20,
        max_depth: int = 1,
        **options: Any,
    ) -> StepRef:
        """Run a plan: its steps become part of this run. `allowed` names the handlers a plan may use.

        `plan_from=gate` runs the plan that was approved there (`{"steps": [...]}`). A plan made by `handler=` is seen
        by nobody, so it must say why with `ungated=`.
        """
        if (plan_from is None) == (handler is None):
            raise InvalidWorkflow(f"planner {name!r} of workflow {self.name!r} needs either plan_from= or handler=")
        if handler is not None and (not ungated or options.get("gate") is not None):
            # A gate in front of it would show what came before: the plan itself is made only afterwards.
            raise InvalidWorkflow(
                f"planner {name!r} of workflow {self.name!r} runs a plan nobody has seen: propose it in a step, "
                "gate that, and use plan_from=; or say with ungated= why nobody needs to see it"
            )
        allowed = tuple(allowed)
        unknown = [code for code in allowed if f"plan:{code}" not in self.handlers]
        plan = PlanSpec(max_steps=max_steps, max_depth=max_depth, allowed=allowed)
        self._later.append((name, unknown))
        if plan_from is not None:
            options["after"] = plan_from
        self.step(handler or _approved_plan, name=name, kind="planner", plan=plan, **options)
        return self._ref(name)

    def handler(self, code: str) -> Callable[[Any], Any]:
        """Decorator: a function that plans may name."""

        def keep(function: Any) -> Any:
            self.handlers[f"plan:{code}"] = function
            return function

        return keep

    def wait_for_signal(self, name: str, *, signal: str = "", after: Any = None, **options: Any) -> StepRef:
        """Wait for a signal (named as the step unless `signal=`); its payload is the step's output."""
        self.step(lambda ctx: ctx.wait_for_signal(signal or name, **options), name=name, kind="wait", after=after)
        return self._ref(name)

    def sleep(self, name: str, delta: timedelta, *, after: Any = None) -> StepRef:
        """Let time pass."""
        self.step(lambda ctx: ctx.sleep(name, delta), name=name, kind="sleep", after=after)
        return self._ref(name)

    def run_workflow(
        self, name: str, other: Any, *, input: Callable[..., Any] | None = None, after: Any = None
    ) -> StepRef:
        """Start a run of another workflow and wait for its end; its output is the step's output."""
        target = other if isinstance(other, str) else other.name
        self.step(
            lambda ctx: ctx.run_workflow(name, target, input(ctx) if input else ctx.input),
            name=name,
            kind="run",
            after=after,
        )
        return self._ref(name)

    def approve_each(self, stages: Iterable[tuple[Callable[..., Any], Gate | None]], *, after: Any = None) -> StepRef:
        """A pipeline: each function acts on what was approved before it, then its gate is asked.

        A function gets `ctx.previous`; a gate without a title takes the function's name. The last one, if it has a
        gate, is followed by a step that hands on what was approved.
        """
        before: Any = after
        for handler, gate in stages:
            self.step(handler, after=before)
            before = handler
            if gate is not None:
                words = handler.__name__.replace("_", " ")
                told = {"title": f"Approve {words}", "impact": "The next stage works with it", **gate.options}
                before = self.approval(f"{handler.__name__}.approval", after=handler, **told)
        if not callable(before):
            self.step(lambda ctx: ctx.previous, name="approved", after=before)
            before = "approved"
        return self._ref(before if isinstance(before, str) else before.__name__)

    def on_failure(self, step: Any, handler: Callable[..., Any], *, max_restarts: int = 3) -> None:
        """Call `handler(ctx)` when that step fails or that gate is refused; `ctx.failure` says what happened.

        It may return `Restart("step")`, at most `max_restarts` times; otherwise the run ends as it would have. It never
        opens a refused gate.
        """
        of = self._name_of(step)
        name = f"{of}.on_failure"
        self._add(name=name, kind="failure", failure_of=of, max_restarts=max_restarts)
        self.handlers[name] = handler

    @property
    def _later(self) -> list[tuple[str, list[str]]]:
        """Planners and the handlers they allowed before those were known; `definition` looks again."""
        found: list[tuple[str, list[str]]] = self.__dict__.setdefault("_allowed", [])
        return found

    def _check_allowed(self) -> None:
        for planner, codes in self._later:
            unknown = sorted(code for code in codes if f"plan:{code}" not in self.handlers)
            if unknown:
                raise InvalidWorkflow(
                    f"planner {planner!r} of workflow {self.name!r} allows {', '.join(unknown)}, which no "
                    "@workflow.handler names"
                )


def rung_names(where: str, ladder: tuple[Any, ...]) -> tuple[str, ...]:
    """The rungs of a ladder by name; raises InvalidWorkflow for one that is neither a function nor a Human."""
    names = []
    for rung in ladder:
        if not isinstance(rung, Human) and not callable(rung):
            raise InvalidWorkflow(f"{where}: a rung of the ladder is a function or Human(...), not {rung!r}")
        names.append(rung.name if isinstance(rung, Human) else rung.__name__)
    return tuple(names)


def _approved_plan(ctx: Any) -> Plan:
    """The plan that was approved at the gate before."""
    action = ctx.action
    steps = action.get("steps") if isinstance(action, dict) else getattr(action, "steps", None)
    if isinstance(steps, list):
        steps = [step.model_dump(mode="json") if isinstance(step, BaseModel) else step for step in steps]
    return Plan(steps if isinstance(steps, list) else [])
