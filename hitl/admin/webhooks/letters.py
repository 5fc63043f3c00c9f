"""What could not be delivered over any channel, and sending it again."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from hitl.admin.site import refusal, render
from hitl.admin.webhooks.forms import STATES
from hitl.exceptions import HitlError
from hitl.models import Notification
from hitl.notifications import endpoints
from hitl.policies.acts import is_operator
from hitl.states import NotificationStatus

_PAGE = 50
_CHANNELS = {
    "": _("to find out who is told"),
    "email": _("mail"),
    "digest": _("digest"),
    "webhook": _("webhook"),
    "callback": _("callback"),
    "slack": _("chat"),
}


@never_cache
@require_safe
def letters_view(request: HttpRequest) -> HttpResponse:
    """All that is dead, the newest first."""
    operators_only(request)
    dead = Notification.objects.filter(status=NotificationStatus.DEAD)
    rows, before = newest(request, dead.select_related("approval", "recipient", "endpoint"))
    shown = [{"row": row, "channel": _CHANNELS.get(row.channel, row.channel), "to": _to(row)} for row in rows]
    context = {"title": gettext("Dead letters"), "rows": shown, "before": before, "later": "before" in request.GET}
    return render(request, "hitl/review/dead_letters.html", context, section="dead_letters")


@require_POST
def resend_view(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Send one message again, and go back to where it was listed."""
    operators_only(request)
    row = Notification.objects.filter(pk=pk).select_related("approval", "run", "endpoint").first()
    if row is None:
        raise Http404("there is no such message")
    try:
        endpoints.resend(row, actor=request.user)
        messages.success(request, gettext("The message is sent again."))
    except HitlError as error:
        messages.error(request, refusal(error))
    if row.endpoint_id is not None and "webhook" in request.POST:
        return HttpResponseRedirect(reverse("review:webhook", args=[row.endpoint_id]))
    return HttpResponseRedirect(reverse("review:dead_letters"))


def newest(request: HttpRequest, rows: QuerySet[Notification]) -> tuple[list[Notification], str]:
    """A page of these, the newest first, from where `?before=` says; and where the next one begins, if there is one."""
    try:
        before = uuid.UUID(request.GET["before"]) if "before" in request.GET else None
    except ValueError:
        raise Http404("there is no such page") from None
    found = list((rows if before is None else rows.filter(pk__lt=before)).order_by("-pk")[: _PAGE + 1])
    return found[:_PAGE], str(found[_PAGE - 1].pk) if len(found) > _PAGE else ""


def stands(row: Notification) -> dict[str, Any]:
    """How a message stands: in words, its colour, and whether it may be sent again."""
    words, colour = STATES[row.status]
    return {"words": words, "colour": colour, "again": row.status in (NotificationStatus.DEAD, NotificationStatus.SENT)}


def operators_only(request: HttpRequest) -> None:
    """Raise Http404 for everybody else."""
    if not is_operator(request.user):
        raise Http404


def _to(row: Notification) -> str:
    if row.channel == "callback" and row.approval is not None:
        return row.approval.callback_url
    return str(row.endpoint or row.recipient or "")
