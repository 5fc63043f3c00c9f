"""Both worlds in the same words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hitl.exceptions import HitlError
from tests.model.people import No
from tests.model.request import Request


def outcome(act: Callable[[], Any]) -> tuple[Any, ...]:
    """What came of an act, in the words of both worlds: its answer, or which error and why."""
    try:
        return ("done", act())
    except No as refusal:
        return refusal.args
    except HitlError as error:
        why = error.details.get("fields") or [error.details[name] for name in ("reason",) if name in error.details]
        return (type(error).__name__, *sorted(why))


def state(r: Request) -> dict[str, Any]:
    """What is compared of a row."""
    open_now = r.status == "pending"
    return {
        "status": r.status,
        "via": r.via,
        "revision": r.revision,
        "stage": r.stage,
        "expires": r.expires,
        "remind": r.remind_at,
        "escalate": r.escalate_at,
        "reminded": r.reminded,
        "rung": r.rung,
        "fell_back": r.fell_back,
        "short": r.short if open_now else None,
        "claimed": r.claimed,
        "editor": r.editor,
        "consumed": r.consumed,
    }


def different(told: dict[str, Any], meant: dict[str, Any]) -> str:
    """Only what differs."""
    if told.keys() != meant.keys():
        return f"{told} and not {meant}"
    parts = []
    for key, value in told.items():
        if isinstance(value, dict) and value != meant[key]:
            parts.append(f"{key}: {different(value, meant[key])}")
        elif value != meant[key]:
            parts.append(f"{key}: {value!r}, and not {meant[key]!r}")
    return "; ".join(parts)
