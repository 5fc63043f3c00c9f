"""Counting votes. Pure, and counted anew from the rows each time: a counter could be lost, rows cannot."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from hitl.definition import Stage

YES = frozenset({"approve", "edit"})


@dataclass(frozen=True, slots=True)
class Tally:
    """How a stage stands: its result, and how many have agreed of how many needed."""

    result: Literal["approved", "rejected", "open"]
    have: int
    need: int


def tally(stage: Stage, verdicts: Iterable[str]) -> Tally:
    """Count one stage's votes; refusals are looked at first, so that a tie refuses."""
    votes = list(verdicts)
    yes = sum(vote in YES for vote in votes)
    no = sum(vote == "reject" for vote in votes)
    if no >= stage.rejections:
        return Tally("rejected", yes, stage.need)
    if yes >= stage.need:
        return Tally("approved", yes, stage.need)
    return Tally("open", yes, stage.need)
