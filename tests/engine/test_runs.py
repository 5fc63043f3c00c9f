"""How runs go: order, branches, joins, skipping, retries, failures, ends, and starting them once."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel

import hitl
from hitl import SYSTEM, Action, StepFailed, Workflow, audit, engine
from hitl.definition import Complete
from hitl.exceptions import BadInput, IdempotencyConflict, NotCanonical, RunEnded, TooLarge, UnknownRun, UnknownWorkflow
from hitl.models import Approval, Run, Step

pytestmark = pytest.mark.django_db


def statuses(run: Run) -> dict[str, str]:
    return dict(Step.objects.filter(run=run).values_list("name", "status"))


def fresh(run: Run) -> Run:
    return Run.objects.get(pk=run.pk)


def chain(run: Run) -> list[str]:
    assert audit.verify(run.pk).code == 0
    return [line.action.removeprefix("hitl.") for line in audit.timeline(run.stream)]


def test_steps_run_in_their_order_and_see_what_came_before(work: Any) -> None:
    flow = Workflow("line")
    flow.step(lambda ctx: ctx.input["n"] + 1, name="one")
    flow.step(lambda ctx: ctx.results["one"] * 10, name="two", after="one")
    run = flow.start({"n": 1}, requester=SYSTEM)
    assert fresh(run).status == "running"
    assert work() == 2
    run = fresh(run)
    assert (run.status, run.output, run.principal) == ("succeeded", 20, "system")
    assert chain(run) == ["run.started", "step.succeeded", "step.succeeded", "run.succeeded"]


def test_branches_join_once(work: Any) -> None:
    flow = Workflow("diamond")
    joined: list[Any] = []
    flow.step(lambda ctx: 1, name="a")
    flow.step(lambda ctx: 2, name="left", after="a")
    flow.step(lambda ctx: 3, name="right", after="a")
    flow.step(
        lambda ctx: joined.append(1) or ctx.results["left"] + ctx.results["right"], name="join", after=["left", "right"]
    )
    run = flow.start(requester=SYSTEM)
    assert work() == 4
    assert (joined, fresh(run).output) == ([1], 5)


def test_several_last_steps_give_an_output_each(work: Any) -> None:
    flow = Workflow("fork")
    flow.step(lambda ctx: 1, name="a")
    flow.step(lambda ctx: {"x": 2}, name="b")
    run = flow.start(requester=SYSTEM)
    work()
    assert fresh(run).output == {"a": 1, "b": {"x": 2}}


@pytest.mark.parametrize("wanted", [True, False])
def test_when_decides_whether_a_step_runs(wanted: bool, work: Any) -> None:
    flow = Workflow("maybe")
    flow.step(lambda ctx: wanted, name="look")
    flow.step(lambda ctx: "done", name="act", after="look", when=lambda ctx: ctx.results["look"])
    flow.step(lambda ctx: ctx.results.get("act", "nothing"), name="end", after="act")
    run = flow.start(requester=SYSTEM)
    work()
    assert statuses(run)["act"] == ("succeeded" if wanted else "skipped")
    assert fresh(run).output == ("done" if wanted else "nothing")


def test_when_of_a_first_step_is_asked_by_a_worker(work: Any) -> None:
    flow = Workflow("first")
    flow.step(lambda ctx: 1, name="a", when=lambda ctx: ctx.input == "go")
    flow.step(lambda ctx: 2, name="b", after="a")
    run = flow.start("stop", requester=SYSTEM)
    assert work() == 1
    assert statuses(run) == {"a": "skipped", "b": "succeeded"}


def test_a_failing_handler_is_tried_again_and_then_fails_the_run(work: Any, pass_time: Any) -> None:
    flow = Workflow("flaky")
    tries: list[int] = []

    @flow.step(max_attempts=3, backoff=timedelta(seconds=10))
    def shaky(ctx: Any) -> None:
        tries.append(ctx.attempt)
        raise RuntimeError("the service is down")

    run = flow.start(requester=SYSTEM)
    assert work() == 1
    assert work() == 0  # not before its backoff
    for _ in range(2):
        pass_time(timedelta(minutes=1))
        assert work() == 1
    run = fresh(run)
    assert tries == [1, 2, 3]
    assert (run.status, run.failure_code) == ("failed", "handler_error")
    assert run.failure_text == "step shaky: RuntimeError: the service is down"
    assert chain(run) == ["run.started", "step.retried", "step.retried", "step.failed", "run.failed"]


def test_a_handler_that_recovers_ends_well(work: Any, pass_time: Any) -> None:
    flow = Workflow("recovers")

    @flow.step
    def shaky(ctx: Any) -> str:
        if ctx.attempt == 1:
            raise RuntimeError("once")
        return "fine"

    run = flow.start(requester=SYSTEM)
    work()
    pass_time(timedelta(minutes=1))
    work()
    assert fresh(run).output == "fine"


def test_step_failed_says_whether_to_try_again(work: Any, pass_time: Any) -> None:
    flow = Workflow("says")

    @flow.step
    def never(ctx: Any) -> None:
        raise StepFailed("no such customer", retry=False)

    run = flow.start(requester=SYSTEM)
    work()
    assert (fresh(run).status, fresh(run).failure_code) == ("failed", "step_failed")
    later = Workflow("later")

    @later.step(max_attempts=2)
    def once(ctx: Any) -> int:
        if ctx.attempt == 1:
            raise StepFailed("busy", after=timedelta(hours=2))
        return 1

    run = later.start(requester=SYSTEM)
    work()
    pass_time(timedelta(minutes=90))
    assert work() == 0
    pass_time(timedelta(minutes=31))
    assert work() == 1
    assert fresh(run).status == "succeeded"


def test_a_failure_closes_what_else_is_open(bob: Any, alice: Any, work: Any) -> None:
    flow = Workflow("half")
    flow.step(lambda ctx: Action({"n": 1}, type="do", title="Do", impact="Done"), name="draft")
    flow.approval("ask", after="draft", reviewers=["user:bob"])
    flow.step(lambda ctx: 1, name="act", after="ask")

    @flow.step(max_attempts=1, after="draft")
    def breaks(ctx: Any) -> None:
        raise ValueError("bad")

    run = flow.start(requester=alice)
    work()
    assert fresh(run).status == "failed"
    assert Approval.objects.get(run=run).status == "cancelled"
    assert statuses(run) == {"draft": "succeeded", "ask": "cancelled", "act": "cancelled", "breaks": "failed"}
    assert chain(run)[-1] == "run.failed"


@pytest.mark.parametrize(
    ("value", "code", "words"),
    [
        ({"x": float("nan")}, "not_json", "output of step 'bad'.x is nan"),
        ({1: 2}, "not_json", "keys must be text"),
        ({"x": object()}, "not_json", "output of step 'bad'.x is a object"),
        ("nul\0", "not_json", "NUL"),
        ("half \ud800", "not_json", "lone surrogate"),
        ("x" * 1_100_000, "too_large", "1048576 are allowed"),
    ],
)
def test_output_that_is_not_json_fails_the_run_and_stores_nothing(value: Any, code: str, words: str, work: Any) -> None:
    flow = Workflow("bad")
    flow.step(lambda ctx: value, name="bad")
    run = flow.start(requester=SYSTEM)
    work()
    run = fresh(run)
    assert (run.status, run.failure_code) == ("failed", code)
    assert words in run.failure_text
    assert run.steps.get().output is None
    assert chain(run) == ["run.started", "step.failed", "run.failed"]


def test_an_error_with_hostile_text_is_kept_readable(work: Any) -> None:
    flow = Workflow("hostile")

    @flow.step(max_attempts=1)
    def bad(ctx: Any) -> None:
        raise RuntimeError("nul \0 half \ud800 " + "x" * 5000)

    run = flow.start(requester=SYSTEM)
    work()
    assert fresh(run).failure_text.startswith("step bad: RuntimeError: nul \ufffd half ?")
    assert chain(run)[-1] == "run.failed"


def test_async_handlers_run_and_remember(work: Any) -> None:
    flow = Workflow("async")
    calls: list[str] = []

    async def fetch(x: int) -> int:
        await asyncio.sleep(0)
        calls.append("fetch")
        return x + 1

    @flow.step
    async def one(ctx: Any) -> Any:
        first = await ctx.aonce("fetch", fetch, 1)
        second = await ctx.aonce("plain", lambda: first + 1)
        await ctx.await_for_signal("go")
        return Complete([first, second])

    run = flow.start(requester=SYSTEM)
    work()
    assert statuses(run) == {"one": "waiting"}
    hitl.signal(run, "go", sender=SYSTEM)
    work()
    assert (fresh(run).output, calls) == ([2, 3], ["fetch"])


def test_a_deadline_ends_the_run(work: Any, pass_time: Any) -> None:
    flow = Workflow("slow", deadline=timedelta(hours=1))
    flow.step(lambda ctx: ctx.wait_for_signal("never", timeout=timedelta(days=1)), name="wait")
    run = flow.start(requester=SYSTEM)
    work()
    engine.sweep()
    assert fresh(run).status == "waiting"
    pass_time(timedelta(hours=2))
    assert engine.sweep()["deadlines"] == 1
    assert (fresh(run).status, fresh(run).failure_code) == ("failed", "deadline")
    assert engine.sweep()["deadlines"] == 0


def test_a_step_without_a_handler_is_given_back(work: Any, pass_time: Any) -> None:
    flow = Workflow("gone")
    flow.step(lambda ctx: 1, name="a")
    run = flow.start(requester=SYSTEM)
    handler = flow.handlers.pop("a")
    work()
    assert statuses(run) == {"a": "ready"}
    flow.handlers["a"] = handler
    pass_time(timedelta(seconds=30))
    work()
    assert fresh(run).status == "succeeded"


# -- starting ---------------------------------------------------------------------------------------


def test_the_same_key_starts_one_run(alice: Any, mallory: Any) -> None:
    flow = Workflow("once")
    flow.step(lambda ctx: 1, name="a")
    first = flow.start({"n": 1}, requester=alice, idempotency_key="k")
    assert flow.start({"n": 1}, requester=alice, idempotency_key="k").pk == first.pk
    with pytest.raises(IdempotencyConflict):
        flow.start({"n": 2}, requester=alice, idempotency_key="k")
    assert flow.start({"n": 1}, requester=mallory, idempotency_key="k").pk != first.pk
    assert Run.objects.count() == 2


def test_an_unknown_workflow_is_named(alice: Any) -> None:
    with pytest.raises(UnknownWorkflow, match="no workflow is named 'nowhere'"):
        hitl.start("nowhere", requester=alice)


class Order(BaseModel):
    """Input of a workflow."""

    order_id: str
    amount: int = 5


def test_input_is_checked_by_the_model(alice: Any, work: Any) -> None:
    flow = Workflow("typed", input=Order)
    flow.step(lambda ctx: ctx.input, name="a")
    for bad in (None, {}, {"order_id": 7}, {"order_id": "A", "colour": "red"}, [1]):
        with pytest.raises(BadInput, match="input of workflow 'typed'"):
            flow.start(bad, requester=alice)
    assert Run.objects.count() == 0
    run = flow.start(Order(order_id="A"), requester=alice)
    work()
    assert fresh(run).output == {"order_id": "A", "amount": 5}


@pytest.mark.parametrize("bad", [{"x": float("inf")}, {1: 1}, "\0", "\ud800", object()])
def test_input_that_is_not_json_starts_nothing(bad: Any, alice: Any) -> None:
    flow = Workflow("plain")
    flow.step(lambda ctx: 1, name="a")
    with pytest.raises(NotCanonical):
        flow.start(bad, requester=alice)
    with pytest.raises(TooLarge):
        flow.start("x" * 1_100_000, requester=alice)
    with pytest.raises(BadInput):
        flow.start(None, requester=alice, idempotency_key="x" * 201)
    with pytest.raises(TypeError, match="pass a saved user"):
        flow.start(None, requester=None)
    assert Run.objects.count() == 0


def test_a_changed_definition_is_a_new_version_and_running_ones_keep_theirs(alice: Any, work: Any) -> None:
    from hitl.definition import registry
    from hitl.models import Workflow as Row

    with registry.isolated():
        flow = Workflow("grows")
        flow.step(lambda ctx: ctx.wait_for_signal("go"), name="a")
        old = flow.start(requester=alice)
        work()
    flow = Workflow("grows")
    flow.step(lambda ctx: ctx.wait_for_signal("go"), name="a")
    flow.step(lambda ctx: "b", name="b", after="a")
    new = flow.start(requester=alice)
    work()
    assert list(Row.objects.filter(name="grows").order_by("version").values_list("version", flat=True)) == [1, 2]
    for run in (old, new):
        hitl.signal(run, "go", 1, sender=SYSTEM)
    work()
    assert (fresh(old).output, fresh(new).output) == (1, "b")


# -- cancelling ---------------------------------------------------------------------------------------


def test_cancel_closes_everything(waiting: Approval, alice: Any, work: Any, refund: Any) -> None:
    run = hitl.cancel(waiting.run_id, actor=alice, reason="changed my mind")
    assert (run.status, run.failure_text) == ("cancelled", "changed my mind")
    approval = Approval.objects.get(pk=waiting.pk)
    assert (approval.status, approval.decided_via) == ("cancelled", "cancel")
    assert work() == 0
    with pytest.raises(RunEnded):
        hitl.cancel(waiting.run_id, actor=alice)
    with pytest.raises(UnknownRun):
        hitl.cancel("nonsense", actor=alice)
    assert refund.paid == []
    assert chain(run)[-3:] == ["approval.cancelled", "run.cancelled", "cancel.refused"]


def test_a_running_handler_is_fenced_off_by_a_cancel(work: Any, alice: Any) -> None:
    flow = Workflow("fenced")

    @flow.step
    def slow(ctx: Any) -> str:
        hitl.cancel(ctx.run_id, actor=alice)
        return "too late"

    run = flow.start(requester=alice)
    work()
    assert fresh(run).status == "cancelled"
    assert statuses(run) == {"slow": "cancelled"}
    assert chain(run) == ["run.started", "run.cancelled", "step.refused"]
