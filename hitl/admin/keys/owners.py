"""Keys under `/review/`: those of one's own agents and of one's teams, seen and ended by who answers for them."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from hitl.admin.keys.forms import SCOPE_WORDS, STATES
from hitl.admin.site import render
from hitl.models import ApiKey
from hitl.policies import revoke_key
from hitl.policies.keys import state_of

_MOST = 100


@never_cache
@require_safe
def keys_view(request: HttpRequest) -> HttpResponse:
    """Those the reader answers for, the newest first."""
    rows = list(_own(request.user)[:_MOST])
    shown = [{"row": row, "state": state_of(row), "words": STATES[state_of(row)], "may": _may(row)} for row in rows]
    context = {"keys": shown, "most": _MOST if len(rows) == _MOST else 0}
    return _page(request, "keys.html", gettext("Keys of my agents"), **context)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def revoke_view(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Ask whether it is meant; then end the key. What is not one's own is not there."""
    key = _own(request.user).filter(pk=pk).first()
    if key is None:
        raise Http404("there is no such key")
    if request.method != "POST":
        return _page(request, "key_revoke.html", gettext("Revoke a key"), key=key, state=state_of(key))
    before = key.revoked_at is not None
    revoke_key(key, actor=request.user)
    messages.success(request, gettext("The key had been revoked before.") if before else gettext("The key is revoked."))
    return HttpResponseRedirect(reverse("review:keys"))


def _own(user: Any) -> Any:
    return ApiKey.objects.owned_by(user).select_related("owner_user", "owner_group").order_by("-id")


def _may(row: ApiKey) -> str:
    return "; ".join(str(SCOPE_WORDS.get(scope, scope)) for scope in row.scopes)


def _page(request: HttpRequest, template: str, title: str, **context: Any) -> HttpResponse:
    return render(request, f"hitl/review/{template}", {"title": title, **context}, section="keys")


def urls(wrap: Any) -> list[URLPattern]:
    """The addresses of these pages."""
    return [
        path("keys/", wrap(keys_view), name="keys"),
        path("keys/<uuid:pk>/revoke/", wrap(revoke_view), name="key_revoke"),
    ]
