"""A run's graph as a picture: the boxes of its definition with how each step stands, and the same in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from django.utils.translation import gettext_lazy as _

from hitl.admin.runs import graph
from hitl.admin.runs.shown import Status, status_of
from hitl.definition import Definition
from hitl.definition.specs import StepSpec
from hitl.models import Step

_MOST = 60  # boxes; more are no picture but a thicket
_MOST_PLANNED = 12


@dataclass(frozen=True, slots=True)
class Row:
    """A planned step inside its planner's box."""

    name: str
    status: Status | None
    y: int  # within the box


@dataclass(frozen=True, slots=True)
class Node:
    """A box with its left upper corner: a step, what it is, and how it stands where there is a run."""

    name: str
    kind: str
    x: int
    y: int
    tall: int
    after: tuple[str, ...]
    status: Status | None = None
    rows: list[Row] = field(default_factory=list)
    more: int = 0

    @property
    def more_y(self) -> int:
        """Where it is said how many more there are."""
        return graph.HEIGHT + 12 + len(self.rows) * graph.ROW


@dataclass(frozen=True, slots=True)
class Edge:
    """A line: solid, or dotted to what happens only on failure; `taken` where it was gone along."""

    d: str
    failure: bool
    taken: bool


@dataclass(frozen=True, slots=True)
class Picture:
    """What the template draws, and what it says to who does not see it."""

    width: int
    height: int
    nodes: list[Node]
    edges: list[Edge]
    counts: list[tuple[Status, int]]


KINDS = {
    "gate": _("gate"),
    "question": _("question"),
    "loop": _("agent loop"),
    "planner": _("planner"),
    "wait": _("wait"),
    "sleep": _("sleep"),
    "run": _("another run"),
    "failure": _("on failure"),
}


def picture(definition: Definition, steps: Mapping[str, Step] | None = None) -> Picture | None:
    """The picture of a definition, or of a run with its newest steps by name; None where it would be too large.

    A failure handler that nobody needed is left out of a run's.
    """
    found = steps or {}
    specs = [spec for spec in definition.steps if steps is None or not _idle(spec, found)]
    if len(specs) > _MOST:
        return None
    planned = {spec.name: _planned(found.get(spec.name), found) for spec in specs}
    boxes = [graph.Box(s.name, _before(s), _rows(planned[s.name])) for s in specs]
    laid = graph.layout(boxes)
    nodes = [_node(spec, laid.places[spec.name], found.get(spec.name), planned[spec.name]) for spec in specs]
    by_name = {spec.name: spec for spec in specs}
    drawn = steps is None  # all lines of a definition are solid; of a run those it went along
    edges = [
        Edge(line.d, bool(by_name[line.target].failure_of), drawn or _taken(found.get(line.target)))
        for line in laid.lines
    ]
    counted = Counter(node.status for node in nodes if node.status is not None)
    return Picture(laid.width, laid.height, nodes, edges, list(counted.items()))


def _idle(spec: StepSpec, steps: Mapping[str, Step]) -> bool:
    step = steps.get(spec.name)
    return spec.kind == "failure" and (step is None or step.status in ("pending", "skipped", "cancelled"))


def _before(spec: StepSpec) -> tuple[str, ...]:
    return (spec.failure_of,) if spec.failure_of else spec.after


def _planned(planner: Step | None, steps: Mapping[str, Step]) -> list[Step]:
    """All steps that came of a planner's plan, also of the plans in it."""
    if planner is None or planner.kind != "planner":
        return []
    return [step for step in steps.values() if step.name.startswith(f"{planner.name}/")]


def _rows(planned: list[Step]) -> int:
    return min(len(planned), _MOST_PLANNED) + (len(planned) > _MOST_PLANNED)


def _taken(step: Step | None) -> bool:
    return step is not None and step.status not in ("pending", "skipped", "cancelled")


def _node(spec: StepSpec, place: tuple[int, int, int], step: Step | None, planned: list[Step]) -> Node:
    x, y, tall = place
    return Node(
        spec.name,
        str(KINDS.get(spec.kind, "")),
        x,
        y,
        tall,
        _before(spec),
        None if step is None else status_of(step),
        [
            Row(row.name.removeprefix(f"{spec.name}/"), status_of(row), graph.HEIGHT + 12 + number * graph.ROW)
            for number, row in enumerate(planned[:_MOST_PLANNED])
        ],
        max(0, len(planned) - _MOST_PLANNED),
    )
