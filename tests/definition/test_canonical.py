"""canonical(), parse() and digest(): one value, one sequence of bytes, and no value the databases disagree about."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from hitl.definition import canonical, digest, parse
from hitl.definition.canonical import MAX_DEPTH
from hitl.exceptions import NotCanonical, TooLarge

NUMBERS = [  # RFC 8785, appendix B, and what JavaScript prints
    (0.0, "0"),
    (-0.0, "0"),
    (1.0, "1"),
    (-1.5, "-1.5"),
    (5e-324, "5e-324"),
    (-5e-324, "-5e-324"),
    (1.7976931348623157e308, "1.7976931348623157e+308"),
    (9007199254740992.0, "9007199254740992"),
    (295147905179352830000.0, "295147905179352830000"),
    (9.999999999999997e22, "9.999999999999997e+22"),
    (1e23, "1e+23"),
    (999999999999999700000.0, "999999999999999700000"),
    (1e21, "1e+21"),
    (9.999999999999997e-7, "9.999999999999997e-7"),
    (0.000001, "0.000001"),
    (333333333.3333332, "333333333.3333332"),
    (333333333.33333325, "333333333.33333325"),
    (1424953923781206.2, "1424953923781206.2"),
]
STRINGS = [
    ("", '""'),
    ('"\\', r'"\"\\"'),
    ("\b\t\n\f\r", r'"\b\t\n\f\r"'),
    ("\x01\x1f", r'"\u0001\u001f"'),
    ("/", '"/"'),
    ("\x7f\x80", '"\x7f\x80"'),
    ("\u20ac", '"\u20ac"'),
    ("\u2028\u2029", '"\u2028\u2029"'),
    ("\U0001f600", '"\U0001f600"'),
    ("e\u0301", '"e\u0301"'),  # no normalisation: what people saw is what is kept
]


@pytest.mark.parametrize(("value", "text"), NUMBERS)
def test_a_float_is_written_as_rfc_8785_says(value: float, text: str) -> None:
    assert canonical(value) == text.encode()
    assert canonical([value]) == f"[{text}]".encode()


@pytest.mark.parametrize(("value", "text"), STRINGS)
def test_text_is_escaped_as_rfc_8785_says_on_both_paths(value: str, text: str) -> None:
    assert canonical(value) == text.encode()
    assert canonical([value, 0.5]) == f"[{text},0.5]".encode()  # a float takes the slow path


@pytest.mark.parametrize("value", [0, -1, 2**53, 2**53 + 1, -(2**53) - 1, 2**64, 10**40])
def test_an_integer_is_written_in_full(value: int) -> None:
    assert canonical(value) == str(value).encode()
    assert canonical([value, 0.5]) == f"[{value},0.5]".encode()
    assert parse(canonical(value)) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (False, "false"),
        ([], "[]"),
        ({}, "{}"),
        ((1, 2), "[1,2]"),
        ({"b": 1, "a": [True, None]}, '{"a":[true,null],"b":1}'),
        ({"b": 1.5, "a": [True, (), {}]}, '{"a":[true,[],{}],"b":1.5}'),
    ],
)
def test_values_are_written_without_a_space_and_with_sorted_keys(value: Any, text: str) -> None:
    assert canonical(value) == text.encode()


@pytest.mark.parametrize("extra", [0, 0.5])
def test_keys_are_sorted_by_utf_16_units(extra: float) -> None:
    # RFC 8785, section 3.2.3; by code points the last two would change places.
    keys = ["\r", "1", "\x80", "\xf6", "\u20ac", "\U0001f600", "\ufb33"]
    value = dict.fromkeys(reversed(keys), extra)
    assert list(json.loads(canonical(value))) == keys


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (float("nan"), "order is nan: JSON has no such number"),
        ({"a": float("inf")}, "order.a is inf: JSON has no such number"),
        ({"a": [0, -float("inf")]}, "order.a[1] is -inf: JSON has no such number"),
        ({"a": {"b": "x\0"}}, "order.a.b holds a NUL character"),
        ({"a": "\xe9\0"}, "order.a holds a NUL character"),
        ({"a\0": 1}, "holds a NUL character"),
        (["ok", "half \ud800"], "order[1] holds a lone surrogate at 5"),
        ({"\udc00": 1}, "holds a lone surrogate at 0"),
        ({1: "x"}, "order has the key 1: keys must be text"),
        ({"a": {None: "x"}}, "order.a has the key None: keys must be text"),
        ({"a": {1, 2}}, "order.a is a set: only dict, list, str, int, float, bool and None are JSON"),
        ([b"x"], "order[0] is a bytes"),
        ((object(),), "order[0] is a object"),
        ({"a": type("Text", (str,), {})("x")}, "order.a is a Text"),
    ],
)
def test_what_is_not_json_is_refused_with_its_path(value: Any, message: str) -> None:
    with pytest.raises(NotCanonical) as error:
        canonical(value, what="order")
    assert error.value.code == "not_json"
    assert error.value.message.startswith("order")
    assert message in error.value.message


@pytest.mark.parametrize("wrap", [lambda value: [value], lambda value: {"k": value}, lambda value: (value,)])
def test_nesting_ends_somewhere(wrap: Any) -> None:
    value: Any = 1
    for _ in range(MAX_DEPTH):
        value = wrap(value)
    assert parse(canonical(value)) == json.loads(json.dumps(value))
    with pytest.raises(NotCanonical) as error:
        canonical(wrap(value), what="plan")
    assert error.value.message.startswith("plan")
    assert error.value.message.endswith(f"is nested deeper than {MAX_DEPTH} levels")


def test_a_value_that_holds_itself_is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(NotCanonical) as error:
        canonical(value)
    assert "nested deeper" in error.value.message


def test_the_limit_counts_bytes() -> None:
    assert len(canonical("ää", limit=6)) == 6
    with pytest.raises(TooLarge) as error:
        canonical("ää", what="payload", limit=5)
    assert (error.value.code, error.value.message) == ("too_large", "payload has 6 bytes; 5 are allowed")
    assert error.value.details == {"size": 6, "limit": 5}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "body is not JSON"),
        ("{", "body is not JSON"),
        ("{'a': 1}", "body is not JSON"),
        ('{"a": 1} x', "body is not JSON"),
        (b"\xff", "body is not JSON"),
        ("[" * 100_000, "body is not JSON"),
        ("1" * 5000, "body is not JSON"),
        ('{"a": 1, "b": 2, "a": 1}', "the key 'a' stands twice in one object"),
        ('[{"x": {"k": 1, "k": 2}}]', "the key 'k' stands twice in one object"),
        ('{"a": NaN}', "NaN is not JSON"),
        ("[Infinity]", "Infinity is not JSON"),
        ("-Infinity", "-Infinity is not JSON"),
        ('{"a": 1e999}', "body.a is inf: JSON has no such number"),
        (r'{"a": "\u0000"}', "body.a holds a NUL character"),
        (r'["\ud800"]', "body[0] holds a lone surrogate at 0"),
        ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), f"is nested deeper than {MAX_DEPTH} levels"),
    ],
)
def test_reading_is_as_strict_as_writing(text: str | bytes, message: str) -> None:
    with pytest.raises(NotCanonical) as error:
        parse(text, what="body")
    assert error.value.code == "not_json"
    assert message in error.value.message


def test_a_surrogate_pair_is_read_as_one_character() -> None:
    assert parse(r'"\ud83d\ude00"') == "\U0001f600"


def test_equal_bytes_under_two_tags_have_two_digests() -> None:
    data = canonical({"a": 1})
    assert digest("one", data) == hashlib.sha256(b'one\n{"a":1}').hexdigest()
    assert digest("one", data) != digest("two", data)


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
SMALL = st.integers(-(2**53) + 1, 2**53 - 1)
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | SMALL | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXT, inner, max_size=5),
    max_leaves=30,
)


@settings(max_examples=400, deadline=None)
@given(DOCUMENTS)
def test_any_document_gets_the_bytes_of_the_reference_library(value: Any) -> None:
    assert canonical(value) == rfc8785.dumps(value)


@settings(max_examples=200, deadline=None)
@given(DOCUMENTS)
def test_reading_and_writing_again_changes_no_byte(value: Any) -> None:
    data = canonical(value)
    assert canonical(parse(data)) == data
    assert canonical(parse(json.dumps(value))) == data  # escaped or not, spaced or not: one sequence of bytes
