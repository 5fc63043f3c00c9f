"""Handing over for a while, by the people themselves: who decides in my place, and in whose place I decide."""

from __future__ import annotations

from typing import Any, NamedTuple

from django import forms
from django.contrib import messages
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from hitl import clock
from hitl.admin.fields.inputs import Person, When
from hitl.admin.site import refusal, render
from hitl.audit import Actor
from hitl.exceptions import HitlError
from hitl.models import Delegation
from hitl.policies.delegations import create_delegation, revoke_delegation

_MOST = 100


class DelegationForm(forms.Form):
    """To whom, for how long, and why."""

    to = Person(label=_("To whom"), help_text=_("The name they sign in with"))
    starts_at = When(label=_("From"), required=False)
    ends_at = When(label=_("Until"))
    reason = forms.CharField(label=_("Why"), required=False)

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
        form.add_error(None, refusal(error))
        return _page(request, form, status=422)
    messages.success(request, gettext("%(who)s may decide in your place.") % {"who": Actor.of(row.to_user).name})
    return HttpResponseRedirect(reverse("review:delegations"))


@require_POST
def revoke_view(request: HttpRequest, pk: int) -> HttpResponse:
    """End one now; what is not one's own is not there."""
    row = _concerning(request.user).filter(pk=pk).first()
    if row is None:
        raise Http404("there is no such delegation")
    ended = revoke_delegation(row, actor=request.user)
    told = gettext("The delegation is ended.") if ended else gettext("The delegation had been ended before.")
    messages.success(request, told)
    return HttpResponseRedirect(reverse("review:delegations"))


def _concerning(user: Any) -> Any:
    rows = Delegation.objects.filter(Q(from_user=user.pk) | Q(to_user=user.pk))
    return rows.select_related("from_user", "to_user").order_by("-id")


def _page(request: HttpRequest, form: DelegationForm, *, status: int = 200) -> HttpResponse:
    now = clock.now()
    rows = list(_concerning(request.user)[:_MOST])
    me = request.user.pk
    context = {
        "title": gettext("Delegations"),
        "form": form,
        "mine": [Shown(row, row.to_user, *_state(row, now)) for row in rows if row.from_user_id == me],
        "others": [Shown(row, row.from_user, *_state(row, now)) for row in rows if row.to_user_id == me],
        "most": _MOST if len(rows) == _MOST else 0,
    }
    return render(request, "hitl/review/delegations.html", context, section="delegations", status=status)


class Shown(NamedTuple):
    """A delegation, the other one of both, how it stands in words, whether it can be ended, and whether it counts
    now."""

    row: Delegation
    other: Any
    state: str
    open: bool
    now: bool


def _state(row: Delegation, now: Any) -> tuple[str, bool, bool]:
    if row.revoked_at is not None:
        return gettext("ended early"), False, False
    if row.ends_at <= now:
        return gettext("over"), False, False
    return (gettext("in force"), True, True) if row.starts_at <= now else (gettext("to come"), True, False)


def urls(wrap: Any) -> list[URLPattern]:
    """The addresses of these pages."""
    return [
        path("delegations/", wrap(delegations_view), name="delegations"),
        path("delegations/<int:pk>/revoke/", wrap(revoke_view), name="delegation_revoke"),
    ]
