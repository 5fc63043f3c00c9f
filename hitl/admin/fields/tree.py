"""The inputs of one value as a tree: what a template draws, and how the value comes out of them again."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from django import forms

from hitl.admin.fields.kept import Kept
from hitl.admin.fields.shapes import MISSING
from hitl.definition.text import hidden_count

_GROUPS = ("object", "list", "ways")


@dataclasses.dataclass(slots=True)
class Node:
    """One part of a value.

    `kind` is `input` (has a `field`), `object`, `list`, `ways` (its only part is the way that was chosen, if one was),
    `fixed` (a constant) or `locked` (may not be changed). `name` is its name in the form, `key` the one within its
    parent, `trail` the way to it in words. `was` is the value it stands for; `nothing` what a group means that is not
    there or has no items. `state` says which items are there, or which way was drawn; the buttons `<name>-~add` and
    `<name>-~remove` change that where `adds` and `removes` say so.
    """

    kind: str
    name: str
    key: str
    label: Any
    trail: str
    was: Any
    help: str = ""
    optional: bool = False
    nothing: Any = MISSING
    there: bool = True
    state: str = ""
    adds: bool = False
    removes: bool = False
    field: Kept | None = None
    chooser: Kept | None = None
    parts: list[Node] = dataclasses.field(default_factory=list)
    form: Any = None

    @property
    def bound(self) -> Any:
        """The field in its form."""
        return self.form[self.name]

    @property
    def choice(self) -> Any:
        """The field in its form that chooses the way."""
        return self.form[f"{self.name}-~way"] if self.chooser is not None else None

    @property
    def hidden(self) -> int:
        """How many characters of what its input shows cannot be seen."""
        shown = self.field.shown if self.field is not None else ""
        return hidden_count(shown) if isinstance(shown, str) else 0

    def walk(self) -> Iterator[Node]:
        """This part and all below it."""
        yield self
        for part in self.parts:
            yield from part.walk()

    def fields(self) -> Iterator[tuple[str, forms.Field]]:
        """What the form must know, by name; of a group a place for what is wrong with it as a whole."""
        for node in self.walk():
            if node.kind in _GROUPS:
                yield node.name, forms.CharField(required=False, widget=forms.HiddenInput, label=node.trail)
            if node.chooser is not None:
                yield f"{node.name}-~way", node.chooser
            if node.field is not None:
                yield node.name, node.field

    def value(self, cleaned: dict[str, Any]) -> Any:
        """What was typed, as JSON; `MISSING` where there is nothing."""
        if self.kind == "input":
            return cleaned.get(self.name, self.was)
        if self.kind == "object":
            return self._object(cleaned) if self.there else self.nothing
        if self.kind == "list":
            values = [part.value(cleaned) for part in self.parts]
            return [value for value in values if value is not MISSING] or self.nothing
        if self.kind == "ways":
            return self.parts[0].value(cleaned) if self.parts else self.nothing
        return self.was

    def _object(self, cleaned: dict[str, Any]) -> Any:
        values = {part.key: part.value(cleaned) for part in self.parts}
        before = self.was if isinstance(self.was, dict) else {}
        kept = {key: value for key, value in before.items() if key not in values}
        return kept | {key: value for key, value in values.items() if value is not MISSING}

    def at(self, path: str, cleaned: dict[str, Any]) -> Node:
        """The part that a problem at this dotted path belongs to: the nearest group where it has no input."""
        if self.kind == "ways" and self.parts:
            return self.parts[0].at(path, cleaned)
        parts = [part for part in self.parts if part.kind in ("input", *_GROUPS)]
        names = [part.key for part in parts]
        if self.kind == "list":
            parts = [part for part in parts if part.value(cleaned) is not MISSING]
            names = [str(number) for number in range(len(parts))]
        found = [
            (len(name), part)
            for part, plain in zip(parts, names, strict=True)
            for name in (plain, plain.replace(".", "\\."))
            if path == name or path.startswith(f"{name}.")
        ]
        if not found:
            return self
        length, part = max(found, key=lambda one: one[0])
        return part.at(path[length + 1 :], cleaned)
