"""What an agent wants to do, as people will see it and as it will run.

An Action is a frozen value: its arguments are plain JSON, validated by the author's pydantic model when there is one.
Nothing in it changes between the moment a person sees it and the moment it runs, except by a recorded edit.
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from pydantic import BaseModel, ValidationError

from hitl.definition.canonical import canonical
from hitl.exceptions import InvalidAction

ENVELOPE = "$action"
_OF_AN_ACTION = ("type", "args", "title", "impact", "target", "reversible")
_models: dict[str, type[BaseModel]] = {}


@dataclass(frozen=True, slots=True, init=False)
class Action:
    """One thing to do: `type` with `args`, told to people by `title` and `impact`.

    `args` is a pydantic model (typed, editable field by field) or a dict. `type` defaults to the model's name
    in snake case and is required for a dict. `reversible=False` unless the author says otherwise. `target` names
    what is acted upon. Raises InvalidAction for a missing title, impact or type, NotCanonical for what is not JSON.
    """

    type: str
    args: dict[str, Any]
    title: str
    impact: str
    description: str = ""
    target: str = ""
    reversible: bool = False
    model: str = field(default="", compare=False)

    def __init__(
        self,
        args: BaseModel | dict[str, Any],
        *,
        title: str,
        impact: str,
        type: str = "",
        description: str = "",
        target: str = "",
        reversible: bool = False,
        model: str = "",
    ) -> None:
        if isinstance(args, BaseModel):
            model, args, type = _take_model(args, type)
        if not isinstance(args, dict):
            raise InvalidAction(f"an action's arguments are a pydantic model or a dict, not {args!r:.80}")
        for name, text in (("type", type), ("title", title), ("impact", impact)):
            if not isinstance(text, str) or not text.strip():
                raise InvalidAction(f"an action needs a {name}: people decide by it")
        for name, text, most in (
            ("type", type, 200),
            ("title", title, 500),
            ("impact", impact, 5000),
            ("description", description, 20_000),
            ("target", target, 1000),
        ):
            if not isinstance(text, str) or len(text) > most:
                raise InvalidAction(f"an action's {name} is a text of at most {most} characters")
        # A copy: whoever holds the original must not be able to change what people see.
        copy = json.loads(canonical(args, what="action.args"))
        values = (type, copy, title, impact, description, target, bool(reversible), model if len(model) <= 300 else "")
        for name, value in zip(self.__slots__, values, strict=True):
            object.__setattr__(self, name, value)
        canonical(self.envelope(), what="action")

    def envelope(self) -> dict[str, Any]:
        """The action as JSON, marked so that `from_json` finds it in a step's output."""
        return {ENVELOPE: {name: getattr(self, name) for name in self.__slots__}}

    def with_args(self, args: dict[str, Any]) -> Action:
        """The same action with other arguments."""
        body = self.envelope()[ENVELOPE]
        return Action(**{**body, "args": args})

    def typed(self) -> Any:
        """The arguments as the author's model, or as an `Args` where there is none any more.

        Raises InvalidAction when the model no longer takes the approved arguments: closed on doubt.
        """
        cls = find_model(self.model)
        if cls is None:
            return Args(self.args)
        try:
            typed = cls.model_validate_json(json.dumps(self.args))
        except ValidationError as error:
            raise InvalidAction(f"{cls.__name__} refuses the approved arguments: {error}") from error
        if typed.model_dump(mode="json", by_alias=True) != self.args:
            raise InvalidAction(f"{cls.__name__} would change the approved arguments; ask again with the new model")
        return typed

    def schema(self) -> dict[str, Any]:
        """JSON Schema of the arguments; of a dict: the same keys with the same kinds of values."""
        cls = find_model(self.model)
        return model_schema(cls) if cls is not None else schema_of(self.args)


class Args(dict[str, Any]):
    """Arguments of an action without a model: a dict whose keys are attributes too."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


def from_json(value: Any) -> Any:
    """A step's output as its author knows it: an Action where it was one, else the value itself."""
    if isinstance(value, dict) and value.keys() == {ENVELOPE}:
        return Action(**value[ENVELOPE])
    return value


def shown(value: Any) -> Any:
    """A stored value as others see it: an action without its envelope, which names classes of the author's code."""
    if isinstance(value, list):
        return [shown(item) for item in value]
    if not isinstance(value, dict):
        return value
    inner = value.get(ENVELOPE)
    if value.keys() == {ENVELOPE} and isinstance(inner, dict):
        return {name: inner.get(name) for name in _OF_AN_ACTION}
    return {name: shown(item) for name, item in value.items()}


def to_json(value: Any) -> Any:
    """A step's output as JSON: actions and models become dicts."""
    if isinstance(value, Action):
        return value.envelope()
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, dict) and ENVELOPE in value:
        # What an agent wrote must never turn into an Action: only an author's code makes one.
        raise InvalidAction(f"a plain value may not have the key {ENVELOPE!r}; return an Action")
    return value


def find_model(path: str) -> type[BaseModel] | None:
    """The model class a stored action names, or None when this code has it no longer.

    The path was written by our own code from a class of the author's; only subclasses of BaseModel are returned.
    """
    if path in _models or not path:
        return _models.get(path)
    module, _, name = path.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError):
        return None
    if not (isinstance(found, type) and issubclass(found, BaseModel)):
        return None
    return _models.setdefault(path, found)


@lru_cache(maxsize=512)
def model_schema(cls: type[BaseModel]) -> dict[str, Any]:
    """The model's JSON Schema, closed: what the model does not know is refused, not dropped."""
    schema = cls.model_json_schema()
    for part in (schema, *schema.get("$defs", {}).values()):
        if part.get("type") == "object" and "properties" in part:
            part.setdefault("additionalProperties", False)
    return schema


def schema_of(value: Any) -> dict[str, Any]:
    """A JSON Schema that takes values of the same shape as this one."""
    if isinstance(value, dict):
        properties = {key: schema_of(item) for key, item in value.items()}
        return {
            "type": "object",
            "properties": properties,
            "required": sorted(properties),
            "additionalProperties": False,
        }
    kinds = {bool: "boolean", int: "number", float: "number", str: "string", list: "array", tuple: "array"}
    return {"type": kinds[type(value)]} if type(value) in kinds else {}


def dropped(given: Any, by_alias: Any, by_name: Any, path: str = "") -> Iterator[str]:
    """Paths of what was given and is in neither dump of the model: pydantic drops what it does not know."""
    if isinstance(given, dict):
        aliases, names = (dump if isinstance(dump, dict) else {} for dump in (by_alias, by_name))
        for key, item in given.items():
            if key not in aliases and key not in names:
                yield f"{path}{key}"
            else:
                yield from dropped(item, aliases.get(key), names.get(key, aliases.get(key)), f"{path}{key}.")
    elif isinstance(given, list) and isinstance(by_alias, list | tuple) and isinstance(by_name, list | tuple):
        for number, (item, one, other) in enumerate(zip(given, by_alias, by_name, strict=False)):
            yield from dropped(item, one, other, f"{path}{number}.")


def _take_model(args: BaseModel, type: str) -> tuple[str, dict[str, Any], str]:
    cls = args.__class__
    path = f"{cls.__module__}:{cls.__qualname__}"
    _models[path] = cls
    try:  # model_construct() can build what the model would refuse
        checked = cls.model_validate(args.model_dump(warnings=False, by_alias=True))
        data = checked.model_dump(mode="json", by_alias=True)
        again = cls.model_validate_json(canonical(data, what="action.args"))
    except ValidationError as error:
        raise InvalidAction(f"{cls.__name__} refuses these arguments: {error}") from error
    if again != checked:
        raise InvalidAction(f"{cls.__name__} does not survive JSON: what people would see is not what would run")
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", cls.__name__).lower()
    return path, data, type or name
