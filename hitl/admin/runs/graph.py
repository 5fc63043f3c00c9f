"""Where the boxes and lines of a workflow's picture go: pure, with whole numbers only.

Columns are the longest ways from the start, so that everything stands right of what it comes after. A line that passes
columns goes through a free place in each. Within the columns the order is the one with the fewest crossings that a few
sweeps of "near those it is joined to" find.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

WIDTH, HEIGHT, ROW = 184, 54, 26  # of a box, and of each row that stands in it below its name
_ACROSS, _DOWN, _EDGE, _PASS = 48, 20, 2, 12
_SWEEPS = 6

Spot = tuple[str, ...]  # a box by its name, or (from, to, column) where a line passes


@dataclass(frozen=True, slots=True)
class Box:
    """What is drawn: a name, what it comes after, and how many rows stand in it."""

    name: str
    after: tuple[str, ...] = ()
    rows: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """From one box to another, as the `d` of an SVG path."""

    source: str
    target: str
    d: str


@dataclass(frozen=True, slots=True)
class Layout:
    """The picture's size, the left upper corner and the height of each box, and the lines."""

    width: int
    height: int
    places: dict[str, tuple[int, int, int]]
    lines: list[Line]


def layout(boxes: Iterable[Box]) -> Layout:
    """The picture of boxes without a circle; what comes after something that is not drawn comes after nothing."""
    by_name = {box.name: box for box in boxes}
    joined = [(before, box.name) for box in by_name.values() for before in box.after if before in by_name]
    layers = _layers(by_name, joined)
    ways = {pair: _way(*pair, layers) for pair in joined}
    columns = _ordered(_columns(layers, ways.values()), list(ways.values()))
    tops, height = _tops(columns, by_name)
    places = {name: (_left(layers[name]), tops[(name,)], _tall((name,), by_name)) for name in by_name}
    lines = [Line(*pair, _path(way, layers[pair[0]], tops)) for pair, way in ways.items()]
    return Layout(_left(max(layers.values(), default=0)) + WIDTH + _EDGE, height, places, lines)


def crossings(columns: list[list[Spot]], ways: Iterable[tuple[Spot, ...]]) -> int:
    """How often lines cross between neighbouring columns."""
    at = _positions(columns)
    pairs: dict[int, list[tuple[int, int]]] = {}
    for way in ways:
        for left, right in pairwise(way):
            pairs.setdefault(at[left][0], []).append((at[left][1], at[right][1]))
    return sum(
        (a[0] - b[0]) * (a[1] - b[1]) < 0
        for found in pairs.values()
        for number, a in enumerate(found)
        for b in found[:number]
    )


def _layers(boxes: Mapping[str, Box], joined: list[tuple[str, str]]) -> dict[str, int]:
    layers = dict.fromkeys(boxes, 0)
    for _ in boxes:  # the longest way has no more steps than there are boxes
        for before, name in joined:
            layers[name] = max(layers[name], layers[before] + 1)
    return layers


def _way(before: str, name: str, layers: dict[str, int]) -> tuple[Spot, ...]:
    between = range(layers[before] + 1, layers[name])
    return ((before,), *((before, name, str(column)) for column in between), (name,))


def _columns(layers: dict[str, int], ways: Iterable[tuple[Spot, ...]]) -> list[list[Spot]]:
    columns: list[list[Spot]] = [[] for _ in range(max(layers.values(), default=0) + 1)]
    for name, column in layers.items():
        columns[column].append((name,))
    for way in ways:
        for spot in way[1:-1]:
            columns[int(spot[2])].append(spot)
    return columns


def _ordered(columns: list[list[Spot]], ways: list[tuple[Spot, ...]]) -> list[list[Spot]]:
    best, fewest = columns, crossings(columns, ways)
    for sweep in range(_SWEEPS):
        if not fewest:
            break
        columns = _swept(columns, ways, forward=sweep % 2 == 0)
        found = crossings(columns, ways)
        if found < fewest:
            best, fewest = columns, found
    return best


def _swept(columns: list[list[Spot]], ways: list[tuple[Spot, ...]], *, forward: bool) -> list[list[Spot]]:
    near: dict[Spot, list[Spot]] = {}
    for way in ways:
        for left, right in pairwise(way):
            near.setdefault(right if forward else left, []).append(left if forward else right)
    made = [list(column) for column in columns]
    for column in made if forward else reversed(made):
        at = _positions(made)
        column.sort(key=lambda spot: _middle([at[one][1] for one in near.get(spot, [])] or [at[spot][1]]))
    return made


def _middle(numbers: list[int]) -> float:
    return sum(numbers) / len(numbers)


def _positions(columns: list[list[Spot]]) -> dict[Spot, tuple[int, int]]:
    return {spot: (x, y) for x, column in enumerate(columns) for y, spot in enumerate(column)}


def _tops(columns: list[list[Spot]], boxes: Mapping[str, Box]) -> tuple[dict[Spot, int], int]:
    """The upper end of everything, and the height. All columns begin at the top, so that a chain is a straight line."""
    tops, lowest = {}, 0
    for column in columns:
        y = _EDGE
        for spot in column:
            tops[spot] = y
            lowest = max(lowest, y + _tall(spot, boxes))
            y += _tall(spot, boxes) + _DOWN
    return tops, lowest + _EDGE


def _tall(spot: Spot, boxes: Mapping[str, Box]) -> int:
    if len(spot) > 1:
        return _PASS
    rows = boxes[spot[0]].rows
    return HEIGHT + (rows * ROW + 8 if rows else 0)


def _left(column: int) -> int:
    return _EDGE + column * (WIDTH + _ACROSS)


def _path(way: tuple[Spot, ...], column: int, tops: dict[Spot, int]) -> str:
    x, y = _left(column) + WIDTH, tops[way[0]] + HEIGHT // 2
    parts = [f"M{x} {y}"]
    for spot in way[1:]:
        column += 1
        half, to = _ACROSS // 2, _left(column)
        onto = tops[spot] + (HEIGHT if len(spot) == 1 else _PASS) // 2
        end = to - 6 if len(spot) == 1 else to  # before the arrow's head
        parts.append(f"C{x + half} {y} {to - half} {onto} {end} {onto}" + (f"H{to + WIDTH}" if len(spot) > 1 else ""))
        x, y = to + WIDTH, onto
    return "".join(parts)
