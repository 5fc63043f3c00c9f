"""The engine's own races: steps that end together, runs that start twice, and signals that come as somebody waits."""

from __future__ import annotations

import threading
from typing import Any

import pytest

import hitl
from hitl import SYSTEM, Workflow, audit
from hitl.engine.claim import Picked, claim
from hitl.engine.execute import execute
from hitl.models import Run, Signal, Step
from tests.races.conftest import TIMES, Pair

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(600),
    pytest.mark.usefixtures("whole_house"),
]


def test_siblings_ending_at_once(pair: Pair, alice: Any, work: Any) -> None:
    together = threading.Barrier(2)
    flow = Workflow("siblings")
    joined: list[str] = []
    flow.step(lambda ctx: together.wait(30) and None, name="left")
    flow.step(lambda ctx: together.wait(30) and None, name="right")
    flow.step(lambda ctx: joined.append(ctx.run_id), name="join", after=["left", "right"])
    for _ in range(TIMES):
        run = flow.start(requester=alice)
        steps = {step.name: step for step in Step.objects.filter(run=run)}

        def end(name: str, run: Run = run, steps: dict[str, Step] = steps) -> None:
            claimed = claim(Picked(steps[name].pk, run.pk, name, run.workflow_id, False, False))
            assert claimed is not None
            execute(claimed)

        pair.race(lambda: end("left"), lambda: end("right"))
        assert dict(Step.objects.filter(run=run).values_list("name", "status")) == {
            "left": "succeeded",
            "right": "succeeded",
            "join": "ready",
        }
        work()
        assert audit.verify(run.pk).code == 0
        assert Run.objects.get(pk=run.pk).status == "succeeded"
    assert len(joined) == TIMES


def test_one_key_starts_one_run(pair: Pair, alice: Any) -> None:
    flow = Workflow("keyed")
    flow.step(lambda ctx: 1, name="a")
    flow.start(requester=alice)
    for number in range(TIMES):
        start = lambda key=f"k{number}": flow.start({"n": 1}, requester=alice, idempotency_key=key)  # noqa: E731
        first, second = pair.race(start, start)
        assert first.pk == second.pk
        assert Run.objects.filter(idempotency_key=f"k{number}").count() == 1


def test_a_signal_against_the_wait_is_never_lost(pair: Pair, alice: Any, work: Any) -> None:
    flow = Workflow("waits")
    flow.step(lambda ctx: ctx.wait_for_signal("go"), name="a")
    for number in range(TIMES):
        run = flow.start(requester=alice)
        pair.race(work, lambda r=run, n=number: hitl.signal(r, "go", n, sender=SYSTEM))
        work()
        run.refresh_from_db()
        assert (run.status, run.output) == ("succeeded", number)
        assert Signal.objects.filter(run=run).exclude(consumed_at=None).count() == 1


def test_a_doubled_signal_against_itself(pair: Pair, alice: Any, work: Any) -> None:
    flow = Workflow("doubled")
    flow.step(lambda ctx: [ctx.wait_for_signal("go")], name="a")
    for _ in range(TIMES):
        run = flow.start(requester=alice)
        send = lambda r=run: hitl.signal(r, "go", 1, sender=alice, idempotency_key="k")  # noqa: E731
        first, second = pair.race(send, send)
        assert first.pk == second.pk
        assert Signal.objects.filter(run=run).count() == 1
