"""The review screens: the inbox and one request. Every change goes through a verb of `decisions`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from hitl import audit, clock, decisions
from hitl.admin.forms import DecisionForm
from hitl.admin.shown import answer_of, family_of, revisions_of, steps_of
from hitl.admin.site import review_site
from hitl.decisions.inbox import mark_seen, visible
from hitl.exceptions import HitlError, InvalidDecision, UnknownApproval
from hitl.models import Approval, Decision
from hitl.notifications.messages import requester_name
from hitl.policies import explain

if TYPE_CHECKING:
    _Base = admin.ModelAdmin[Approval]
else:
    _Base = admin.ModelAdmin

_PAGE = 50
_VIEWS = {"me": "Awaiting me", "asked": "Asked by me", "decided": "Decided by me", "all": "Everything"}


@admin.register(Approval, site=review_site)
class ReviewAdmin(_Base):
    """Requests to people, for those who are asked."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        """What is visible is asked row by row."""
        return True

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Agents ask, not reviewers."""
        return False

    def get_urls(self) -> list[URLPattern]:
        """Only our own pages: list, request, and the two acts."""
        wrap = self.admin_site.admin_view
        return [
            path("", wrap(self.changelist_view), name="hitl_approval_changelist"),
            path("<uuid:object_id>/", wrap(self.change_view), name="hitl_approval_change"),
            path("<uuid:object_id>/decide/", wrap(self.decide_view), name="hitl_approval_decide"),
            path("<uuid:object_id>/revoke/", wrap(self.revoke_view), name="hitl_approval_revoke"),
        ]

    @method_decorator(never_cache)
    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The inbox in one of its views."""
        chosen = request.GET.get("view", "me")
        rows = _rows(chosen, request.user).select_related("run__workflow", "step", "requester", "agent_key")
        page = Paginator(rows, _PAGE).get_page(request.GET.get("page"))
        context = {
            **self.admin_site.each_context(request),
            "title": _VIEWS.get(chosen, _VIEWS["me"]),
            "view": chosen if chosen in _VIEWS else "me",
            "views": _VIEWS,
            "page": page,
            "rows": [_row(approval) for approval in page],
            "now": clock.now(),
        }
        return TemplateResponse(request, "hitl/review/inbox.html", context)

    @method_decorator(never_cache)
    def change_view(
        self, request: HttpRequest, object_id: Any, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """One request. Looking at it is remembered for those who are asked, and changes nothing else."""
        approval = _find(object_id, request)
        if request.method == "GET":
            mark_seen(approval, request.user)
        return self._page(request, approval)

    @method_decorator(require_POST)
    def decide_view(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        """Take a decision; whatever is wrong is shown on the same page with everything that was typed."""
        approval = _find(object_id, request)
        form = DecisionForm(request.POST, approval=approval, explanation=explain(approval, request.user))
        if not form.is_valid():
            return self._page(request, approval, form=form, status=422)
        data = form.cleaned_data
        try:
            outcome = decisions.decide(
                approval,
                actor=request.user,
                digest=data["digest"],
                revision=data["revision"],
                comment=data["comment"],
                **form.said,
                phrase=data.get("phrase", ""),
                channel="admin",
            )
        except InvalidDecision as error:
            _put_errors(form, error)
            return self._page(request, approval, form=form, status=422)
        except HitlError as error:
            return self._page(request, _find(object_id, request), form=form, error=error, status=409)
        messages.success(request, _said(outcome))
        return HttpResponseRedirect(reverse("review:hitl_approval_change", args=[approval.pk]))

    @method_decorator(require_POST)
    def revoke_view(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        """Take an approval back."""
        approval = _find(object_id, request)
        try:
            decisions.revoke(approval, actor=request.user, reason=request.POST.get("comment", "")[:1000])
        except HitlError as error:
            return self._page(request, _find(object_id, request), error=error, status=409)
        messages.success(request, "The approval is revoked; nothing was done.")
        return HttpResponseRedirect(reverse("review:hitl_approval_change", args=[approval.pk]))

    def _page(
        self,
        request: HttpRequest,
        approval: Approval,
        *,
        form: DecisionForm | None = None,
        error: HitlError | None = None,
        status: int = 200,
    ) -> HttpResponse:
        explanation = explain(approval, request.user)
        rows = Decision.objects.filter(approval=approval, withdrawn_at=None).select_related("actor")
        votes = list(rows.order_by("decided_at"))
        own = next((vote for vote in votes if vote.actor_id == request.user.pk), None)
        context = {
            **self.admin_site.each_context(request),
            "title": approval.title,
            "approval": approval,
            "binding": approval.binding,
            "args": list(approval.args.items()),
            "raw": json.dumps(approval.binding, ensure_ascii=False, indent=2, sort_keys=True),
            "effective": None if approval.effective_bytes is None else list(approval.current_args.items()),
            "asks": requester_name(approval),
            "explanation": explanation,
            "stage": approval.required.stages[approval.stage],
            "requirement": approval.required,
            "form": form or DecisionForm(approval=approval, explanation=explanation),
            "error": error,
            "votes": votes,
            "own": own,
            "can_revoke": own is not None and approval.status == "approved" and approval.consumed_at is None,
            "answer": answer_of(approval, votes),
            "steps": steps_of(approval),
            **revisions_of(approval, request.user),
            **family_of(approval.run, request.user),
            "timeline": audit.timeline(approval.run.stream),
            "notices": approval.notifications.exclude(recipient=None).select_related("recipient"),
            "next": next((row for row in decisions.inbox(request.user, limit=2) if row.pk != approval.pk), None),
            "now": clock.now(),
        }
        return TemplateResponse(request, "hitl/review/request.html", context, status=status)


def _find(pk: Any, request: HttpRequest) -> Approval:
    try:
        approval = decisions.find_visible(pk, request.user)
    except UnknownApproval as error:
        raise Http404(error.message) from error
    return Approval.objects.select_related("run__workflow", "run__parent_step", "step", "requester", "agent_key").get(
        pk=approval.pk
    )


def _rows(view: str, user: Any) -> Any:
    if view == "asked":
        return visible(user).filter(requester=user.pk).order_by("-id")
    if view == "decided":
        return visible(user).filter(decisions__actor=user.pk).order_by("-id")
    if view == "all":
        return visible(user).order_by("-id")
    return decisions.inbox(user)


def _row(approval: Approval) -> dict[str, Any]:
    return {
        "approval": approval,
        "asks": requester_name(approval),
        "need": approval.required.stages[approval.stage].approvals,
        "silence": approval.required.on_timeout,
    }


def _put_errors(form: DecisionForm, error: InvalidDecision) -> None:
    """Put each field's error beside its input; one without an input of its own goes to the top."""
    for name, told in error.details["fields"].items():
        form.add_error(form.field_of(name), told)


def _said(outcome: decisions.Outcome) -> str:
    if outcome.duplicate:
        return "Your decision is on record already."
    if outcome.open:
        return f"Your vote is recorded: {outcome.have} of {outcome.need}."
    return f"Recorded: {outcome.approval.get_status_display().lower()}."
