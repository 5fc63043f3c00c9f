"""A chain as people read it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hitl.audit.actions import sentence
from hitl.audit.chain import records_of
from hitl.definition.canonical import parse
from hitl.models.audit import AuditRecord


@dataclass(frozen=True, slots=True)
class Line:
    """One record: its number, time, sentence, action name, hash (hex), details, and what it is about."""

    seq: int
    at: datetime
    text: str
    action: str
    actor: str
    hash: str
    data: dict[str, Any]
    subject: str = ""


def timeline(stream: str, *, after: int = 0, limit: int | None = None) -> list[Line]:
    """The stream in sentences, the oldest first: those after a number, at most `limit` of them. Read from the bodies,
    which are what is proved."""
    records = records_of(stream).filter(seq__gt=after) if after else records_of(stream)
    return [_line(record) for record in (records if limit is None else records[:limit])]


def timelines(streams: Iterable[str]) -> dict[str, list[Line]]:
    """Several streams at once; one without records is an empty list."""
    found: dict[str, list[Line]] = {stream: [] for stream in streams}
    for record in AuditRecord.objects.filter(stream__in=list(found)).order_by("stream", "seq"):
        found[record.stream].append(_line(record))
    return found


def _line(record: AuditRecord) -> Line:
    body = parse(bytes(record.body), what="audit record")
    name = body["actor"]["name"]
    return Line(
        seq=record.seq,
        at=record.at,
        text=sentence(body["action"], name, body["data"]).replace("*", ""),
        action=body["action"],
        actor=name,
        hash=bytes(record.hash).hex(),
        data=body["data"],
        subject=record.subject,
    )
