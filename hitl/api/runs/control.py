"""What may be done to runs."""

from __future__ import annotations

import uuid

from rest_framework.request import Request
from rest_framework.response import Response

from hitl import engine
from hitl.api.door import Door, read
from hitl.api.openapi.says import Says
from hitl.api.shapes import answers as shapes
from hitl.api.shapes import bodies
from hitl.api.shapes import told_runs as told
from hitl.engine.reads import find_controlled, runs_of
from hitl.exceptions import BadInput, NotAllowed, UnknownStep
from hitl.models import ApiKey, Run, Step

_PAGE = 200
_LARGEST_ID = 2**63 - 1


class Cancel(Door):
    """End a run."""

    scopes = {"POST": "runs:control"}
    says = {"POST": Says(told.RunDetail, body=bodies.Because, errors="unknown_run not_allowed run_ended")}

    def post(self, request: Request, pk: uuid.UUID) -> Response:
        """200 with the run as it ended."""
        run = find_controlled(request.user, pk)
        given = read(bodies.Because, request)
        engine.cancel(run, actor=request.user, reason=given["reason"])
        return run_answer(run.pk)


class Retry(Door):
    """Try a run again that ended badly."""

    scopes = {"POST": "runs:control"}
    says = {"POST": Says(told.RunDetail, 201, errors="unknown_run not_allowed")}

    def post(self, request: Request, pk: uuid.UUID) -> Response:
        """201 with the new run."""
        run = find_controlled(request.user, pk)
        read(bodies.Nothing, request)
        return run_answer(engine.retry(run, actor=request.user).pk, status=201)


class Fork(Door):
    """Begin a new run at a step of this one."""

    scopes = {"POST": "runs:control"}
    says = {"POST": Says(told.RunDetail, 201, bodies.ForkRun, "unknown_run unknown_step not_allowed invalid_action")}

    def post(self, request: Request, pk: uuid.UUID) -> Response:
        """201 with the new run."""
        run = find_controlled(request.user, pk)
        given = read(bodies.ForkRun, request)
        made = engine.fork(run, given["step"], actor=request.user, patch=given["patch"])
        return run_answer(made.pk, status=201)


class Resolve(Door):
    """Say what became of an uncertain step. Operators only: `runs:control` lets a key come so far to be told so."""

    scopes = {"POST": "runs:control"}
    says = {"POST": Says(told.RunDetail, body=bodies.ResolveStep, errors="unknown_step not_allowed invalid_action")}

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
        return run_answer(step.run_id)


def run_answer(pk: uuid.UUID, *, status: int = 200) -> Response:
    """A run as it is now."""
    return Response(shapes.RunDetail(Run.objects.select_related("workflow").get(pk=pk)).data, status=status)
