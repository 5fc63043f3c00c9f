"""The shape of a workflow: is it sound, and what may start now? Pure functions of definition and statuses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hitl.definition.specs import Definition, StepSpec
from hitl.exceptions import InvalidWorkflow

DONE = frozenset({"succeeded", "skipped"})


def startable(specs: Iterable[StepSpec], statuses: Mapping[str, str]) -> list[StepSpec]:
    """Pending steps whose `after` have all succeeded or were skipped, in the order given.

    A failure handler is never among them: only a failure starts it.
    """
    return [
        spec
        for spec in specs
        if spec.kind != "failure"
        and statuses[spec.name] == "pending"
        and all(statuses[name] in DONE for name in spec.after)
    ]


def sinks(definition: Definition) -> list[StepSpec]:
    """Steps nothing comes after; their outputs are the run's output."""
    needed = {name for spec in definition.steps for name in spec.after}
    return [spec for spec in definition.steps if spec.name not in needed and spec.kind != "failure"]


def upstream(steps: Iterable[StepSpec], name: str) -> set[str]:
    """The step and everything that comes before it."""
    by_name = {spec.name: spec for spec in steps}
    reached, todo = set[str](), [name]
    while todo:
        step = todo.pop()
        if step not in reached and step in by_name:
            reached.add(step)
            todo += by_name[step].after
    return reached


def downstream(definition: Definition, name: str) -> list[str]:
    """The step and everything that comes after it, with their failure handlers, in the definition's order."""
    reached = {name}
    while more := {s.name for s in definition.steps if reached & {*s.after, s.failure_of}} - reached:
        reached |= more
    return [spec.name for spec in definition.steps if spec.name in reached]


def again(definition: Definition, names: Iterable[str]) -> list[str]:
    """Everything that runs again when these steps do: what comes after them, and the gates of all that with what comes
    after those, since a grant is good for one step of one run. In the definition's order."""
    reached: set[str] = set()
    open_names = set(names)
    while open_names:
        reached.update(*(downstream(definition, name) for name in open_names))
        open_names = {gate for name in reached for gate in definition.by_name[name].gates} - reached
    return [spec.name for spec in definition.steps if spec.name in reached]


def gates_of(steps: Iterable[StepSpec]) -> dict[str, tuple[str, ...]]:
    """For every step the gates it is protected by: those it comes directly after, and the gates before those."""
    by_name = {spec.name: spec for spec in steps}

    def above(name: str) -> list[str]:
        spec = by_name[name]
        if spec.kind != "gate":
            return []
        return [*(gate for before in spec.after for gate in above(before)), name]

    return {
        spec.name: tuple(dict.fromkeys(gate for name in spec.after for gate in above(name)))
        for spec in by_name.values()
        if spec.kind != "gate"
    }


def check(workflow: str, steps: list[StepSpec]) -> None:
    """Raise InvalidWorkflow for the first thing that is wrong: names, order, cycles, what gates protect."""
    _check_names(workflow, steps)
    _check_cycles(workflow, steps)
    _check_gates(workflow, steps)
    _check_plans(workflow, steps)


def _check_names(workflow: str, steps: list[StepSpec]) -> None:
    if not steps:
        raise InvalidWorkflow(f"workflow {workflow!r} has no steps")
    seen: set[str] = set()
    for spec in steps:
        if spec.name in seen:
            raise InvalidWorkflow(f"workflow {workflow!r} has two steps named {spec.name!r}; give one `name=`")
        seen.add(spec.name)
    for spec in steps:
        for name in spec.after:
            if name not in seen:
                known = ", ".join(sorted(seen - {spec.name})) or "none yet"
                raise InvalidWorkflow(
                    f"step {spec.name!r} of workflow {workflow!r} comes after {name!r}, which does not exist ({known})"
                )


def _check_cycles(workflow: str, steps: list[StepSpec]) -> None:
    left = {spec.name: set(spec.after) for spec in steps}
    while free := [name for name, after in left.items() if not after]:
        for name in free:
            del left[name]
        for after in left.values():
            after.difference_update(free)
    if left:
        raise InvalidWorkflow(f"workflow {workflow!r} goes in a circle through {', '.join(sorted(left))}")


def _check_gates(workflow: str, steps: list[StepSpec]) -> None:
    for gate in (spec for spec in steps if spec.kind == "gate"):
        if len(gate.after) != 1 and not (gate.asks and gate.asks.calls_action):
            raise InvalidWorkflow(
                f"gate {gate.name!r} of workflow {workflow!r} comes after {len(gate.after)} steps; "
                "give it action=, a function that returns the Action to propose"
            )
        behind = [spec.name for spec in steps if gate.name in spec.after]
        if len(behind) != 1:
            found = " and ".join(repr(name) for name in behind) or "none"
            raise InvalidWorkflow(
                f"gate {gate.name!r} of workflow {workflow!r} must protect exactly one step, not {found}: "
                "an approval is used up by the one step it was given for"
            )


def _check_plans(workflow: str, steps: list[StepSpec]) -> None:
    names = {spec.name for spec in steps}
    for spec in steps:
        if spec.failure_of and spec.failure_of not in names:
            raise InvalidWorkflow(f"workflow {workflow!r} has no step {spec.failure_of!r} for on_failure")
        if spec.asks and spec.asks.revise and spec.asks.revise not in upstream(steps, spec.name) - {spec.name}:
            raise InvalidWorkflow(
                f"gate {spec.name!r} of workflow {workflow!r}: revise={spec.asks.revise!r} does not come before it"
            )


def mermaid(definition: Definition) -> str:
    """The steps as a Mermaid flowchart: gates are diamonds, failure handlers hang on dotted lines."""
    shapes = {"gate": '{{"{0}"}}', "question": '{{{{"{0}"}}}}', "failure": '[/"{0}"/]'}
    ids = {spec.name: f"s{number}" for number, spec in enumerate(definition.steps)}
    lines = ["flowchart TD"]
    lines += [
        f"  {ids[s.name]}{shapes.get(s.kind, '[{0!r}]').format(s.name)}".replace("'", '"') for s in definition.steps
    ]
    lines += [f"  {ids[before]} --> {ids[s.name]}" for s in definition.steps for before in s.after]
    lines += [f"  {ids[s.failure_of]} -.-> {ids[s.name]}" for s in definition.steps if s.failure_of]
    return "\n".join(lines)
