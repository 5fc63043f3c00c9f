"""The shape of a workflow: what may start now, what is an end, and which gates protect a step."""

from __future__ import annotations

import pytest

from hitl.definition import Definition, StepSpec
from hitl.definition.graph import gates_of, sinks, startable
from hitl.states import STEP_ENDS, StepStatus


def step(name: str, *after: str) -> StepSpec:
    return StepSpec(name=name, after=after)


def gate(name: str, *after: str) -> StepSpec:
    return StepSpec(name=name, kind="gate", after=after)


LINEAR = [step("a"), step("b", "a"), step("c", "b")]
PARALLEL = [step("a"), step("left", "a"), step("right", "a")]
JOIN = [*PARALLEL, step("join", "left", "right")]


def names(steps: list[StepSpec], **statuses: str) -> list[str]:
    """What may start; steps that are not named are pending."""
    definition = Definition(name="flow", steps=tuple(steps))
    return [spec.name for spec in startable(definition.steps, {s.name: statuses.get(s.name, "pending") for s in steps})]


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ({}, ["a"]),
        ({"a": "succeeded"}, ["b"]),
        ({"a": "succeeded", "b": "running"}, []),
        ({"a": "succeeded", "b": "succeeded"}, ["c"]),
        ({"a": "succeeded", "b": "succeeded", "c": "succeeded"}, []),
    ],
)
def test_a_line_goes_on_one_by_one(statuses: dict[str, str], expected: list[str]) -> None:
    assert names(LINEAR, **statuses) == expected


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ({"a": "succeeded"}, ["left", "right"]),
        ({"a": "succeeded", "left": "running"}, ["right"]),
        ({"a": "succeeded", "left": "succeeded"}, ["right"]),
        ({"a": "succeeded", "left": "succeeded", "right": "waiting"}, []),
        ({"a": "succeeded", "left": "succeeded", "right": "succeeded"}, ["join"]),
        ({"a": "succeeded", "left": "skipped", "right": "succeeded"}, ["join"]),
        ({"a": "skipped", "left": "skipped", "right": "skipped"}, ["join"]),
        ({"a": "succeeded", "left": "failed", "right": "succeeded"}, []),
    ],
)
def test_a_join_waits_for_both_sides(statuses: dict[str, str], expected: list[str]) -> None:
    assert names(JOIN, **statuses) == expected


@pytest.mark.parametrize("status", sorted(set(StepStatus.values) - {"succeeded", "skipped"}))
def test_nothing_goes_on_behind_what_did_not_end_well(status: str) -> None:
    assert "b" not in names(LINEAR, a=status)
    assert names(LINEAR, a=status) == (["a"] if status == "pending" else [])


@pytest.mark.parametrize("status", sorted(set(StepStatus.values) - {"pending"}))
def test_only_pending_steps_start(status: str) -> None:
    assert names(LINEAR, a="succeeded", b=status, c="cancelled") == []


def test_what_is_done_are_ends() -> None:
    assert {"succeeded", "skipped"} <= STEP_ENDS


def test_steps_start_in_the_order_they_were_written() -> None:
    assert names([step("z"), step("a"), step("m")]) == ["z", "a", "m"]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (LINEAR, ["c"]),
        (PARALLEL, ["left", "right"]),
        (JOIN, ["join"]),
        ([step("z"), step("a")], ["z", "a"]),
        ([step("a"), gate("g", "a"), step("b", "g")], ["b"]),
    ],
)
def test_the_output_of_a_run_is_that_of_its_last_steps(steps: list[StepSpec], expected: list[str]) -> None:
    assert [spec.name for spec in sinks(Definition(name="flow", steps=tuple(steps)))] == expected


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (LINEAR, {"a": (), "b": (), "c": ()}),
        ([step("a"), gate("g", "a"), step("b", "g")], {"a": (), "b": ("g",)}),
        ([step("a"), gate("g", "a"), step("b", "g"), step("c", "b")], {"a": (), "b": ("g",), "c": ()}),
        ([step("a"), gate("one", "a"), gate("two", "one"), step("b", "two")], {"a": (), "b": ("one", "two")}),
        (
            [step("a"), gate("one", "a"), gate("two", "one"), gate("three", "two"), step("b", "three")],
            {"a": (), "b": ("one", "two", "three")},
        ),
        (
            [step("a"), step("c"), gate("one", "a"), gate("two", "c"), step("b", "one", "two")],
            {"a": (), "c": (), "b": ("one", "two")},
        ),
        ([gate("g"), step("b", "g")], {"b": ("g",)}),
        ([step("a"), gate("g", "a"), step("b", "a", "g")], {"a": (), "b": ("g",)}),
    ],
)
def test_a_step_is_protected_by_every_gate_right_above_it(
    steps: list[StepSpec], expected: dict[str, tuple[str, ...]]
) -> None:
    assert gates_of(steps) == expected
    assert gates_of(list(reversed(steps))) == {name: expected[name] for name in reversed(expected)}
