"""Bars as numbers: where each stands and how high it is, for a template that draws them as SVG. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

WIDTH, HEIGHT = 720, 160
_GAP = 0.2
_STEPS = (1, 2, 5)


@dataclass(frozen=True, slots=True)
class Bar:
    """One part of a bar: its box, the class of its colour, its value, and what it stands for in words."""

    x: float
    y: float
    width: float
    height: float
    kind: str
    value: int
    words: Any


@dataclass(frozen=True, slots=True)
class Plot:
    """A picture of bars with `lines` across it: each its height and its number; `labels` stand under bars."""

    bars: list[Bar]
    lines: list[tuple[float, int]]
    labels: list[tuple[float, Any]]
    width: int = WIDTH
    height: int = HEIGHT


def stacked(rows: Iterable[tuple[Any, list[tuple[str, int]]]], *, labels: int = 6) -> Plot:
    """One bar a row, its parts on one another; about `labels` of the rows are named under it."""
    found = list(rows)
    top = ceiling(max((sum(value for _, value in parts) for _, parts in found), default=0))
    slot = WIDTH / max(len(found), 1)
    bars = [bar for n, (name, parts) in enumerate(found) for bar in _parts(n * slot, slot, name, parts, top)]
    every = max(1, -(-len(found) // labels))
    named = [((n + 0.5) * slot, name) for n, (name, _) in enumerate(found) if n % every == 0]
    return Plot(bars, [(HEIGHT - HEIGHT * value / top, value) for value in {top, top // 2} if value], named)


def histogram(values: Iterable[float], edges: list[float]) -> list[int]:
    """How many values lie between each two edges; those beyond the last count in the last."""
    counts = [0] * (len(edges) - 1)
    spans = list(pairwise(edges))
    for value in values:
        counts[next((n for n, (low, high) in enumerate(spans) if low <= value < high), len(spans) - 1)] += 1
    return counts


def ceiling(value: int) -> int:
    """The next round number at or above this one, at least 1."""
    scale = 1
    while True:
        for step in _STEPS:
            if step * scale >= value:
                return step * scale
        scale *= 10


def _parts(x: float, slot: float, name: Any, parts: list[tuple[str, int]], top: int) -> Iterable[Bar]:
    y = float(HEIGHT)
    for kind, value in parts:
        height = HEIGHT * value / top
        y -= height
        if value:
            yield Bar(
                round(x + slot * _GAP / 2, 2), round(y, 2), round(slot * (1 - _GAP), 2), round(height, 2), kind, value,
                name,
            )  # fmt: skip
