"""What runs tell while they go on, and what people say of them."""

from __future__ import annotations

import uuid

from django.db.models import QuerySet
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.response import Response

from hitl import audit, decisions
from hitl.api.door import Door, read
from hitl.api.pagination import Oldest
from hitl.api.runs.views import find_run
from hitl.api.shapes import answers as shapes
from hitl.api.shapes import bodies
from hitl.exceptions import BadInput, NotFound
from hitl.models import Event, Feedback, StreamChunk

_PAGE = 200
_LARGEST_ID = 2**63 - 1


class OneEvent(Door):
    """Read what a run published under a key."""

    scopes = {"GET": "runs:read"}

    def get(self, request: Request, pk: uuid.UUID, key: str) -> Response:
        """The latest value."""
        run = find_run(request.user, pk)
        row = None if "\0" in key else Event.objects.filter(run=run, key=key).first()
        if row is None:
            raise NotFound("the run has published nothing under this key")
        return Response({"key": row.key, "value": shapes.shown(row.value), "at": row.at})


class Stream(Door):
    """Read what a run's steps put out bit by bit."""

    scopes = {"GET": "runs:read"}

    def get(self, request: Request, pk: uuid.UUID) -> Response:
        """The pieces after `?after=`, the oldest first; `after` of the answer is what to ask with next."""
        run, after = find_run(request.user, pk), _after(request)
        rows: QuerySet[StreamChunk] = StreamChunk.objects.filter(run=run, pk__gt=after).select_related("step")
        pieces = [
            {
                "id": row.pk,
                "step": row.step.name,
                "revision": row.step.revision,
                "seq": row.seq,
                "chunk": shapes.shown(row.chunk),
                "at": row.at,
            }
            for row in rows.order_by("pk")[:_PAGE]
        ]
        return Response({"after": pieces[-1]["id"] if pieces else after, "results": pieces})


class Timeline(Door):
    """Read what happened to a run, in sentences."""

    scopes = {"GET": "runs:read"}

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


def _after(request: Request) -> int:
    text = request.query_params.get("after", "0")
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= _LARGEST_ID):
        raise BadInput("after is the number that the last answer gave as `after`")
    return int(text)
