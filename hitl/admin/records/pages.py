"""The list of audit records and their verification, for operators; evidence of one run, for all who may see it."""

from __future__ import annotations

import csv
import io
import uuid
from collections.abc import Iterator
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _
from django.utils.translation import override
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from hitl import clock
from hitl.admin.records.forms import RecordFilter
from hitl.admin.site import render
from hitl.audit import evidence, reading
from hitl.audit.evidence import sentence_of
from hitl.engine.reads import find_run
from hitl.exceptions import UnknownRun
from hitl.models.audit import AuditRecord
from hitl.policies.acts import is_operator

_PAGE = 100
_MOST = 50_000


@never_cache
@require_safe
def records_view(request: HttpRequest) -> HttpResponse:
    """A page of all records, the newest first, narrowed by what the query string says."""
    _operators_only(request)
    form = RecordFilter(request.GET)
    rows, only = form.found(_PAGE + 1) if form.is_valid() else ([], 0)
    query = request.GET.copy()
    if len(rows) > _PAGE:
        query["before"] = str(rows[_PAGE - 1].pk)
    context = {
        "title": _("Audit"),
        "form": form,
        "narrowed": any(form[name].value() for name in form.fields if name != "before"),
        "rows": [_shown(row) for row in rows[:_PAGE]],
        "beyond": query.urlencode() if len(rows) > _PAGE else "",
        "only": only,
    }
    return render(request, "hitl/review/records.html", context, section="audit", status=200 if form.is_valid() else 422)


@never_cache
@require_safe
def verify_view(request: HttpRequest) -> HttpResponse:
    """What verification says of one stream, or of all while they are few enough."""
    _operators_only(request)
    stream = request.GET.get("stream", "").strip()
    known = not stream or ("\0" not in stream and reading.has_stream(stream))
    large = known and reading.more_than(_MOST, stream or None)
    context = {
        "title": _("Is the record whole?"),
        "stream": stream,
        "known": known,
        "large": large,
        "most": _MOST,
        "report": reading.verify_live(stream or None) if known and not large else None,
        "now": clock.now(),
    }
    return render(request, "hitl/review/verify.html", context, section="audit", status=200 if known else 404)


@never_cache
@require_safe
def evidence_view(request: HttpRequest, pk: uuid.UUID, kind: str) -> HttpResponseBase:
    """The records of a run to take away, as JSON with the hashed bytes or as a table; in English, whoever asks."""
    try:
        run = find_run(request.user, pk)
    except UnknownRun as error:
        raise Http404 from error
    now = clock.now()
    name = f"evidence-{run.pk}.{kind}"
    answer: HttpResponseBase
    if kind == "json":
        answer = JsonResponse(evidence.evidence(run.stream, at=now), json_dumps_params={"indent": 1})
    else:
        answer = StreamingHttpResponse(_table(run.stream), content_type="text/csv; charset=utf-8")
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _shown(record: AuditRecord) -> dict[str, Any]:
    """A record with its sentence; without one where its body cannot be read."""
    run = record.stream.removeprefix("run:") if record.stream.startswith("run:") else ""
    return {"row": record, "text": sentence_of(record), "run": run, "hash": bytes(record.hash).hex()[:8]}


def _table(stream: str) -> Iterator[str]:
    """The lines of the table as text; its sentences are made one by one, so the language is held for each."""
    rows = evidence.rows(stream)
    while True:
        with override("en"):
            row = next(rows, None)
        if row is None:
            return
        line = io.StringIO()
        csv.writer(line).writerow(row)
        yield line.getvalue()


def _operators_only(request: HttpRequest) -> None:
    if not is_operator(request.user):
        raise Http404


def urls(wrap: Any) -> list[URLPattern]:
    """The addresses of these pages."""
    return [
        path("audit/", wrap(records_view), name="records"),
        path("audit/verify/", wrap(verify_view), name="verify"),
        path("audit/runs/<uuid:pk>/evidence.json", wrap(evidence_view), {"kind": "json"}, name="evidence"),
        path("audit/runs/<uuid:pk>/evidence.csv", wrap(evidence_view), {"kind": "csv"}, name="evidence_table"),
    ]
