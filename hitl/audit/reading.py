"""The record as operators and auditors read it: all streams at once, one by itself, and whether it is whole while runs
go on."""

from __future__ import annotations

import uuid
from typing import Any

from django.db.models import QuerySet

from hitl.audit.chain import records_of
from hitl.audit.verify import Problem, Report, check_stream, verify
from hitl.definition.canonical import parse
from hitl.exceptions import NotCanonical
from hitl.models import Run, triggers
from hitl.models.audit import AuditRecord, AuditStream

_LOOKS = 3
_MOST_DOUBTFUL = 100


def all_records() -> QuerySet[AuditRecord]:
    """The records of all streams, to be narrowed."""
    return AuditRecord.objects.all()


def told(record: AuditRecord) -> dict[str, Any]:
    """A record with the members of its body, which is what the hash is taken of, and its hashes in hex. Where the body
    cannot be read `data` is None and the rest comes from the columns; verification reports it."""
    kind, _, pk = record.actor.partition(":")
    found: dict[str, Any] = {
        "stream": record.stream,
        "seq": record.seq,
        "at": record.at.isoformat(timespec="microseconds"),
        "action": record.action,
        "actor": {"kind": kind, "id": pk, "name": ""},
        "subject": record.subject,
        "data": None,
        "correlation": "",
    }
    try:
        body = parse(bytes(record.body), what="audit record")
        found = {name: body[name] for name in found}
    except (NotCanonical, KeyError, TypeError, UnicodeDecodeError):
        pass  # somebody changed it
    return {**found, "hash": bytes(record.hash).hex(), "prev_hash": bytes(record.prev_hash).hex()}


def last_actor(stream: str, action: str, subject: str) -> str:
    """Who did this to that last, as columns keep it; an empty text where nobody did."""
    rows = records_of(stream).filter(action=action, subject=subject)
    return rows.order_by("-seq").values_list("actor", flat=True).first() or ""


def has_stream(stream: str) -> bool:
    """Whether there are records of it, or a head that says there should be."""
    run = _run_of(stream)
    head = AuditStream.objects.filter(stream=stream) if run is None else Run.objects.filter(pk=run)
    return head.exists() or records_of(stream).exists()


def more_than(limit: int, stream: str | None = None) -> bool:
    """Whether there are more records than that, in one stream or in all; looks at no more of them."""
    rows = AuditRecord.objects.all() if stream is None else AuditRecord.objects.filter(stream=stream)
    return rows.order_by()[: limit + 1].count() > limit


def verify_live(stream: str | None = None) -> Report:
    """Verify one stream, or all, while they are written to: a chain may grow between reading its head and its records,
    so what looks wrong is looked at again before it is called a problem."""
    report = verify() if stream is None else _chain(stream)
    doubtful = sorted({problem.stream for problem in report.problems})
    if len(doubtful) <= _MOST_DOUBTFUL:
        report.problems = [problem for name in doubtful for problem in _settled(name)]
    return report


def _settled(stream: str) -> list[Problem]:
    problems: list[Problem] = []
    for _ in range(_LOOKS):
        problems = _chain(stream).problems
        if not problems:
            break
    return problems


def _chain(stream: str) -> Report:
    run = _run_of(stream)
    if run is not None:
        return verify(run)
    report = Report(streams=1, unprotected=triggers.missing())
    row = AuditStream.objects.filter(stream=stream).first()
    head = None if row is None else (row.seq, bytes(row.hash))
    check_stream(report, stream, records_of(stream).iterator(chunk_size=2000), head)
    return report


def _run_of(stream: str) -> uuid.UUID | None:
    """The run whose chain it is; None for another stream, also for one that only looks like a run's."""
    kind, _, pk = stream.partition(":")
    try:
        found = uuid.UUID(pk) if kind == "run" else None
    except ValueError:
        return None
    return found if f"run:{found}" == stream else None
