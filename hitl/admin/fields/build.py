"""From a JSON Schema, a value and what was posted to the tree of inputs.

The value alone decides what has inputs of its own and what is typed as JSON: adding and removing never turns one into
the other, or a text would be read as something else than it was typed as.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from hitl.admin.fields.kept import Choice, bounds, input_for
from hitl.admin.fields.shapes import JSON, MISSING, Shape, holds, read, same
from hitl.admin.fields.tree import Node

_MOST_FIELDS = 200  # of the value itself, and as many of what is added to it
_DEEPEST = 5
_NOTHING: tuple[Any, ...] = (MISSING, None, "", [], {})
_KEYS = re.compile(r"\d{1,4}(,\d{1,4})*")
_NAME = re.compile(r"[A-Za-z0-9_]{1,64}")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a part stands. `new`: what it is in was not there before; `extra`: it was added in the form."""

    name: str
    key: str = ""
    path: str = ""
    label: Any = ""
    above: str = ""
    trail: str = ""
    depth: int = 0
    seen: frozenset[str] = frozenset()
    optional: bool = False
    new: bool = False
    extra: bool = False
    item: bool = False


class Builder:
    """Builds the tree of one value. Where what was asked for would make too many inputs, it is not added."""

    def __init__(self, schema: Any, *, prefix: str, editable: Any, data: Any, defaults: bool) -> None:
        self._schema, self._prefix, self._editable, self._data = schema, prefix, editable, data
        self._defaults, self._fresh, self._pressed = defaults, False, True
        self._left = self._more = _MOST_FIELDS

    def tree(self, value: Any, label: Any) -> Node:
        """The inputs of this value."""
        self._fresh = value is MISSING
        root = _Place(self._prefix, label=label, new=self._fresh)
        found = self._build(value, root)
        if self._more <= 0:
            self._pressed = False
            found = self._build(value, root)
        return found

    def _build(self, value: Any, root: _Place) -> Node:
        self._left = self._more = _MOST_FIELDS
        node = self._node(self._schema, value, root)
        return node or Node("locked", root.name, "", root.label, "", value)

    def _node(self, schema: Any, was: Any, place: _Place) -> Node | None:
        free, within = self._free(place.path)
        if not free and not (within and isinstance(was, dict)):
            told = Node("locked", place.name, place.key, place.label, str(place.label), was)
            return None if was is MISSING else told
        shape = read(schema, self._schema, place.seen)
        was = self._start(shape, was, place)
        if not holds(shape, was) or self._too_much(shape, was, place):
            shape = Shape(JSON, shape.schema, shape.nullable)
        titled = self._fresh and place.depth > 0 and not place.item
        label = (titled and shape.text("title")) or place.label
        trail = f"{place.above} › {label}" if place.above else str(label)
        place = replace(place, label=label, trail=trail, seen=shape.seen, depth=place.depth + 1)
        make: Any = {"object": self._object, "list": self._list, "ways": self._ways}.get(shape.kind, self._input)
        node: Node = make(shape, was, place, free)
        node.help = " · ".join(filter(None, (shape.text("description") if self._fresh else "", bounds(shape))))
        node.optional = self._fresh and not place.item and place.depth > 1 and (place.optional or shape.nullable)
        return node

    def _start(self, shape: Shape, was: Any, place: _Place) -> Any:
        """What an input begins with where nothing is there yet."""
        if was is not MISSING or not place.new:
            return was
        if shape.kind == "const":
            return shape.values[0]
        default = shape.schema.get("default", MISSING)
        if self._defaults and not any(same(default, one) for one in _NOTHING):
            return default
        return None if shape.nullable and not (place.optional or place.depth == 0) else MISSING

    def _too_much(self, shape: Shape, was: Any, place: _Place) -> bool:
        """Count what this part needs, and whether it goes too far for inputs of its own."""
        needs = 1
        if shape.kind == "object":
            needs += len(shape.schema["properties"].keys() | (was if isinstance(was, dict) else {}).keys())
        elif shape.kind == "list" and isinstance(was, list):
            needs += len(was)
        simple = needs == 1 and shape.kind not in ("object", "list", "ways")
        if place.extra:
            self._more -= 1
        else:
            self._left -= 1
        at_root = place.depth == 0 and self._fresh and shape.nullable
        deep = place.depth > _DEEPEST or needs > (self._more if place.extra else self._left)
        return at_root if simple else deep

    def _free(self, path: str) -> tuple[bool, bool]:
        """Whether this may be changed, and whether something within it may."""
        if self._editable is None:
            return True, True
        free = any(path == one or path.startswith(f"{one}.") for one in self._editable)
        return free, not path or any(one.startswith(f"{path}.") for one in self._editable)

    def _input(self, shape: Shape, was: Any, place: _Place, free: bool) -> Node:
        node = Node("input", place.name, place.key, place.label, place.trail, was)
        if shape.kind == "const" and not (shape.nullable or was is MISSING):
            node.kind = "fixed"
            return node
        shape = replace(shape, kind="choice") if shape.kind == "const" else shape
        optional = place.optional or shape.nullable
        required = self._fresh and not (optional or place.item)
        node.field = input_for(shape, was, optional=place.optional, required=required, label=place.trail)
        return node

    def _object(self, shape: Shape, was: Any, place: _Place, free: bool) -> Node:
        bare = was is MISSING and place.new and (place.item or not place.optional)
        usual = isinstance(was, dict) or bare
        may_go = free and place.depth > 1 and not place.item and (place.optional or shape.nullable)
        there = self._there(place.name, usual) if may_go or not usual else True
        node = Node("object", place.name, place.key, place.label, place.trail, was, there=there, state=str(int(there)))
        gone = None if shape.nullable else MISSING
        node.nothing = gone if isinstance(was, dict) else was
        node.adds, node.removes = free and not there, may_go and there
        if there or usual:
            parts = list(self._properties(shape, was, replace(place, extra=place.extra or not usual)))
            node.parts = parts if there else []
        return node

    def _properties(self, shape: Shape, was: Any, place: _Place) -> Iterator[Node]:
        known, values = shape.schema["properties"], was if isinstance(was, dict) else {}
        others = shape.schema.get("additionalProperties")
        # PostgreSQL does not keep the order of an object's members, but that of the list of those needed.
        needed = [name for name in shape.needed if name in known]
        for name in dict.fromkeys([*needed, *sorted(known.keys() | values.keys())]):
            below = self._below(place, name, name, optional=name not in needed, new=not isinstance(was, dict))
            node = self._node(known.get(name, others), values.get(name, MISSING), below)
            if node is not None:
                yield node

    def _list(self, shape: Shape, was: Any, place: _Place, free: bool) -> Node:
        if not free:
            return Node("locked", place.name, place.key, place.label, place.trail, was)
        items = was if isinstance(was, list) else []
        keys = self._keys(place.name, len(items))
        node = Node("list", place.name, place.key, place.label, place.trail, was, state=",".join(map(str, keys)))
        node.adds = node.removes = True
        bare = was is MISSING and place.new and (place.item or not place.optional)
        node.nothing = [] if isinstance(was, list) or bare else was
        numbers = {key: number for number, key in enumerate(keys, start=1)}
        made: dict[int, Node | None] = {}
        for key in [*range(len(items)), *(key for key in keys if key >= len(items))]:
            at = replace(place, extra=place.extra or key >= len(items))
            below = self._below(at, str(key), numbers.get(key, 0), optional=True, new=key >= len(items), item=True)
            if key < len(items) or self._more > 0:
                made[key] = self._node(shape.schema["items"], items[key] if key < len(items) else MISSING, below)
        node.parts = [part for key in keys if (part := made.get(key)) is not None]
        return node

    def _ways(self, shape: Shape, was: Any, place: _Place, free: bool) -> Node:
        own = shape.way_of(was)
        sent, chosen = self._data.get(f"{place.name}-~way"), own
        if free and sent is not None and re.fullmatch(r"\d{0,2}", str(sent)):
            chosen = int(sent) if sent and int(sent) < len(shape.ways) else None
        node = Node("ways", place.name, place.key, place.label, place.trail, was)
        node.state = "" if chosen is None else str(chosen)
        node.nothing = was if own is None else None if shape.nullable else MISSING
        if free:
            optional = place.optional or shape.nullable
            words = [way.get("title") or str(way["properties"][shape.by]["const"]) for way in shape.ways]
            made = Choice([*range(len(words))], words, may_be_none=optional, required=self._fresh and not optional)
            made.shown = made.initial = "" if own is None else str(own)
            made.kept, made.label = MISSING if own is None else own, place.trail
            node.chooser = made
        if own is not None:
            node.parts = [self._way(shape, own, was, place)]
        if chosen != own:
            node.parts = [] if chosen is None else [self._way(shape, chosen, MISSING, replace(place, extra=True))]
        return node

    def _way(self, shape: Shape, number: int, was: Any, place: _Place) -> Node:
        new = was is MISSING
        below = replace(place, name=f"{place.name}-{number}", optional=False, new=new, item=True)
        node = self._node(shape.ways[number], was, below)
        return node or Node("locked", below.name, place.key, place.label, place.trail, was)

    def _below(self, place: _Place, key: str, label: Any, **more: Any) -> _Place:
        dotted = key.replace(".", "\\.")  # as `decide` names it: a dot in a name is no way into another argument
        safe = key if _NAME.fullmatch(key) else f"~{hashlib.blake2b(key.encode(), digest_size=16).hexdigest()}"
        name, path = f"{place.name}-{safe}", f"{place.path}.{dotted}" if place.path else dotted
        if more.get("item"):
            label, above = f"{place.label} {label}", place.above
        else:
            above = place.trail if place.depth > 1 else ""
        return replace(place, **{"item": False, **more}, name=name, key=key, path=path, label=label, above=above)

    def _there(self, name: str, usual: bool) -> bool:
        if self._pressed and f"{name}-~add" in self._data:
            return True
        if f"{name}-~remove" in self._data:
            return False
        return {"1": True, "0": False}.get(self._data.get(name, ""), usual)

    def _keys(self, name: str, count: int) -> list[int]:
        """Which items are there: of the value those with their numbers in it, of the added ones higher numbers."""
        sent = self._data.get(name)
        known = isinstance(sent, str) and (not sent or _KEYS.fullmatch(sent))
        keys = list(range(count)) if not known else [int(key) for key in dict.fromkeys(str(sent).split(",")) if key]
        keys = keys[: count + _MOST_FIELDS]
        gone = self._data.get(f"{name}-~remove")
        keys = [key for key in keys if str(key) != gone]
        more = self._pressed and f"{name}-~add" in self._data
        return [*keys, max([count - 1, *keys]) + 1] if more else keys
