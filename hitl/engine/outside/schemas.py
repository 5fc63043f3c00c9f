"""JSON Schemas from outside: correct, and cheap to apply whatever they are applied to."""

from __future__ import annotations

from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from hitl.decisions.fits import linear
from hitl.definition import canonical
from hitl.exceptions import BadInput

_MOST_BYTES = 32 * 1024
_MOST_PARTS = 2000
_DEEPEST = 40  # references from one to the next
_DEFS = "#/$defs/"
_NEVER = ("$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$anchor", "$id", "patternProperties")


def check_schema(schema: Any, name: str) -> None:
    """Raise BadInput for a schema that is none, is too large, refers to anything but its own `$defs`, has a pattern
    that looks around or back, or grows without end when its references are followed: two references to the next of
    thirty definitions are a billion parts."""
    if not isinstance(schema, dict):
        raise BadInput(f"{name} is a JSON Schema, an object")
    canonical(schema, what=name, limit=_MOST_BYTES)
    defs = schema.get("$defs", {})
    if not isinstance(defs, dict):
        raise BadInput(f"{name}: $defs is an object")
    if _size(schema, defs, name, {}, ()) > _MOST_PARTS:  # first: what is small is checked fast
        raise BadInput(f"{name} has more than {_MOST_PARTS} parts when its references are followed")
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise BadInput(f"{name}: {error.message[:300]}") from error


def _size(node: Any, defs: dict[str, Any], name: str, known: dict[str, int], inside: tuple[str, ...]) -> int:
    """How many parts it has with its references followed; each definition is counted once and remembered."""
    if isinstance(node, list):
        return 1 + sum(_size(item, defs, name, known, inside) for item in node)
    if not isinstance(node, dict):
        return 1
    banned = sorted(set(_NEVER) & node.keys())
    if banned:
        raise BadInput(f"{name}: {', '.join(banned)} is not taken from outside")
    pattern = node.get("pattern")
    if isinstance(pattern, str) and linear(pattern) is None:
        raise BadInput(f"{name}: the pattern {pattern[:100]!r} is none, or looks around or back, or is too large")
    total = 1 + sum(_size(item, defs, name, known, inside) for item in node.values())
    return total + _referred(node["$ref"], defs, name, known, inside) if "$ref" in node else total


def _referred(ref: Any, defs: dict[str, Any], name: str, known: dict[str, int], inside: tuple[str, ...]) -> int:
    target = str(ref).removeprefix(_DEFS)
    if not str(ref).startswith(_DEFS) or target not in defs:
        raise BadInput(f"{name}: {str(ref)[:100]!r} is no reference to one of its own $defs")
    if target in inside or len(inside) >= _DEEPEST:
        raise BadInput(f"{name}: {target[:100]!r} contains itself, or lies too deep")
    if target not in known:
        known[target] = min(_size(defs[target], defs, name, known, (*inside, target)), _MOST_PARTS + 1)
    return known[target]
