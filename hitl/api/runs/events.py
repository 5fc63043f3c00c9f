"""What a run publishes, set from outside as well."""

from __future__ import annotations

import uuid

from rest_framework.request import Request
from rest_framework.response import Response

from hitl.api.door import read
from hitl.api.openapi.says import Says
from hitl.api.runs.control import find_controlled
from hitl.api.runs.output import OneEvent
from hitl.api.shapes import told_runs as told
from hitl.api.shapes.answers import shown
from hitl.api.shapes.records import SetEvent
from hitl.conf import conf
from hitl.definition import canonical
from hitl.definition.action import to_json
from hitl.exceptions import BadInput, RunEnded
from hitl.models import Event
from hitl.states import RUN_ENDS
from hitl.transitions import locked

_LONGEST_KEY = 200


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
        value = to_json(read(SetEvent, request)["value"])
        canonical(key, what="key")
        canonical(value, what=f"event {key!r}", limit=conf.MAX_PAYLOAD)
        if len(key) > _LONGEST_KEY:
            raise BadInput(f"a key has 1 to {_LONGEST_KEY} characters")
        with locked(run.pk) as t:  # so that it cannot end in between
            if t.run.status in RUN_ENDS:
                raise RunEnded(f"the run has {t.run.status}", status=t.run.status)
            row, made = Event.objects.get_or_create(run=t.run, key=key, defaults={"value": value, "at": t.now})
            if not made and row.value != value:
                row.value, row.at = value, t.now
                row.save(update_fields=["value", "at"])
        return Response({"key": row.key, "value": shown(row.value), "at": row.at})
