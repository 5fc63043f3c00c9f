"""Every answer carries its headers: nothing inline, nothing remote, nothing framed."""

from __future__ import annotations

import re
from typing import Any

import pytest

from hitl.web.middleware import POLICY

PUBLIC = [
    "/healthz",
    "/readyz",
    "/metrics",
    "/r/",
    "/r/hitlr_x/",
    "/u/x/",
    "/review/login/",
    "/nowhere",
    "/api/v1/runs/",
]
PRIVATE = ["/review/", "/review/hitl/approval/", "/admin/", "/admin/hitl/run/", "/review/nowhere/"]


def check(response: Any) -> None:
    assert response["Content-Security-Policy"] == POLICY
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["X-Frame-Options"] == "DENY"
    assert response["Referrer-Policy"] in ("same-origin", "no-referrer")
    assert response["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "geolocation=()" in response["Permissions-Policy"]


@pytest.mark.parametrize("path", [*PUBLIC, *PRIVATE, "/"])
def test_every_page_has_them_for_anybody(path: str, client: Any, db: None) -> None:
    check(client.get(path))


@pytest.mark.parametrize("path", PRIVATE)
def test_every_page_has_them_for_who_is_signed_in(path: str, client: Any, root: Any) -> None:
    client.force_login(root)
    check(client.get(path, follow=True))


def test_the_request_page_has_them(client: Any, waiting: Any, bob: Any) -> None:
    client.force_login(bob)
    response = client.get(f"/review/hitl/approval/{waiting.pk}/")
    check(response)
    assert "no-store" in response["Cache-Control"]


def test_even_a_server_error_has_them(client: Any, bob: Any, monkeypatch: Any) -> None:
    from hitl.admin.inbox import views as inbox

    def fail(*args: Any) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(inbox, "sample", fail)
    client.force_login(bob)
    client.raise_request_exception = False
    response = client.get("/review/hitl/approval/")
    assert response.status_code == 500
    check(response)
    assert b"secret detail" not in response.content


@pytest.mark.parametrize(
    "kind", ["script-src 'self'", "style-src 'self'", "default-src 'none'", "frame-ancestors 'none'"]
)
def test_the_policy_is_strict(kind: str) -> None:
    assert kind in POLICY
    assert not re.search(r"unsafe|\*|https?:", POLICY)


def test_no_template_of_ours_has_inline_script_or_style() -> None:
    from django.conf import settings

    pages = [p for p in (settings.BASE_DIR / "templates").rglob("*.html") if "mail" not in p.parts]
    assert len(pages) > 8
    for page in pages:
        assert not re.search(
            r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son[a-z]+=|\|safe\b|javascript:", page.read_text()
        )
