"""All hand-written SQL of the hot path, on both databases. Everything that is not hot uses the ORM.

A transition is: lock the run, read its steps together with the database's clock, and `driver.write` everything that
changes at once.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from hitl.models.approvals import Approval, Decision
from hitl.models.driver import as_datetime, execute, loader, now_sql, on_postgres, uuid_param, write
from hitl.models.messages import Event, StreamChunk
from hitl.models.runs import Result, Run, Step

__all__ = ["write"]

SLIM = (
    "id", "run", "name", "kind", "status", "guarded", "revision", "spec", "parent", "attempt", "iteration", "queue",
    "ready_at", "wake_at", "parked_at", "waited", "waiting_for", "lease_token", "lease_expires_at",
    "started_at", "instructions",
)  # fmt: skip


def lock_run(run_id: uuid.UUID, *, skip_locked: bool = False) -> Run | None:
    """Lock one run until the transaction ends; None when there is none, or it is locked and `skip_locked` is set."""
    columns, load = loader(Run)
    lock = _for_update() + (" SKIP LOCKED" if skip_locked and on_postgres() else "")
    rows = execute(f"SELECT {columns} FROM hitl_run WHERE id = %s{lock}", [uuid_param(run_id)])  # noqa: S608
    return load(rows[0]) if rows else None


def steps_and_clock(run_id: uuid.UUID) -> tuple[list[Step], datetime]:
    """The run's steps without their payloads, and the database's clock: a statement of its own after the lock, since
    a clock read by the locking statement is older than the wait for the lock."""
    columns, load = loader(Step, SLIM)
    now, params = now_sql()
    rows = execute(
        f"SELECT {now}, {columns} FROM hitl_step WHERE run_id = %s",  # noqa: S608
        [*params, uuid_param(run_id)],
    )
    if not rows:
        return [], database_clock()
    return [load(row[1:]) for row in rows], as_datetime(rows[0][0])


def database_clock() -> datetime:
    """What time the database says it is."""
    now, params = now_sql()
    return as_datetime(execute(f"SELECT {now}", params)[0][0])


def claim_step(step_id: uuid.UUID, token: uuid.UUID, lease: timedelta, freezes: Iterable[str]) -> Step | None:
    """Make one ready step running under a fresh lease, or None when somebody else was first, or a freeze covers it.

    Takes no run lock. The commit is asynchronous: losing it only means that the step is still ready.
    """
    columns, load = loader(Step)
    until, params = now_sql(lease)
    started, more = now_sql()
    covers = list(freezes)
    lazily = ", set_config('synchronous_commit', 'off', true)" if on_postgres() else ""
    rows = execute(
        f"UPDATE hitl_step SET status = 'running', lease_token = %s, lease_expires_at = {until}, "  # noqa: S608
        f"started_at = COALESCE(started_at, {started}) "
        "WHERE id = %s AND status = 'ready' AND NOT guarded AND NOT EXISTS (SELECT 1 FROM hitl_freeze "
        f"WHERE lifted_at IS NULL AND target IN ({', '.join(['%s'] * len(covers))})) RETURNING {columns}{lazily}",
        [uuid_param(token), *params, *more, uuid_param(step_id), *covers],
    )
    return load(rows[0][: -1 if lazily else None]) if rows else None


def be_patient(milliseconds: int) -> None:
    """For the rest of this transaction, wait no longer than so for a lock (0: as long as it takes). SQLite has one
    writer at a time, and its own patience."""
    if on_postgres():
        execute("SELECT set_config('lock_timeout', %s, true)", [str(milliseconds)])


def was_busy(error: Exception) -> bool:
    """Whether a statement failed because somebody else held a lock for too long."""
    return getattr(error.__cause__, "sqlstate", "") == "55P03" if on_postgres() else "locked" in str(error)


def hold_freezes(*, shared: bool = False) -> None:
    """Freezes and claims of protected steps one after the other, so that nothing starts after a freeze that did not see
    it; claims do not wait for each other. SQLite has one writer at a time anyway."""
    if on_postgres():
        execute(f"SELECT pg_advisory_xact_lock{'_shared' if shared else ''}(4404)")


def is_frozen(freezes: Iterable[str]) -> bool:
    """Whether one of these freezes stands."""
    covers = list(freezes)
    places = ", ".join(["%s"] * len(covers))
    return bool(
        execute(f"SELECT 1 FROM hitl_freeze WHERE lifted_at IS NULL AND target IN ({places}) LIMIT 1", covers)  # noqa: S608
    )


def renew_leases(tokens: Iterable[uuid.UUID], lease: timedelta) -> int:
    """Prolong all leases of a process at once; returns how many still hold."""
    held = [uuid_param(token) for token in tokens]
    if not held:
        return 0
    until, params = now_sql(lease)
    places = ", ".join(["%s"] * len(held))
    return len(
        execute(
            f"UPDATE hitl_step SET lease_expires_at = {until} "  # noqa: S608
            f"WHERE status = 'running' AND lease_token IN ({places}) RETURNING id",
            [*params, *held],
        )
    )


def save_result(step: Step, key: str, value: Any) -> bool:
    """Remember what `once` returned, if the lease still holds; locks only the step, and costs one commit."""
    now, params = now_sql()
    field = Result._meta.get_field("value")
    lock = " FOR UPDATE" if on_postgres() else ""
    rows = execute(
        "INSERT INTO hitl_result (step_id, iteration, key, value, created_at) "  # noqa: S608
        f"SELECT id, iteration, %s, %s, {now} FROM hitl_step "
        f"WHERE id = %s AND lease_token = %s AND status = 'running'{lock} RETURNING id",
        [key, field.get_db_prep_save(value, connection), *params, uuid_param(step.id), uuid_param(step.lease_token)],
    )
    return bool(rows)


def save_checkpoint(step: Step, data: Any) -> bool:
    """Keep a handler's data, if the lease still holds."""
    value = Step._meta.get_field("checkpoint").get_db_prep_save(data, connection)
    return _held("UPDATE hitl_step SET checkpoint = %s WHERE {held} RETURNING id", [value], step)


def save_event(step: Step, key: str, value: Any) -> bool:
    """Publish the latest value of a key, if the lease still holds."""
    now, params = now_sql()
    value = Event._meta.get_field("value").get_db_prep_save(value, connection)
    return _held(
        f"INSERT INTO hitl_event (run_id, key, value, at) SELECT run_id, %s, %s, {now} FROM hitl_step "  # noqa: S608
        "WHERE {held} ON CONFLICT (run_id, key) DO UPDATE SET value = excluded.value, at = excluded.at RETURNING id",
        [key, value, *params],
        step,
    )


def save_chunk(step: Step, seq: int, chunk: Any) -> bool:
    """Append a piece of output, if the lease still holds."""
    now, params = now_sql()
    value = StreamChunk._meta.get_field("chunk").get_db_prep_save(chunk, connection)
    return _held(
        "INSERT INTO hitl_streamchunk (run_id, step_id, seq, chunk, at) "  # noqa: S608
        f"SELECT run_id, id, %s, %s, {now} FROM hitl_step WHERE {{held}} RETURNING id",
        [seq, value, *params],
        step,
    )


def _held(text: str, params: list[Any], step: Step) -> bool:
    held = "id = %s AND lease_token = %s AND status = 'running'"
    rows = execute(text.format(held=held), [*params, uuid_param(step.id), uuid_param(step.lease_token)])
    return bool(rows)


def ready_steps(queue: str, limit: int) -> list[tuple[Any, ...]]:
    """Steps that look ready on a queue, the longest waiting first: id, run, name, workflow, guarded, entered before,
    a planned step's own spec, and who started the run. What is frozen is left out: it must hide nothing behind it."""
    now, params = now_sql(stable=True)
    same_run = "f.target = 'run:' || r.id::text" if on_postgres() else "replace(f.target, '-', '') = 'run:' || r.id"
    rows = execute(
        "SELECT s.id, s.run_id, s.name, r.workflow_id, s.guarded, s.started_at IS NOT NULL, s.spec, r.principal "  # noqa: S608
        "FROM hitl_step s JOIN hitl_run r ON r.id = s.run_id JOIN hitl_workflow w ON w.id = r.workflow_id "
        f"WHERE s.status = 'ready' AND s.queue = %s AND s.ready_at <= {now} "
        "AND NOT EXISTS (SELECT 1 FROM hitl_freeze f WHERE f.lifted_at IS NULL AND (f.target = 'all' "
        f"OR f.target = 'workflow:' || w.name OR f.target = r.principal OR {same_run})) "
        "ORDER BY s.ready_at LIMIT %s",
        [queue, *params, limit],
    )
    return [
        (_id(row[0]), _id(row[1]), row[2], row[3], bool(row[4]), bool(row[5]), row[6] and json.loads(row[6]), row[7])
        for row in rows
    ]


def read_run(run_id: uuid.UUID) -> Run:
    """One run without a lock, by an id that exists."""
    columns, load = loader(Run)
    return load(execute(f"SELECT {columns} FROM hitl_run WHERE id = %s", [uuid_param(run_id)])[0])  # noqa: S608


def run_of_approval(approval_id: uuid.UUID) -> uuid.UUID | None:
    """The run a request belongs to."""
    rows = execute("SELECT run_id FROM hitl_approval WHERE id = %s", [uuid_param(approval_id)])
    return _id(rows[0][0]) if rows else None


def lock_approval(approval_id: uuid.UUID) -> Approval:
    """Lock one request, after its run; by an id that exists."""
    columns, load = loader(Approval)
    rows = execute(
        f"SELECT {columns} FROM hitl_approval WHERE id = %s{_for_update()}",  # noqa: S608
        [uuid_param(approval_id)],
    )
    return load(rows[0])


def lock_approvals(run_id: uuid.UUID, step_ids: Iterable[uuid.UUID]) -> list[Approval]:
    """Lock the requests of some steps, after their run; the oldest revision first."""
    columns, load = loader(Approval)
    ids = [uuid_param(step) for step in step_ids]
    rows = execute(
        f"SELECT {columns} FROM hitl_approval WHERE run_id = %s "  # noqa: S608
        f"AND step_id IN ({', '.join(['%s'] * len(ids))}) ORDER BY revision{_for_update()}",
        [uuid_param(run_id), *ids],
    )
    return [load(row) for row in rows]


def votes_of(approval_id: uuid.UUID) -> list[Decision]:
    """The decisions on one request that stand."""
    columns, load = loader(Decision)
    rows = execute(
        f"SELECT {columns} FROM hitl_decision WHERE approval_id = %s AND withdrawn_at IS NULL",  # noqa: S608
        [uuid_param(approval_id)],
    )
    return [load(row) for row in rows]


def _for_update() -> str:
    # No key is ever changed: rows that point to these may be written meanwhile, and delivery waits for no decision.
    return " FOR NO KEY UPDATE" if on_postgres() else ""


def _id(value: Any) -> uuid.UUID:
    return value if isinstance(value, uuid.UUID) else uuid.UUID(value)
