"""No schema of an agent's does harm: not its names, not its size, not its words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.admin.browser_form import Page
from tests.admin.test_fields import ORDER, said, sent
from tests.admin.test_fields_kept import drawn, made


@pytest.mark.parametrize("name", ["verdict", "digest", "revision", "comment", "password", "preview", "action_type"])
def test_a_property_has_no_name_of_the_page(name: str) -> None:
    schema = {"type": "object", "properties": {name: {"type": "string"}}}
    assert set(Page(drawn(made(schema, value={name: "x"}))).data) == {"arg", f"arg-{name}"}


@pytest.mark.parametrize(
    "name", ["a b", "a.b", "]", '"><script>', "é", "", "x" * 4096, "add", "~add", "0", "__proto__"]
)
def test_any_name_is_one_input_and_text_on_the_page(name: str) -> None:
    schema = {"type": "object", "properties": {name: {"type": "string"}, f"{name}2": {"type": "string"}}}
    page = drawn(made(schema, value={name: "x"}))
    assert "<script>" not in page
    assert said(sent(schema, value={name: "x"})) == {name: "x"}
    field = next(key for key, text in Page(page).data.items() if text == "x")
    assert len(field) < 100
    assert said(sent(schema, value={name: "x"}, typed={field: "y"})) == {name: "y"}


LOOP: dict[str, Any] = {"$defs": {"n": {"type": "object", "properties": {"up": {"$ref": "#/$defs/n"}}}}}
DEEP: Any = {"type": "string"}
for _level in range(60):
    DEEP = {"type": "object", "properties": {"d": DEEP}}
WIDE = {f"p{number}": {"type": "string"} for number in range(5000)}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({**LOOP, "$ref": "#/$defs/n"}, {"up": {"up": {"up": {"up": {}}}}}),
        ({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}, {"x": 1}),
        (DEEP, {"d": {"d": {"d": {"d": {"d": {"d": {"d": {}}}}}}}}),
        ({"type": "object", "properties": WIDE}, {"p1": "x"}),
        ({"type": "array", "items": {"type": "string"}}, ["x"] * 5000),
        ({"type": "array", "items": {"type": "object", "properties": WIDE}}, [{"p1": "x"}]),
        ({"enum": ["x" * 10] * 100_000}, "x" * 10),
        ({"anyOf": [{"type": "object"}] * 10_000}, {}),
        ({"type": "object", "properties": "no", "required": 3}, {"a": 1}),
        ({"type": "object", "properties": {"a": 1, "b": None}, "required": ["a", 5, None]}, {"a": 1}),
        ({"type": ["object", 5, None]}, {}),
        ({"title": 5, "description": {"a": 1}, "type": "string", "maxLength": "no", "minimum": []}, "x"),
        ({"oneOf": "no", "anyOf": 3, "allOf": {}, "$defs": []}, 1),
    ],
    ids=range(13),
)
def test_no_schema_does_harm(schema: Any, value: Any) -> None:
    page = drawn(made(schema, value=value))
    assert page.count("<input") + page.count("<textarea") <= 450
    assert json.dumps(said(sent(schema, value=value)), sort_keys=True) == json.dumps(value, sort_keys=True)


def test_a_form_does_not_grow_without_end() -> None:
    many = ",".join(map(str, range(1, 2000)))
    form = made(ORDER, {"arg-items": many, "arg-items-~add": "1"}, value={"items": [{"sku": "a"}]})
    assert drawn(form).count("<input") < 900


def test_what_an_agent_wrote_is_shown_with_what_cannot_be_seen() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string", "title": "Sa\u202efe", "description": "<b>\u200b"}},
    }
    fresh = drawn(made(schema))
    assert "U+202E" in fresh
    assert "&lt;b&gt;" in fresh
    assert "\u202e" not in fresh
    edit = drawn(made(schema, value={"a": "x\u200by"}))
    assert "1 invisible character" in edit
    assert "Sa" not in edit
