"""Forms from JSON Schema: which input each part has, what comes out of it, and that no schema does harm."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.utils import timezone

from hitl.admin.fields.schema import SchemaForm
from tests.admin.browser_form import Page
from tests.admin.test_fields_kept import drawn, made

ITEM = {"type": "object", "properties": {"sku": {"type": "string"}, "n": {"type": "integer"}}, "required": ["sku"]}
ORDER = {
    "type": "object",
    "properties": {
        "items": {"type": "array", "items": ITEM},
        "tags": {"type": "array", "items": {"type": "string"}},
        "to": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
    "required": ["items"],
}
VALUE = {"items": [{"sku": "a", "n": 1}, {"sku": "b", "n": 2}], "tags": ["x"], "else": [1]}
PETS = {
    "oneOf": [
        {"type": "object", "title": "Cat", "properties": {"k": {"const": "cat"}, "lives": {"type": "integer"}}},
        {
            "type": "object",
            "title": "Dog",
            "properties": {"k": {"const": "dog"}, "name": {"type": "string", "maxLength": 9}},
            "required": ["k", "name"],
        },
    ]
}


def sent(schema: Any, *, typed: dict[str, str] | None = None, **options: Any) -> SchemaForm:
    """The form as it comes in, with some inputs typed into as they were shown."""
    page = Page(drawn(made(schema, **options)))
    form = made(schema, page.data | (typed or {}), **options)
    assert form.asks or form.is_valid(), form.errors
    return form


def said(form: SchemaForm) -> Any:
    assert form.schema is not None
    return form.schema.value(form.cleaned_data)


def pressed(form: SchemaForm, button: str, number: str = "1", **options: Any) -> dict[str, str]:
    """What the form sends after a button of it was pressed."""
    page = Page(drawn(form))
    assert (button, number) in page.buttons
    assert form.schema is not None
    again = made(options.pop("schema"), page.data | {button: number}, **options)
    assert again.asks
    return Page(drawn(again)).data


@pytest.mark.parametrize(
    ("schema", "value", "typed", "after"),
    [
        ({"type": "integer"}, 1.0, "2", 2),
        ({"type": "integer"}, 2**70, str(2**71), 2**71),
        ({"type": "number"}, 1, "1.0", 1.0),
        ({"type": "string"}, "", "x", "x"),
        ({"type": "string"}, "x", "", ""),
        ({"type": "string"}, "a\nb", "a\r\nc\r\n", "a\nc\n"),
        ({"type": "string"}, "a\rb", '"a\\rc"', "a\rc"),
        ({"type": ["string", "null"]}, "x", "", None),
        ({"type": ["integer", "null"]}, None, "3", 3),
        ({"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]}, None, "2026-02-28", "2026-02-28"),
        ({"type": "string", "format": "date"}, "2026-01-31", "2026-02-28", "2026-02-28"),
        ({"type": "string", "format": "time"}, "10:00:00", "11:30", "11:30:00"),
        ({"type": "string", "format": "date-time"}, "2026-01-31T10:00", "2026-01-31T11:00", "2026-01-31T11:00:00"),
        ({"type": "string", "format": "email"}, "a@b.example", "c@d.example", "c@d.example"),
        ({"enum": [1, "1", None, {"a": []}]}, 1, "1", "1"),
        ({"enum": [1, "1", None, {"a": []}]}, "1", "3", {"a": []}),
        ({"enum": list(range(300))}, 7, "8", 8),
        ({"type": "array"}, [1], "[1, 2]", [1, 2]),
        ({}, {"a": 1}, "null", None),
        (True, 1, '"x"', "x"),
        ({"$ref": "https://example.com/schema"}, 1, "2", 2),
        ({"type": "nonsense"}, 1, "2", 2),
    ],
)
def test_what_was_typed_becomes_a_value_of_its_kind(schema: Any, value: Any, typed: str, after: Any) -> None:
    schema = {"type": "object", "properties": {"v": schema}, "required": ["v"]}
    found = said(sent(schema, value={"v": value}, typed={"arg-v": typed}))["v"]
    assert (found, type(found)) == (after, type(after))


def test_a_moment_is_shown_and_read_in_the_readers_zone() -> None:
    schema = {"type": "object", "properties": {"at": {"type": "string", "format": "date-time"}}}
    value = {"at": "2026-07-01T10:00:00Z"}
    with timezone.override("Europe/Berlin"):
        assert 'value="2026-07-01T12:00"' in drawn(made(schema, value=value))
        assert said(sent(schema, value=value)) == value
        assert said(sent(schema, value=value, typed={"arg-at": "2026-12-01T12:00"})) == {
            "at": "2026-12-01T12:00:00+01:00"
        }


@pytest.mark.parametrize("typed", ["soon", "2026-13-01T00:00", "0001-01-01T00:00", "9999-12-31T23:59"])
def test_what_is_no_moment_is_refused(typed: str) -> None:
    schema = {"type": "object", "properties": {"at": {"type": "string", "format": "date-time"}}}
    form = made(schema, {"arg-at": typed}, value={})
    assert list(form.errors) == ["arg-at"]


def test_an_item_is_added_and_filled_in() -> None:
    data = pressed(made(ORDER, value=VALUE), "arg-items-~add", schema=ORDER, value=VALUE)
    form = made(ORDER, data | {"arg-items-2-sku": "c"}, value=VALUE)
    assert form.is_valid()
    assert said(form)["items"] == [*VALUE["items"], {"sku": "c"}]


def test_what_was_typed_before_adding_is_kept() -> None:
    page = Page(drawn(made(ORDER, value=VALUE)))
    form = made(ORDER, page.data | {"arg-tags-0": "typed", "arg-items-~add": "1"}, value=VALUE)
    after = Page(drawn(form)).data
    assert after["arg-tags-0"] == "typed"
    assert said(sent(ORDER, value=VALUE, typed=after))["tags"] == ["typed"]


def test_an_item_in_the_middle_is_removed_and_the_others_are_themselves() -> None:
    value = {"items": [{"sku": "a"}, {"sku": "b", "n": 1.0}, {"sku": "c", "more": None}]}
    data = pressed(made(ORDER, value=value), "arg-items-~remove", "1", schema=ORDER, value=value)
    form = made(ORDER, data, value=value)
    assert form.is_valid()
    assert said(form) == {"items": [{"sku": "a"}, {"sku": "c", "more": None}]}


def test_an_added_item_that_stays_blank_is_none() -> None:
    data = pressed(made(ORDER, value=VALUE), "arg-tags-~add", schema=ORDER, value=VALUE)
    form = made(ORDER, data, value=VALUE)
    assert form.is_valid()
    assert said(form) == VALUE


def test_an_object_that_is_not_there_is_added_and_taken_out_again() -> None:
    assert "arg-to-city" not in drawn(made(ORDER, value=VALUE))
    data = pressed(made(ORDER, value=VALUE), "arg-to-~add", schema=ORDER, value=VALUE)
    form = made(ORDER, data | {"arg-to-city": "Rome"}, value=VALUE)
    assert form.is_valid()
    value = said(form)
    assert value == {**VALUE, "to": {"city": "Rome"}}
    data = pressed(made(ORDER, value=value), "arg-to-~remove", schema=ORDER, value=value)
    form = made(ORDER, data, value=value)
    assert form.is_valid()
    assert said(form) == VALUE


def test_an_object_that_may_be_null_becomes_null() -> None:
    schema = {"type": "object", "properties": {"to": {"anyOf": [ORDER["properties"]["to"], {"type": "null"}]}}}
    value = {"to": {"city": "Rome"}}
    data = pressed(made(schema, value=value), "arg-to-~remove", schema=schema, value=value)
    form = made(schema, data, value=value)
    assert form.is_valid()
    assert said(form) == {"to": None}


def test_an_emptied_list_is_an_empty_list() -> None:
    data = pressed(made(ORDER, value=VALUE), "arg-tags-~remove", "0", schema=ORDER, value=VALUE)
    form = made(ORDER, data, value=VALUE)
    assert form.is_valid()
    assert said(form)["tags"] == []


def test_another_way_is_shown_before_anything_is_sent() -> None:
    schema = {"type": "object", "properties": {"pet": PETS}, "required": ["pet"]}
    value = {"pet": {"k": "cat", "lives": 9}}
    page = Page(drawn(made(schema, value=value)))
    assert ("arg-pet-0-lives", "9") in page.sent
    form = made(schema, page.data | {"arg-pet-~way": "1"}, value=value)
    assert form.asks
    data = Page(drawn(form)).data
    assert "arg-pet-0-lives" not in data
    form = made(schema, data | {"arg-pet-1-name": "Rex"}, value=value)
    assert form.is_valid()
    assert said(form) == {"pet": {"k": "dog", "name": "Rex"}}


def test_a_new_value_needs_what_the_schema_needs() -> None:
    schema = {"type": "object", "properties": {"pet": PETS, "n": {"type": "integer"}}, "required": ["pet", "n"]}
    form = made(schema, {"arg": "1"})
    assert sorted(form.errors) == ["arg-n", "arg-pet-~way"]


def test_defaults_are_put_in_only_where_that_is_wanted() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer", "default": 7}, "t": {"type": "array"}}}
    assert said(sent(schema)) == {}
    assert said(sent(schema, defaults=True)) == {"n": 7}


TEXT = {"type": "string"}
PLACES = {
    "type": "object",
    "properties": {
        "a": TEXT,
        "b": {"type": "object", "properties": {"c": TEXT, "d": TEXT}},
        "x.y": TEXT,
        "list": {"type": "array", "items": TEXT},
    },
}


@pytest.mark.parametrize(
    ("editable", "free"),
    [
        (None, ["1", "2", "3", "4", "5"]),
        ([], []),
        (["b"], ["2", "3"]),
        (["b.c"], ["2"]),
        (["b.c", "a"], ["1", "2"]),
        (["x.y", "list.0"], []),
        (["x\\.y", "list"], ["4", "5"]),
    ],
)
def test_only_what_may_be_changed_has_an_input(editable: Any, free: list[str]) -> None:
    value = {"a": "1", "b": {"c": "2", "d": "3"}, "x.y": "4", "list": ["5"]}
    form = made(PLACES, value=value, editable=editable)
    assert form.schema is not None
    inputs = form.schema.inputs()
    assert sorted(field.kept for field in inputs.values()) == free
    everything = made(PLACES, value=value).schema
    assert everything is not None
    forged = made(PLACES, dict.fromkeys(everything.inputs(), "forged"), value=value, editable=editable)
    assert forged.is_valid()
    assert json.dumps(said(forged)).count("forged") == len(free)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("", "arg"),
        ("items", "arg-items"),
        ("items.1.sku", "arg-items-1-sku"),
        ("items.1", "arg-items-1"),
        ("items.9.sku", "arg-items"),
        ("to", "arg-to"),
        ("nowhere", "arg"),
        ("tags.0", "arg-tags-0"),
    ],
)
def test_a_problem_finds_its_input(path: str, name: str) -> None:
    form = sent(ORDER, value=VALUE)
    said(form)
    assert form.schema is not None
    assert form.schema.field_of(path) == name
    assert name in form.fields


def test_a_problem_of_a_later_item_finds_it_after_one_was_removed() -> None:
    data = pressed(made(ORDER, value=VALUE), "arg-items-~remove", "0", schema=ORDER, value=VALUE)
    form = made(ORDER, data, value=VALUE)
    assert form.is_valid()
    said(form)
    assert form.schema is not None
    assert form.schema.field_of("items.0.n") == "arg-items-1-n"


def test_names_with_dots_are_found_both_ways() -> None:
    schema = {"type": "object", "properties": {"a.b": {"type": "string"}, "a": ORDER["properties"]["to"]}}
    form = sent(schema, value={"a.b": "x", "a": {"city": "y"}})
    assert form.schema is not None
    dotted = next(name for name, field in form.schema.inputs().items() if field.label == "a.b")
    assert {form.schema.field_of("a.b"), form.schema.field_of("a\\.b")} == {dotted}
    assert form.schema.field_of("a.city") == "arg-a-city"
