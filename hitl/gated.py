"""`@hitl.gate`: a plain function that asks a person first."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hitl.definition import Action, Workflow
from hitl.engine import start
from hitl.exceptions import InvalidWorkflow, RunFailed, StepFailed
from hitl.models import Run
from hitl.states import RUN_ENDS


@dataclass(frozen=True, slots=True)
class Handle:
    """What a gated call gives back at once: the run that waits for a person."""

    run_id: str

    @property
    def status(self) -> str:
        """How the run stands now."""
        return str(self._run().status)

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return self._run().status in RUN_ENDS

    def result(self) -> Any:
        """What the function returned; raises RunFailed when it was refused, failed, or has not ended."""
        run = self._run()
        if run.status != "succeeded":
            raise RunFailed(f"the run is {run.status}: {run.failure_text or 'no result yet'}", status=run.status)
        return run.output

    def _run(self) -> Run:
        return Run.objects.get(pk=self.run_id)


class Gated:
    """A function behind a gate: calling it starts a run that asks; the function itself runs once it is approved."""

    def __init__(self, function: Callable[..., Any], name: str, options: dict[str, Any]) -> None:
        self.function = function
        self._signature = inspect.signature(function)
        loose = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
        if inspect.iscoroutinefunction(function) or loose & {p.kind for p in self._signature.parameters.values()}:
            raise InvalidWorkflow(
                f"@hitl.gate on {function.__name__}: people see its arguments by name, so *args, **kwargs and async "
                "functions are not possible; use a workflow"
            )
        words = function.__name__.replace("_", " ")
        told = {"title": words.capitalize(), "impact": (inspect.getdoc(function) or words).splitlines()[0], **options}
        title, impact, reversible = told.pop("title"), told.pop("impact"), bool(told.pop("reversible", False))
        flow = Workflow(name or f"gate.{function.__name__}", title=title)

        def propose(ctx: Any) -> Action:
            return Action(ctx.input, type=function.__name__, title=title, impact=impact, reversible=reversible)

        flow.step(propose, name="propose")
        flow.approval("gate", after="propose", **told)
        flow.step(self._act, name="act", after="gate")
        self.workflow = flow

    def __call__(self, *args: Any, requester: Any, **kwargs: Any) -> Handle:
        """Ask for this call; `requester` is a user, an API key or `hitl.SYSTEM`."""
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return Handle(str(start(self.workflow.name, dict(bound.arguments), requester=requester).pk))

    def _act(self, ctx: Any) -> Any:
        try:
            bound = self._signature.bind(**ctx.action)
        except TypeError as error:
            raise StepFailed(f"the approved arguments do not fit the function: {error}", retry=False) from error
        return ctx.once("call", self.function, **bound.arguments)


def gate(*, name: str = "", **options: Any) -> Callable[[Callable[..., Any]], Gated]:
    """Decorator: the function runs only when its call was approved, with exactly the approved arguments, once.

    The options are those of a gate; `title` and `impact` default to the function's name and its docstring. Calling the
    function returns a Handle at once.
    """

    def wrap(function: Callable[..., Any]) -> Gated:
        return Gated(function, name, options)

    return wrap
