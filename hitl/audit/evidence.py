"""What somebody takes away of one stream: every record with its hash, and what verification says of them now."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from hitl.audit.actions import sentence
from hitl.audit.chain import records_of
from hitl.audit.reading import told, verify_live
from hitl.models.audit import AuditRecord

COLUMNS = ("seq", "at", "action", "actor", "sentence", "subject", "hash", "prev_hash", "data")
_STARTS = "=+-@＝＋－＠"
_BLANK = "\t\r\n "


def evidence(stream: str, *, at: datetime) -> dict[str, Any]:
    """The records of a stream, the oldest first, each with its body as it is hashed (hex), and the report on them."""
    report = verify_live(stream)
    records = [
        {**told(record), "body": bytes(record.body).hex()} for record in records_of(stream).iterator(chunk_size=2000)
    ]
    return {
        "format": "hitl.evidence.v1",
        "stream": stream,
        "exported_at": at.isoformat(timespec="microseconds"),
        "hash": "sha256(0x00 + 'hitl.audit.v1\\n' + body)",
        "verified": {
            "intact": report.code == 0,
            "records": report.records,
            "problems": [str(problem) for problem in report.problems],
            "unprotected_tables": report.unprotected,
        },
        "records": records,
    }


def rows(stream: str) -> Iterator[list[str]]:
    """The same as lines of a table, its head first; no cell can be taken for a formula."""
    yield list(COLUMNS)
    for record in records_of(stream).iterator(chunk_size=2000):
        found = told(record)
        words = {
            **found,
            "actor": f"{found['actor']['kind']}:{found['actor']['id']} {found['actor']['name']}".strip(),
            "sentence": sentence_of(record),
            "data": json.dumps(found["data"], ensure_ascii=False, sort_keys=True),
        }
        yield [inert(str(words[column])) for column in COLUMNS]


def sentence_of(record: AuditRecord) -> str:
    """The record in words; an empty text where its body cannot be read."""
    found = told(record)
    if found["data"] is None:
        return ""
    return sentence(found["action"], found["actor"]["name"], found["data"]).replace("*", "")


def inert(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula: one that begins like it gets an apostrophe before it."""
    return f"'{cell}" if cell.lstrip(_BLANK)[:1] in _STARTS and cell.strip(_BLANK) else cell
