"""The whole document: made once in a process, since it tells nothing of data."""

from __future__ import annotations

import threading
from typing import Any

from django.conf import settings
from drf_spectacular.generators import EndpointEnumerator, SchemaGenerator
from drf_spectacular.settings import patched_settings

from hitl.api.door import Door
from hitl.api.openapi import shared
from hitl.api.openapi.described import CSRF, KEY, SESSION, Described

_ABOUT = """\
JSON over HTTP for agents, workers and people's own programs.

- Agents come with a key, people with their session and its CSRF token. No scope decides: what is for people only says
  so to a key (`not_allowed`, reason `agent`).
- Bodies are JSON objects of at most 1 MiB and 64 levels. Duplicate keys, NaN and fields that do not exist are refused.
- Every POST takes `Idempotency-Key`; every GET answers with an `ETag` and honours `If-None-Match`.
- Errors are problem documents (RFC 9457) with a stable `code`. 429 and some 409 say in `Retry-After` when to come back.
- Lists come in pages: follow `next`.
"""
_TAGS = {
    "workflows": "Which workflows there are.",
    "runs": "Start runs, feed them, stop them, and read what they tell.",
    "steps": "External workers: claim a step, keep it, say what came of it.",
    "approvals": "Ask people, and take what came of it; what people do with requests.",
    "webhooks": "Programs that are told of requests. Operators only.",
    "audit": "What can be proved.",
    "step-up": "Prove once more who one is.",
    "delegations": "Who decides in whose place.",
}
_SETTINGS: dict[str, Any] = {
    "OAS_VERSION": "3.1.0",
    "TITLE": "hitl",
    "VERSION": "1",
    "DESCRIPTION": _ABOUT,
    "COMPONENT_SPLIT_REQUEST": True,
    "SORT_OPERATIONS": False,
    "SORT_OPERATION_PARAMETERS": False,
    "POSTPROCESSING_HOOKS": [],
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "GENERIC_ADDITIONAL_PROPERTIES": "bool",
}
_lock = threading.Lock()
_made: dict[str, Any] = {}


class _Ours(EndpointEnumerator):
    """The views of this API, in the order of its addresses; a project's own stand elsewhere."""

    def _get_api_endpoints(self, patterns: Any, prefix: str) -> list[Any]:
        found = super()._get_api_endpoints(patterns, prefix)
        return [one for one in found if issubclass(one[3].cls, Door) and "compat" not in one[3].cls.__module__]


class Generator(SchemaGenerator):
    """Describes the views whatever the project's own settings of drf-spectacular and DRF are."""

    endpoint_inspector_cls = _Ours

    def create_view(self, callback: Any, method: str, request: Any = None) -> Any:
        """The view, described by us."""
        view = super().create_view(callback, method, request)
        self._set_schema_to_view(view, Described())
        return view

    def get_schema(self, request: Any = None, public: bool = False) -> dict[str, Any]:
        """The document."""
        with _lock, patched_settings(_SETTINGS):
            document: dict[str, Any] = super().get_schema(None, True)
        document["info"]["version"] = _SETTINGS["VERSION"]
        shared.share(document)
        used = {tag for item in document["paths"].values() for call in item.values() for tag in call["tags"]}
        document["tags"] = [{"name": name, "description": _TAGS[name]} if name in _TAGS else {"name": name}
                            for name in sorted(used, key=[*_TAGS, *sorted(used - _TAGS.keys())].index)]  # fmt: skip
        document["components"]["securitySchemes"] = _schemes()
        return document


def document() -> dict[str, Any]:
    """The document of this process."""
    if not _made:
        _made.update(Generator().get_schema())
    return _made


def _schemes() -> dict[str, Any]:
    session = {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME}
    header = settings.CSRF_HEADER_NAME.removeprefix("HTTP_").replace("_", "-").title()
    return {
        KEY: {"type": "http", "scheme": "bearer", "description": "`hitl_<prefix>_<secret>`, with the scopes named."},
        SESSION: {**session, "description": "A person who is signed in."},
        CSRF: {"type": "apiKey", "in": "header", "name": header, "description": "Django's CSRF token of the session."},
    }
