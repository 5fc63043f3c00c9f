"""The page of one workflow: its picture, whom its gates ask, and its versions."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from hitl import clock
from hitl.admin.runs.picture import KINDS, picture
from hitl.admin.runs.shown import span
from hitl.admin.site import render
from hitl.definition.specs import StepSpec
from hitl.definition.values import Business
from hitl.engine.outside.builtin import NAMES as BUILTIN
from hitl.engine.reads import may_start, recipes, seen_workflows
from hitl.models import Workflow

_MOST_VERSIONS = 50


@never_cache
def workflow_view(request: HttpRequest, name: str) -> HttpResponse:
    """A workflow as it starts now, or in the version that `?version=` says."""
    rows = list(Workflow.objects.filter(name=name.replace("\0", "")).order_by("-version")[:_MOST_VERSIONS])
    current = recipes().get(name)
    asked = request.GET.get("version", "")
    row = next((row for row in rows if str(row.version) == asked), None)
    definition = row.definition if row else current or (rows[0].definition if rows else None)
    if definition is None or (asked and row is None) or not seen_workflows(request.user, {name}):
        raise Http404("there is no such workflow, or version of it, that you may see")
    context = {
        "title": definition.title or name,
        "definition": definition,
        "version": row or next((one for one in rows if one.digest == definition.digest), None),
        "current": current.digest if current else "",
        "startable": current is not None and name not in BUILTIN and may_start(request.user),
        "picture": picture(definition),
        "gates": [_gate(spec) for spec in definition.steps if spec.asks is not None],
        "kinds": [(spec, KINDS.get(spec.kind, _("step"))) for spec in definition.steps],
        "versions": rows,
    }
    return render(request, "hitl/review/run_workflow.html", context, section="runs")


def _gate(spec: StepSpec) -> dict[str, Any]:
    """Who is asked at a gate, for how long, and what silence means."""
    asks: Any = spec.asks
    stages = asks.requirement.stages if asks.requirement is not None else ()
    now = clock.now()
    clocked = asks.timeout and not isinstance(asks.timeout, Business)
    wait = span(now, now + timedelta(seconds=asks.timeout)) if clocked else str(asks.timeout or "")
    return {"spec": spec, "asks": asks, "stages": stages, "wait": wait}
