"""What a JSON Schema asks for, as far as inputs can show it; everything else is "any JSON".

Agents write these schemas. Whatever is said in them may be wrong or hostile, so nothing is trusted to be of its type,
references are followed a few times and never in a circle, and only small choices become choices.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any

from hitl.definition import canonical

MISSING: Any = object()  # there is no value; null is one
JSON = "json"
_MOST_CHOICES = 200
_MOST_WAYS = 20
_LONGEST_CHAIN = 8
_ABOUT = ("title", "description", "default")
_SIMPLE = ("boolean", "integer", "number", "string")


@dataclass(frozen=True, slots=True)
class Shape:
    """One of `object list ways const choice boolean integer number string json`, with the schema it was read from;
    `ways` are the schemas of which exactly one applies, told apart by the constants of the property `by`."""

    kind: str
    schema: dict[str, Any]
    nullable: bool = False
    seen: frozenset[str] = frozenset()
    ways: tuple[dict[str, Any], ...] = ()
    by: str = ""
    values: list[Any] = field(default_factory=list)

    def text(self, name: str) -> str:
        """A text of the schema; empty where it is none."""
        found = self.schema.get(name)
        return found if isinstance(found, str) else ""

    @property
    def needed(self) -> list[str]:
        """The names of the properties that must be there."""
        found = self.schema.get("required")
        return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []

    def way_of(self, value: Any) -> int | None:
        """Which of the ways a value goes."""
        mark = value.get(self.by, MISSING) if isinstance(value, dict) else MISSING
        marks = [way["properties"][self.by]["const"] for way in self.ways]
        return next((n for n, one in enumerate(marks) if mark is not MISSING and same(one, mark)), None)


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are the same, true being no 1."""
    if one is MISSING or other is MISSING:
        return one is other
    return canonical(one) == canonical(other)


def read(schema: Any, root: Any, seen: frozenset[str] = frozenset()) -> Shape:
    """The shape of a schema; `seen` are the references that led to it."""
    nullable = False
    for _ in range(_LONGEST_CHAIN):
        if not isinstance(schema, dict):
            break
        ref, parts = schema.get("$ref"), _parts(schema)
        if isinstance(ref, str):
            if ref in seen:
                break
            seen, schema = seen | {ref}, _about(schema, _found(ref, root))
        elif len(parts) == 1:
            nullable, schema = nullable or _has_null(schema), _about(schema, parts[0])
        else:
            return _shape(schema, parts, root, nullable or _has_null(schema), seen)
    return Shape(JSON, schema if isinstance(schema, dict) else {}, nullable, seen)


def holds(shape: Shape, value: Any) -> bool:
    """Whether inputs of this shape can hold the value so that nothing of it is lost."""
    if value is MISSING or (value is None and shape.nullable):
        return True
    if shape.kind in ("choice", "const"):
        return any(same(one, value) for one in shape.values)
    if shape.kind == "ways":
        return shape.way_of(value) is not None
    kinds: dict[str, tuple[type, ...]] = {
        "object": (dict,),
        "list": (list,),
        "boolean": (bool,),
        "integer": (int, float),
        "number": (int, float),
        "string": (str,),
    }
    fits = isinstance(value, kinds.get(shape.kind, (object,))) and isinstance(value, bool) <= (shape.kind == "boolean")
    return (shape.kind == JSON or fits) and not (isinstance(value, str) and "\r" in value and shape.kind == "string")


def moment_of(text: str, kind: str) -> date | time | datetime | None:
    """The day, time or both that a browser's own input for it can hold; None where it cannot."""
    reader: Any = {"date": date, "time": time, "date-time": datetime}[kind]
    try:
        found = reader.fromisoformat(text)
    except ValueError:
        return None
    if kind == "date":
        return found if found.isoformat() == text else None
    whole = found.microsecond == 0 and (kind == "date-time" or (found.tzinfo is None and "T" not in text))
    return found if whole and (kind == "time" or 1000 < found.year < 9000) else None


def _parts(schema: dict[str, Any]) -> list[Any]:
    """The schemas that are joined in this one, without "or null"; none where it says by itself what it is."""
    if any(word in schema for word in ("type", "properties", "enum", "const")):
        return []
    whole = schema.get("allOf")
    if isinstance(whole, list):
        return whole if len(whole) == 1 else []
    either = schema.get("anyOf", schema.get("oneOf"))
    return [part for part in either if part != {"type": "null"}] if isinstance(either, list) else []


def _has_null(schema: dict[str, Any]) -> bool:
    either, kind = schema.get("anyOf", schema.get("oneOf")), schema.get("type")
    alone = "type" not in schema and isinstance(either, list) and {"type": "null"} in either
    return alone or (isinstance(kind, list) and "null" in kind)


def _about(outer: dict[str, Any], inner: Any) -> Any:
    """The inner schema, with what the outer one says about it to people."""
    said = {name: outer[name] for name in _ABOUT if name in outer}
    return {**inner, **said} if isinstance(inner, dict) else inner


def _found(ref: str, root: Any) -> Any:
    """What a reference into the document's own definitions stands for; anything else is not followed."""
    for place in ("$defs", "definitions"):
        start, found = f"#/{place}/", root.get(place) if isinstance(root, dict) else None
        if ref.startswith(start) and isinstance(found, dict):
            return found.get(ref.removeprefix(start).replace("~1", "/").replace("~0", "~"))
    return None


def _shape(schema: dict[str, Any], parts: list[Any], root: Any, nullable: bool, seen: frozenset[str]) -> Shape:
    kind, choices = schema.get("type"), schema.get("enum")
    if isinstance(kind, list):
        others = [one for one in kind if one != "null"]
        kind = others[0] if len(others) == 1 else None
    if "const" in schema:
        return Shape("const", schema, nullable, seen, values=[schema["const"]])
    if isinstance(choices, list) and choices:
        known = len(choices) <= _MOST_CHOICES
        return Shape("choice" if known else JSON, schema, nullable, seen, values=choices if known else [])
    if parts:
        return _ways(schema, parts, root, nullable, seen)
    properties = schema.get("properties")
    if kind in ("object", None) and isinstance(properties, dict) and properties:
        return Shape("object", schema, nullable, seen)
    if kind == "array" and isinstance(schema.get("items"), dict) and "prefixItems" not in schema:
        return Shape("list", schema, nullable, seen)
    return Shape(kind if kind in _SIMPLE else JSON, schema, nullable, seen)


def _ways(schema: dict[str, Any], parts: list[Any], root: Any, nullable: bool, seen: frozenset[str]) -> Shape:
    """One of several objects, each marked by a constant of the same property; else any JSON."""
    if len(parts) > _MOST_WAYS:
        return Shape(JSON, schema, nullable, seen)
    found = [read(part, root, seen) for part in parts]
    by = next(iter(_marks(found[0])), "")
    marks = [_marks(one).get(by, MISSING) for one in found]
    told = all(mark is not MISSING and isinstance(mark, str | int) for mark in marks)
    if not (by and told and len({canonical(mark) for mark in marks}) == len(marks)):
        return Shape(JSON, schema, nullable, seen)
    ways = tuple(_marked(one.schema, by, mark) for one, mark in zip(found, marks, strict=True))
    return Shape("ways", schema, nullable, frozenset().union(*(one.seen for one in found)), ways=ways, by=by)


def _marks(shape: Shape) -> dict[str, Any]:
    """The properties of an object that may have one value only."""
    parts = shape.schema["properties"] if shape.kind == "object" else {}
    found = {name: part for name, part in parts.items() if isinstance(part, dict)}
    marks = {name: part["const"] for name, part in found.items() if "const" in part}
    single = {n: part["enum"] for n, part in found.items() if isinstance(part.get("enum"), list)}
    return marks | {name: values[0] for name, values in single.items() if len(values) == 1}


def _marked(schema: dict[str, Any], by: str, mark: Any) -> dict[str, Any]:
    return {**schema, "properties": {**schema["properties"], by: {"const": mark}}}
