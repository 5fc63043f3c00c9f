"""Changing one byte of any record, or deleting one, is found and located; the triggers refuse it in the first place."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction

from hitl import audit, decisions
from hitl.audit import SYSTEM, Entry
from hitl.models import Approval, Run, triggers
from hitl.models.audit import AuditRecord, AuditStream

COLUMNS = ["stream", "seq", "prev_hash", "hash", "body", "at", "action", "actor", "subject"]


@pytest.fixture
def chain(waiting: Approval, bob: Any, work: Any) -> Run:
    """A finished run with its seven records, and a stream that is not a run's."""
    decisions.decide(waiting, actor=bob, verdict="approve", digest=waiting.digest, comment="fine")
    work()
    with transaction.atomic():
        entries = [Entry("hitl.policy.applied", SYSTEM, "policy:demo", {"version": n}) for n in (1, 2)]
        audit.append("policy:demo", entries)
    assert audit.verify().problems == []
    return Run.objects.get(pk=waiting.run_id)


@pytest.fixture
def unprotected(transactional_db: None) -> Any:
    """The triggers lifted, as somebody with the database's password could."""
    triggers.remove()
    yield
    triggers.install()


def flip(value: Any) -> Any:
    """The value with one byte changed."""
    if isinstance(value, int):
        return value + 1000
    if isinstance(value, str):
        return value[:-1] + ("x" if value[-1] != "x" else "y")
    if isinstance(value, bytes | memoryview):
        data = bytearray(bytes(value))
        if not data:
            return b"\1"
        data[len(data) // 2] ^= 1
        return bytes(data)
    return value.replace(microsecond=(value.microsecond + 1) % 1_000_000)


@pytest.mark.parametrize("column", COLUMNS)
def test_every_changed_column_is_found_and_located(column: str, unprotected: None, chain: Run) -> None:
    records = list(audit.records_of(chain.stream))
    assert len(records) == 7
    for record in records:
        was = getattr(record, column)
        AuditRecord.objects.filter(pk=record.pk).update(**{column: flip(was)})
        report = audit.verify()
        assert report.code == 1
        found = {(problem.stream, problem.seq) for problem in report.problems}
        assert (chain.stream, record.seq) in found, (column, record.seq, report.problems)
        AuditRecord.objects.filter(pk=record.pk).update(**{column: was})
    triggers.install()
    assert audit.verify().code == 0


def test_every_byte_of_a_body_counts(unprotected: None, chain: Run) -> None:
    record = audit.records_of(chain.stream)[3]
    body = bytes(record.body)
    for position in range(len(body)):
        changed = bytearray(body)
        changed[position] ^= 0x20
        AuditRecord.objects.filter(pk=record.pk).update(body=bytes(changed))
        problems = audit.verify(chain.pk).problems
        assert any(problem.seq == record.seq for problem in problems), position


@pytest.mark.parametrize("seq", range(1, 8))
def test_a_deleted_record_is_missed(seq: int, unprotected: None, chain: Run) -> None:
    AuditRecord.objects.filter(stream=chain.stream, seq=seq).delete()
    problems = audit.verify(chain.pk).problems
    assert (chain.stream, seq) in {(problem.stream, problem.seq) for problem in problems}
    assert any("missing" in problem.what for problem in problems)


def test_a_deleted_stream_is_missed(unprotected: None, chain: Run) -> None:
    AuditRecord.objects.filter(stream=chain.stream).delete()
    assert [str(p) for p in audit.verify().problems] == [f"{chain.stream} record 1: all 7 records are missing"]
    AuditRecord.objects.filter(stream="policy:demo").delete()
    assert len(audit.verify().problems) == 2


def test_a_rewritten_tail_does_not_fit_the_head(unprotected: None, chain: Run) -> None:
    last = audit.records_of(chain.stream).last()
    AuditRecord.objects.filter(pk=last.pk).delete()
    entry = Entry("hitl.run.cancelled", SYSTEM, "run", {"why": "never happened"})
    forged, _, _ = audit.seal(chain.stream, last.seq - 1, bytes(last.prev_hash), last.at, [entry])
    AuditRecord.objects.bulk_create(forged)
    assert [problem.seq for problem in audit.verify(chain.pk).problems] == [7]


def test_swapped_records_are_found(unprotected: None, chain: Run) -> None:
    first, second = audit.records_of(chain.stream)[2:4]
    for record, seq in ((first, 1000), (second, 3), (first, 4)):
        AuditRecord.objects.filter(pk=record.pk).update(seq=seq)
    assert {problem.seq for problem in audit.verify(chain.pk).problems} >= {3, 4}


def test_a_moved_head_is_found(chain: Run) -> None:
    Run.objects.filter(pk=chain.pk).update(audit_seq=9)
    assert "the head says 9" in str(audit.verify(chain.pk).problems[0])
    Run.objects.filter(pk=chain.pk).update(audit_seq=7, audit_hash=b"\0" * 32)
    assert "another record" in str(audit.verify(chain.pk).problems[0])
    AuditStream.objects.update(seq=1)
    assert any(problem.stream == "policy:demo" for problem in audit.verify().problems)


def test_records_without_a_run_are_found(chain: Run) -> None:
    entry = Entry("hitl.run.started", SYSTEM, "run", {})
    forged, _, _ = audit.seal("run:01a1f863-9e38-7d5f-9cba-8408e9377f0d", 0, b"", chain.created_at, [entry])
    AuditRecord.objects.bulk_create(forged)
    assert "its run or row is missing" in str(audit.verify().problems[0])


def refused(statement: str, params: list[Any]) -> None:
    told = pytest.raises(DatabaseError, match=r"append-only|UNIQUE|unique")
    with told, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, params)


def test_the_triggers_refuse_every_change(chain: Run) -> None:
    record = audit.records_of(chain.stream).first()
    refused("UPDATE hitl_auditrecord SET action = 'x' WHERE id = %s", [record.pk])
    refused("DELETE FROM hitl_auditrecord WHERE id = %s", [record.pk])
    with pytest.raises(DatabaseError), transaction.atomic():
        record.delete()
    columns = "id, stream, seq, prev_hash, hash, body, at, action, actor, subject"
    values = [record.pk, "other", 1, b"", b"", b"", record.at.isoformat(), "x", "x", "x"]
    places = ", ".join(["%s"] * len(values))
    if connection.vendor == "postgresql":
        refused("TRUNCATE hitl_auditrecord", [])
        statement = (
            f"INSERT INTO hitl_auditrecord ({columns}) VALUES ({places}) ON CONFLICT (id) DO UPDATE SET action = 'y'"
        )
        refused(statement, values)
    else:
        refused(f"INSERT OR REPLACE INTO hitl_auditrecord ({columns}) VALUES ({places})", values)
        refused(f"REPLACE INTO hitl_auditrecord ({columns}) VALUES ({places})", [None, chain.stream, 1, *values[3:]])
    assert audit.verify().code == 0


def test_missing_triggers_are_reported_and_migrate_brings_them_back(unprotected: None, chain: Run) -> None:
    report = audit.verify()
    assert (report.code, report.unprotected) == (2, ["hitl_auditrecord"])
    call_command("migrate", "hitl", verbosity=0)
    assert audit.verify().code == 0


def test_an_unregistered_action_is_an_error() -> None:
    with pytest.raises(KeyError, match=r"add it to hitl/audit/actions\.py"):
        audit.seal("x", 0, b"", None, [Entry("hitl.made.up", SYSTEM, "run")])  # type: ignore[arg-type]


def test_the_command_says_what_differs(unprotected: None, chain: Run, capsys: pytest.CaptureFixture[str]) -> None:
    record = audit.records_of(chain.stream)[1]
    AuditRecord.objects.filter(pk=record.pk).update(actor="user:999")
    with pytest.raises(SystemExit) as end:
        call_command("hitl", "audit", "verify", "--run", str(chain.pk))
    assert end.value.code == 1
    told = capsys.readouterr().out
    assert f"tampered: {chain.stream} record 2: its column actor differs from its body" in told
    assert "audit: NOT verified (7 records in 1 streams)" in told
