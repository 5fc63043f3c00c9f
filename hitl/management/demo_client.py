"""A reviewer who uses the real API over HTTP with a session, as a browser would; for `demo --once`."""

from __future__ import annotations

import json
from http.cookiejar import CookieJar
from typing import Any
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, Request, build_opener


class Reviewer:
    """Signs in once, then reads and posts JSON."""

    def __init__(self, base: str, username: str, password: str) -> None:
        self._base = base
        self._cookies = CookieJar()
        self._open = build_opener(HTTPCookieProcessor(self._cookies)).open
        self._open(self._request("/review/login/"), timeout=30).close()
        form = {"username": username, "password": password, "csrfmiddlewaretoken": self._token()}
        self._open(self._request("/review/login/", urlencode(form).encode()), timeout=30).close()

    def get(self, path: str) -> Any:
        """Read JSON."""
        return json.load(self._open(self._request(path), timeout=30))

    def post(self, path: str, body: Any) -> Any:
        """Post JSON and read the answer."""
        request = self._request(path, json.dumps(body).encode())
        request.add_header("Content-Type", "application/json")
        return json.load(self._open(request, timeout=30))

    def _request(self, path: str, data: bytes | None = None) -> Request:
        request = Request(self._base + path, data=data)  # noqa: S310 - the address is our own server's
        request.add_header("Referer", self._base + path)
        if self._token():
            request.add_header("X-CSRFToken", self._token())
        return request

    def _token(self) -> str:
        return next((cookie.value or "" for cookie in self._cookies if cookie.name == "csrftoken"), "")
