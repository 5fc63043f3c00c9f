"""Several requests looked at and decided together: each with its own possibility first, then decided one by one."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from hitl import clock, decisions
from hitl.admin.inbox.asked import RISK
from hitl.admin.inbox.rows import until
from hitl.admin.requests.shown import told
from hitl.admin.site import render
from hitl.exceptions import HitlError, InvalidDecision
from hitl.notifications.messages import requester_name

_SIDE = {"approve": "on_approve", "reject": "on_reject"}


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def bulk_view(request: HttpRequest) -> HttpResponse:
    """Several requests: each with its own possibility first, then decided one by one, then what came of each."""
    given = request.POST if request.method == "POST" else request.GET
    try:
        items = decisions.preflight(given.getlist("id"), user=request.user, verdict=_verdict(given))
    except HitlError as error:
        messages.error(request, _("Nothing was decided: %(why)s.") % {"why": _(error.message)})
        return HttpResponseRedirect(reverse("review:hitl_approval_changelist"))
    if request.method != "POST":
        return _preflight(request, given, items, {})
    if errors := _problems(given, items):
        return _preflight(request, given, items, errors)
    return _decided(request, given, items)


def _verdict(given: QueryDict) -> str:
    return given.get("verdict", "approve")


def _problems(given: QueryDict, items: list[decisions.Item]) -> dict[str, str]:
    """What is missing on the form, by field."""
    found = {}
    if _wants_comment(items, _verdict(given)) and not given.get("comment", "").strip():
        found["comment"] = _("Say why: it is kept on record with each of them.")
    if _wants_count(items) and given.get("count", "").strip() != str(len(items)):
        found["count"] = _("Type how many there are, so that none is decided unseen.")
    return found


def _preflight(
    request: HttpRequest, given: QueryDict, items: list[decisions.Item], errors: dict[str, str]
) -> HttpResponse:
    other = QueryDict(mutable=True)
    other.setlist("id", [item.id for item in items])
    context = {
        "title": ngettext("Decide %(count)s request", "Decide %(count)s together", len(items)) % {"count": len(items)},
        "verdict": _verdict(given),
        "ids": other.urlencode(),
        "items": [_item(item) for item in items],
        "possible": sum(not item.reason for item in items),
        "wants_comment": _wants_comment(items, _verdict(given)),
        "wants_count": _wants_count(items),
        "comment": given.get("comment", ""),
        "errors": errors,
    }
    return render(request, "hitl/review/bulk.html", context, section="inbox", status=422 if errors else 200)


def _decided(request: HttpRequest, given: QueryDict, items: list[decisions.Item]) -> HttpResponse:
    seen = {item.id: given.get(f"digest-{item.id}", "") for item in items}
    results = decisions.decide_all(
        seen,
        actor=request.user,
        verdict=_verdict(given),
        comment=given.get("comment", ""),
        channel="admin",
    )
    context = {
        "title": _("What came of each"),
        "items": [_item(item) for item in results],
        "done": sum(item.outcome is not None for item in results),
    }
    return render(request, "hitl/review/bulk_results.html", context, section="inbox")


def _item(item: decisions.Item) -> dict[str, Any]:
    why = [item.sentence]
    if isinstance(item.error, InvalidDecision):
        why = [f"{name}: {words}" for name, words in item.error.details["fields"].items()]
    shown: dict[str, Any] = {"id": item.id, "approval": item.approval, "why": "; ".join(why)}
    if item.approval is not None:
        binding = item.approval.binding
        shown |= {
            "args": list(binding["args"].items()),
            "target": binding["target"],
            "risk": RISK[item.approval.risk],
            "asks": requester_name(item.approval),
            "due": until(item.approval.expires_at, clock.now()),
        }
    return shown | {"result": told(item.outcome) if item.outcome is not None else ""}


def _possible(items: list[decisions.Item]) -> list[Any]:
    return [item.approval for item in items if item.approval is not None and not item.reason]


def _wants_comment(items: list[decisions.Item], verdict: str) -> bool:
    return any(row.required.comment in ("always", _SIDE.get(verdict)) for row in _possible(items))


def _wants_count(items: list[decisions.Item]) -> bool:
    """Where more than one is decided and one of them is of medium risk, somebody has counted them."""
    possible = _possible(items)
    return len(possible) > 1 and any(row.risk == "medium" for row in possible)
