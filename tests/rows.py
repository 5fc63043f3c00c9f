"""What a test compares to say that nothing was written: every row of every table, and every mail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.apps import apps
from django.core import mail

from hitl.models.audit import AuditRecord

Table = dict[Any, dict[str, Any]]

# An audit line moves the head of its chain, a key remembers when it was last used, and signing in leaves a session.
_MOVED = {"hitl.run": {"audit_seq", "audit_hash"}, "hitl.apikey": {"last_used_at"}, "auth.user": {"last_login"}}
_PROOF = ("hitl.auditrecord", "hitl.auditstream", "sessions.session")


def snapshot(*, proof: bool = True) -> dict[str, Table]:
    """All rows of all tables; without `proof` sessions, audit records and the heads of their chains are left out."""
    tables = {}
    for model in apps.get_models():
        label = model._meta.label_lower
        if not proof and label in _PROOF:
            continue
        left_out = set() if proof else _MOVED.get(label, set())
        tables[label] = {
            row[model._meta.pk.attname]: {name: _plain(value) for name, value in row.items() if name not in left_out}
            for row in model._default_manager.values()
        }
    return tables


@contextmanager
def nothing_written(*lines: str) -> Iterator[None]:
    """Inside the block no row changes and no mail leaves, but for audit records with exactly these names."""
    before, sent, last = snapshot(proof=not lines), len(mail.outbox), _last_record()
    yield
    assert snapshot(proof=not lines) == before
    assert len(mail.outbox) == sent
    records = AuditRecord.objects.filter(pk__gt=last).order_by("pk")
    assert tuple(records.values_list("action", flat=True)) == lines


def _last_record() -> int:
    return AuditRecord.objects.order_by("-pk").values_list("pk", flat=True).first() or 0


def _plain(value: Any) -> Any:
    return bytes(value) if isinstance(value, memoryview) else value
