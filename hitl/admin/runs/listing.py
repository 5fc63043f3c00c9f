"""The list of runs: a page at a time, narrowed by what the address says."""

from __future__ import annotations

import uuid
from collections import defaultdict
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache

from hitl import clock
from hitl.admin.runs.shown import Wait, names_of, span, starter_of, status_of, wait_of
from hitl.admin.site import render
from hitl.engine.reads import may_start, runs_of
from hitl.models import Approval, Run, Step, Workflow
from hitl.states import ApprovalStatus, RunStatus, StepStatus

_PAGE = 50
_MOST_WAITS = 500
_SHOWN_WAITS = 3
_LABELS = {"status": _("Status"), "workflow": _("Workflow"), "waits": _("Waiting for"), "since": _("Started")}
_BAD = (RunStatus.REJECTED, RunStatus.FAILED, RunStatus.CANCELLED)
_OPEN = {"open": _("Not ended"), "bad": _("Ended badly")}
_FOR = {
    "approval": _("A person"),
    "signal": _("A signal"),
    "run": _("Another run"),
    "handler": _("A worker with its code"),
}
_SINCE = {
    "1": (_("The last hour"), timedelta(hours=1)),
    "24": (_("The last 24 hours"), timedelta(days=1)),
    "168": (_("The last 7 days"), timedelta(days=7)),
    "720": (_("The last 30 days"), timedelta(days=30)),
}


@never_cache
def runs_view(request: HttpRequest) -> HttpResponse:
    """The newest first; how many there are beyond the page is not counted."""
    seen = runs_of(request.user)
    asked = {name: request.GET.get(name, "") for name in ("q", "status", "workflow", "waits", "since", "mine")}
    rows = _narrowed(seen, asked, request.user)
    after = _uuid(request.GET.get("after", ""))
    if after is not None:
        rows = rows.filter(pk__lt=after)
    found = list(rows.select_related("workflow", "requester", "on_behalf_of").order_by("-id")[: _PAGE + 1])
    kept = {name: value for name, value in asked.items() if value}
    context = {
        "title": _("Runs"),
        "rows": _told(found[:_PAGE]),
        "asked": asked,
        "narrowed": bool(kept.keys() - {"mine"}),
        "pills": _pills(_choices(seen, request.user), kept),
        "kept": [(name, value) for name, value in kept.items() if name != "q"],
        "beyond": found[_PAGE - 1].pk if len(found) > _PAGE else None,
        "continued": after is not None,
        "may_start": may_start(request.user),
        "now": clock.now(),
    }
    return render(request, "hitl/review/runs.html", context, section="runs")


def _narrowed(rows: QuerySet[Run], asked: dict[str, str], user: Any) -> QuerySet[Run]:
    if asked["q"]:
        rows = rows.filter(_named(asked["q"]))
    rows = rows.filter(**_stands(asked["status"]))
    if asked["workflow"] and "\0" not in asked["workflow"]:
        rows = rows.filter(workflow__name=asked["workflow"])
    if asked["waits"] in _FOR:
        steps = Step.objects.filter(run=OuterRef("pk"), status=StepStatus.WAITING)
        rows = rows.filter(Exists(steps.filter(waiting_for__startswith=asked["waits"])), ended_at=None)
    if asked["since"] in _SINCE:
        rows = rows.filter(created_at__gte=clock.now() - _SINCE[asked["since"]][1])
    if asked["mine"]:
        rows = rows.filter(Q(requester=user.pk) | Q(on_behalf_of=user.pk))
    return rows


def _stands(status: str) -> dict[str, Any]:
    groups: dict[str, dict[str, Any]] = {"open": {"ended_at": None}, "bad": {"status__in": _BAD}}
    return {"status": status} if status in RunStatus.values else groups.get(status, {})


def _named(text: str) -> Q:
    """An id, the first eight or more digits of one, or how an external id begins."""
    text = text.strip().replace("\0", "")
    digits = text.replace("-", "").lower()
    named = Q(external_id__startswith=text)
    if 8 <= len(digits) <= 32 and all(digit in "0123456789abcdef" for digit in digits):
        named |= Q(pk__range=(uuid.UUID(digits.ljust(32, "0")), uuid.UUID(digits.ljust(32, "f"))))
    return named


def _choices(seen: QuerySet[Run], user: Any) -> dict[str, list[tuple[str, Any]]]:
    """What can be chosen from: whoever may start runs knows all workflows, others those of their runs."""
    names = Workflow.objects.values_list("name") if may_start(user) else seen.values_list("workflow__name")
    return {
        "status": [*_OPEN.items(), *RunStatus.choices],
        "workflow": [(name, name) for name in sorted({name for (name,) in names.order_by().distinct()})],
        "waits": list(_FOR.items()),
        "since": [(value, words) for value, (words, _delta) in _SINCE.items()],
    }


def _pills(choices: dict[str, list[tuple[str, Any]]], kept: dict[str, str]) -> list[dict[str, Any]]:
    """The menus of filters: what each is about, what is chosen, and the addresses of all that can be."""
    return [
        {
            "label": _LABELS[name],
            "chosen": dict(rows).get(kept.get(name, "")),
            "rows": [
                {"words": words, "address": "?" + urlencode({**kept, name: value}), "on": kept.get(name) == value}
                for value, words in rows
            ],
            "any": "?" + urlencode({key: value for key, value in kept.items() if key != name}),
        }
        for name, rows in choices.items()
    ]


def _told(rows: list[Run]) -> list[dict[str, Any]]:
    """What each row says besides the run; three queries for all of them."""
    waits = _waits([row.pk for row in rows if row.ended_at is None])
    names = names_of(row.principal for row in rows if row.requester is None)
    now = clock.now()
    return [
        {
            "run": row,
            "status": status_of(row),
            "starter": starter_of(row, names),
            "waits": waits[row.pk][:_SHOWN_WAITS],
            "more": len(waits[row.pk][_SHOWN_WAITS:]),
            "took": span(row.created_at, row.ended_at or now),
        }
        for row in rows
    ]


def _waits(runs: list[Any]) -> dict[Any, list[Wait]]:
    steps = Step.objects.filter(run__in=runs, status=StepStatus.WAITING).exclude(waiting_for="plan")
    rows = list(steps.only("run", "waiting_for", "parked_at").order_by("parked_at")[:_MOST_WAITS])
    asked = [row.pk for row in rows if row.waiting_for.startswith("approval:")]
    requests = list(Approval.objects.filter(step__in=asked, status=ApprovalStatus.PENDING))
    found: dict[Any, list[Wait]] = defaultdict(list)
    for row in rows:
        found[row.run_id].append(wait_of(row, requests))
    return found


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
