"""Opinions afterwards: kept beside the run, and never a decision."""

from __future__ import annotations

import uuid
from typing import Any

from hitl.audit import Actor
from hitl.definition import canonical
from hitl.exceptions import BadInput, UnknownApproval, UnknownStep
from hitl.models import Decision, Feedback, Run, Step
from hitl.transitions import locked

_LONGEST = 10_000


def give_feedback(
    run: Run | uuid.UUID | str,
    key: str,
    *,
    actor: Any,
    score: float | None = None,
    value: Any = None,
    comment: str = "",
    step: str = "",
    decision: uuid.UUID | str | None = None,
) -> Feedback:
    """Keep an opinion on a run, or on one step or decision of it, on record with who gave it.

    `score` is between 0 and 1; one of score, value and comment is needed. Also after the run's end. Raises UnknownRun,
    UnknownStep, UnknownApproval for a decision of another run, and BadInput.
    """
    who = Actor.of(actor)
    _check(key, score, value, comment)
    with locked(run.pk if isinstance(run, Run) else run) as t:
        row = Feedback(
            run=t.run,
            step=_step(t.run, step) if step else None,
            decision=_decision(t.run, decision) if decision is not None else None,
            key=key,
            score=score,
            value=value,
            comment=comment.strip(),
            by=who.text,
            at=t.now,
        )
        if row.step is not None and row.decision is not None:
            raise BadInput("feedback is on a step or on a decision, not on both")
        t.add(row)
        t.record("hitl.feedback.given", "run", actor=who, key=key, score=score, comment=row.comment)
    return row


def _check(key: str, score: float | None, value: Any, comment: str) -> None:
    if not 1 <= len(key) <= 100 or not key.isprintable():
        raise BadInput("the key of feedback has 1 to 100 printable characters")
    if score is None and value is None and not comment.strip():
        raise BadInput("feedback has a score, a value or a comment")
    if score is not None and (isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 1):
        raise BadInput("the score of feedback is a number from 0 to 1")
    canonical({"key": key, "value": value, "comment": comment}, what="feedback", limit=_LONGEST)


def _step(run: Run, name: str) -> Step:
    row = Step.objects.filter(run=run, name=name).order_by("-revision").first()
    if row is None:
        raise UnknownStep(f"run {run.pk} has no step {name!r}")
    return row


def _decision(run: Run, pk: uuid.UUID | str) -> Decision:
    try:
        row = Decision.objects.filter(pk=uuid.UUID(str(pk)), approval__run=run).first()
    except ValueError:
        row = None
    if row is None:
        raise UnknownApproval(f"run {run.pk} has no decision {pk}")
    return row
