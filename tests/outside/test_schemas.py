"""Schemas of agents: small, plain, and never so dear that they hold a web worker or a reviewer's submit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hitl.decisions.fits import problems
from hitl.engine.outside.schemas import check_schema
from hitl.models import Approval
from tests.api.conftest import problem
from tests.outside.conftest import ACTION, Agent
from tests.rows import nothing_written

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("whole_house")]
ROOT = Path(__file__).resolve().parents[2]


def chain(length: int) -> dict[str, Any]:
    """Each definition is the next one."""
    links = {f"d{n}": {"$ref": f"#/$defs/d{n + 1}"} for n in range(length)}
    return {"$ref": "#/$defs/d0", "$defs": {**links, f"d{length}": {"type": "string"}}}


def doubling(length: int) -> dict[str, Any]:
    """Each definition is the next one twice: two to the power of `length` parts."""
    twice = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(length)}
    return {"$ref": "#/$defs/d0", "$defs": {**twice, f"d{length}": {"type": "string"}}}


def deep(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {"items": schema}
    return schema


BOMBS: dict[str, Any] = {
    "doubling": doubling(30),
    "a long chain": chain(900),
    "itself": {"$ref": "#"},
    "its own part": {"properties": {"a": {"$ref": "#/properties/a"}}},
    "a circle": {"$ref": "#/$defs/a", "$defs": {"a": {"items": {"$ref": "#/$defs/b"}}, "b": {"$ref": "#/$defs/a"}}},
    "elsewhere": {"$ref": "https://example.com/schema.json"},
    "a file": {"$ref": "file:///etc/passwd"},
    "nowhere": {"$ref": "#/$defs/none"},
    "its base": {"$id": "https://example.com/", "$ref": "x"},
    "dynamic": {"$dynamicAnchor": "a", "items": {"$dynamicRef": "#a"}},
    "an anchor": {"$anchor": "a", "$ref": "#a"},
    "many parts": {"anyOf": [{"const": n} for n in range(2000)]},
    "many parts nobody refers to": {"$defs": {f"d{n}": {} for n in range(2500)}},
    "large": {"description": "x" * 33_000},
    "deep": deep(70),
    "definitions that are a list": {"$defs": ["a"], "$ref": "#/$defs/a"},
    "definitions that are a text": {"$defs": "a", "$ref": "#/$defs/a"},
    "definitions that are null": {"$defs": None},
    "a reference that is a list": {"$ref": ["#/$defs/a"]},
    "names as patterns": {"patternProperties": {"^(a+)+$": {}}},
    "looking ahead": {"pattern": "^(?=.*a)(?=.*b).*$"},
    "looking back": {"pattern": r"(a)\1"},
    "no pattern": {"pattern": "("},
    "a huge pattern": {"pattern": r"(\w{0,200}){20}"},
    "a pattern deep inside": {"properties": {"a": {"items": {"allOf": [{"pattern": "(?<!a)b"}]}}}},
    "no kind": {"type": "text"},
    "a kind of numbers": {"type": 1},
    "null": {"properties": None},
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_schema_bomb_is_refused(name: str, agent: Agent) -> None:
    """As the schema of an answer and as that of arguments."""
    question = {"kind": "question", "question": "Which?", "policy": "refunds", "schema": BOMBS[name]}
    with nothing_written():
        answer = agent.api.post("approvals/", question)
        assert answer.json()["code"] in ("bad_input", "too_large", "not_json"), answer.content
        answer = agent.api.post("approvals/", agent.body(action={"args_schema": BOMBS[name]}))
        assert answer.json()["code"] in ("bad_input", "too_large", "not_json"), answer.content


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object", "properties": {"pattern": {"type": "string", "pattern": "^[A-Z]{2}$"}}},
        {"$defs": {"iban": {"type": "string"}}, "properties": {"to": {"$ref": "#/$defs/iban"}}},
        {"anyOf": [{"const": n} for n in range(500)]},
        chain(20),
    ],
    ids=["anything", "pattern", "definitions", "choice", "chain"],
)
def test_an_honest_schema_is_taken(schema: Any) -> None:
    check_schema(schema, "schema")


def test_a_schema_that_the_first_arguments_do_not_fit_is_refused(agent: Agent) -> None:
    """With what is wrong, by path."""
    schema = {"properties": {"amount": {"maximum": 100}, "to": {"pattern": "^B"}}}
    told = problem(agent.api.post("approvals/", agent.body(action={"args_schema": schema})), 422, "invalid_action")
    assert told["fields"] == {
        "args.amount": "900 is greater than the maximum of 100",
        "args.to": "'A1' does not match '^B'",
    }


@pytest.mark.parametrize(
    ("pattern", "value", "fits"),
    [
        ("b", "abc", True),
        ("^b", "abc", False),
        ("^[a-z]+$", "abc", True),
        (r"^\d{3}$", "123", True),
        (r"^\d{3}$", "1234", False),
        ("", "", True),
        ("é", "café", True),
        ("^(a+)+$", "a" * 60_000, True),
        ("b", 5, True),
    ],
)
def test_a_pattern_means_what_the_standard_says(pattern: str, value: Any, fits: bool) -> None:
    """It is searched, not matched from the beginning, and says nothing of what is no text."""
    assert (problems({"pattern": pattern}, value) == []) == fits


@pytest.mark.parametrize(
    ("items", "fits"),
    [([1, 2], True), ([1, 1.0], False), ([1, True], True), ([{"a": 1}, {"a": 1}], False), ([[], {}, "", None], True)],
)
def test_unique_means_what_the_standard_says(items: list[Any], fits: bool) -> None:
    assert (problems({"uniqueItems": True}, items) == []) == fits


def test_a_pattern_of_an_author_s_may_look_around() -> None:
    assert problems({"pattern": "^(?=.*a).{2}$"}, "ba") == []
    assert problems({"pattern": "^(?=.*a).{2}$"}, "bb") != []


def test_no_more_is_told_than_anybody_reads() -> None:
    """An error repeats the value, and there may be one for each part."""
    found = problems({"allOf": [{"type": "array"}] * 1500}, "x" * 5000)
    assert 0 < len(found) <= 50
    assert max(len(message) for _, message in found) <= 500


_HANGS: dict[str, tuple[Any, Any]] = {
    "pattern": ({"pattern": "^(a+)+$"}, "a" * 60_000 + "!"),
    "pattern of choices": ({"pattern": "^(a|a|aa)*$"}, "a" * 60_000 + "!"),
    "unique": ({"uniqueItems": True}, [{"a": n} for n in range(6000)]),
    "a part for each item": ({"allOf": [{"items": {"type": "integer"}}] * 600}, list(range(10_000))),
    "empty parts": ({"allOf": [{"items": {}}] * 900}, list(range(10_000))),
    "choices": ({"items": {"enum": [f"word{n}" for n in range(1500)]}}, [f"not{n}" for n in range(6000)]),
    "contains": ({"allOf": [{"contains": {"const": "x"}}] * 600}, list(range(10_000))),
    "names": ({"allOf": [{"propertyNames": {"maxLength": 3}}] * 600}, {str(n): n for n in range(5000)}),
    "no more names": ({"allOf": [{"additionalProperties": False}] * 900}, {str(n): n for n in range(5000)}),
}
_RUN = """
import json, sys
import django
django.setup()
from hitl.decisions.fits import problems
from hitl.engine.outside.schemas import check_schema
told = {}
for name, (schema, value) in json.load(sys.stdin).items():
    check_schema(schema, "schema")
    try:
        told[name] = len(problems(schema, value))
    except Exception as error:
        told[name] = type(error).__name__
print(json.dumps(told))
"""


def test_no_schema_holds_up_whoever_applies_it(tmp_path: Path) -> None:
    """In a process of its own, with so much time that only what grows without bounds is stopped."""
    env = {**os.environ, "HITL_DATA_DIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "project.settings"}
    done = subprocess.run(
        [sys.executable, "-c", _RUN], input=json.dumps(_HANGS), cwd=ROOT, env=env, text=True, capture_output=True,
        timeout=150,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told.pop("pattern"), told.pop("pattern of choices"), told.pop("unique")) == (1, 1, 0)
    assert set(told.values()) <= {"_TooMuch", 0, 1, 50}


def test_a_slow_pattern_keeps_nobody_from_answering(agent: Agent, say: Any, bob: Any) -> None:
    """The reviewer is told what is wrong, and the right answer is taken."""
    seen = agent.question(schema={"type": "string", "pattern": "^(a+)+$"})
    with pytest.raises(AssertionError, match="does not match"):
        say(seen, "respond", response="a" * 5000 + "!")
    say(seen, "respond", response="aaa")
    assert agent.take(seen)["outcome"]["response"] == "aaa"


def test_what_is_too_dear_is_refused_when_it_is_asked(agent: Agent) -> None:
    schema, value = _HANGS["a part for each item"]
    action = {"args": {"x": value[:8000]}, "args_schema": {"properties": {"x": schema}}}
    with nothing_written():
        told = problem(agent.api.post("approvals/", agent.body(action=action)), 422, "invalid_action")
    assert list(told["fields"]) == ["args"]
    assert not Approval.objects.exists()


def test_a_worker_s_question_is_no_way_around(agent: Agent, render: Any) -> None:
    """The same is refused where a step asks."""
    render()
    task = agent.claim()
    ask = {"name": "which", "question": "Which?", "policy": "refunds"}
    for said in ({"schema": BOMBS["looking back"]}, {"schema": BOMBS["doubling"]}, {"options": []}):
        problem(agent.work(task, "ask", **ask, **said), 400, "bad_input")
    problem(agent.work(task, "ask", **ask, schema={}, options=["a"]), 400, "bad_input")
    problem(agent.work(task, "ask", **{**ask, "question": "  \n"}, options=["a"]), 400, "invalid")
    said = {"name": "pay", "policy": "refunds", "action": ACTION}
    problem(agent.work(task, "approve", **said, execute_within="25h"), 400, "bad_input")


def test_arguments_as_large_as_they_may_be_can_be_edited(agent: Agent, say: Any) -> None:
    """An honest shape costs little however much there is of it."""
    args = {"rows": [{"id": n, "name": f"n{n}", "paid": True} for n in range(1200)]}
    row = {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}, "name": {"type": "string"}}}
    schema = {"type": "object", "properties": {"rows": {"type": "array", "items": row}}, "additionalProperties": False}
    with_schema, without = (agent.ask(action={"args": args, **more}) for more in ({"args_schema": schema}, {}))
    for seen in (with_schema, without):
        say(seen, "edit", args={"rows": args["rows"][:1100]})
        assert len(agent.take(seen)["outcome"]["args"]["rows"]) == 1100
