"""What a run publishes, set from outside as well."""

from __future__ import annotations

import uuid

from rest_framework.request import Request
from rest_framework.response import Response

from hitl.api.door import read
from hitl.api.openapi.says import Says
from hitl.api.runs.output import OneEvent
from hitl.api.shapes import told_runs as told
from hitl.api.shapes.records import SetEvent
from hitl.definition.action import shown
from hitl.engine import outside
from hitl.engine.reads import find_controlled


class RunEvent(OneEvent):
    """Read what a run published under a key, and publish it for the run."""

    scopes = {"GET": "runs:read", "PUT": "runs:control"}
    says = {
        **OneEvent.says,
        "PUT": Says(
            told.Event,
            body=SetEvent,
            errors="unknown_run not_allowed run_ended invalid_action",
            summary="Publish a value for a run",
        ),
    }

    def put(self, request: Request, pk: uuid.UUID, key: str) -> Response:
        """200 with the value as it is kept. The same again changes nothing; a run that has ended publishes no more."""
        run = find_controlled(request.user, pk)
        row = outside.publish(run.pk, key, read(SetEvent, request)["value"])
        return Response({"key": row.key, "value": shown(row.value), "at": row.at})
