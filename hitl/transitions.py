"""The one door: every change of a status goes through here, and nowhere else.

A transition locks one run, reads its steps and the database's clock after the lock, collects what changes, and writes
everything at its end: rows, audit records, notifications. After the commit it rings. Lock order, always:
parent run → run → step → approval → other audit streams. Never two runs in one transaction, except parent before child.

Who lost a race calls `refuse`: everything collected is dropped but one audit line, which commits; then the error is
raised. Only `claim_plain` changes a status without the run's lock: the losing side of it is `None`.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from django.db import models, transaction

from hitl import audit, dispatch, notices, states
from hitl.audit import SYSTEM, Actor, Entry
from hitl.conf import conf
from hitl.crashpoints import crashpoint
from hitl.definition import Definition, StepSpec
from hitl.definition.text import clean
from hitl.exceptions import HitlError, LeaseLost, RunBusy, UnknownRun, UnknownStep
from hitl.models import Approval, Notification, Run, Step, Workflow, people, sql
from hitl.states import StepStatus

_SINCE: dict[str, str] = {StepStatus.WAITING: "parked_at", StepStatus.READY: "ready_at"}
_INBOX = {"status", "stage", "expires_at"}
_MOVES: dict[type[models.Model], states.Moves] = {
    Run: states.RUN_MOVES,
    Step: states.STEP_MOVES,
    Approval: states.APPROVAL_MOVES,
    Notification: states.NOTIFICATION_MOVES,
}


class IllegalMove(AssertionError):
    """The code tried a move that `states` does not allow: a defect, never a user's mistake."""


class Transition:
    """One locked run and everything that is about to change with it. `now` is the database's clock."""

    def __init__(self, run: Run, steps: list[Step], now: datetime, *, created: bool = False) -> None:
        self.run = run
        self.now = now
        self.steps = latest(steps)
        self._added: list[models.Model] = [run, *steps] if created else []
        self._new = {id(row) for row in self._added}
        self._known = {(type(row), row.pk) for row in self._added}
        self._changed: dict[int, tuple[models.Model, set[str]]] = {}
        self._entries: list[Entry] = []
        self._told: list[tuple[Notification, str]] = []
        self._bells: set[str] = set()
        self.readied: list[Step] = []
        self.refusal: HitlError | None = None

    @property
    def definition(self) -> Definition:
        """The definition the run started with."""
        return definition_of(self.run.workflow_id)

    def step(self, name: str) -> Step:
        """The latest revision of a step; raises UnknownStep."""
        try:
            return self.steps[name]
        except KeyError:
            raise UnknownStep(f"run {self.run.pk} has no step {name!r}") from None

    def step_by_id(self, pk: uuid.UUID) -> Step | None:
        """The step with this id, if it is the latest revision of its name."""
        return next((step for step in self.steps.values() if step.pk == pk), None)

    @property
    def specs(self) -> list[StepSpec]:
        """Steps as they are meant: the definition's in their order, then planned ones that have not started. Reading
        those that have would make each step of a long plan dearer than the one before."""
        planned = [
            planned_spec(step.spec)
            for step in self.steps.values()
            if step.spec is not None and step.status == StepStatus.PENDING
        ]
        return [*self.definition.steps, *planned] if planned else list(self.definition.steps)

    def spec(self, step: Step) -> StepSpec:
        """What the definition, or for a planned step its plan, says of a step."""
        return self.definition.by_name[step.name] if step.spec is None else planned_spec(step.spec)

    def held(self, step: Step) -> Step:
        """The locked row of a step whose lease the caller holds; raises LeaseLost when somebody took it away."""
        row = self.steps.get(step.name)
        if row is None or row.pk != step.pk or row.lease_token != step.lease_token or row.lease_token is None:
            raise LeaseLost(f"the lease of {step} is lost: a later attempt, a cancel or the run's end took it")
        return row

    def move(self, row: models.Model, to: str, **fields: Any) -> None:
        """Change a status, and with it whatever belongs to the change."""
        source: str = row.status  # type: ignore[attr-defined]
        if not states.allowed(_MOVES[type(row)], source, to):
            raise IllegalMove(f"{row} may not go from {source} to {to}")
        if isinstance(row, Step):
            fields = {**self._step_fields(row, to), **fields}
        elif isinstance(row, Approval):
            fields.setdefault("decided_at", row.decided_at or self.now)
        elif isinstance(row, Run) and to in states.RUN_ENDS:
            fields.setdefault("ended_at", self.now)
        row.status = to  # type: ignore[attr-defined]
        self.set(row, **fields)
        if id(row) not in self._new:
            self._changed[id(row)][1].add("status")
        if to == StepStatus.READY and isinstance(row, Step):
            self.readied.append(row)
        if told := notices.of_end(self.run, row, to):
            self.tell(*told)

    def carry_over(self, step: Step, output: Any) -> None:
        """A forked run begins with what succeeded before: the row is new, so nothing moves that anybody saw."""
        step.status = StepStatus.SUCCEEDED
        self.set(step, output=output, ended_at=self.now)

    def lease(self, step: Step, lease: timedelta | None = None) -> None:
        """Move a step to running under a fresh lease; the caller holds the run's lock and commits synchronously."""
        self.move(
            step,
            StepStatus.RUNNING,
            lease_token=uuid.uuid4(),
            lease_expires_at=self.now + (lease or conf.LEASE),
            started_at=step.started_at or self.now,
        )

    def set(self, row: models.Model, **fields: Any) -> None:
        """Change columns that are no status."""
        for name, value in fields.items():
            setattr(row, name, value)
        self._known.add((type(row), row.pk))
        if id(row) not in self._new:
            self._changed.setdefault(id(row), (row, set()))[1].update(fields)

    def write_first(self, row: models.Model) -> None:
        """Write a changed row ahead of the rest: a unique index would see it and its successor in either order."""
        _, names = self._changed.pop(id(row))
        sql.write([], [(row, frozenset(names))], [people.show(row)] if isinstance(row, Approval) else [])

    def knows(self, row: models.Model) -> bool:
        """Whether this transition changes or adds the row already: what the database says of it is out of date."""
        return (type(row), row.pk) in self._known

    def add(self, *rows: models.Model) -> None:
        """Write new rows."""
        self._added += rows
        self._new.update(id(row) for row in rows)
        self.steps |= latest([*self.steps.values(), *(row for row in rows if isinstance(row, Step))])
        self._known.update((type(row), row.pk) for row in rows)

    def add_first(self, row: models.Model) -> None:
        """Write a new row at once, where what follows in this transition reads it."""
        sql.write([row], [])
        self._known.add((type(row), row.pk))

    def record(self, action: str, subject: str, *, actor: Actor = SYSTEM, **data: Any) -> None:
        """Put one line into the run's audit chain."""
        self._entries.append(Entry(action, actor, subject, data))

    def ring(self, queue: str) -> None:
        """Wake a worker of this queue after the commit."""
        self._bells.add(queue)

    def unring(self, queue: str) -> None:
        """No bell after all: the caller goes on with what became ready."""
        self._bells.discard(queue)

    def tell(self, notice: Notification, about: str) -> None:
        """Put a notice into the outbox, with who did it and the number of the record of `about`."""
        notice.created_at = notice.next_attempt_at = self.now
        self._told.append((notice, about))

    def refuse(
        self, error: HitlError, action: str, subject: str, *, actor: Actor, keep: bool = False, **data: Any
    ) -> None:
        """Lose: drop what was collected (unless `keep`: an expiry found on the way), record one line, raise later."""
        if not keep:
            self._added, self._changed, self._entries, self._told, self._bells = [], {}, [], [], set()
        self.record(action, subject, actor=actor, why=clean(error.message, 500), code=error.code, **data)
        self.refusal = error

    def flush(self) -> None:
        """Write everything at once: called by `locked` and `created` at their end."""
        if self._entries:
            records, self.run.audit_seq, self.run.audit_hash = audit.seal(
                self.run.stream, self.run.audit_seq, bytes(self.run.audit_hash), self.now, self._entries
            )
            self._added += records
            if id(self.run) not in self._new:
                self._changed.setdefault(id(self.run), (self.run, set()))[1].update(("audit_seq", "audit_hash"))
        for notice, about in self._told:
            self._added.append(notices.signed(notice, about, self._entries, self.run.audit_seq))
        if self._added or self._changed:
            changed = [(row, frozenset(names)) for row, names in self._changed.values()]
            # Inboxes follow the request: whoever moves it, its stage or its deadline moves it there as well.
            moved = [row for row, names in changed if isinstance(row, Approval) and names & _INBOX]
            sql.write(self._added, changed, [people.show(row, self._added) for row in moved])
        for queue in self._bells:
            dispatch.ring(queue)
        if self._told:
            dispatch.ring_delivery()

    def _step_fields(self, step: Step, to: str) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        if step.status == StepStatus.RUNNING:
            fields |= {"lease_token": None, "lease_expires_at": None}
            if step.parked_at is not None:  # nobody had its code before this worker
                fields |= {"parked_at": None, "waited": step.waited + (self.now - step.parked_at).total_seconds()}
        if step.status == StepStatus.WAITING:
            passed = (self.now - step.parked_at).total_seconds() if step.parked_at else 0
            fields |= {"wake_at": None, "waiting_for": "", "parked_at": None, "waited": step.waited + passed}
        column = "ended_at" if to in states.STEP_ENDS else _SINCE.get(to)
        return {**fields, column: self.now} if column else fields


@contextmanager
def locked(run_id: uuid.UUID | str, *, skip_locked: bool = False) -> Iterator[Transition]:
    """Lock a run for one transition. Raises UnknownRun, or with `skip_locked` RunBusy when somebody else holds it.

    The body only collects; leaving it writes, commits and rings. A refusal is raised after the commit.
    """
    with transaction.atomic():
        run = sql.lock_run(as_uuid(run_id), skip_locked=skip_locked)
        if run is None:
            raise RunBusy() if skip_locked else UnknownRun(f"there is no run {run_id}")
        steps, now = sql.steps_and_clock(run.pk)
        t = Transition(run, steps, now)
        yield t
        t.flush()
        crashpoint("before_commit")
    crashpoint("after_commit")
    if t.refusal is not None:
        raise t.refusal


@contextmanager
def created(run: Run, steps: list[Step]) -> Iterator[Transition]:
    """The first transition of a new run: nobody else can see it yet, so there is nothing to lock."""
    with transaction.atomic():
        t = Transition(run, steps, sql.database_clock(), created=True)
        run.created_at = t.now
        yield t
        t.flush()
        crashpoint("before_commit")
    crashpoint("after_commit")


def claim_plain(step_id: uuid.UUID, freezes: Iterable[str] = ("all",), lease: timedelta | None = None) -> Step | None:
    """Claim a step that needs no grant and may be repeated: one statement, no run lock, no record of its own (the
    outcome's record tells of the start). None: somebody else was first, it is not ready any more, or one of `freezes`
    stands."""
    return sql.claim_step(step_id, uuid.uuid4(), lease or conf.LEASE, freezes)


def move_notification(row: Notification, to: str, **fields: Any) -> bool:
    """Move a notification if it is still where we saw it; False when somebody else moved it first.

    Notifications belong to no run's chain, so they need no run lock: the row count decides.
    """
    if not states.allowed(states.NOTIFICATION_MOVES, row.status, to):
        raise IllegalMove(f"{row} may not go from {row.status} to {to}")
    moved = Notification.objects.filter(pk=row.pk, status=row.status).update(status=to, **fields)
    return moved == 1


def latest(steps: list[Step]) -> dict[str, Step]:
    """Steps by name, each in its highest revision."""
    found: dict[str, Step] = {}
    for step in steps:
        if step.name not in found or found[step.name].revision < step.revision:
            found[step.name] = step
    return found


@lru_cache(maxsize=1024)
def definition_of(workflow_id: int) -> Definition:
    """The definition of a Workflow row, which never changes."""
    return Workflow.objects.get(pk=workflow_id).definition


def planned_spec(value: Any) -> StepSpec:
    """The spec a planned step carries on its row."""
    return StepSpec.model_validate(value)


def as_uuid(value: uuid.UUID | str) -> uuid.UUID:
    """The id of a run; raises UnknownRun for what is none."""
    try:
        return value if isinstance(value, uuid.UUID) else uuid.UUID(str(value))
    except ValueError:
        raise UnknownRun(f"{value!r} is no run id") from None
