"""The review screens of one request. Every change goes through a verb of `decisions`."""

from __future__ import annotations

import uuid
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from hitl import decisions
from hitl.admin.inbox.bulk import bulk_view
from hitl.admin.inbox.views import inbox_view
from hitl.admin.requests import reads
from hitl.admin.requests.acts import ACTS
from hitl.admin.requests.beside import Trail, beside_view
from hitl.admin.requests.forms import DecisionForm
from hitl.admin.requests.looked import shown_at
from hitl.admin.requests.page import OUTCOME, Reading, Tried, page, value_page
from hitl.admin.requests.shown import told
from hitl.admin.requests.values import whole
from hitl.admin.site import review_site
from hitl.decisions.inbox import mark_seen
from hitl.exceptions import HitlError, InvalidDecision, NotAllowed, UnknownApproval
from hitl.models import Approval
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
        """Only our own pages: the list, several at once, one request with its large values and neighbours, deciding it,
        and the other acts."""
        wrap, one = self.admin_site.admin_view, "<uuid:object_id>/"
        return [
            path("", wrap(inbox_view), name="hitl_approval_changelist"),
            path("bulk/", wrap(bulk_view), name="hitl_approval_bulk"),
            path(one, wrap(self.change_view), name="hitl_approval_change"),
            path(f"{one}decide/", wrap(self.decide_view), name="hitl_approval_decide"),
            path(f"{one}act/<slug:name>/", wrap(self.act_view), name="hitl_approval_act"),
            path(f"{one}next/", wrap(beside_view), {"way": "next"}, name="hitl_approval_next"),
            path(f"{one}previous/", wrap(beside_view), {"way": "previous"}, name="hitl_approval_previous"),
            path(f"{one}value/output/<uuid:step>/", wrap(self.value_view), {"part": "output"}),
            path(f"{one}value/<slug:part>/", wrap(self.value_view), name="hitl_approval_value"),
            path(f"{one}value/<slug:part>/<int:number>/", wrap(self.value_view)),
        ]

    @method_decorator(never_cache)
    def change_view(
        self, request: HttpRequest, object_id: Any, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """One request. Looking at it is remembered for those who are asked by name, and changes nothing else."""
        reading = Reading(request, _find(object_id, request))
        unseen = any(row.user_id == reading.user.pk and row.first_seen_at is None for row in reading.rows)
        if request.method == "GET" and unseen:
            mark_seen(reading.approval, reading.user)
        return page(request, reading)

    @method_decorator(never_cache)
    @method_decorator(require_safe)
    def value_view(
        self,
        request: HttpRequest,
        object_id: Any,
        part: str,
        number: int | None = None,
        step: uuid.UUID | None = None,
    ) -> HttpResponse:
        """One value of a request whole, where the page shows only how it begins."""
        approval = _find(object_id, request)
        try:
            name, value = (part, reads.output_of(approval, step)) if step else whole(approval, part, number)
        except (KeyError, UnknownApproval) as error:
            raise Http404("a request has no such part") from error
        return value_page(request, approval, name, value)

    @method_decorator(require_POST)
    def decide_view(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        """Take a decision; whatever is wrong is shown on the same page with everything that was typed."""
        approval = _find(object_id, request, act=request.POST.get("verdict", "") or "decide", voting=True)
        reading = Reading(request, approval)
        form = reading.form(reading.explained(), data=request.POST)
        if form.asks:
            return page(request, reading, Tried(form))
        if not form.is_valid():
            return page(request, reading, Tried(form), status=422)
        proved, doubt = _proved(request, approval, form)
        try:
            outcome = _decide(request, approval, form, proved)
        except InvalidDecision as error:
            _put_errors(form, error)
            return page(request, reading, Tried(form), status=422)
        except HitlError as error:
            if "password" in form.fields and error.details.get("reason") == "step_up_required":
                form.add_error("password", doubt)
                return page(request, reading, Tried(form), status=422)
            return _too_late(request, approval, form, error)
        messages.success(request, told(outcome), extra_tags=OUTCOME)
        return _back(request, outcome.approval)

    @method_decorator(require_POST)
    def act_view(self, request: HttpRequest, object_id: Any, name: str) -> HttpResponse:
        """Do something else than vote; whatever is wrong is shown on the same page with what was typed."""
        if name not in ACTS:
            raise Http404("there is no such act")
        approval = _find(object_id, request, act=name)
        form = ACTS[name].form(request.POST, name=name, approval=approval)
        if not form.is_valid():
            return page(request, Reading(request, approval), Tried(act=form), status=422)
        try:
            ACTS[name].verb(approval, actor=request.user, **form.said)
        except InvalidDecision as error:
            form.put(error)
            return page(request, Reading(request, approval), Tried(act=form), status=422)
        except HitlError as error:
            reading = Reading(request, _find(object_id, request))
            return page(request, reading, Tried(act=form, error=error), status=409)
        messages.success(request, ACTS[name].done)
        return _back(request, approval)


def _find(pk: Any, request: HttpRequest, *, act: str = "", voting: bool = False) -> Any:
    """The request, if this person may see it; trying an act on one they may not stands on record."""
    try:
        return reads.find(pk, request.user)
    except UnknownApproval as error:
        if act:
            _leave_a_line(pk, act, request.user, voting=voting)
        raise Http404(error.message) from error


def _leave_a_line(pk: Any, act: str, user: Any, *, voting: bool) -> None:
    with suppress(UnknownApproval):
        decisions.attempt(pk, act, actor=user, voting=voting)


def _back(request: HttpRequest, approval: Approval) -> HttpResponse:
    """To the request, with where the reader came from."""
    page = reverse("review:hitl_approval_change", args=[approval.pk])
    return HttpResponseRedirect(page + str(Trail.of(request.GET)))


def _decide(request: HttpRequest, approval: Approval, form: DecisionForm, proved: datetime | None) -> decisions.Outcome:
    data = form.cleaned_data
    return decisions.decide(
        approval,
        actor=request.user,
        digest=data["digest"],
        revision=data["revision"],
        comment=data["comment"],
        **form.said,
        phrase=data.get("phrase", ""),
        channel="admin",
        reauthenticated_at=proved,
        shown_at=shown_at(approval, data["shown"]),
    )


def _too_late(request: HttpRequest, approval: Approval, form: DecisionForm, error: HitlError) -> HttpResponse:
    """The request changed while they were reading: its newest revision with what changed since, and all they typed."""
    reading = Reading(request, _find(error.details.get("approval") or approval.pk, request))
    newest, saw = reading.approval, None
    if error.code == "stale_approval":
        known = (approval, newest.supersedes if newest.sees_before else None)
        saw = next((row for row in known if row is not None and row.pk != newest.pk), None)
        form = reading.carried(form)
    return page(request, reading, Tried(form, error=error, saw=saw), status=409)


def _proved(request: HttpRequest, approval: Approval, form: DecisionForm) -> tuple[datetime | None, str]:
    """When they proved it for this decision, and what to say where they did not; `decide` is the one that refuses."""
    needed = verdict_problem(approval, form.said["verdict"], fresh=False) == "step_up_required"
    typed = form.cleaned_data.get("password", "")
    if not needed or "password" not in form.fields:
        return proved_at(request.session), ""
    if not typed:
        return None, _("Enter your password: this is too dangerous for an open session alone.")
    try:
        at = confirm_password(request.user, typed, request=request)
    except NotAllowed as error:
        return None, _(error.message)
    if at is not None:
        remember(request.session, at)
    return at, _("This is not your password.")


def _put_errors(form: DecisionForm, error: InvalidDecision) -> None:
    """Put each field's error beside its input; one without an input of its own goes to the top."""
    for name, words in error.details["fields"].items():
        form.add_error(form.field_of(name), words)
