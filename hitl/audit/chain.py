"""The chain: every record names the hash of the one before it, and is written with what it tells.

`hash = SHA-256(0x00 ‖ "hitl.audit.v1\\n" ‖ body)`; the body is canonical JSON and holds stream, seq and the previous
hash. A run's head lives on its row, which every transition locks anyway, so chains cost no lock of their own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import models

from hitl.audit.actions import require
from hitl.audit.actors import Actor, current_correlation
from hitl.definition.canonical import canonical
from hitl.models import sql
from hitl.models.audit import AuditRecord, AuditStream

_TAG = b"\x00hitl.audit.v1\n"


@dataclass(frozen=True, slots=True)
class Entry:
    """What is to be recorded: an action, who did it, to what (`run`, `step:name`, `approval:id`), and details."""

    action: str
    actor: Actor
    subject: str
    data: dict[str, Any] = field(default_factory=dict)


def digest(body: bytes) -> bytes:
    """The hash of a record's body."""
    return hashlib.sha256(_TAG + body).digest()


def seal(
    stream: str, seq: int, head: bytes, at: datetime, entries: Sequence[Entry]
) -> tuple[list[AuditRecord], int, bytes]:
    """Chain entries onto a head: the records to insert, and the new head. The caller holds the head's lock."""
    records = []
    for entry in entries:
        seq += 1
        record = _record(stream, seq, head, at, entry)
        head = bytes(record.hash)
        records.append(record)
    return records, seq, head


def append(stream: str, entries: Sequence[Entry]) -> None:
    """Record in a stream that is not a run's, in the caller's transaction; locks the stream's head last."""
    AuditStream.objects.get_or_create(stream=stream)
    row = AuditStream.objects.select_for_update().get(stream=stream)
    records, row.seq, row.hash = seal(stream, row.seq, bytes(row.hash), sql.database_clock(), entries)
    AuditRecord.objects.bulk_create(records)
    row.save(update_fields=["seq", "hash"])


def hold(stream: str) -> None:
    """Lock the head of a stream that is not a run's, so that its writers come one after the other."""
    AuditStream.objects.get_or_create(stream=stream)
    AuditStream.objects.select_for_update().get(stream=stream)


def records_of(stream: str) -> models.QuerySet[AuditRecord]:
    """The records of one stream in their order."""
    return AuditRecord.objects.filter(stream=stream).order_by("seq")


def _record(stream: str, seq: int, prev: bytes, at: datetime, entry: Entry) -> AuditRecord:
    require(entry.action)
    body = canonical(
        {
            "stream": stream,
            "seq": seq,
            "prev": prev.hex(),
            "at": at.isoformat(timespec="microseconds"),
            "action": entry.action,
            "actor": {"kind": entry.actor.kind, "id": entry.actor.id, "name": entry.actor.name},
            "subject": entry.subject,
            "data": entry.data,
            "correlation": current_correlation(),
        },
        what="audit record",
    )
    return AuditRecord(
        stream=stream,
        seq=seq,
        prev_hash=prev,
        hash=digest(body),
        body=body,
        at=at,
        action=entry.action,
        actor=entry.actor.text,
        subject=entry.subject,
    )
