"""The form a question is answered with, made from the JSON Schema of its answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from django import forms

from hitl.admin.fields.inputs import JSONText, Lines, Whole
from hitl.definition.text import reveal

_FIELD = "answer"
_MOST_RADIOS = 6
_NULL = " null"  # our own mark on a part that may be null; no keyword of JSON Schema


class Choice(forms.TypedChoiceField):
    """One of some JSON values, none of them chosen beforehand. What travels is the number of the value."""

    def __init__(self, values: list[Any], words: list[str] | None = None, **options: Any) -> None:
        texts = words or [reveal(_told(value)) for value in values]
        choices = [(str(number), text) for number, text in enumerate(texts)]
        few = len(choices) <= _MOST_RADIOS
        none = [("", "No answer" if few else "Choose…")] if not (few and options["required"]) else []
        super().__init__(
            choices=[*none, *choices],
            widget=forms.RadioSelect if few else forms.Select,
            coerce=lambda number: values[int(number)],
            empty_value=None,
            **options,
        )


class Real(forms.FloatField):
    """A number; a whole one stays whole."""

    def __init__(self, **options: Any) -> None:
        super().__init__(widget=forms.TextInput(attrs={"inputmode": "decimal"}), **options)

    def to_python(self, value: Any) -> Any:
        """The number as it was typed."""
        found = super().to_python(value)
        text = str(value).strip()
        whole = found is not None and text.lstrip("+-").isdigit() and len(text) < 100
        return int(text) if whole else found


class AnswerFields:
    """The fields of one answer, and how they become the answer again."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self.schema = _resolved(schema, schema)
        self.parts: dict[str, str] = {}
        properties = self.schema.get("properties")
        if self.schema.get("type") == "object" and isinstance(properties, dict):
            # PostgreSQL does not keep the order of an object's members, but that of the list of those needed.
            needed = [name for name in self._needed if isinstance(name, str) and name in properties]
            names = dict.fromkeys([*needed, *sorted(properties)])
            self.parts = {f"{_FIELD}-{name}": name for name in names}

    def fields(self) -> Iterator[tuple[str, forms.Field]]:
        """Each field with the name it has in the form."""
        if not self.parts:
            yield _FIELD, _field(self.schema, "Answer", required=True)
            return
        for field, name in self.parts.items():
            part = self._part(name)
            label = part.get("title") if isinstance(part.get("title"), str) else name
            yield field, _field(part, label or name, required=name in self._needed and not part.get(_NULL))

    def value(self, data: dict[str, Any]) -> Any:
        """The answer; what was left empty and may be is left out."""
        if not self.parts:
            return data.get(_FIELD)
        values = {name: data.get(field) for field, name in self.parts.items()}
        values = {
            name: None if value == "" and self._part(name).get(_NULL) else value for name, value in values.items()
        }
        return {name: value for name, value in values.items() if name in self._needed or value not in (None, "")}

    @property
    def _needed(self) -> list[Any]:
        needed = self.schema.get("required", [])
        return needed if isinstance(needed, list) else []

    def _part(self, name: str) -> dict[str, Any]:
        return _resolved(self.schema["properties"][name], self.schema)

    def field_of(self, path: str) -> str:
        """The field that a problem at this path of the answer belongs to."""
        first = path.removeprefix("response").removeprefix(".").partition(".")[0]
        return f"{_FIELD}-{first}" if first and self.parts else _FIELD


def _field(schema: dict[str, Any], label: str, *, required: bool) -> forms.Field:
    help_text = schema.get("description") if isinstance(schema.get("description"), str) else ""
    common: dict[str, Any] = {"label": label, "required": required, "help_text": help_text or ""}
    kind = schema.get("type")
    if isinstance(schema.get("enum"), list) and schema["enum"]:
        return Choice(schema["enum"], **common)
    if kind == "boolean":
        return Choice([True, False], ["Yes", "No"], **common)
    if kind == "integer":
        return Whole(**common)
    if kind == "number":
        return Real(**common)
    if kind == "string":
        return Lines(**common)
    return JSONText(blank=not required, **common)


def _resolved(schema: Any, root: dict[str, Any]) -> dict[str, Any]:
    """A schema with a reference into its own document followed, and of "this or null" the this."""
    for _ in range(8):
        if not isinstance(schema, dict):
            return {}
        ref, parts = schema.get("$ref"), schema.get("anyOf")
        if isinstance(ref, str) and ref.startswith("#/$defs/"):
            found = root.get("$defs", {}).get(ref.removeprefix("#/$defs/"))
            schema = {**found, **({_NULL: True} if schema.get(_NULL) else {})} if isinstance(found, dict) else None
        elif isinstance(parts, list) and len(parts) == 2 and {"type": "null"} in parts:
            schema = {**{k: v for k, v in schema.items() if k != "anyOf"}, **_other(parts), _NULL: True}
        else:
            return schema
    return {}


def _other(parts: list[Any]) -> dict[str, Any]:
    return next((part for part in parts if isinstance(part, dict) and part != {"type": "null"}), {})


def _told(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
