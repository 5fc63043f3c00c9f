"""What may be done to runs, and what they tell while they go on."""

from __future__ import annotations

import uuid
from typing import Any

from django.db.models import QuerySet
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.response import Response

from hitl import audit, decisions, engine
from hitl.api import bodies
from hitl.api import serializers as shapes
from hitl.api.pagination import Oldest
from hitl.api.views import Door, find_run, read, runs_of
from hitl.exceptions import BadInput, NotAllowed, NotFound, UnknownStep
from hitl.models import ApiKey, Event, Feedback, Run, Step, StreamChunk

_PAGE = 200
_LARGEST_ID = 2**63 - 1


class Cancel(Door):
    """End a run."""

    scopes = {"POST": "runs:control"}

    def post(self, request: Request, pk: uuid.UUID) -> Response:
        """200 with the run as it ended."""
        run = find_controlled(request.user, pk)
        given = read(bodies.Because, request)
        engine.cancel(run, actor=request.user, reason=given["reason"])
        return _run(run.pk)


class Retry(Door):
    """Try a run again that ended badly."""

    scopes = {"POST": "runs:control"}

    def post(self, request: Request, pk: uuid.UUID) -> Response:
        """201 with the new run."""
        run = find_controlled(request.user, pk)
        read(bodies.Nothing, request)
        return _run(engine.retry(run, actor=request.user).pk, status=201)


class Fork(Door):
    """Begin a new run at a step of this one."""

    scopes = {"POST": "runs:control"}

    def post(self, request: Request, pk: uuid.UUID) -> Response:
        """201 with the new run."""
        run = find_controlled(request.user, pk)
        given = read(bodies.ForkRun, request)
        made = engine.fork(run, given["step"], actor=request.user, patch=given["patch"])
        return _run(made.pk, status=201)


class Resolve(Door):
    """Say what became of an uncertain step. Operators only: `runs:control` lets a key come so far to be told so."""

    scopes = {"POST": "runs:control"}

    def post(self, request: Request, pk: uuid.UUID) -> Response:
        """200 with the run as it goes on."""
        step = Step.objects.filter(pk=pk, run__in=runs_of(request.user)).first()
        if step is None:
            raise UnknownStep(f"there is no step {pk} that you may see")
        if isinstance(request.user, ApiKey):
            raise NotAllowed("a person says what became of it, never a program", reason="agent")
        if not request.user.has_perm("hitl.operate"):
            raise NotAllowed("only operators say what became of a step", reason="not_operator")
        if Step.objects.filter(run=step.run_id, name=step.name, revision__gt=step.revision).exists():
            raise BadInput("this step was begun again since; look at its newest revision")
        given = read(bodies.ResolveStep, request)
        engine.resolve(step.run_id, step.name, actor=request.user, **given)
        return _run(step.run_id)


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


def find_controlled(who: Any, pk: uuid.UUID) -> Run:
    """A run this principal may act upon: a key's own, one's own, or any with the operator's permission.

    Raises UnknownRun for what it may not even see, NotAllowed for what it may only see.
    """
    run = find_run(who, pk)
    if not isinstance(who, ApiKey) and run.requester_id != who.pk and not who.has_perm("hitl.operate"):
        raise NotAllowed("only who asked for this run and operators may do that", reason="not_operator")
    return run


def _run(pk: uuid.UUID, *, status: int = 200) -> Response:
    return Response(shapes.RunDetail(Run.objects.select_related("workflow").get(pk=pk)).data, status=status)


def _after(request: Request) -> int:
    text = request.query_params.get("after", "0")
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= _LARGEST_ID):
        raise BadInput("after is the number that the last answer gave as `after`")
    return int(text)
