"""Where a Workflow finds the engine without importing it: the app binds the verb when Django is ready."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hitl.exceptions import HitlError

_bound: dict[str, Callable[..., Any]] = {}


def bind(**verbs: Callable[..., Any]) -> None:
    """Name the functions behind `Workflow.start` and the like."""
    _bound.update(verbs)


def call(name: str, *args: Any, **kwargs: Any) -> Any:
    """Call a bound verb; without Django there is nothing to start runs with."""
    if name not in _bound:
        raise HitlError(f"{name}() needs Django: add 'hitl' to INSTALLED_APPS and call django.setup() first")
    return _bound[name](*args, **kwargs)
