"""A scripted outside world: it writes down what was done to it, and takes each idempotency key once."""

from __future__ import annotations

from typing import Any

done: dict[str, dict[str, Any]] = {}


def act(what: str, *, idempotency_key: str, **details: Any) -> dict[str, Any]:
    """Do something; the same key again does nothing and returns what was done the first time."""
    return done.setdefault(idempotency_key, {"did": what, **details})


def deeds(what: str = "") -> list[dict[str, Any]]:
    """What was done, in order; of one kind if it is named."""
    return [deed for deed in done.values() if what in ("", deed["did"])]
