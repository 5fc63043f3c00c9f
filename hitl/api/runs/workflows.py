"""Which workflows there are, in all their versions."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from hitl.api import filters
from hitl.api.door import Door
from hitl.api.openapi.says import Page, Says
from hitl.api.shapes.records import WorkflowDetail, WorkflowShape, told, told_whole
from hitl.engine.reads import recipes, seen_workflows
from hitl.exceptions import UnknownWorkflow
from hitl.models import Workflow

_MOST_VERSIONS = 100
_FILTERS = {"version": filters.number("The version to show, if not the one that starts now.")}


class Workflows(Door):
    """List workflows."""

    scopes = {"GET": "runs:read"}
    says = {"GET": Says(Page(WorkflowShape))}

    def get(self, request: Request) -> Response:
        """All that this principal may see, by name, in one page: those that can be started, and those that were."""
        filters.given(request, {})
        running = recipes()
        newest = {row.name: row for row in Workflow.objects.order_by("name", "version")}
        numbers = {(row.name, row.digest): row.version for row in Workflow.objects.only("name", "digest", "version")}
        known = {name: row.definition for name, row in newest.items()} | running
        names = sorted(seen_workflows(request.user, set(known)))
        found = [
            told(known[name], numbers.get((name, known[name].digest)), startable=name in running) for name in names
        ]
        return Response({"next": None, "previous": None, "results": found})


class OneWorkflow(Door):
    """Read one workflow."""

    scopes = {"GET": "runs:read"}
    says = {"GET": Says(WorkflowDetail, query="version", errors="unknown_workflow")}

    def get(self, request: Request, name: str) -> Response:
        """Its definition as it starts now, or in the version that `?version=` says, and which versions there are."""
        wanted = filters.given(request, _FILTERS).get("version")
        rows = list(Workflow.objects.filter(name=name.replace("\0", "")).order_by("-version"))
        current = recipes().get(name)
        if wanted is not None:
            chosen = next((row.definition for row in rows if row.version == wanted), None)
        else:
            chosen = current or (rows[0].definition if rows else None)
        if chosen is None or not seen_workflows(request.user, {name}):
            raise UnknownWorkflow("there is no such workflow, or version of it, that you may see")
        return Response(told_whole(chosen, rows[:_MOST_VERSIONS], startable=current is not None))
