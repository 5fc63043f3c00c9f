"""The steps of a run as its page lists them: a page of them, each with what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import Case, OuterRef, Subquery, TextField, When
from django.db.models.functions import Cast, Length

from hitl.admin.runs.shown import LONGEST, Value, span, status_of, value_of, wait_of
from hitl.models import Approval, Run, Step
from hitl.transitions import latest

_PAGE = 50
_MOST = 1000
_DEEPEST = 6


def steps_of(run: Run) -> list[Step]:
    """The rows of a run's steps: with short outputs, the sizes of all, and the run that each has started."""
    child = Run.objects.filter(parent_step=OuterRef("pk")).order_by("-id").values("pk")[:1]
    size = Length(Cast("output", TextField()))
    rows = Step.objects.filter(run=run).defer("output", "checkpoint").annotate(child=Subquery(child), size=size)
    return list(rows.annotate(short=Case(When(size__lte=LONGEST, then="output"))).order_by("id")[:_MOST])


def listed(run: Run, steps: list[Step], requests: list[Approval], start: int) -> dict[str, Any]:
    """A page of them in the definition's order, each planned one after its planner, and where the next page begins.

    A failure handler that nobody needed is left out.
    """
    ordered = list(_ordered(run, latest(steps)))
    page = ordered[start : start + _PAGE]
    pending = [one for one in requests if one.is_pending]
    return {
        "steps": [
            {
                "step": step,
                "depth": depth,
                "status": status_of(step),
                "took": span(step.started_at, step.ended_at),
                "wait": wait_of(step, pending) if step.status == "waiting" else None,
                "output": _output(step),
            }
            for step, depth in page
        ],
        "step_count": len(ordered),
        "steps_from": start + 1,
        "steps_to": start + len(page),
        "steps_next": start + _PAGE if start + _PAGE < len(ordered) else None,
        "steps_before": max(0, start - _PAGE) if start else None,
    }


def _output(step: Any) -> Value | None:
    return Value("", step.size, None) if (step.size or 0) > LONGEST else value_of(step.short)


def _ordered(run: Run, newest: dict[str, Step]) -> Iterator[tuple[Step, int]]:
    inside: dict[Any, list[Step]] = {}
    for step in newest.values():
        inside.setdefault(step.parent_id, []).append(step)
    for spec in run.workflow.definition.steps:
        found = newest.get(spec.name)
        if found is not None and not (spec.kind == "failure" and found.status in ("pending", "skipped", "cancelled")):
            yield from _with_planned(found, inside, 0)


def _with_planned(step: Step, inside: dict[Any, list[Step]], depth: int) -> Iterator[tuple[Step, int]]:
    yield step, depth
    if depth < _DEEPEST:
        for child in inside.get(step.pk, []):
            yield from _with_planned(child, inside, depth + 1)
