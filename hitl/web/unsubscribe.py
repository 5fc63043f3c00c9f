"""Turning one kind of message off from a mail (RFC 8058): without signing in, by POST only.

Mail scanners follow links, so looking at the page changes nothing. The link is signed, and good for one person and one
kind that may be turned off; nobody misses a decision that waits for them.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from hitl.notifications import turn_off, who_stops
from hitl.notifications.kinds import KINDS


@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """A page with one button; and what comes of it, for people and for mail programs that post by themselves."""
    found = who_stops(token)
    if found is None:
        return _page(request, "hitl/link/unknown.html", status=404)
    user, kind = found
    if request.method == "POST":
        turn_off(user, kind)
    context = {"kind": KINDS[kind].words, "done": request.method == "POST"}
    return _page(request, "hitl/link/unsubscribe.html", status=200, **context)


def _page(request: HttpRequest, template: str, *, status: int, **context: object) -> HttpResponse:
    response = render(request, template, context, status=status)
    response["Referrer-Policy"] = "no-referrer"
    response["X-Robots-Tag"] = "noindex"
    return response
