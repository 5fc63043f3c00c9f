"""A small client of a chat-completions endpoint, with the standard library only.

The address, the key and the model come from Django's settings or the environment: `HITL_EXAMPLE_LLM_URL` (up to and
including `/chat/completions`), `HITL_EXAMPLE_LLM_KEY` and `HITL_EXAMPLE_LLM_MODEL`. The key is sent to that address
only: redirects are not followed. It is in no message, no result and no log.
"""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from datetime import timedelta
from typing import Any

from django.conf import settings

from hitl import StepFailed

TIMEOUT = 30  # seconds without a byte
LARGEST = 512 * 1024
_AGAIN = timedelta(seconds=5)


class _StayHere(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


_opener = urllib.request.build_opener(_StayHere)


def complete(messages: list[dict[str, Any]], tools: list[dict[str, Any]]) -> dict[str, Any]:
    """Ask for the next message; returns it as `{"content": ..., "calls": [{"id", "name", "arguments"}]}`.

    Raises StepFailed: to be tried again when the endpoint is slow, busy or broken, else for good.
    """
    body = {"model": _setting("MODEL") or "default", "messages": messages, "tools": tools}
    return _read(_post(json.dumps(body).encode()))


def _post(body: bytes) -> bytes:
    url, key = _setting("URL"), _setting("KEY")
    if not url.startswith(("http://", "https://")):
        raise StepFailed("set HITL_EXAMPLE_LLM_URL to the address of a chat-completions endpoint", retry=False)
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
    request = urllib.request.Request(url, body, headers, method="POST")  # noqa: S310 - http only, checked above
    try:
        with _opener.open(request, timeout=TIMEOUT) as response:
            data: bytes = response.read(LARGEST + 1)
    except urllib.error.HTTPError as error:
        error.close()
        busy = error.code >= 500 or error.code in (408, 409, 425, 429)
        raise StepFailed(f"the endpoint answered {error.code}", retry=busy, after=_AGAIN) from None
    except OSError as error:  # no connection, or no answer in time
        told = getattr(error, "reason", error)
        raise StepFailed(f"the endpoint did not answer: {type(told).__name__}", after=_AGAIN) from None
    if len(data) > LARGEST:
        raise StepFailed(f"the endpoint answered more than {LARGEST} bytes", retry=False)
    return data


def _read(data: bytes) -> dict[str, Any]:
    """The first choice, reduced to what is needed; anything else a model server sends is dropped."""
    try:
        message = json.loads(data)["choices"][0]["message"]
        calls = [
            {"id": str(call["id"]), "name": str(call["function"]["name"]), "arguments": call["function"]["arguments"]}
            for call in message.get("tool_calls") or []
        ]
        return {"content": str(message.get("content") or ""), "calls": calls}
    except (ValueError, LookupError, TypeError, AttributeError):
        raise StepFailed("the endpoint answered something that is no chat completion", after=_AGAIN) from None


def _setting(name: str) -> str:
    full = f"HITL_EXAMPLE_LLM_{name}"
    return str(getattr(settings, full, "") or os.environ.get(full, ""))
