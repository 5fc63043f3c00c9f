"""What the inbox asks for while it is open, and the one act its rows offer."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse, QueryDict
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from hitl import decisions
from hitl.admin.inbox.asked import Asked
from hitl.admin.inbox.facets import MOST, bounded
from hitl.admin.inbox.views import COUNTED
from hitl.decisions.inbox import Desk
from hitl.exceptions import HitlError, UnknownApproval


@never_cache
@require_GET
def counts_view(request: HttpRequest) -> JsonResponse:
    """How many each view holds now, and in words how many are new in the one that is open, where `seen` were shown."""
    counts = Desk(request.user).counts(COUNTED, most=MOST + 1)
    view, seen = Asked.read(request.GET).view, request.GET.get("seen", "")
    new = counts[view] - int(seen) if view in counts and seen.isdecimal() and len(seen) < 6 else 0
    words = ngettext("%(count)s new, show", "%(count)s new, show", new) % {"count": new} if new > 0 else ""
    return JsonResponse(
        {"counts": {name: bounded(count) if count else "" for name, count in counts.items()}, "new": words}
    )


@require_POST
def claim_view(request: HttpRequest, pk: Any) -> HttpResponse:
    """Claim one of the rows and stay on the list."""
    try:
        approval = decisions.claim(pk, actor=request.user)
    except UnknownApproval as error:
        raise Http404(error.message) from error
    except HitlError as error:
        messages.error(request, _("Not claimed: %(why)s") % {"why": _(error.message)})
    else:
        messages.success(request, _("Claimed for 15 minutes: %(title)s") % {"title": approval.title[:80]})
    back = Asked.read(QueryDict(request.POST.get("back", ""))).address()
    return HttpResponseRedirect(reverse("review:hitl_approval_changelist") + back)


def urls(wrap: Any) -> list[URLPattern]:
    """The addresses beside those of the list itself."""
    return [
        path("counts/", wrap(counts_view), name="counts"),
        path("claim/<uuid:pk>/", wrap(claim_view), name="claim"),
    ]
