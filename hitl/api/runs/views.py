"""Starting runs, reading them, and sending them signals."""

from __future__ import annotations

import uuid
from typing import Any

from django.db.models import QuerySet
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.response import Response

from hitl import engine
from hitl.api.door import Door, narrowed, read
from hitl.api.idempotency import key_of
from hitl.api.pagination import Newest
from hitl.api.shapes import answers as shapes
from hitl.api.shapes import bodies
from hitl.decisions.inbox import visible
from hitl.exceptions import NotAllowed, UnknownRun
from hitl.models import ApiKey, Run


class Runs(Door, generics.ListAPIView[Run]):
    """List runs and start them."""

    scopes = {"GET": "runs:read", "POST": "runs:start"}
    serializer_class = shapes.RunShape
    pagination_class = Newest

    def get_queryset(self) -> QuerySet[Run]:
        """The runs this principal may see, narrowed by `?status=` and `?workflow=`."""
        rows = runs_of(self.request.user).select_related("workflow")
        return narrowed(rows, self.request, status="status", workflow="workflow__name")

    def post(self, request: Request) -> Response:
        """Start a run; the `Idempotency-Key` header makes a repeated call return the first run. People need leave."""
        who = request.user
        if not isinstance(who, ApiKey) and not (who.has_perm("hitl.add_run") or who.has_perm("hitl.operate")):
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

    def get(self, request: Request, pk: uuid.UUID) -> Response:
        """The run with its steps."""
        return Response(shapes.RunDetail(find_run(request.user, pk)).data)


class Signals(Door):
    """Send a signal to a run."""

    scopes = {"POST": "signals:send"}

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


def runs_of(who: Any) -> QuerySet[Run]:
    """The runs a principal may see: its own, its agents', those it was asked about; operators see all."""
    if isinstance(who, ApiKey):
        return Run.objects.filter(principal=f"key:{who.pk}")
    if who.has_perm("hitl.operate"):
        return Run.objects.all()
    keys = [f"key:{key}" for key in ApiKey.objects.owned_by(who).values_list("pk", flat=True)]
    own = Run.objects.filter(requester=who.pk) | Run.objects.filter(on_behalf_of=who.pk)
    own |= Run.objects.filter(principal__in=keys)
    return own | Run.objects.filter(pk__in=visible(who).values("run"))


def find_run(who: Any, pk: uuid.UUID) -> Run:
    """One run this principal may see; raises UnknownRun alike for both kinds of no."""
    run = runs_of(who).select_related("workflow").filter(pk=pk).first()
    if run is None:
        raise UnknownRun(f"there is no run {pk} that you may see")
    return run
