"""The page of one run, in parts that each ask the database for their own only."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.db.models import OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Concat, Substr
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from hitl import audit, clock
from hitl.admin.runs.acts import ACTS, offered, uncertain_of
from hitl.admin.runs.forms import RunForm, Scene
from hitl.admin.runs.once import once
from hitl.admin.runs.picture import picture
from hitl.admin.runs.shown import names_of, span, starter_of, status_of, value_of
from hitl.admin.runs.steps import listed, steps_of
from hitl.admin.site import refusal, render
from hitl.decisions.inbox import visible
from hitl.definition.action import shown
from hitl.definition.text import reveal
from hitl.engine.claim import freezes_over
from hitl.engine.reads import find_controlled, find_run
from hitl.exceptions import HitlError, UnknownRun
from hitl.models import Approval, Event, Feedback, Freeze, Result, Run, Signal, Step, StreamChunk
from hitl.policies.acts import is_operator
from hitl.states import StepStatus
from hitl.transitions import latest

TABS = {
    "": _("Overview"),
    "timeline": _("Timeline"),
    "stream": _("Stream and events"),
    "signals": _("Signals"),
    "feedback": _("Feedback"),
}
_LINES, _ROWS, _REQUESTS = 50, 50, 50
_LARGEST_ID = 2**63 - 1


@never_cache
def run_view(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """The run, or one of its parts that `?tab=` names."""
    return _page(request, _find(request, pk), tab=request.GET.get("tab", ""))


@require_POST
def act_view(request: HttpRequest, pk: uuid.UUID, name: str) -> HttpResponse:
    """Do something to the run; whatever is wrong is shown on the same page with what was typed."""
    if name not in ACTS:
        raise Http404("there is no such act")
    act, run = ACTS[name], _find(request, pk)
    scene = _scene(request, run)
    form = act.form(request.POST, name=name, scene=scene)
    if not form.is_valid():
        return _page(request, run, tab=act.tab, form=form, status=422)
    try:
        if not act.open:
            find_controlled(request.user, pk)
        address = _done(request, scene, form)
    except HitlError as error:
        return _page(request, _find(request, pk), tab=act.tab, form=form, error=error, status=409)
    return HttpResponseRedirect(address)


@never_cache
def value_view(request: HttpRequest, pk: uuid.UUID, what: str) -> HttpResponse:
    """The whole of the run's input or output, or of a step's output."""
    run = _find(request, pk)
    found: Any = {"input": run.input, "output": run.output}.get(what)
    name: Any = {"input": _("Input"), "output": _("Output")}.get(what, "")
    if not name:
        pk_of = _uuid(what)
        step = Step.objects.filter(run=run, pk=pk_of).first() if pk_of is not None else None
        if step is None:
            raise Http404("the run has no such step")
        found, name = step.output, step.name
    context = {"title": name, "run": run, "name": name, "value": value_of(found)}
    return render(request, "hitl/review/run_value.html", context, section="runs")


@never_cache
def live_view(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """What the stream brought after a number, for the script: it asks every two seconds while the run goes on."""
    run = _find(request, pk)
    after = _number(request, "after")
    rows = list(StreamChunk.objects.filter(run=run, pk__gt=after).select_related("step").order_by("pk")[:_ROWS])
    chunks = [
        {"step": reveal(row.step.name), "text": _piece(row.chunk), "at": date_format(localtime(row.at), "H:i:s")}
        for row in rows
    ]
    answer = {"after": rows[-1].pk if rows else after, "chunks": chunks, "seq": run.audit_seq}
    return JsonResponse({**answer, "ended": run.ended_at is not None})


def _done(request: HttpRequest, scene: Scene, form: RunForm) -> str:
    """Call the verb, say what came of it, and where to look at that."""
    act, told = ACTS[form.name], []

    def work() -> str:
        words, run = act.verb(scene, once=form.cleaned_data["once"], **form.said)
        told.append(words)
        query = f"?tab={act.tab}" if act.tab else ""
        return reverse("review:run", args=[run.pk]) + query

    address = (
        work() if act.twice else once(request.user, form.cleaned_data["once"], f"{form.name} {scene.run.pk}", work)
    )
    messages.success(request, told[0] if told else _("It was done already; this is what came of it."))
    return address


def _find(request: HttpRequest, pk: uuid.UUID) -> Run:
    try:
        return find_run(request.user, pk)
    except UnknownRun as error:
        raise Http404(error.message) from error


def _scene(request: HttpRequest, run: Run) -> Scene:
    steps = latest(list(Step.objects.filter(run=run).defer("output", "checkpoint")))
    return Scene(run, request.user, uncertain_of(steps), _frozen_by(run, _freezes(run)))


def _page(
    request: HttpRequest,
    run: Run,
    *,
    tab: str,
    form: RunForm | None = None,
    error: HitlError | None = None,
    status: int = 200,
) -> HttpResponse:
    chosen = tab if tab in TABS else ""
    context = {
        "title": run.workflow.title,
        "run": run,
        "status": status_of(run),
        "took": span(run.created_at, run.ended_at),
        "tabs": TABS,
        "tab": chosen,
        "tried": form,
        "error": refusal(error) if error else "",
        "now": clock.now(),
        **_PARTS[chosen](request, run, form),
    }
    return render(request, "hitl/review/run.html", context, section="runs", status=status)


def _overview(request: HttpRequest, run: Run, form: RunForm | None) -> dict[str, Any]:
    steps = steps_of(run)
    newest = latest(steps)
    requests = list(_requests(request, run))
    standing = _freezes(run)
    scene = Scene(run, request.user, uncertain_of(newest), _frozen_by(run, standing))
    acts = offered(scene, form)
    agents = {f"key:{row.agent_key_id}": row.agent_key.agent for row in requests if row.agent_key is not None}
    named = run.requester is not None or run.principal in agents
    return {
        "starter": starter_of(run, agents if named else names_of([run.principal])),
        "picture": picture(run.workflow.definition, newest),
        **listed(run, steps, requests, _number(request, "steps")),
        "requests": requests,
        "open_requests": [row for row in requests if row.is_pending],
        "input": value_of(run.input),
        "output": value_of(run.output),
        "freezes": standing,
        **acts,
        "gone": form is not None and form.name not in {row["name"] for row in acts["possible"]},
    }


def _requests(request: HttpRequest, run: Run) -> QuerySet[Approval]:
    """Those this person may see: all of one's own run, and of any for operators."""
    whole = is_operator(request.user) or request.user.pk in (run.requester_id, run.on_behalf_of_id)
    rows = Approval.objects.all() if whole else visible(request.user)
    return rows.filter(run=run).select_related("step", "agent_key").order_by("-id")[:_REQUESTS]


def _freezes(run: Run) -> list[Freeze]:
    """What keeps its steps from starting now."""
    if run.ended_at is not None:
        return []
    targets = freezes_over(run.workflow.name, run.pk, run.principal)
    return list(Freeze.objects.filter(target__in=targets, lifted_at=None).order_by("at", "id"))


def _frozen_by(run: Run, standing: list[Freeze]) -> str:
    """Who set the freeze of this run alone."""
    own = next((row for row in standing if row.target == f"run:{run.pk}"), None)
    return "" if own is None else f"user:{own.by_id}" if own.by_id is not None else "system"


def _timeline(request: HttpRequest, run: Run, form: RunForm | None) -> dict[str, Any]:
    """The last lines, or those after a number; the oldest first."""
    last = max(0, run.audit_seq - _LINES)
    after = min(_number(request, "after", last), last)
    lines = audit.timeline(run.stream, after=after, limit=_LINES)
    earlier = max(0, after - _LINES) if after else None
    later = after + _LINES if after < last else None
    return {"lines": lines, "count": run.audit_seq, "earlier": earlier, "later": later}


def _stream(request: HttpRequest, run: Run, form: RunForm | None) -> dict[str, Any]:
    """The last pieces of the stream, the oldest first, and all that the run published."""
    before = _number(request, "before", _LARGEST_ID)
    rows = StreamChunk.objects.filter(run=run, pk__lt=before).select_related("step").order_by("-pk")
    newest = list(rows[: _ROWS + 1])
    chunks = [{"row": row, "text": _piece(row.chunk)} for row in reversed(newest[:_ROWS])]
    events = Event.objects.filter(run=run).order_by("key")[: _ROWS + 1]
    return {
        "chunks": chunks,
        "after": newest[0].pk if newest else 0,
        "earlier": newest[_ROWS - 1].pk if len(newest) > _ROWS else None,
        "is_last": before == _LARGEST_ID,
        "events": [{"row": row, "value": value_of(row.value)} for row in events],
    }


def _signals(request: HttpRequest, run: Run, form: RunForm | None) -> dict[str, Any]:
    """What came from outside, the newest first, and what it waits for."""
    rows = list(Signal.objects.filter(run=run).select_related("consumed_by").order_by("-id")[:_ROWS])
    names = names_of(row.sender for row in rows)
    wanted = _wanted(run)
    made = form or ACTS["signal"].form(name="signal", scene=Scene(run, request.user))
    made.fields["signal"].initial = wanted[0] if wanted else ""
    told = [{"row": row, "by": names[row.sender], "value": value_of(row.payload)} for row in rows]
    gone = form is not None and run.ended_at is not None
    return {"signals": told, "wanted": wanted, "act": ACTS["signal"], "form": made, "gone": gone}


def _wanted(run: Run) -> list[str]:
    """The names of the signals that its steps wait for."""
    if run.ended_at is not None:
        return []
    key = Concat(Value("any-of:"), Substr(OuterRef("waiting_for"), len("any:") + 1))
    several = Result.objects.filter(step=OuterRef("pk"), iteration=OuterRef("iteration"), key=key).order_by("-id")
    steps = Step.objects.filter(run=run, status=StepStatus.WAITING)
    found: list[str] = []
    for waiting_for, some in steps.annotate(some=Subquery(several.values("value")[:1])).values_list(
        "waiting_for", "some"
    ):
        kind, _colon, name = waiting_for.partition(":")
        found += [name] if kind == "signal" else some["signal"] if kind == "any" and some else []
    return list(dict.fromkeys(found))


def _feedback(request: HttpRequest, run: Run, form: RunForm | None) -> dict[str, Any]:
    """What people and programs thought of it, the newest first."""
    rows = list(Feedback.objects.filter(run=run).select_related("step").order_by("-id")[:_ROWS])
    names = names_of(row.by for row in rows)
    told = [{"row": row, "by": names[row.by], "value": value_of(row.value)} for row in rows]
    made = form or ACTS["feedback"].form(name="feedback", scene=Scene(run, request.user))
    return {"opinions": told, "act": ACTS["feedback"], "form": made}


_PARTS = {"": _overview, "timeline": _timeline, "stream": _stream, "signals": _signals, "feedback": _feedback}


def _piece(chunk: Any) -> str:
    """A piece of a stream as text, with what cannot be seen."""
    value = value_of(shown(chunk))
    return "" if value is None else reveal(value.text)


def _number(request: HttpRequest, name: str, default: int = 0) -> int:
    text = request.GET.get(name, "")
    return min(int(text), _LARGEST_ID) if text.isascii() and text.isdigit() and len(text) < 20 else default


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
