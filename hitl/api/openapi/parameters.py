"""Parameters and headers that calls share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter

_TEXT: dict[str, Any] = {"type": "string"}
VIEWS = ["inbox", "claimed", "escalated", "delegated", "asked", "decided", "all"]
QUERY: dict[str, tuple[dict[str, Any], str]] = {
    "page_size": ({"type": "integer", "minimum": 1, "maximum": 200, "default": 50}, "How many a page has at most."),
    "cursor": (_TEXT, "Where to go on. Follow `next` and `previous` of a page instead of making one up."),
    "view": ({"type": "string", "enum": VIEWS, "default": "all"}, "Which requests; a key has inbox, asked and all."),
    "wait": (
        {"type": "number", "minimum": 0, "maximum": 60, "default": 0},
        "Answer when there is something to tell, at the latest after so many seconds. Behind a plain web server the "
        "wait is cut short, so ask again while it is not over.",
    ),
    "version": ({"type": "integer", "minimum": 0, "maximum": 2**63 - 1}, "The version to show."),
    "stream": (_TEXT, "One stream, such as `run:…`, `policy:refunds` or `system`."),
    "after": (
        {"type": "integer", "minimum": 0, "maximum": 2**63 - 1, "default": 0},
        "The number that the last answer gave as `after`.",
    ),
}
_PATHS: dict[str, dict[str, Any]] = {
    "uuid": {"type": "string", "format": "uuid"},
    "int": {"type": "integer", "minimum": 1, "maximum": 2**31 - 1},
    "str": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": r"^[^/\r\n]+$"},
    "path": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": r"^[^\r\n]+$"},
}
_IDEMPOTENCY = (
    "Makes a repeated call safe: the same key with the same body gets the same answer, with the header "
    "`Idempotent-Replayed`; with another body `idempotency_conflict`. A refused call leaves no record."
)


def of_path(regex: str) -> list[OpenApiParameter]:
    """The parts of the address that vary, by their converters."""
    found = re.findall(r"<(\w+):(\w+)>", regex)
    return [
        OpenApiParameter("id" if name == "pk" else name, _PATHS[kind], OpenApiParameter.PATH) for kind, name in found
    ]


def of_query(names: str) -> list[OpenApiParameter]:
    """The named ones, in their order."""
    return [_query(name, *QUERY[name]) for name in names.split()]


def of_filters(filters: Mapping[str, Any]) -> list[OpenApiParameter]:
    """Those that narrow a list."""
    return [_query(name, dict(one.schema), one.words) for name, one in filters.items()]


def _query(name: str, schema: dict[str, Any], words: str) -> OpenApiParameter:
    return OpenApiParameter(name, schema, OpenApiParameter.QUERY, description=words)


def headers(method: str, good: list[int]) -> list[OpenApiParameter]:
    """What every call of this method may send and gets back."""
    asked: list[OpenApiParameter] = []
    if method == "POST":
        key = {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[ -~]+$"}
        asked += [OpenApiParameter("Idempotency-Key", key, OpenApiParameter.HEADER, description=_IDEMPOTENCY)]
        asked += [
            _back(
                "Idempotent-Replayed",
                {"type": "string", "enum": ["true"]},
                good,
                "There where an earlier call got this very answer.",
            )
        ]
    if method == "GET":
        words = "The `ETag` of an earlier answer: 304 if nothing is different."
        asked += [OpenApiParameter("If-None-Match", OpenApiTypes.STR, OpenApiParameter.HEADER, description=words)]
        asked += [_back("ETag", _TEXT, [*good, 304], "Names this very answer.", required=True)]
    if 201 in good:
        asked += [_back("Location", {"type": "string", "format": "uri"}, [201], "Where the new thing is.")]
    seconds = {"type": "string", "pattern": "^[0-9]+$"}
    asked += [_back("Retry-After", seconds, [409, 429, 503], "Seconds to wait before trying again.")]
    return [*asked, _back("WWW-Authenticate", _TEXT, [401], "What to come with.")]


def _back(
    name: str, schema: dict[str, Any], statuses: list[int], words: str, *, required: bool = False
) -> OpenApiParameter:
    return OpenApiParameter(
        name, schema, OpenApiParameter.HEADER, description=words, response=list(statuses), required=required
    )
