"""The proof over HTTP: a run's chain for who may see the run, everything for operators, and whether it is whole."""

from __future__ import annotations

import uuid
from typing import Any

from django.db.models import QuerySet
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.response import Response

from hitl import audit
from hitl.api import filters
from hitl.api.door import Door
from hitl.api.openapi.says import More, Page, Says
from hitl.api.pagination import Numbered
from hitl.api.shapes.records import RecordShape, ReportShape
from hitl.audit import reading
from hitl.engine.reads import find_run
from hitl.exceptions import NotAllowed, NotFound, TooLarge
from hitl.policies import REASONS
from hitl.policies.acts import is_operator

_PAGE = 200
MOST_RECORDS = 50_000
_AFTER = {"after": filters.number("The number of the last record you have.")}
_STREAM = {"stream": filters.text("One stream, such as `run:…`, `policy:refunds` or `system`.", "stream")}


class RunAudit(Door):
    """Read the audit chain of a run."""

    scopes = {"GET": "runs:read"}
    says = {"GET": Says(More(RecordShape), query="after", errors="unknown_run")}

    def get(self, request: Request, pk: uuid.UUID) -> Response:
        """The records after `?after=`, the oldest first; `after` of the answer is what to ask with next."""
        run = find_run(request.user, pk)
        after = filters.given(request, _AFTER).get("after", 0)
        rows: Any = list(audit.records_of(run.stream).filter(seq__gt=after)[:_PAGE])
        found = RecordShape(rows, many=True).data
        return Response({"after": rows[-1].seq if rows else after, "results": found})


class Latest(Numbered):
    """The newest first, of rows that are numbered."""

    ordering = "-id"


class Audit(Door, generics.ListAPIView[Any]):
    """Read all audit records. Operators only: `runs:read` lets a key come so far that it is told so."""

    scopes = {"GET": "runs:read"}
    says = {"GET": Says(Page(RecordShape), errors="not_allowed")}
    serializer_class = RecordShape
    pagination_class = Latest
    filter_backends = [filters.QueryFilters]
    filters = {
        **_STREAM,
        "action": filters.text("An action, such as `hitl.run.started`.", "action"),
        "actor": filters.text("Who did it: `user:…`, `key:…` or `system`.", "actor"),
        "since": filters.moment("Then or later.", "at__gte"),
    }

    def get_queryset(self) -> QuerySet[Any]:
        """All of them."""
        _operators_only(self.request)
        return reading.all_records()


class Verify(Door):
    """Check that the audit is whole. Operators only: `runs:read` lets a key come so far that it is told so."""

    scopes = {"GET": "runs:read"}
    says = {"GET": Says(ReportShape, query="stream", errors="not_allowed not_found too_large")}

    def get(self, request: Request) -> Response:
        """What was found in the stream that `?stream=` names, or in all of them while they are few enough."""
        _operators_only(request)
        stream = filters.given(request, _STREAM).get("stream")
        if stream is not None and not reading.has_stream(stream):
            raise NotFound("there is no such stream")
        if reading.more_than(MOST_RECORDS, stream):
            told = f"more than {MOST_RECORDS} records: name a stream, or run `manage.py hitl audit verify`"
            raise TooLarge(told, limit=MOST_RECORDS)
        return Response(ReportShape(reading.verify_live(stream)).data)


def _operators_only(request: Request) -> None:
    if not is_operator(request.user):
        raise NotAllowed(REASONS["not_operator"], reason="not_operator")
