"""Does a value fit a JSON Schema? In bounded time: schemas come from agents, and values from whoever answers.

Patterns are matched in time that grows with the text alone. Everything else is counted, and given up where a small
schema asks for more work than any honest one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend
from pydantic_core import SchemaError, SchemaValidator, core_schema
from pydantic_core import ValidationError as NoMatch
from referencing import Registry

from hitl.definition import canonical

_MOST_WORK = 250_000  # about a second
_MOST_TOLD = 50
_LONGEST = 500
_left: ContextVar[int] = ContextVar("left")


class _TooMuch(Exception):
    """More work than any honest schema asks for."""


def problems(schema: Any, value: Any) -> list[tuple[str, str]]:
    """What does not fit, each with its dotted path and a sentence, at most fifty of them. Raises whatever a schema that
    is none, that refers to what is not there, or that asks for too much, brings about."""
    before = _left.set(_MOST_WORK)
    try:
        # An empty registry: a schema of an agent's must not make this process fetch anything.
        validator = _Bounded(schema, format_checker=FormatChecker(), registry=Registry())
        found = []
        for error in validator.iter_errors(value):
            found.append((".".join(str(part) for part in error.absolute_path), error.message[:_LONGEST]))
            _spend(len(error.message) // 16)
            if len(found) == _MOST_TOLD:
                break
        return found
    finally:
        _left.reset(before)


@lru_cache(maxsize=1024)
def linear(pattern: str) -> SchemaValidator | None:
    """What matches a pattern in linear time; None for one that looks around or back, or is far too large."""
    try:
        return SchemaValidator(core_schema.str_schema(pattern=pattern))
    except SchemaError:
        return None


def _spend(work: int) -> None:
    left = _left.get() - work
    if left < 0:
        raise _TooMuch("this schema asks for too much work on this value")
    _left.set(left)


def _size(value: Any) -> int:
    return len(value) // 16 if isinstance(value, str) else len(value) if isinstance(value, list | dict) else 0


def _pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if not isinstance(instance, str):
        return
    fast = linear(pattern)
    try:
        fits = bool(re.search(pattern, instance)) if fast is None else fast.validate_python(instance) is not None
    except NoMatch:
        fits = False
    if not fits:
        yield ValidationError(f"{instance[:100]!r} does not match {pattern[:200]!r}")


def _unique(validator: Any, wanted: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    """The library compares each with each."""
    if wanted and isinstance(instance, list) and len({canonical(item) for item in instance}) < len(instance):
        yield ValidationError("there are equal items, and none may be")


def _counted(check: Callable[..., Any]) -> Callable[..., Any]:
    def counted(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
        _spend(1 + _size(value) + _size(instance))
        yield from check(validator, value, instance, schema) or ()

    return counted


_CHECKS = {**Draft202012Validator.VALIDATORS, "pattern": _pattern, "uniqueItems": _unique}
_extended: Any = extend  # which has no types
_Bounded = _extended(Draft202012Validator, {keyword: _counted(check) for keyword, check in _CHECKS.items()})
