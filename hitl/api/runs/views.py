"""Starting runs, reading them, and sending them signals."""

from __future__ import annotations

import uuid

from django.db.models import Exists, OuterRef, Q, QuerySet
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.response import Response

from hitl import engine
from hitl.api import filters
from hitl.api.door import Door, read
from hitl.api.idempotency import key_of
from hitl.api.openapi.says import Page, Says
from hitl.api.pagination import Newest
from hitl.api.shapes import answers as shapes
from hitl.api.shapes import bodies
from hitl.api.shapes import told_runs as told
from hitl.api.waits import wait_until
from hitl.engine.reads import find_run, may_start, runs_of
from hitl.exceptions import NotAllowed
from hitl.models import Run, Step
from hitl.states import RunStatus, StepStatus

_WAITS = ("approval", "signal", "sleep", "timer", "run", "any", "handler", "plan", "revision")


def _waits_for(said: str) -> str:
    if said.partition(":")[0] not in _WAITS:
        raise ValueError(f"{said[:40]!r} is nothing to wait for; there are {', '.join(_WAITS)}")
    return said


def _waiting_for(said: str) -> Exists:
    waits = Step.objects.filter(run=OuterRef("pk"), status=StepStatus.WAITING)
    wanted = Q(waiting_for=said) if ":" in said else Q(waiting_for=said) | Q(waiting_for__startswith=f"{said}:")
    return Exists(waits.filter(wanted))


class Runs(Door, generics.ListAPIView[Run]):
    """List runs and start them."""

    scopes = {"GET": "runs:read", "POST": "runs:start"}
    says = {
        "GET": Says(Page(told.Run), summary="List runs"),
        "POST": Says(told.RunDetail, 201, bodies.StartRun, "not_allowed unknown_workflow", summary="Start a run"),
    }
    serializer_class = shapes.RunShape
    pagination_class = Newest
    filter_backends = [filters.QueryFilters]
    filters = {
        "status": filters.choice("How it stands.", "status", RunStatus.values),
        "workflow": filters.text("The name of its workflow.", "workflow__name"),
        "waiting_for": filters.Filter(
            "What one of its steps waits for: a kind alone, or a kind with its name, such as `signal:parcel`.",
            read=_waits_for,
            where=_waiting_for,
        ),
        "external_id": filters.text("The name its starter gave it.", "external_id"),
        "principal": filters.text("Who started it: `user:…`, `key:…` or `system`.", "principal"),
        "created_after": filters.moment("Started then or later.", "created_at__gte"),
        "created_before": filters.moment("Started earlier.", "created_at__lt"),
    }

    def get_queryset(self) -> QuerySet[Run]:
        """The runs this principal may see."""
        return runs_of(self.request.user).select_related("workflow")

    def post(self, request: Request) -> Response:
        """Start a run; the `Idempotency-Key` header makes a repeated call return the first run. People need leave."""
        who = request.user
        if not may_start(who):
            raise NotAllowed("being asked to decide is no permission to start work", reason="may_not_start")
        given = read(bodies.StartRun, request)
        run = engine.start(
            given["workflow"],
            given["input"],
            requester=request.user,
            idempotency_key=key_of(request),
            external_id=given["external_id"],
            risk=given["risk"],
        )
        return Response(shapes.RunDetail(Run.objects.get(pk=run.pk)).data, status=201)


class OneRun(Door):
    """Read one run."""

    scopes = {"GET": "runs:read"}
    says = {"GET": Says(told.RunDetail, errors="unknown_run", query="wait")}

    def get(self, request: Request, pk: uuid.UUID) -> Response:
        """The run with its steps; with `?wait=` once it has ended, or when the time is up."""
        run = find_run(request.user, pk)
        wait_until(request, lambda: Run.objects.filter(pk=pk, ended_at__isnull=False).exists())
        if run.ended_at is None and request.query_params.get("wait"):
            run = find_run(request.user, pk)
        return Response(shapes.RunDetail(run).data)


class Signals(Door):
    """Send a signal to a run."""

    scopes = {"POST": "signals:send"}
    says = {"POST": Says(told.Signal, 202, bodies.SendSignal, "unknown_run run_ended")}

    def post(self, request: Request, pk: uuid.UUID, name: str) -> Response:
        """202: the signal is stored and reaches the run."""
        run = find_run(request.user, pk)
        given = read(bodies.SendSignal, request)
        row = engine.signal(
            run,
            name,
            given["payload"],
            sender=request.user,
            idempotency_key=key_of(request),
        )
        return Response({"run": str(run.pk), "name": row.name, "late": row.late}, status=202)
