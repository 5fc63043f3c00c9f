"""The review screens of one request. Every change goes through a verb of `decisions`."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from hitl import audit, clock, decisions
from hitl.admin.inbox.bulk import bulk_view
from hitl.admin.inbox.views import inbox_view
from hitl.admin.requests.acts import ACTS, ActForm, shown
from hitl.admin.requests.forms import DecisionForm
from hitl.admin.requests.shown import answer_of, coming, family_of, revisions_of, silence_of, stages_of, steps_of, told
from hitl.admin.site import render, review_site
from hitl.decisions.inbox import mark_seen
from hitl.exceptions import HitlError, InvalidDecision, NotAllowed, UnknownApproval
from hitl.models import Approval, Decision
from hitl.notifications.messages import requester_name
from hitl.policies import Explanation, explain
from hitl.policies.eligibility import verdict_problem
from hitl.policies.stepup import confirm_password, proved_at, remember

if TYPE_CHECKING:
    _Base = admin.ModelAdmin[Approval]
else:
    _Base = admin.ModelAdmin


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
        """Only our own pages: the list, several at once, one request, deciding it, and the other acts."""
        wrap = self.admin_site.admin_view
        return [
            path("", wrap(inbox_view), name="hitl_approval_changelist"),
            path("bulk/", wrap(bulk_view), name="hitl_approval_bulk"),
            path("<uuid:object_id>/", wrap(self.change_view), name="hitl_approval_change"),
            path("<uuid:object_id>/decide/", wrap(self.decide_view), name="hitl_approval_decide"),
            path("<uuid:object_id>/act/<slug:name>/", wrap(self.act_view), name="hitl_approval_act"),
        ]

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
        approval = _find(object_id, request, act=request.POST.get("verdict", "") or "decide", voting=True)
        form = _form(request, approval, _explained(request, approval), data=request.POST)
        if not form.is_valid():
            return self._page(request, approval, form=form, status=422)
        data = form.cleaned_data
        proved, doubt = _proved(request, approval, form)
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
                reauthenticated_at=proved,
            )
        except InvalidDecision as error:
            _put_errors(form, error)
            return self._page(request, approval, form=form, status=422)
        except HitlError as error:
            if "password" in form.fields and error.details.get("reason") == "step_up_required":
                form.add_error("password", doubt)
                return self._page(request, approval, form=form, status=422)
            return self._page(request, _find(object_id, request), form=form, error=error, status=409)
        messages.success(request, told(outcome))
        return HttpResponseRedirect(reverse("review:hitl_approval_change", args=[outcome.approval.pk]))

    @method_decorator(require_POST)
    def act_view(self, request: HttpRequest, object_id: Any, name: str) -> HttpResponse:
        """Do something else than vote; whatever is wrong is shown on the same page with what was typed."""
        if name not in ACTS:
            raise Http404("there is no such act")
        approval = _find(object_id, request, act=name)
        form = ACTS[name].form(request.POST, name=name, approval=approval)
        if not form.is_valid():
            return self._page(request, approval, act=form, status=422)
        try:
            ACTS[name].verb(approval, actor=request.user, **form.said)
        except InvalidDecision as error:
            form.put(error)
            return self._page(request, approval, act=form, status=422)
        except HitlError as error:
            return self._page(request, _find(object_id, request), act=form, error=error, status=409)
        messages.success(request, ACTS[name].done)
        return HttpResponseRedirect(reverse("review:hitl_approval_change", args=[approval.pk]))

    def _page(
        self,
        request: HttpRequest,
        approval: Approval,
        *,
        form: DecisionForm | None = None,
        act: ActForm | None = None,
        error: HitlError | None = None,
        status: int = 200,
    ) -> HttpResponse:
        explanation = _explained(request, approval)
        rows = Decision.objects.filter(approval=approval, withdrawn_at=None).select_related("actor", "for_user")
        votes = list(rows.order_by("decided_at"))
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
            "requirement": approval.required,
            "stages": stages_of(approval, votes),
            "coming": coming(approval, explanation),
            "silence": silence_of(approval),
            "form": form or _form(request, approval, explanation),
            "error": error,
            **shown(approval, explanation, request.user, act),
            "votes": votes,
            "own": next((vote for vote in reversed(votes) if vote.actor_id == request.user.pk), None),
            "answer": answer_of(approval, votes),
            "steps": steps_of(approval),
            **revisions_of(approval, request.user),
            **family_of(approval.run, request.user),
            "remarks": list(approval.comments.select_related("author").order_by("pk")),
            "timeline": audit.timeline(approval.run.stream),
            "notices": approval.notifications.exclude(recipient=None).select_related("recipient"),
            "next": next((row for row in decisions.inbox(request.user, limit=2) if row.pk != approval.pk), None),
            "now": clock.now(),
        }
        return render(request, "hitl/review/request.html", context, section="inbox", status=status)


def _find(pk: Any, request: HttpRequest, *, act: str = "", voting: bool = False) -> Approval:
    """The request, if this person may see it; trying an act on one they may not stands on record."""
    try:
        approval = decisions.find_visible(pk, request.user)
    except UnknownApproval as error:
        if act:
            _leave_a_line(pk, act, request.user, voting=voting)
        raise Http404(error.message) from error
    related = ("run__workflow", "run__parent_step", "step", "requester", "agent_key", "claimed_by", "edited_by")
    return Approval.objects.select_related(*related).get(pk=approval.pk)


def _leave_a_line(pk: Any, act: str, user: Any, *, voting: bool) -> None:
    with suppress(UnknownApproval):
        decisions.attempt(pk, act, actor=user, voting=voting)


def _explained(request: HttpRequest, approval: Approval) -> Explanation:
    """As if the password had been given: its field stands in the form. Who has none cannot give it."""
    user: Any = request.user
    return explain(approval, user, fresh=proved_at(request.session) is not None or user.has_usable_password())


def _form(request: HttpRequest, approval: Approval, explanation: Explanation, *, data: Any = None) -> DecisionForm:
    user: Any = request.user
    asks = bool(approval.required.step_up) and proved_at(request.session) is None and user.has_usable_password()
    return DecisionForm(data, approval=approval, explanation=explanation, password=asks)


def _proved(request: HttpRequest, approval: Approval, form: DecisionForm) -> tuple[datetime | None, str]:
    """When they proved it for this decision, and what to say where they did not; `decide` is the one that refuses."""
    needed = verdict_problem(approval, form.said["verdict"], fresh=False) == "step_up_required"
    typed = form.cleaned_data.get("password", "")
    if not needed or "password" not in form.fields:
        return proved_at(request.session), ""
    if not typed:
        return None, "Enter your password: this is too dangerous for an open session alone."
    try:
        at = confirm_password(request.user, typed, request=request)
    except NotAllowed as error:
        return None, error.message
    if at is not None:
        remember(request.session, at)
    return at, "This is not your password."


def _put_errors(form: DecisionForm, error: InvalidDecision) -> None:
    """Put each field's error beside its input; one without an input of its own goes to the top."""
    for name, words in error.details["fields"].items():
        form.add_error(form.field_of(name), words)
