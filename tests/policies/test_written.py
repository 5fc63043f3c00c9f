"""A policy as text: what is read is what is seen, and what is wrong has a line."""

from __future__ import annotations

from typing import Any

import pytest

from hitl.exceptions import InvalidPolicy, StalePolicy
from hitl.models import Policy
from hitl.policies import apply_policy, written
from tests.rows import nothing_written

pytestmark = pytest.mark.django_db
USUAL = "name: usual\ndefault: {stages: [{reviewers: ['group:finance']}]}\n"


def mistakes(text: str) -> list[written.Mistake]:
    """What is wrong with it."""
    with nothing_written(), pytest.raises(InvalidPolicy) as found:
        written.read(text)
    listed: list[written.Mistake] = found.value.details["mistakes"]
    assert listed
    return listed


BOMB = "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n"


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        (BOMB, 2, "nothing is repeated"),
        (f"{USUAL}rules: *all\n", 3, "nothing is repeated"),
        ("name: !!python/object/apply:os.system ['true']\n", 1, "nothing has a type"),
        ("name: !!binary aGk=\n", 1, "nothing has a type"),
        ("name: !!timestamp nonsense\n", 1, "nothing has a type"),
        (f"{USUAL}name: other\n", 3, "'name' stands twice"),
        (f"{USUAL}comment: never\ncomment: always\n", 4, "stands twice"),
        (f"{USUAL}---\n{USUAL}", 3, "single document"),
        ("name: usual\ndescription: a\0b\n", 2, "U+0000"),
        ("name: [\n", 2, "expected"),
        ("? [a, b]\n: c\n", 1, "unhashable"),
        ("[" * 5000, 0, "nested too deep"),
        ("", 0, "a policy has fields"),
        ("- name: usual\n", 0, "a policy has fields"),
        ("just words\n", 0, "a policy has fields"),
        ("x" * 100_001, 0, "longer than 100000"),
        (f"{USUAL}rules: [{{when: 'true', auto: approve, until: 2027-13-45}}]\n", 0, "month"),
        (f"{USUAL}extend: 1{':1' * 3000}.5\n", 0, "too large"),
        (f"{USUAL}extend: {'9' * 5000}\n", 0, "digits"),
        (f'{USUAL}description: "a\\0b"\n', 0, "NUL"),
        (f'{USUAL}description: "\\ud800"\n', 3, "unicode"),
        (USUAL.replace("finance", "nobody"), 2, "no such user or group"),
        (f"{USUAL}step_up: {{enormous: password}}\n", 3, "Input should be"),
    ],
)
def test_what_is_hostile_or_wrong_is_refused_with_its_line(finance: Any, text: str, line: int, told: str) -> None:
    first = mistakes(text)[0]
    assert told in first.words
    assert first.line == line


def test_every_field_that_is_wrong_is_named(finance: Any) -> None:
    found = mistakes(f"{USUAL}comment: perhaps\nextend: soon\n")
    assert [(one.line, one.field) for one in found] == [(3, "comment"), (4, "extend")]


@pytest.mark.parametrize("span", ["1s", "45m", "1h30m", "2d", "366d", "1d1h1m1s"])
def test_times_are_written_as_people_write_them(finance: Any, span: str) -> None:
    document = written.read(f"{USUAL}extend: {span}\n").model_dump(mode="json", exclude_defaults=True)
    assert f"extend: {span}\n" in written.write(document)


def test_a_time_that_is_no_whole_second_stays_a_number(finance: Any) -> None:
    document = written.read(f"{USUAL}extend: 0.5\n").model_dump(mode="json", exclude_defaults=True)
    assert "extend: 0.5\n" in written.write(document)


def test_what_cannot_be_read_any_more_is_written_as_it_is_kept() -> None:
    assert written.write({"name": "old", "colour": "red"}) == "name: old\ncolour: red\n"


# -- the version it was written from ------------------------------------------------------------------


def test_a_version_is_applied_over_the_one_it_was_written_from(finance: Any, root: Any) -> None:
    for base in range(3):
        value = written.read(f"{USUAL}extend: {base + 1}h\n")
        assert apply_policy(value, actor=root, base=base).version == base + 1
        assert apply_policy(value, actor=root, base=0).version == base + 1  # it says this already


@pytest.mark.parametrize("base", [0, 2, 7])
def test_a_version_written_from_another_is_refused(finance: Any, root: Any, base: int) -> None:
    apply_policy(written.read(USUAL), actor=root)
    with nothing_written(), pytest.raises(StalePolicy) as found:
        apply_policy(written.read(f"{USUAL}extend: 1h\n"), actor=root, base=base)
    assert found.value.details == {"version": 1}


def test_what_no_database_keeps_is_refused_at_every_door(finance: Any, root: Any) -> None:
    stages = {"stages": [{"reviewers": ["group:finance"]}]}
    with nothing_written(), pytest.raises(InvalidPolicy):
        apply_policy({"name": "usual", "description": "a\0b", "default": stages}, actor=root)
    assert not Policy.objects.exists()
