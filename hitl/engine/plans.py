"""Plans: what an agent wants to do next becomes steps of the run, if it brings only what it may."""

from __future__ import annotations

from typing import Any

from hitl.conf import conf
from hitl.definition import Plan, StepSpec, canonical, graph
from hitl.exceptions import BadInput, InvalidPlan, InvalidWorkflow
from hitl.models import Step
from hitl.transitions import Transition

_KEYS = {"name", "handler", "kind", "args", "after"}


def read_plan(plan: Plan, planner: Step, spec: StepSpec) -> list[StepSpec]:
    """The plan's steps as specs named `planner/step`; raises InvalidPlan saying what was wrong with which."""
    bounds = spec.plan
    if bounds is None:
        raise InvalidPlan(f"step {planner.name!r} is no planner; only a planner's handler returns a Plan")
    if not isinstance(plan.steps, list) or not plan.steps:
        raise InvalidPlan("a plan is a list of at least one step")
    if len(plan.steps) > bounds.max_steps:
        raise InvalidPlan(f"the plan has {len(plan.steps)} steps; {bounds.max_steps} are allowed")
    specs = [_read_step(step, planner, spec, number) for number, step in enumerate(plan.steps, 1)]
    try:
        graph.check(f"plan of {planner.name}", specs)
    except InvalidWorkflow as error:
        raise InvalidPlan(error.message) from error
    return specs


def expand(t: Transition, planner: Step, specs: list[StepSpec]) -> None:
    """Add the plan's steps to the run; the caller makes the planner wait and lets them start."""
    for spec in specs:
        if spec.name in t.steps and t.steps[spec.name].revision >= planner.revision:
            raise InvalidPlan(f"the run has a step named {spec.name!r} already")
    t.add(
        *(
            Step(
                run=t.run,
                name=spec.name,
                kind=spec.kind,
                parent=planner,
                revision=planner.revision,
                spec=spec.model_dump(mode="json", exclude_defaults=True),
            )
            for spec in specs
        )
    )
    names = [spec.name for spec in specs]
    t.record("hitl.step.planned", f"step:{planner.name}", step=planner.name, count=len(names), steps=names[:50])


def _read_step(step: Any, planner: Step, spec: StepSpec, number: int) -> StepSpec:
    where = f"step {number} of the plan"
    bounds = spec.plan
    assert bounds is not None
    if not isinstance(step, dict):
        raise InvalidPlan(f"{where} is no object")
    unknown = sorted(set(step) - _KEYS)
    if unknown:
        raise InvalidPlan(f"{where} brings {', '.join(map(str, unknown))}; a plan says only {', '.join(sorted(_KEYS))}")
    if step.get("kind", "step") != "step":
        raise InvalidPlan(f"{where} is a {step['kind']!r}; a plan may bring plain steps only")
    name, code = step.get("name"), step.get("handler")
    if not isinstance(name, str) or not name or len(name) > 60 or not all(c.isalnum() or c in "-_." for c in name):
        raise InvalidPlan(f"{where} needs a name of up to 60 letters, digits, '-', '_' and '.'")
    if code not in bounds.allowed:
        raise InvalidPlan(f"{where} ({name}) wants {code!r}; allowed are {', '.join(bounds.allowed)}")
    after = step.get("after", [])
    if not isinstance(after, list) or not all(isinstance(item, str) for item in after):
        raise InvalidPlan(f"{where} ({name}): after is a list of names")
    try:
        canonical(step.get("args"), what=f"args of {where}", limit=conf.MAX_ACTION)
    except BadInput as error:
        raise InvalidPlan(error.message) from error
    deeper = planner.name.count("/") + 2 <= bounds.max_depth
    return StepSpec(
        name=f"{planner.name}/{name}",
        handler=f"plan:{code}",
        args=step.get("args"),
        after=tuple(f"{planner.name}/{item}" for item in after),
        plan=bounds if deeper else None,
    )
