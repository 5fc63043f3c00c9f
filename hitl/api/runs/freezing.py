"""Stopping a run where it is, and letting it go on."""

from __future__ import annotations

import uuid
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from hitl import engine
from hitl.api.door import Door, read
from hitl.api.openapi.says import Says
from hitl.api.shapes import bodies
from hitl.api.shapes import told_runs as told
from hitl.engine.claim import freezes_over
from hitl.engine.reads import find_controlled
from hitl.models import Freeze, Run
from hitl.policies.acts import is_operator


class FreezeRun(Door):
    """Let nothing of a run start any more."""

    scopes = {"POST": "runs:control"}
    says = {"POST": Says(told.Frozen, body=bodies.Because, errors="unknown_run not_allowed")}

    def post(self, request: Request, pk: uuid.UUID) -> Response:
        """200: it is frozen. What runs already goes on, and so do deadlines."""
        run = find_controlled(request.user, pk)
        given = read(bodies.Because, request)
        running = engine.freeze(f"run:{run.pk}", actor=request.user, reason=given["reason"])
        return _stands(run, [step.name for step in running])


class UnfreezeRun(Door):
    """Let a run go on."""

    scopes = {"POST": "runs:control"}
    says = {"POST": Says(told.Frozen, errors="unknown_run not_allowed")}

    def post(self, request: Request, pk: uuid.UUID) -> Response:
        """200: the freeze of this run is lifted, if there was one. Those of everything, of its workflow and of who
        started it stay."""
        run = find_controlled(request.user, pk)
        read(bodies.Nothing, request)
        engine.unfreeze(f"run:{run.pk}", actor=request.user, own=not is_operator(request.user))
        return _stands(run, [])


def _stands(run: Run, running: list[str]) -> Response:
    """Which freezes cover the run now, and which of its steps were in flight."""
    targets = freezes_over(run.workflow.name, run.pk, run.principal)
    rows = Freeze.objects.filter(target__in=targets, lifted_at=None).order_by("at", "id")
    found: list[dict[str, Any]] = [{"target": row.target, "reason": row.reason, "at": row.at} for row in rows]
    return Response({"run": str(run.pk), "frozen": bool(found), "freezes": found, "running": running})
