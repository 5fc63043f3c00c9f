"""Review links: arriving, signing in, and being shown where the request stands now.

Mail scanners follow links, run scripts and submit forms. So arriving writes nothing (the token moves from the address
into a signed cookie), no form here decides anything, and only a signed-in person's visit is remembered.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render, resolve_url
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from hitl.decisions import find_visible
from hitl.exceptions import UnknownApproval
from hitl.models import Approval
from hitl.notifications import Link, find_link, mark_used

_COOKIE = "hitl_link"
_MINUTES = 30
_GUESSES, _PAUSE = 20, 15 * 60  # of one person: an address is shared by all who are behind the same proxy


@never_cache
@require_safe
def arrive(request: HttpRequest, token: str) -> HttpResponse:
    """Take the token out of the address. The same answer for every token, so that guessing learns nothing here."""
    if not re.fullmatch(r"[\w-]{1,200}", token, re.ASCII):
        token = ""  # none of ours, and not every character may stand in a cookie
    response = HttpResponseRedirect(reverse("hitl-link"))
    response.set_signed_cookie(
        _COOKIE,
        token,
        max_age=_MINUTES * 60,
        path=reverse("hitl-link"),
        httponly=True,
        secure=request.is_secure(),
        samesite="Lax",
    )
    return _quiet(response)


@never_cache
@require_safe
def opened(request: HttpRequest) -> HttpResponse:
    """Ask for a login, then lead to the request, its outcome, or its newest revision."""
    if not request.user.is_authenticated:
        query = urlencode({"next": reverse("hitl-link")})
        return _quiet(HttpResponseRedirect(f"{resolve_url(settings.LOGIN_URL)}?{query}"))
    token = request.get_signed_cookie(_COOKIE, default="", max_age=_MINUTES * 60)
    if not token:
        return _page(request, "unknown", status=404)
    key = f"hitl:link-guesses:{request.user.pk}"
    if cache.get(key, 0) >= _GUESSES:
        return _page(request, "unknown", status=429)
    link = find_link(token)
    if link is None:
        cache.add(key, 0, _PAUSE)
        cache.incr(key)
        return _page(request, "unknown", status=404)
    return _lead(request, link)


def _lead(request: HttpRequest, link: Link) -> HttpResponse:
    try:
        approval = find_visible(link.approval, request.user)
    except UnknownApproval:
        return _page(request, "not_yours", status=403)
    if request.method == "GET" and request.user.pk == link.user_id:
        mark_used(link)
    newest = _newest(approval)
    if newest.pk != approval.pk:
        return _page(request, "superseded", approval=newest)
    if link.expired and approval.is_pending:
        return _page(request, "old", approval=approval)
    return _quiet(HttpResponseRedirect(reverse("review:hitl_approval_change", args=[approval.pk])))


def _newest(approval: Approval) -> Approval:
    return Approval.objects.revisions(approval.run_id, approval.step.name, approval.key).first() or approval


def _page(request: HttpRequest, kind: str, *, status: int = 200, **context: Any) -> HttpResponse:
    return _quiet(render(request, f"hitl/link/{kind}.html", context, status=status))


def _quiet(response: HttpResponse) -> HttpResponse:
    response["Referrer-Policy"] = "no-referrer"
    response["Cache-Control"] = "no-store"
    response["X-Robots-Tag"] = "noindex"
    return response
