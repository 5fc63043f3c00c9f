"""Signals against everything that may happen to the run meanwhile: none is lost, none counts twice.

`HITL_RACES_SIGNALS=1000` sets how often each is run (the default is that of all races).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

import hitl
from hitl import SYSTEM, SignalTimeout, Workflow, engine
from hitl.exceptions import HitlError
from hitl.models import Run, Signal, Step
from tests.races.conftest import TIMES as RACES
from tests.races.conftest import Pair

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(1800),
    pytest.mark.usefixtures("whole_house"),
]

TIMES = int(os.environ.get("HITL_RACES_SIGNALS", RACES))


@pytest.fixture
def flow() -> Workflow:
    """Waits for `go` and returns its payload, or that nobody came."""
    made = Workflow("race-signals")

    @made.step
    def wait(ctx: Any) -> Any:
        try:
            return [ctx.wait_for_signal("go", timeout=timedelta(hours=1))]
        except SignalTimeout:
            return "nobody"

    return made


@pytest.fixture
def three() -> Iterator[Pair]:
    all_three = Pair(3)
    yield all_three
    all_three.close()


def send(run: Run, value: Any, **options: Any) -> Callable[[], Signal]:
    return lambda: hitl.signal(run, "go", value, sender=SYSTEM, **options)


def stored(run: Run) -> Signal:
    """The one signal of a run."""
    return Signal.objects.get(run=run)


def ended(run: Run) -> Run:
    run.refresh_from_db()
    assert run.ended_at is not None
    return run


def test_before_the_wait(flow: Workflow, pair: Pair, work: Any) -> None:
    """Sent while other senders send to the same run: all are kept, the first is taken."""
    for number in range(TIMES):
        run = flow.start(requester=SYSTEM)
        sent = pair.race(send(run, number), send(run, number))
        work()
        assert ended(run).output == [number]
        rows = list(Signal.objects.filter(run=run).order_by("id"))
        assert {row.pk for row in rows} == {row.pk for row in sent}
        assert [row.consumed_at is not None for row in rows] == [True, False]
        assert [row.late for row in rows] == [False, False]


def test_during_the_park(flow: Workflow, pair: Pair, work: Any) -> None:
    ways: Counter[bool] = Counter()
    for number in range(TIMES):
        run = flow.start(requester=SYSTEM)
        pair.race(work, send(run, number))
        work()
        assert ended(run).output == [number]
        assert stored(run).consumed_at is not None
        ways[Step.objects.get(run=run).waited > 0] += 1
    assert sum(ways.values()) == TIMES


def test_twice_with_one_key_while_it_parks(flow: Workflow, three: Pair, work: Any) -> None:
    for number in range(TIMES):
        run = flow.start(requester=SYSTEM)
        again = send(run, number, idempotency_key=f"k{number}")
        _, first, second = three.race(work, again, again)
        assert first.pk == second.pk == stored(run).pk
        work()
        assert ended(run).output == [number]
        assert again().pk == first.pk, "also when the run has ended"


def test_against_and_after_the_timeout(flow: Workflow, pair: Pair, work: Any) -> None:
    outcomes: Counter[str] = Counter()
    for number in range(TIMES):
        run = flow.start(requester=SYSTEM)
        work()
        with connection.cursor() as cursor:  # the wait's end falls into the race itself
            cursor.execute(
                "UPDATE hitl_step SET wake_at = clock_timestamp() + %s WHERE run_id = %s",
                [timedelta(microseconds=300 + 150 * (number % 30)), run.pk],
            )

        def sweep(run: Run = run) -> None:
            while Step.objects.get(run=run).status == "waiting":
                engine.sweep()

        sent, _ = pair.race(send(run, number), sweep)
        assert sent.pk == stored(run).pk
        after = send(run, "after")() if sent.late else None
        work()
        if ended(run).output == "nobody":
            assert (stored_first(run).late, stored_first(run).consumed_at) == (True, None)
            assert after is not None
            assert after.late is True
        else:
            assert (run.output, sent.late, stored(run).consumed_at is not None) == ([number], False, True)
        outcomes[str(type(run.output).__name__)] += 1
    assert set(outcomes) == {"str", "list"} or TIMES < 50, f"the race went one way only: {outcomes}"


def stored_first(run: Run) -> Signal:
    return Signal.objects.filter(run=run).order_by("id")[0]


def test_against_and_after_the_end_of_the_run(flow: Workflow, pair: Pair, work: Any) -> None:
    outcomes: Counter[str] = Counter()
    for number in range(TIMES):
        run = flow.start(requester=SYSTEM)
        work()
        sent, cancelled = pair.race(send(run, number), lambda run=run: hitl.cancel(run, actor=SYSTEM))
        assert not isinstance(cancelled, HitlError)
        kept = Signal.objects.filter(run=run)
        if isinstance(sent, HitlError):
            assert (sent.code, sent.details["status"], kept.count()) == ("run_ended", "cancelled", 0)
        else:
            assert kept.get().consumed_at is not None
        outcomes["refused" if isinstance(sent, HitlError) else "taken"] += 1
        assert work() == 0
        with pytest.raises(HitlError) as late:
            send(run, "after")()
        assert late.value.code == "run_ended"
        assert ended(run).status == "cancelled"
    assert set(outcomes) == {"refused", "taken"} or TIMES < 50, f"the race went one way only: {outcomes}"
