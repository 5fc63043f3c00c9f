"""To be replaced."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path

from hitl.admin.site import render


def page(request: HttpRequest) -> HttpResponse:
    """The page."""
    return render(request, "hitl/review/base.html", {"title": "oversight"}, section="oversight")


def urls(wrap: Any) -> list[URLPattern]:
    """The addresses of these pages."""
    return [path("oversight/", wrap(page), name="oversight")]
