"""Is the record whole? Recomputes every hash and compares every column with the body it was read from."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby

from hitl.audit.chain import digest
from hitl.definition.canonical import parse
from hitl.exceptions import NotCanonical
from hitl.models import Run, triggers
from hitl.models.audit import AuditRecord, AuditStream


@dataclass(frozen=True, slots=True)
class Problem:
    """Where the record is not whole: the stream, the number of the record, and what differs."""

    stream: str
    seq: int
    what: str

    def __str__(self) -> str:
        return f"{self.stream} record {self.seq}: {self.what}"


@dataclass(slots=True)
class Report:
    """What verify found. `unprotected` are audit tables whose append-only triggers are missing."""

    streams: int = 0
    records: int = 0
    problems: list[Problem] = field(default_factory=list)
    unprotected: list[str] = field(default_factory=list)

    @property
    def code(self) -> int:
        """Exit code: 0 intact, 1 tampered, 2 nothing wrong found but not everything could be checked."""
        if self.problems:
            return 1
        return 2 if self.unprotected or not self.records else 0


def verify(run_id: uuid.UUID | None = None) -> Report:
    """Check one run's chain, or all chains against the heads on their runs and streams."""
    report = Report(unprotected=triggers.missing())
    records = AuditRecord.objects.order_by("stream", "seq", "id")
    if run_id is not None:
        records = records.filter(stream=f"run:{run_id}")
    heads = dict(_heads(run_id))
    for stream, group in groupby(records.iterator(chunk_size=2000), key=lambda record: record.stream):
        report.streams += 1
        check_stream(report, stream, group, heads.pop(stream, None))
    for stream, (seq, _) in heads.items():
        if seq:
            report.problems.append(Problem(stream, 1, f"all {seq} records are missing"))
    return report


def _heads(run_id: uuid.UUID | None) -> Iterator[tuple[str, tuple[int, bytes]]]:
    runs = Run.objects.all() if run_id is None else Run.objects.filter(pk=run_id)
    for pk, seq, head in runs.values_list("pk", "audit_seq", "audit_hash").iterator(chunk_size=2000):
        yield f"run:{pk}", (seq, bytes(head))
    if run_id is None:
        for stream in AuditStream.objects.iterator():
            yield stream.stream, (stream.seq, bytes(stream.hash))


def check_stream(report: Report, stream: str, records: Iterable[AuditRecord], head: tuple[int, bytes] | None) -> None:
    """Check one stream's records, in their order, against each other and against its head, into the report."""
    seq, prev = 0, b""
    for record in records:
        report.records += 1
        expected = seq + 1
        if record.seq != expected:
            missing = f"record {expected} is missing" if record.seq > expected else "its number stands twice"
            report.problems.append(Problem(stream, min(record.seq, expected), missing))
        report.problems += [Problem(stream, record.seq, what) for what in _differences(record, prev)]
        seq, prev = record.seq, bytes(record.hash)
    if head is None:
        report.problems.append(Problem(stream, seq, "the stream has records but no head: its run or row is missing"))
    elif seq < head[0]:
        report.problems.append(
            Problem(stream, seq + 1, f"the records after {seq} are missing: the head says {head[0]}")
        )
    elif (seq, prev) != head:
        report.problems.append(Problem(stream, seq, f"the head on the run or stream names another record ({head[0]})"))


def _differences(record: AuditRecord, prev: bytes) -> Iterator[str]:
    body = bytes(record.body)
    if digest(body) != bytes(record.hash):
        yield "its hash is not that of its body"
    if bytes(record.prev_hash) != prev:
        yield "it does not follow the record before it (prev_hash)"
    try:
        told = parse(body, what="body")
        wrote = {
            "stream": told["stream"],
            "seq": told["seq"],
            "prev_hash": bytes.fromhex(told["prev"]),
            "at": datetime.fromisoformat(told["at"]),
            "action": told["action"],
            "actor": f"{told['actor']['kind']}:{told['actor']['id']}".rstrip(":"),
            "subject": told["subject"],
        }
    except (NotCanonical, KeyError, TypeError, ValueError, UnicodeDecodeError):
        yield "its body cannot be read"
        return
    for name, value in wrote.items():
        column = getattr(record, name)
        if (bytes(column) if isinstance(value, bytes) else column) != value:
            yield f"its column {name} differs from its body"
