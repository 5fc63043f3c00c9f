"""Problem documents as a schema: which codes a call may answer with, by HTTP status."""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache
from http import HTTPStatus
from typing import Any

from rest_framework import exceptions as drf

from hitl import exceptions as ours
from hitl.api import problems

MEDIA = "application/problem+json"
_DRF = (
    drf.NotAuthenticated,
    drf.AuthenticationFailed,
    drf.PermissionDenied,
    drf.NotFound,
    drf.MethodNotAllowed,
    drf.NotAcceptable,
    drf.UnsupportedMediaType,
    drf.Throttled,
)
_ALWAYS = "not_authenticated authentication_failed permission_denied not_acceptable throttled"
_BODY = "invalid bad_input not_json too_large unsupported_media_type"
_POST = "in_flight idempotency_conflict"
PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "What went wrong (RFC 9457), and beside these members whatever helps to go on: `reason` of "
    "`not_allowed`, `fields` of `invalid`, `current_status` of a row.",
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "Stable, for programs."},
        "detail": {"type": "string", "description": "For people."},
    },
    "required": ["type", "title", "status", "code", "detail"],
}


@lru_cache
def statuses() -> dict[str, int]:
    """The HTTP status of every code that the API answers with."""
    found = {"invalid": 400, "unavailable": 503, **{error.default_code: error.status_code for error in _DRF}}
    for error in vars(ours).values():
        if isinstance(error, type) and issubclass(error, ours.HitlError):
            found[error.code] = problems._status(error.__new__(error))
    return found


def codes(method: str, more: str) -> dict[int, list[str]]:
    """The codes of a call by status: what every such call may answer, and `more`."""
    words = [_ALWAYS, _BODY if method in ("POST", "PUT", "PATCH", "DELETE") else "", more]
    words += [_POST] if method == "POST" else []
    found: dict[int, set[str]] = defaultdict(set)
    for code in " ".join(words).split():
        found[statuses()[code]].add(code)
    return {status: sorted(found[status]) for status in sorted(found)}


def told(reference: dict[str, Any], status: int, names: list[str]) -> dict[str, Any]:
    """The schema of a problem with one of these codes."""
    only = {"status": {"type": "integer", "enum": [status]}, "code": {"type": "string", "enum": names}}
    return {"allOf": [reference, {"type": "object", "properties": only}]}


def phrase(status: int, names: list[str]) -> str:
    """What the status is called, with the codes."""
    return f"{HTTPStatus(status).phrase}: {', '.join(f'`{name}`' for name in names)}."
