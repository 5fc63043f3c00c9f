"""Every principal, every operation, every status: what the door answers is what the design says, and what `explain`
said beforehand; a refusal writes one audit line and nothing else.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from django.core import mail
from django.db import connection, transaction

from hitl.audit import Actor
from hitl.models.audit import AuditRecord
from hitl.policies import Explanation, explain
from tests.permissions import doors
from tests.permissions.cells import DOORS, ON_POSTGRES, PLACES, WORLDS, cells, principals
from tests.permissions.expected import (
    ACTS,
    ANYTIME,
    ASKERS,
    OPERATIONS,
    UNKNOWN,
    VERDICTS,
    Cell,
    Expected,
    closed_already,
    expected,
)
from tests.permissions.world import STATUSES, World, build
from tests.rows import nothing_written, snapshot

pytestmark = pytest.mark.django_db

EVERY = 31  # so many refusals share one comparison of all rows; what each of them writes is read from its statements
_WRITES = re.compile(r"(?<!FOR )(?<!DO )\b(?:INSERT INTO|UPDATE|DELETE FROM)\s+\"?(\w+)\"?")
_PROOF = {"hitl_auditrecord", "hitl_run"}
_HEAD = {"audit_seq", "audit_hash"}

DONE_LINES = {
    "edit": "hitl.approval.redrafted",
    "reject": "hitl.approval.rejected",
    "respond": "hitl.approval.answered",
    "request_revision": "hitl.approval.revision_requested",
    "claim": "hitl.approval.claimed",
    "release": "hitl.approval.released",
    "delegate": "hitl.approval.delegated",
    "assign": "hitl.approval.assigned",
    "escalate": "hitl.approval.escalated",
    "extend": "hitl.approval.extended",
    "remind": "hitl.approval.reminded",
    "withdraw": "hitl.approval.withdrawn",
    "cancel": "hitl.run.cancelled",
    "comment": "hitl.approval.commented",
    "watch": "hitl.approval.watched",
    "revoke": "hitl.approval.revoked",
}
EXPIRY = ["hitl.approval.expired", "hitl.run.failed"]


@pytest.mark.parametrize(("door", "asker", "status"), PLACES)
def test_each_does_what_they_may_and_no_more(door: str, asker: str, status: str) -> None:
    world = build(asker, status)
    knock = doors.DOORS[door](world)
    here = Here(world, knock, AuditRecord.objects.order_by("-pk").values_list("pk", flat=True)[0])
    wrong: list[str] = []
    for number, cell in enumerate(_ours(cells(door, asker, status))):
        with _undone():
            wrong += [f"{cell}: {text}" for text in _try(here, cell, thorough=number % EVERY == 0)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(("asker", "status"), WORLDS)
def test_explain_says_it_beforehand(asker: str, status: str) -> None:
    world = build(asker, status)
    told = {who: explain(world.fresh(), world.who(who)) for who in principals(asker)}
    wrong = []
    for cell in cells("verbs", asker, status, share=1):
        said, wanted = _said(told[cell.principal], cell), expected(cell).said
        if said is not None and not (said if wanted == "any" else said == wanted):
            wrong.append(f"{cell}: explain says {said!r}, not {wanted!r}")
    assert not wrong, "\n".join(wrong)


def test_the_matrix_is_whole() -> None:
    everything = [cell for place in PLACES for cell in cells(*place)]
    assert len(set(everything)) == len(everything) >= 2000
    assert {cell.operation for cell in everything} == set(OPERATIONS)
    assert {cell.status for cell in everything} == set(STATUSES)
    assert {cell.principal for cell in everything} >= {who for asker in ASKERS for who in principals(asker)}
    for what in OPERATIONS:  # a rule that never lets anybody, or never refuses, would prove nothing
        codes = {(expected(cell).code, expected(cell).said) for cell in everything if cell.operation == what}
        assert len(codes) > 1, what
        assert ("done", "") in codes, what


@pytest.mark.parametrize("door", DOORS)
def test_every_door_has_its_share_of_everything(door: str) -> None:
    worlds = [world for name, *world in PLACES if name == door]
    taken = [cell for world in worlds for cell in cells(door, *world)]
    everything = [cell for world in worlds for cell in cells(door, *world, share=1)]
    for part in ("status", "principal", "operation"):
        assert {getattr(cell, part) for cell in taken} == {getattr(cell, part) for cell in everything}


@pytest.mark.parametrize("operation", ["approve", "claim"])
@pytest.mark.parametrize("door", DOORS)
def test_who_sees_nothing_leaves_a_line_at_every_door(door: str, operation: str) -> None:
    world = build("person", "pending")
    knock, cell = doors.DOORS[door](world), Cell("person", "pending", "outsider", operation, door)
    with nothing_written(*_refusal(cell, UNKNOWN)):
        assert knock(cell) == ("unknown_approval", "")


def _ours(taken: list[Cell]) -> list[Cell]:
    """PostgreSQL takes its share, and where both run, SQLite does not take those again."""
    if connection.vendor == "postgresql":
        return taken[::ON_POSTGRES]
    shared = os.environ.get("HITL_TEST_SHARED")
    return [cell for number, cell in enumerate(taken) if number % ON_POSTGRES or not shared]


@dataclass(frozen=True, slots=True)
class Here:
    """One world, the door to it, and the last audit record there was."""

    world: World
    knock: doors.Door
    last: int


def _try(here: Here, cell: Cell, *, thorough: bool) -> Iterator[str]:
    """Do it, and say everything that is not as it should be."""
    world, wanted, sent = here.world, expected(cell), len(mail.outbox)
    doors.prepare(world, cell)
    before = snapshot(proof=False) if thorough else None
    with _written() as tables:
        answer = here.knock(cell)
    lines = list(AuditRecord.objects.filter(pk__gt=here.last).order_by("pk").values_list("action", "actor"))
    if answer != _answer(cell, wanted):
        yield f"answers {answer}, not {_answer(cell, wanted)}"
    elif _does(cell, wanted):
        yield from _wrong_deed(world, cell, lines)
    else:
        yield from _wrong_refusal(world, cell, lines, tables)
        late = EXPIRY[0] in _refusal(cell, wanted)
        if before is not None and not late and snapshot(proof=False) != before:
            yield "changes rows"
        if len(mail.outbox) != sent:
            yield "sends"


def _wrong_refusal(world: World, cell: Cell, lines: list[tuple[str, str]], tables: set[str]) -> Iterator[str]:
    refusal, recorded = _refusal(cell, expected(cell)), [action for action, _ in lines]
    if expected(cell) == UNKNOWN and cell.door in ("admin", "cli") and not lines:
        refusal = []  # the test below says which of them leave one
    if recorded != refusal:
        yield f"records {recorded}, not {refusal}"
    elif refusal and lines[-1][1] != Actor.of(world.who(cell.principal)).text:
        yield f"records {lines[-1][1]} as the actor"
    elif EXPIRY[0] not in refusal and not tables <= (_PROOF if refusal else set()):
        yield f"writes {sorted(tables)}"


def _wrong_deed(world: World, cell: Cell, lines: list[tuple[str, str]]) -> Iterator[str]:
    if cell.operation in ("read", "inbox"):
        return
    passed = "hitl.approval.approved" if cell.status == "stage_2" else "hitl.approval.stage_passed"
    deed = (DONE_LINES.get(cell.operation, passed), Actor.of(world.who(cell.principal)).text)
    if deed not in lines:
        yield f"records {lines}, not {deed}"


def _answer(cell: Cell, wanted: Expected) -> doors.Answer:
    if cell.operation != "bulk" or wanted.code not in ("done", "again"):
        return wanted.code, wanted.reason
    # The API tells of each of several what became of it, and not by which click.
    return "done" if cell.door == "api" else wanted.code, wanted.said


def _does(cell: Cell, wanted: Expected) -> bool:
    return wanted.code == "done" and not (cell.operation == "bulk" and wanted.said)


def _refusal(cell: Cell, wanted: Expected) -> list[str]:
    """The lines of a refusal. Reading, lists and the pre-flight refuse nothing; the recorded answer is no refusal."""
    answered = wanted.code in ("again", "not_authenticated", "permission_denied")
    if answered or cell.operation in ("read", "inbox") or (cell.operation == "bulk" and not closed_already(wanted)):
        return []
    late = cell.status == "overdue" and cell.operation in (*VERDICTS, *ACTS, "bulk") and wanted != UNKNOWN
    line = "hitl.decision.refused" if cell.operation in (*VERDICTS, "bulk") else "hitl.act.refused"
    return [*(EXPIRY if late else ()), line]


def _said(told: Explanation, cell: Cell) -> str | None:
    """What explain() says of this cell; None where it says nothing."""
    if cell.operation in VERDICTS:
        return told.verdicts.get(cell.operation, "not_offered")
    if cell.operation in (*ACTS, *ANYTIME):
        # No door explains a request to those for whom there is none; a remark and watching hang on nothing else.
        hidden = expected(cell) == UNKNOWN and cell.operation in ("comment", "watch")
        return None if hidden else told.acts[cell.operation]
    return None


@contextmanager
def _undone() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@contextmanager
def _written() -> Iterator[set[str]]:
    """The tables that statements inside the block write; of a run's row only its audit head is no news."""
    tables: set[str] = set()

    def watch(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        for table in _WRITES.findall(sql):
            sets = re.search(r"UPDATE hitl_run SET (.*?) WHERE", sql)
            columns = set(re.findall(r"(\w+) = ", sets[1])) if sets and table == "hitl_run" else set()
            tables.add(f"{table}: {columns - _HEAD}" if columns - _HEAD else table)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(watch):
        yield tables
