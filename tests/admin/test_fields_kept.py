"""A form that is posted back as it was shown gives back the very value it was made for."""

from __future__ import annotations

import json
from typing import Any

from django.template.loader import render_to_string
from hypothesis import given, settings
from hypothesis import strategies as st

from hitl.admin.fields.schema import SchemaFields, SchemaForm
from tests.admin.browser_form import Page

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=80)
_CLOCKS = "10:00 10:00:00 10:00:01 10:00:00Z T10:00 2026-01-31 0001-01-01 2026-02-30 9999-12-31 2026-W01-1 x"
_BOTH = "2026-01-31T10:00:00Z 2026-01-31T10:00 2026-01-31T10:00:30.5+02:00 20260131T1000 0001-01-01T00:00:00Z"
MOMENTS = st.sampled_from(f"{_CLOCKS} {_BOTH}".split())
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([2**70, 1.0, -0.0, 1e22])
LEAVES = st.none() | st.booleans() | NUMBERS | TEXT | MOMENTS
NAMES = st.sampled_from(["a", "b", "add", "remove", "0", "~add", "a.b", "a-b", "a_b", "]['\"><", "é", "", " "]) | TEXT
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=12
)
SIMPLE = st.one_of(
    st.sampled_from(["string", "integer", "number", "boolean", "array", "object", "null", "nonsense"]).map(
        lambda kind: {"type": kind}
    ),
    st.sampled_from(["date", "time", "date-time", "email", "uri", "color"]).map(
        lambda form: {"type": "string", "format": form}
    ),
    st.lists(VALUES, min_size=1, max_size=8).map(lambda values: {"enum": values}),
    VALUES.map(lambda value: {"const": value}),
    st.sampled_from([{}, True, False, {"$ref": "#/$defs/node"}, {"$ref": "#/$defs/loop"}, {"$ref": "http://x/y"}]),
)
MARKED = st.sampled_from(["cat", "dog"]).map(
    lambda kind: {
        "oneOf": [
            {"type": "object", "properties": {"k": {"const": kind}, "n": {"type": "integer"}}},
            {"type": "object", "properties": {"k": {"const": "bird"}, "a": {"type": "string"}}, "required": ["a"]},
        ]
    }
)


def _joined(inner: Any) -> Any:
    objects = st.builds(
        lambda properties, required, others: {
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": others,
        },
        st.dictionaries(NAMES, inner, max_size=4),
        st.lists(NAMES, max_size=3),
        st.booleans() | inner,
    )
    lists = inner.map(lambda items: {"type": "array", "items": items})
    return objects | lists | inner.map(lambda one: {"anyOf": [one, {"type": "null"}]}) | MARKED


SCHEMAS = st.recursive(SIMPLE | MARKED, _joined, max_leaves=8)
DEFS = {
    "node": {"type": "object", "properties": {"a": {"type": "string"}, "b": {"$ref": "#/$defs/node"}}},
    "loop": {"$ref": "#/$defs/loop"},
}


def _value_of(schema: Any) -> Any:
    """Values that often fit the schema, and often do not."""
    if not isinstance(schema, dict):
        return VALUES
    fitting = {
        "string": TEXT | MOMENTS,
        "integer": NUMBERS,
        "number": NUMBERS,
        "boolean": st.booleans(),
        "array": st.lists(_value_of(schema.get("items", {})), max_size=3) if "items" in schema else VALUES,
    }
    if schema.get("enum"):
        return st.sampled_from(schema["enum"]) | VALUES
    if "const" in schema:
        return st.just(schema["const"]) | VALUES
    if "anyOf" in schema:
        return _value_of(schema["anyOf"][0]) | st.none()
    if "oneOf" in schema:
        return st.sampled_from([{"k": "cat", "n": 1}, {"k": "dog"}, {"k": "bird", "a": "x", "z": [1]}, {}]) | VALUES
    if "properties" in schema:
        known = {name: _value_of(part) for name, part in schema["properties"].items()}
        some = st.fixed_dictionaries({}, optional=known)
        return st.builds(lambda one, other: {**other, **one}, some, st.dictionaries(NAMES, LEAVES, max_size=2)) | VALUES
    return fitting.get(schema.get("type", ""), VALUES)


PAIRS = SCHEMAS.flatmap(lambda schema: st.tuples(st.just(schema), _value_of(schema)))


def drawn(form: SchemaForm) -> str:
    assert form.schema is not None
    return render_to_string("hitl/review/parts/fields.html", {"node": form.schema.tree, "root": True})


def made(schema: Any, data: Any = None, **options: Any) -> SchemaForm:
    form = SchemaForm(data)
    form.take(SchemaFields(schema, prefix="arg", data=data, **options))
    return form


def told(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


@settings(max_examples=300, deadline=None)
@given(pair=PAIRS)
def test_what_is_posted_back_as_it_was_shown_is_the_same_value(pair: Any) -> None:
    schema, value = pair
    if isinstance(schema, dict):
        schema = {**schema, "$defs": DEFS}
    page = Page(drawn(made(schema, value=value)))
    assert len(page.data) == len(page.sent)
    back = made(schema, page.data, value=value)
    assert not back.asks
    assert back.is_valid(), back.errors
    assert back.schema is not None
    assert told(back.schema.value(back.cleaned_data)) == told(value)


@settings(max_examples=200, deadline=None)
@given(pair=PAIRS, pressed=st.integers(0, 50))
def test_a_button_of_the_form_decides_nothing_and_loses_nothing_else(pair: Any, pressed: int) -> None:
    schema, value = pair
    page = Page(drawn(made(schema, value=value)))
    if not page.buttons:
        return
    name, number = page.buttons[pressed % len(page.buttons)]
    form = made(schema, {**page.data, name: number}, value=value)
    assert form.asks
    after = Page(drawn(form))
    assert not form.errors
    # What is shown after is what was shown before, but for what was added or removed below the button's group.
    group = name.rpartition("-~")[0]
    outside = {key: text for key, text in page.data.items() if not key.startswith(group)}
    assert outside.items() <= after.data.items()
