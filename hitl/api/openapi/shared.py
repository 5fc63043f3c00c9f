"""What many calls have in common is said once, in the components: a third of the size, and nicer to read."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

_LIBRARY = "x-spec-enum-id"


def share(document: dict[str, Any]) -> None:
    """Move problems and headers of requests to the components, in place."""
    _clean(document)
    responses: dict[str, dict[str, Any]] = defaultdict(dict)
    parameters: dict[str, Any] = {}
    for item in document["paths"].values():
        for call in item.values():
            for status in [status for status in call["responses"] if status >= "300"]:
                call["responses"][status] = _response(responses[status], status, call["responses"][status])
            call["parameters"] = [_parameter(parameters, one) for one in call.get("parameters", [])]
    components = document["components"]
    components["responses"] = {name: one for kind in responses.values() for name, one in kind.items()}
    components["parameters"] = parameters


def _response(known: dict[str, Any], status: str, told: dict[str, Any]) -> dict[str, str]:
    text = json.dumps(told, sort_keys=True)
    name = next((name for name, one in known.items() if json.dumps(one, sort_keys=True) == text), "")
    if not name:
        name = f"Status{status}" + (f"Kind{len(known) + 1}" if known else "")
        known[name] = told
    return {"$ref": f"#/components/responses/{name}"}


def _parameter(known: dict[str, Any], one: dict[str, Any]) -> dict[str, Any]:
    if one["in"] != "header":
        return one
    known[one["name"]] = one
    return {"$ref": f"#/components/parameters/{one['name']}"}


def _clean(node: Any) -> None:
    if isinstance(node, dict):
        node.pop(_LIBRARY, None)
        for part in node.values():
            _clean(part)
    elif isinstance(node, list):
        for part in node:
            _clean(part)
