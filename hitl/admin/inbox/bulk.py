"""Several requests looked at and decided together: each with its own possibility first, then decided one by one."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from hitl import decisions
from hitl.admin.requests.shown import told
from hitl.admin.site import render
from hitl.exceptions import HitlError, InvalidDecision

_SIDE = {"approve": "on_approve", "reject": "on_reject"}


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def bulk_view(request: HttpRequest) -> HttpResponse:
    """Several requests: each with its own possibility first, then decided one by one, then what came of each."""
    given = request.POST if request.method == "POST" else request.GET
    try:
        items = decisions.preflight(given.getlist("id"), user=request.user, verdict=given.get("verdict", "approve"))
    except HitlError as error:
        messages.error(request, f"Nothing was decided: {error.message}.")
        return HttpResponseRedirect(reverse("review:hitl_approval_changelist"))
    if request.method != "POST":
        return _preflight(request, given, items)
    if _wants_comment(items, given.get("verdict", "approve")) and not given.get("comment", "").strip():
        return _preflight(request, given, items, error="Say why: it is kept on record with each of them.")
    return _decided(request, given, items)


def _preflight(request: HttpRequest, given: QueryDict, items: list[decisions.Item], *, error: str = "") -> HttpResponse:
    verdict = given.get("verdict", "approve")
    other = QueryDict(mutable=True)
    other.setlist("id", [item.id for item in items])
    context = {
        "title": f"Decide {len(items)} together",
        "verdict": verdict,
        "ids": other.urlencode(),
        "items": [_item(item) for item in items],
        "possible": sum(not item.reason for item in items),
        "wants_comment": _wants_comment(items, verdict),
        "comment": given.get("comment", ""),
        "error": error,
    }
    return render(request, "hitl/review/bulk.html", context, section="inbox", status=422 if error else 200)


def _decided(request: HttpRequest, given: QueryDict, items: list[decisions.Item]) -> HttpResponse:
    seen = {item.id: given.get(f"digest-{item.id}", "") for item in items}
    results = decisions.decide_all(
        seen,
        actor=request.user,
        verdict=given.get("verdict", "approve"),
        comment=given.get("comment", ""),
        channel="admin",
    )
    context = {
        "title": "What came of each",
        "items": [_item(item) for item in results],
        "done": sum(item.outcome is not None for item in results),
    }
    return render(request, "hitl/review/bulk_results.html", context, section="inbox")


def _item(item: decisions.Item) -> dict[str, Any]:
    args = [] if item.approval is None else list(item.approval.args.items())
    why = [item.sentence]
    if isinstance(item.error, InvalidDecision):
        why = [f"{name}: {words}" for name, words in item.error.details["fields"].items()]
    result = told(item.outcome) if item.outcome is not None else ""
    return {"id": item.id, "approval": item.approval, "args": args, "why": "; ".join(why), "result": result}


def _wants_comment(items: list[decisions.Item], verdict: str) -> bool:
    possible = [item.approval for item in items if item.approval is not None and not item.reason]
    return any(approval.required.comment in ("always", _SIDE.get(verdict)) for approval in possible)
