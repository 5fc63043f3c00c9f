"""Acts against each other: one after the other, the other way round, and at once, each on a connection of its own.

A test says once what may come of two acts; the fixture `race` has it run in three ways. In both orders the acts follow
each other, on every database, and the first one must win. At once, on PostgreSQL, they are let go by a barrier,
`HITL_RACES` times; and after every fifth round both are held up at the run's lock in a known order, so that each has
read all it reads before the lock when the other one wins.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from hitl import Action, Workflow, audit, decisions, invariants
from hitl.exceptions import HitlError
from hitl.models import Approval, Decision, Run

TIMES = int(os.environ.get("HITL_RACES", "20"))
LAST = int(os.environ.get("HITL_RACES_LAST", "20"))
_HELD_EVERY = 6
_LOOKED_AT = {1, 2, 5, 10, 20}

Act = Callable[[], Any]


class Pair:
    """Two threads with a connection each, let go at the same moment."""

    def __init__(self, count: int = 2) -> None:
        self._pool = ThreadPoolExecutor(count)
        self._barrier = threading.Barrier(count)

    def race(self, *acts: Act) -> list[Any]:
        """What each act returned, or the HitlError it raised."""

        def run(act: Act) -> Any:
            self._barrier.wait(30)
            return outcome(act)

        futures: list[Future[Any]] = [self._pool.submit(run, act) for act in acts]
        return [future.result(60) for future in futures]

    def queue(self, run_id: Any, *acts: Act) -> list[Any]:
        """The same with the run locked until every act waits for it, or is done: they get the lock in their order."""
        futures: list[Future[Any]] = []
        with transaction.atomic():
            Run.objects.select_for_update().get(pk=run_id)
            for act in acts:
                futures.append(self._pool.submit(outcome, act))
                while waiting_for_locks() + sum(future.done() for future in futures) < len(futures):
                    continue
        return [future.result(60) for future in futures]

    def close(self) -> None:
        """Close every thread's connection."""
        together = threading.Barrier(self._pool._max_workers)

        def leave() -> None:
            together.wait(30)
            connection.close()

        for future in [self._pool.submit(leave) for _ in range(self._pool._max_workers)]:
            future.result(30)
        self._pool.shutdown()


class Race:
    """One way to have acts meet. `went` counts which of them won."""

    def __init__(self, way: str) -> None:
        self.way = way
        self.went: Counter[int] = Counter()
        self.by_clock = False  # then one side may win every time
        self._round = 0
        self._pairs: dict[int, Pair] = {}

    def rounds(self, opened: Callable[[], Any], *, times: int = TIMES) -> Iterator[Any]:
        """What `opened` gives, as often as this way is run. Invariants are looked at after the first rounds, and now
        and then later: nothing is removed, so that `whole_house` sees what came of every round."""
        every = times + times // (_HELD_EVERY - 1) if self.way == "at_once" else 1
        for self._round in range(1, every + 1):
            yield opened()
            if self._round in _LOOKED_AT or self._round % 40 == 0:
                assert [str(violation) for violation in invariants.check()] == []

    def __call__(self, *acts: Act, hold: Any = None) -> list[Any]:
        """What each act returned, or the HitlError it raised; `hold` is the run they meet at."""
        if self.way == "in_order":
            return [outcome(act) for act in acts]
        if self.way == "reversed":
            return [outcome(act) for act in reversed(acts)][::-1]
        pair = self._pairs.get(len(acts)) or self._new(len(acts))
        if hold is None or self._round % _HELD_EVERY:
            return pair.race(*acts)
        if self._round // _HELD_EVERY % 2:
            return pair.queue(hold, *acts)
        return pair.queue(hold, *reversed(acts))[::-1]

    def won(self, number: int) -> None:
        """The act that won; one after the other, it is the first."""
        assert (self.way, number) not in {("in_order", 1), ("reversed", 0)}, "the second one won"
        self.went[number] += 1

    def close(self) -> None:
        """Close every connection."""
        for pair in self._pairs.values():
            pair.close()

    def _new(self, count: int) -> Pair:
        self._pairs[count] = Pair(count)
        return self._pairs[count]


@dataclass
class Asking:
    """Opens fresh requests of one workflow; `ran` are the runs whose protected step ran."""

    flow: Workflow
    alice: Any
    work: Callable[[], int]
    ran: list[str] = field(default_factory=list)

    def __call__(self) -> Approval:
        run = self.flow.start(requester=self.alice)
        self.work()
        return Approval.objects.select_related("run").get(run=run)


def outcome(act: Act) -> Any:
    """What an act returns, or the HitlError it raises."""
    try:
        return act()
    except HitlError as error:
        return error


def told(result: Any) -> str:
    """`done`, or the code of the refusal with its machine reason, where it has one."""
    if not isinstance(result, HitlError):
        return "done"
    return ":".join(filter(None, [result.code, result.details.get("reason", "")]))


def waiting_for_locks() -> int:
    """How many connections wait for a lock just now."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted")
        return int(cursor.fetchone()[0])


def say(approval: Approval, actor: Any, verdict: str = "approve", **options: Any) -> Act:
    """The act of voting on what the request is now."""
    said = {"digest": approval.digest, "comment": "as I think", **options}
    return lambda: decisions.decide(approval.pk, actor=actor, verdict=verdict, **said)


def whole(approval: Approval) -> Approval:
    """The approval as it is now; its run's chain must be intact."""
    assert audit.verify(approval.run_id).code == 0
    return Approval.objects.select_related("run").get(pk=approval.pk)


def votes(approval: Approval) -> list[tuple[str, str]]:
    """Who said what, of the votes that stand, by name."""
    rows = Decision.objects.filter(approval=approval.pk, withdrawn_at=None)
    return sorted(rows.values_list("actor__username", "verdict"))


def recorded(approval: Approval, *actions: str) -> int:
    """How often one of these actions stands in the chain of the request's run."""
    lines = audit.timeline(f"run:{approval.run_id}")
    return sum(line.action.removeprefix("hitl.") in actions for line in lines)


AT_ONCE = pytest.param(
    "at_once",
    marks=[pytest.mark.postgres, pytest.mark.django_db(transaction=True), pytest.mark.timeout(1800)],
)


@pytest.fixture(params=["in_order", "reversed", AT_ONCE])
def race(request: pytest.FixtureRequest, db: None) -> Iterator[Race]:
    """Each test that uses it runs in both orders, and at once."""
    found = Race(request.param)
    yield found
    found.close()
    if TIMES >= 200 and found.way == "at_once" and found.went and not found.by_clock:
        assert len(found.went) > 1, f"the race went one way only: {found.went}"


@pytest.fixture
def pair() -> Iterator[Pair]:
    both = Pair()
    yield both
    both.close()


@pytest.fixture
def gate(alice: Any, bob: Any, carol: Any, work: Any) -> Callable[..., Asking]:
    """`gate(approvals=2, ...)` makes a workflow draft → ask → act and returns what opens a request of it."""

    def make(**options: Any) -> Asking:
        asking = Asking(Workflow("race"), alice, work)
        if not {"policy", "stages", "reviewers"} & options.keys():
            options["reviewers"] = ["group:finance"]
        draft = lambda ctx: Action({"n": 1}, type="do", title="Do", impact="Done", reversible=True)  # noqa: E731
        asking.flow.step(draft, name="draft")
        asking.flow.approval("ask", after="draft", **{"timeout": timedelta(hours=4), **options})
        asking.flow.step(lambda ctx: asking.ran.append(ctx.run_id), name="act", after="ask")
        return asking

    return make


@pytest.fixture
def person(db: None) -> Callable[..., Any]:
    """`person("dave", finance)` is one more user, in these groups."""
    from django.contrib.auth import get_user_model

    def make(name: str, *groups: Any) -> Any:
        user = get_user_model().objects.create(username=name)
        user.groups.add(*groups)
        return user

    return make


@pytest.fixture
def managers(db: None) -> Any:
    """The group further up."""
    from django.contrib.auth.models import Group

    return Group.objects.create(name="managers")


@pytest.fixture(autouse=True)
def _no_bells(monkeypatch: pytest.MonkeyPatch) -> None:
    from hitl import dispatch

    monkeypatch.setattr(dispatch, "_send", lambda *args: None)
