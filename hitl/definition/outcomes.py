"""What a handler may say besides returning a plain value."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any


@dataclass(frozen=True, slots=True)
class Complete:
    """The step is done and this is its output; the same as returning the value itself."""

    value: Any = None


@dataclass(frozen=True, slots=True)
class Continue:
    """An agent loop's turn is over: keep `state` as the checkpoint and take the next turn."""

    state: Any = None


@dataclass(frozen=True, slots=True)
class Pause:
    """Enter this handler again after so long; its checkpoint stays as it is."""

    delta: timedelta


@dataclass(frozen=True, slots=True)
class Restart:
    """From an `on_failure` handler: go back to this step, with instructions for it."""

    step: str
    instructions: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps that become part of this run: dicts with `name`, `handler`, and optionally `args` and `after`."""

    steps: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Escalate:
    """Climb the step's ladder; what the rung that helps says becomes the step's output."""

    reason: str
    context: Any = None
    suggested_action: str = ""


# -- for wait_any -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Signal:
    """Wait for a signal of this name."""

    name: str


@dataclass(frozen=True, slots=True)
class Timer:
    """Wait for so long."""

    delta: timedelta


@dataclass(frozen=True, slots=True, init=False)
class Approve:
    """Wait for people's decision on this action; the options are those of a gate."""

    action: Any
    options: dict[str, Any]

    def __init__(self, action: Any, **options: Any) -> None:
        object.__setattr__(self, "action", action)
        object.__setattr__(self, "options", options)


@dataclass(frozen=True, slots=True, init=False)
class Human:
    """A rung of the ladder on which people are asked; the options are those of a gate."""

    name: str
    options: dict[str, Any]

    def __init__(self, name: str = "human", **options: Any) -> None:
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "options", options)
