"""A chain as people read it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hitl.audit.actions import sentence
from hitl.audit.chain import records_of
from hitl.definition.canonical import parse


@dataclass(frozen=True, slots=True)
class Line:
    """One record: its number, time, sentence, action name, hash (hex) and details."""

    seq: int
    at: datetime
    text: str
    action: str
    actor: str
    hash: str
    data: dict[str, Any]


def timeline(stream: str) -> list[Line]:
    """The stream in sentences, the oldest first. Read from the bodies, which are what is proved."""
    lines = []
    for record in records_of(stream):
        body = parse(bytes(record.body), what="audit record")
        name = body["actor"]["name"]
        lines.append(
            Line(
                seq=record.seq,
                at=record.at,
                text=sentence(body["action"], name, body["data"]).replace("*", ""),
                action=body["action"],
                actor=name,
                hash=bytes(record.hash).hex(),
                data=body["data"],
            )
        )
    return lines
