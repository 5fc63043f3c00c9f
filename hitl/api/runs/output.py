"""What runs tell while they go on, and what people say of them."""

from __future__ import annotations

import uuid
from datetime import datetime

from django.db.models import QuerySet
from rest_framework import generics
from rest_framework.fields import DateTimeField
from rest_framework.request import Request
from rest_framework.response import Response

from hitl import audit, decisions
from hitl.api.door import Door, read
from hitl.api.openapi.says import More, Page, Says
from hitl.api.pagination import Oldest
from hitl.api.shapes import answers as shapes
from hitl.api.shapes import bodies
from hitl.api.shapes import told_runs as told
from hitl.api.waits import wait_until
from hitl.definition.action import shown
from hitl.engine.reads import find_run
from hitl.exceptions import BadInput, NotFound
from hitl.models import Event, Feedback, Run, StreamChunk

_PAGE = 200
_LARGEST_ID = 2**63 - 1


class OneEvent(Door):
    """Read what a run published under a key."""

    scopes = {"GET": "runs:read"}
    says = {"GET": Says(told.Event, errors="unknown_run not_found", query="wait")}

    def get(self, request: Request, pk: uuid.UUID, key: str) -> Response:
        """The latest value; with `?wait=` once there is one, or one of another time than `?after=` says."""
        run, after = find_run(request.user, pk), request.query_params.get("after", "")
        rows = Event.objects.filter(run=run, key=key) if "\0" not in key else Event.objects.none()
        wait_until(request, lambda: any(_told(at) != after for at in rows.values_list("at", flat=True)))
        row = rows.first()
        if row is None:
            raise NotFound("the run has published nothing under this key")
        return Response({"key": row.key, "value": shown(row.value), "at": row.at})


class Stream(Door):
    """Read what a run's steps put out bit by bit."""

    scopes = {"GET": "runs:read"}
    says = {"GET": Says(More(told.Chunk), query="after wait", errors="unknown_run", streams=True)}

    def get(self, request: Request, pk: uuid.UUID) -> Response:
        """The pieces after `?after=`, the oldest first; `after` of the answer is what to ask with next. With `?wait=`
        once there is one, or the run has ended."""
        run, after = find_run(request.user, pk), _after(request)
        rows: QuerySet[StreamChunk] = StreamChunk.objects.filter(run=run, pk__gt=after).select_related("step")
        wait_until(request, lambda: rows.exists() or Run.objects.filter(pk=pk, ended_at__isnull=False).exists())
        pieces = [
            {
                "id": row.pk,
                "step": row.step.name,
                "revision": row.step.revision,
                "seq": row.seq,
                "chunk": shown(row.chunk),
                "at": row.at,
            }
            for row in rows.order_by("pk")[:_PAGE]
        ]
        return Response({"after": pieces[-1]["id"] if pieces else after, "results": pieces})


class Timeline(Door):
    """Read what happened to a run, in sentences."""

    scopes = {"GET": "runs:read"}
    says = {"GET": Says(More(told.Line), query="after", errors="unknown_run")}

    def get(self, request: Request, pk: uuid.UUID) -> Response:
        """The records after `?after=`, the oldest first; `after` of the answer is what to ask with next."""
        run, after = find_run(request.user, pk), _after(request)
        lines = [
            {
                "seq": line.seq,
                "at": line.at,
                "action": line.action,
                "actor": line.actor,
                "text": line.text,
                "hash": line.hash,
            }
            for line in audit.timeline(run.stream, after=after, limit=_PAGE)
        ]
        return Response({"after": lines[-1]["seq"] if lines else after, "results": lines})


class Opinions(Door, generics.ListAPIView[Feedback]):
    """Say what a run was worth, and read what others said."""

    scopes = {"GET": "runs:read", "POST": "feedback:write"}
    says = {
        "GET": Says(Page(told.Feedback), errors="unknown_run", summary="Read opinions on a run"),
        "POST": Says(
            told.Feedback,
            201,
            bodies.GiveFeedback,
            "unknown_run unknown_step unknown_approval",
            summary="Give feedback",
        ),
    }
    serializer_class = shapes.FeedbackShape
    pagination_class = Oldest

    def get_queryset(self) -> QuerySet[Feedback]:
        """What was said about the run, the oldest first."""
        return Feedback.objects.filter(run=find_run(self.request.user, self.kwargs["pk"])).select_related("step")

    def post(self, request: Request, pk: uuid.UUID) -> Response:
        """201 with what was kept."""
        run = find_run(request.user, pk)
        given = read(bodies.GiveFeedback, request)
        row = decisions.give_feedback(run, given.pop("key"), actor=request.user, **given)
        return Response(shapes.FeedbackShape(row).data, status=201)


def _told(at: datetime) -> str:
    """A time as it stands in answers."""
    return str(DateTimeField().to_representation(at))


def _after(request: Request) -> int:
    text = request.query_params.get("after", "0")
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= _LARGEST_ID):
        raise BadInput("after is the number that the last answer gave as `after`")
    return int(text)
