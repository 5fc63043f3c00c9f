"""Where boxes and lines go: a table of small graphs, without a database."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hitl.admin.runs.graph import HEIGHT, ROW, WIDTH, Box, crossings, layout

CHAIN = [Box("a"), Box("b", ("a",)), Box("c", ("b",))]
DIAMOND = [Box("a"), Box("b", ("a",)), Box("c", ("a",)), Box("d", ("b", "c"))]
SKIP = [Box("a"), Box("b", ("a",)), Box("c", ("b",)), Box("d", ("a", "c"))]
TWISTED = [Box("a"), Box("b"), Box("c", ("b",)), Box("d", ("a",))]


def columns(boxes: list[Box]) -> list[list[str]]:
    """The names column by column, from the top."""
    places = layout(boxes).places
    found: dict[int, list[tuple[int, str]]] = {}
    for name, (x, y, _tall) in places.items():
        found.setdefault(x, []).append((y, name))
    return [[name for _y, name in sorted(found[x])] for x in sorted(found)]


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        ([], []),
        ([Box("a")], [["a"]]),
        (CHAIN, [["a"], ["b"], ["c"]]),
        (list(reversed(CHAIN)), [["a"], ["b"], ["c"]]),
        (DIAMOND, [["a"], ["b", "c"], ["d"]]),
        (SKIP, [["a"], ["b"], ["c"], ["d"]]),
        (TWISTED, [["a", "b"], ["d", "c"]]),
        ([Box("a", ("gone",)), Box("b", ("a",))], [["a"], ["b"]]),
    ],
)
def test_everything_stands_right_of_what_it_comes_after(boxes: list[Box], expected: list[list[str]]) -> None:
    assert columns(boxes) == expected


def test_a_line_runs_from_edge_to_edge() -> None:
    found = layout(CHAIN)
    assert [(line.source, line.target) for line in found.lines] == [("a", "b"), ("b", "c")]
    x, y, _tall = found.places["a"]
    assert found.lines[0].d.startswith(f"M{x + WIDTH} {y + HEIGHT // 2}C")


def test_a_line_that_passes_a_column_goes_round_its_boxes() -> None:
    found = layout(SKIP)
    passing = next(line for line in found.lines if (line.source, line.target) == ("a", "d"))
    assert passing.d.count("H") == 2
    assert found.height > layout(CHAIN).height


def test_rows_make_a_box_taller() -> None:
    plain, planner = layout([Box("a")]), layout([Box("a", rows=3)])
    assert planner.places["a"][2] - plain.places["a"][2] > 3 * ROW - 1
    assert planner.height > plain.height


def test_crossings_are_counted() -> None:
    ways = [(("a",), ("c",)), (("b",), ("d",))]
    assert crossings([[("a",), ("b",)], [("d",), ("c",)]], ways) == 1
    assert crossings([[("a",), ("b",)], [("c",), ("d",)]], ways) == 0


@st.composite
def graphs(draw: st.DrawFn) -> list[Box]:
    """Some boxes, each after some of those before it."""
    count = draw(st.integers(0, 12))
    before = [draw(st.sets(st.integers(0, number - 1), max_size=3)) if number else set() for number in range(count)]
    return [
        Box(f"s{number}", tuple(f"s{n}" for n in sorted(found)), draw(st.integers(0, 3)))
        for number, found in enumerate(before)
    ]


@given(graphs())
def test_no_graph_has_boxes_over_each_other_or_outside(boxes: list[Box]) -> None:
    found = layout(boxes)
    assert found.places.keys() == {box.name for box in boxes}
    for x, y, tall in found.places.values():
        assert x >= 0
        assert y >= 0
        assert x + WIDTH <= found.width
        assert y + tall <= found.height
    for (x, y, tall), (other_x, other_y, other_tall) in combinations(found.places.values(), 2):
        assert x != other_x or y + tall <= other_y or other_y + other_tall <= y
    for box in boxes:
        for name in box.after:
            assert found.places[name][0] + WIDTH < found.places[box.name][0]
