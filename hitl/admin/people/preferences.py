"""To be replaced."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path

from hitl.admin.site import render


def page(request: HttpRequest) -> HttpResponse:
    """The page."""
    return render(request, "hitl/review/base.html", {"title": "preferences"}, section="preferences")


def urls(wrap: Any) -> list[URLPattern]:
    """The addresses of these pages."""
    return [path("preferences/", wrap(page), name="preferences")]
