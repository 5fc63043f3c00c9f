"""Webhooks: all of them, a new one, and one with its secrets and deliveries. What is not for operators is not there."""

from __future__ import annotations

import secrets
import uuid
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext, ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from hitl.admin.site import refusal, render
from hitl.admin.webhooks import letters
from hitl.admin.webhooks.forms import WebhookForm
from hitl.admin.webhooks.letters import newest, operators_only, stands
from hitl.exceptions import HitlError
from hitl.models import Notification, WebhookEndpoint
from hitl.notifications import endpoints
from hitl.notifications.channels.webhook import kind_of, living
from hitl.states import NotificationStatus

_ONCE = "hitl_webhook_form"


@never_cache
@require_safe
def webhooks_view(request: HttpRequest) -> HttpResponse:
    """All of them with their health, the newest first."""
    operators_only(request)
    rows = list(WebhookEndpoint.objects.order_by("-id"))
    dead = Notification.objects.filter(status=NotificationStatus.DEAD, endpoint__in=rows).order_by()
    counts = dict(dead.values_list("endpoint").annotate(count=Count("pk")))
    context: dict[str, Any] = {"rows": [{"row": row, "dead": counts.get(row.pk, 0)} for row in rows]}
    return _page(request, "webhooks.html", gettext("Webhooks"), **context)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def new_view(request: HttpRequest) -> HttpResponse:
    """The form; sent, the endpoint with its secret, in this one answer, which no browser keeps."""
    operators_only(request)
    if request.method != "POST":
        return _form(request, WebhookForm())
    form = WebhookForm(request.POST)
    fresh = secrets.compare_digest(request.session.pop(_ONCE, ""), request.POST.get("once", "-"))
    if form.is_valid() and not fresh:
        form.add_error(None, gettext("This form was sent before. See in the list whether the webhook is there."))
    return _create(request, form) if form.is_valid() else _form(request, form, status=422)


@sensitive_variables("secret")
def _create(request: HttpRequest, form: WebhookForm) -> HttpResponse:
    data = form.cleaned_data
    more = {name: data[name] for name in ("description", "kinds", "topics")}
    try:
        row, secret = endpoints.create_endpoint(data["url"], actor=request.user, **more)
    except HitlError as error:
        form.add_error("url", refusal(error))
        return _form(request, form, status=422)
    return _page(request, "webhook_secret.html", gettext("The webhook is set up"), row=row, secret=secret)


@never_cache
@require_safe
def webhook_view(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """One of them: how it stands, its secrets, and its deliveries, the newest first."""
    operators_only(request)
    row = _found(pk)
    rows, before = newest(request, Notification.objects.filter(endpoint=row.pk))
    context: dict[str, Any] = {
        "row": row,
        "secrets": [{"begins": one["secret"][:10], "until": _moment(one["until"])} for one in living(row)],
        "rows": [{"row": one, "type": kind_of(one), **stands(one)} for one in rows],
        "before": before,
        "dead": Notification.objects.filter(endpoint=row.pk, status=NotificationStatus.DEAD).count(),
    }
    return _page(request, "webhook.html", gettext("Webhook"), **context)


@never_cache
@require_POST
def act_view(request: HttpRequest, pk: uuid.UUID, act: str) -> HttpResponse:
    """One act; a new secret is shown in this one answer."""
    operators_only(request)
    row = _found(pk)
    if act == "rotate":
        secret = endpoints.rotate_secret(row, actor=request.user)
        return _page(request, "webhook_secret.html", gettext("A new secret"), row=row, secret=secret, rotated=True)
    messages.success(request, _done(request, row, act))
    return HttpResponseRedirect(reverse("review:webhook", args=[row.pk]))


def _done(request: HttpRequest, row: WebhookEndpoint, act: str) -> str:
    """Do it; what was done, in words."""
    if act == "disable":
        endpoints.disable_endpoint(row, actor=request.user, why=request.POST.get("why", "").replace("\0", "")[:200])
        return gettext("The webhook is off: nothing more is sent there.")
    if act == "enable":
        endpoints.enable_endpoint(row, actor=request.user)
        return gettext("The webhook is on: what happens from now on is sent there.")
    if act == "test":
        endpoints.try_endpoint(row, actor=request.user)
        return gettext("A test is on its way. Look at the deliveries in a moment.")
    count = endpoints.replay(row, actor=request.user)
    return ngettext("%d message is sent again.", "%d messages are sent again.", count) % count


def _found(pk: uuid.UUID) -> WebhookEndpoint:
    row = WebhookEndpoint.objects.filter(pk=pk).first()
    if row is None:
        raise Http404("there is no such webhook")
    return row


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _form(request: HttpRequest, form: WebhookForm, *, status: int = 200) -> HttpResponse:
    once = request.session[_ONCE] = secrets.token_urlsafe(16)
    return _page(request, "webhook_new.html", gettext("Set up a webhook"), status, form=form, once=once)


def _page(request: HttpRequest, template: str, title: str, status: int = 200, **context: Any) -> HttpResponse:
    told = {"title": title, **context}
    return render(request, f"hitl/review/{template}", told, section="webhooks", status=status)


def urls(wrap: Any) -> list[URLPattern]:
    """The addresses of these pages."""
    acts = [
        path(f"webhooks/<uuid:pk>/{act}/", wrap(act_view), {"act": act}, name=f"webhook_{act}")
        for act in ("rotate", "disable", "enable", "test", "replay")
    ]
    return [
        path("webhooks/", wrap(webhooks_view), name="webhooks"),
        path("webhooks/new/", wrap(new_view), name="webhook_new"),
        path("webhooks/<uuid:pk>/", wrap(webhook_view), name="webhook"),
        *acts,
        path("dead-letters/", wrap(letters.letters_view), name="dead_letters"),
        path("dead-letters/<uuid:pk>/resend/", wrap(letters.resend_view), name="resend"),
    ]
