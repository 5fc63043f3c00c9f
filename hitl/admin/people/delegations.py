"""Handing over for a while, by the people themselves: who decides in my place, and in whose place I decide."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from hitl import clock
from hitl.admin.fields.inputs import Person, When
from hitl.admin.site import render
from hitl.audit import Actor
from hitl.exceptions import HitlError
from hitl.models import Delegation
from hitl.policies.delegations import create_delegation, revoke_delegation

_MOST = 100


class DelegationForm(forms.Form):
    """To whom, for how long, and why."""

    to = Person(label="To whom", help_text="The name they sign in with")
    starts_at = When(label="From", required=False)
    ends_at = When(label="Until")
    reason = forms.CharField(label="Why", required=False)

    def __init__(self, data: Any = None) -> None:
        super().__init__(data)
        for name, field in self.fields.items():
            field.widget.attrs.setdefault("autocomplete", "off")
            field.widget.attrs["aria-describedby"] = f"error-{name}"


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def delegations_view(request: HttpRequest) -> HttpResponse:
    """Those that concern the reader; and one more, of their own."""
    if request.method != "POST":
        return _page(request, DelegationForm())
    form = DelegationForm(request.POST)
    if not form.is_valid():
        return _page(request, form, status=422)
    data = form.cleaned_data
    try:
        row = create_delegation(
            request.user,
            data["to"],
            starts_at=data["starts_at"],
            ends_at=data["ends_at"],
            actor=request.user,
            reason=data["reason"],
        )
    except HitlError as error:
        form.add_error(None, f"{error.message[:1].upper()}{error.message[1:]}.")
        return _page(request, form, status=422)
    messages.success(request, f"{Actor.of(row.to_user).name} may decide in your place.")
    return HttpResponseRedirect(reverse("review:delegations"))


@require_POST
def revoke_view(request: HttpRequest, pk: int) -> HttpResponse:
    """End one now; what is not one's own is not there."""
    row = _concerning(request.user).filter(pk=pk).first()
    if row is None:
        raise Http404("there is no such delegation")
    ended = revoke_delegation(row, actor=request.user)
    messages.success(request, "The delegation is ended." if ended else "The delegation had been ended before.")
    return HttpResponseRedirect(reverse("review:delegations"))


def _concerning(user: Any) -> Any:
    rows = Delegation.objects.filter(Q(from_user=user.pk) | Q(to_user=user.pk))
    return rows.select_related("from_user", "to_user").order_by("-id")


def _page(request: HttpRequest, form: DelegationForm, *, status: int = 200) -> HttpResponse:
    now = clock.now()
    rows = [{"row": row, "state": _state(row, now)} for row in _concerning(request.user)[:_MOST]]
    context = {
        "title": "Delegations",
        "form": form,
        "mine": [one for one in rows if one["row"].from_user_id == request.user.pk],
        "others": [one for one in rows if one["row"].to_user_id == request.user.pk],
        "most": _MOST if len(rows) == _MOST else 0,
    }
    return render(request, "hitl/review/delegations.html", context, section="delegations", status=status)


def _state(row: Delegation, now: Any) -> str:
    if row.revoked_at is not None:
        return "ended early"
    if row.ends_at <= now:
        return "over"
    return "in force" if row.starts_at <= now else "to come"


def urls(wrap: Any) -> list[URLPattern]:
    """The addresses of these pages."""
    return [
        path("delegations/", wrap(delegations_view), name="delegations"),
        path("delegations/<int:pk>/revoke/", wrap(revoke_view), name="delegation_revoke"),
    ]
