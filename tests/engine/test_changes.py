"""Code changes while twenty runs wait: none is lost, none repeats what it remembers, what cannot go on is told of."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

import hitl
from hitl import SYSTEM, Action, Human, Workflow, clock, engine
from hitl.definition import registry
from hitl.models import Approval, Run, Step
from hitl.models import Workflow as Row
from hitl.testing import TestRun
from tests.management.test_hitl_command import hitl as command

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("whole_house")]

RUNS = 20


class Code:
    """One deployed version after another; `did` counts every effect of every run."""

    def __init__(self) -> None:
        self.did: Counter[tuple[str, str]] = Counter()

    def deploy(self, build: Callable[[Workflow, Code], None] | None) -> Workflow | None:
        """Replace the code that runs; None: the workflow is gone."""
        registry._workflows.pop("change", None)
        if build is None:
            return None
        flow = Workflow("change")
        build(flow, self)
        flow.definition()
        return flow

    def effect(self, name: str, ctx: Any) -> str:
        """Something the outside world sees."""
        self.did[name, ctx.run_id] += 1
        return f"{name} done"


def first(ctx: Any, code: Code) -> Any:
    return ctx.once("order", code.effect, "order", ctx)


def middle(ctx: Any, code: Code) -> Any:
    paid = ctx.once("pay", code.effect, "pay", ctx)
    where = ctx.wait_for_signal("scan", timeout=timedelta(days=3))
    sure = ctx.approve(
        "ship", Action({"to": where}, type="ship", title="Ship", impact="It leaves"), reviewers=["group:g"]
    )
    return [paid, where, sure.approved, ctx.once("ship", code.effect, "ship", ctx)]


def last(ctx: Any, code: Code) -> Any:
    return [*ctx.results["middle"], ctx.once("bill", code.effect, "bill", ctx)]


def with_code(handler: Any, code: Code) -> Any:
    return lambda ctx: handler(ctx, code)


def steps(flow: Workflow, code: Code, *wanted: tuple[str, Any]) -> None:
    before = None
    for name, handler in wanted:
        flow.step(with_code(handler, code), name=name, after=before)
        before = name


def version_1(flow: Workflow, code: Code) -> None:
    steps(flow, code, ("first", first), ("middle", middle), ("last", last))


END = ["pay done", "harbour", True, "ship done", "bill done"]
ALL = {"order": 1, "pay": 1, "ship": 1, "bill": 1}


@pytest.fixture
def code(db: None) -> Code:
    return Code()


@pytest.fixture
def runs(code: Code) -> list[TestRun]:
    """Twenty runs of the first version; a third waits for the signal, a third for people, the rest has a step ready."""
    flow = code.deploy(version_1)
    assert flow is not None
    found = [TestRun(flow.start(requester=SYSTEM)) for _ in range(RUNS)]
    found[0].settle()
    for run in found[:7]:
        run.signal("scan", "harbour")
    for run in found[14:]:
        hitl.signal(run.id, "scan", "harbour", sender=SYSTEM)
    return found


def go_on(runs: list[TestRun]) -> None:
    """The world goes on: signals come and people say yes."""
    for run in runs:
        if "signal:scan" in run.waiting_for:
            run.signal("scan", "harbour")
    for run in runs:
        run.settle()
        if run.pending:
            run.approve("ship")


def effects(code: Code, run: TestRun) -> dict[str, int]:
    return {name: count for (name, pk), count in code.did.items() if pk == str(run.id)}


def all_end(code: Code, runs: list[TestRun], output: Any = END) -> None:
    assert [run.output for run in runs] == [output] * RUNS
    assert [effects(code, run) for run in runs] == [ALL] * RUNS


def told_by_doctor() -> dict[str, Any]:
    """The steps that wait for their handler, as operators see them."""
    found = json.loads(command("doctor", "--json")[1])["findings"]
    return next((one for one in found if one["kind"] == "handler"), {"count": 0, "where": []})


# -- what goes on -------------------------------------------------------------------------------------


def added(flow: Workflow, code: Code) -> None:
    extra = lambda ctx, code: code.effect("extra", ctx)  # noqa: E731
    steps(flow, code, ("zero", extra), ("first", first), ("middle", middle), ("between", extra), ("last", last))


def reordered(flow: Workflow, code: Code) -> None:
    steps(flow, code, ("last", last), ("middle", middle), ("first", first))


def moved(flow: Workflow, code: Code) -> None:
    """A line moved down, a line moved up, and a new one: the names are the same."""

    def middle_again(ctx: Any, code: Code) -> Any:
        where = ctx.wait_for_signal("scan", timeout=timedelta(days=3))
        ctx.once("weigh", lambda: 7)
        action = Action({"to": where}, type="ship", title="Ship", impact="It leaves")
        sure = ctx.approve("ship", action, reviewers=["group:g"])
        ship = ctx.once("ship", code.effect, "ship", ctx)
        return [ctx.once("pay", code.effect, "pay", ctx), where, sure.approved, ship]

    steps(flow, code, ("first", first), ("middle", middle_again), ("last", last))


@pytest.mark.parametrize("change", [version_1, added, reordered, moved])
def test_runs_go_on_as_they_began(change: Any, code: Code, runs: list[TestRun]) -> None:
    new = code.deploy(change)
    assert new is not None
    go_on(runs)
    all_end(code, runs)
    assert told_by_doctor()["count"] == 0
    assert [step.name for step in Step.objects.filter(run=runs[0].id).order_by("id")] == ["first", "middle", "last"]
    if change in (added, reordered):
        fresh = new.start(requester=SYSTEM)
        assert (fresh.workflow.version, Row.objects.filter(name="change").count()) == (2, 2)
        hitl.cancel(fresh, actor=SYSTEM)


# -- what cannot go on, until the handler is back ---------------------------------------------------------


def removed(flow: Workflow, code: Code) -> None:
    steps(flow, code, ("first", first), ("middle", middle))


def renamed_last(flow: Workflow, code: Code) -> None:
    steps(flow, code, ("first", first), ("middle", middle), ("invoice", last))


def renamed_middle(flow: Workflow, code: Code) -> None:
    steps(flow, code, ("first", first), ("centre", middle), ("last", last))


@pytest.mark.parametrize(
    ("change", "missing"), [(removed, "last"), (renamed_last, "last"), (renamed_middle, "middle"), (None, "middle")]
)
def test_what_has_no_handler_waits_visibly_and_goes_on_when_it_is_back(
    change: Any, missing: str, code: Code, runs: list[TestRun]
) -> None:
    waiting = Approval.objects.pending().count()
    assert waiting == 7
    code.deploy(change)
    go_on(runs)
    go_on(runs)
    assert told_by_doctor()["count"] == 0, "others still have time to take it"
    runs[0].advance_time(timedelta(seconds=55))
    assert told_by_doctor()["count"] == 0
    for _ in range(3):
        runs[0].advance_time(timedelta(seconds=6))
    told = told_by_doctor()
    assert told["count"] == RUNS
    assert all(f"step {missing} " in place for place in told["where"])
    assert {run.status for run in runs} == {"waiting"}
    assert {tuple(run.waiting_for) for run in runs} == {("handler",)}
    for _ in range(20):  # it is looked at again and again, and that is no news
        runs[0].advance_time(timedelta(seconds=40))
    assert [run.timeline.count(f"Step {missing} waits for its handler") for run in runs] == [1] * RUNS
    code.deploy(version_1)
    runs[0].advance_time(timedelta(seconds=31))
    go_on(runs)
    all_end(code, runs)
    assert told_by_doctor()["count"] == 0


def test_a_worker_that_lacks_the_handler_leaves_it_to_others(code: Code, runs: list[TestRun]) -> None:
    code.deploy(removed)
    go_on(runs)
    code.deploy(version_1)
    go_on([runs[0].advance_time(timedelta(seconds=6)), *runs[1:]])
    all_end(code, runs)


def test_a_loop_that_waited_for_its_handler_did_not_work_meanwhile(work: Any) -> None:
    def turn(ctx: Any) -> Any:
        return ctx.iteration if ctx.iteration else hitl.Continue(None)

    def build(flow: Workflow, code: Code) -> None:
        flow.agent_loop("agent", turn, max_duration=timedelta(minutes=20), loop_delay=timedelta(minutes=1))

    code = Code()
    flow = code.deploy(build)
    assert flow is not None
    run = TestRun(flow.start(requester=SYSTEM)).settle()
    code.deploy(None)
    for _ in range(10):
        run.advance_time(timedelta(minutes=10))
    assert run.waiting_for == ["handler"]
    code.deploy(build)
    assert run.advance_time(timedelta(minutes=1)).output == 1
    assert 5000 < run.step("agent").waited < 7000


# -- the functions around a step ---------------------------------------------------------------------------


def around(flow: Workflow, code: Code) -> None:
    flow.wait_for_signal("go")
    flow.step(lambda ctx: 1, name="sometimes", after="go", when=lambda ctx: False)
    action = Action({"n": 1}, type="do", title="Do", impact="Done")
    flow.approval("ship", after="sometimes", reviewers=["group:g"], action=lambda ctx: action, risk=lambda a: "high")
    flow.step(lambda ctx: {"confidence": 0.1}, name="act", after="ship", escalation=[Human(reviewers=["group:g"])])


def without_functions(flow: Workflow, code: Code) -> None:
    flow.wait_for_signal("go")
    flow.step(lambda ctx: 1, name="sometimes", after="go")
    flow.step(lambda ctx: 1, name="draft", after="sometimes")
    flow.approval("ship", after="draft", reviewers=["group:g"])
    flow.step(lambda ctx: {"confidence": 0.1}, name="act", after="ship")


def test_a_gate_a_condition_and_a_ladder_wait_for_their_functions_too() -> None:
    code = Code()
    flow = code.deploy(around)
    assert flow is not None
    run = TestRun(flow.start(requester=SYSTEM)).settle()

    def missing(step: str) -> None:
        code.deploy(without_functions)
        yield_to_others(run)
        assert [place.split(" step ")[1].split()[0] for place in told_by_doctor()["where"]] == [step]
        code.deploy(None)
        run.advance_time(timedelta(seconds=70))
        assert run.waiting_for == ["handler"]

    code.deploy(without_functions)
    run.signal("go", None)
    missing("sometimes")
    code.deploy(lambda flow, code: (around(flow, code), flow.actions.clear())[0])
    run.advance_time(timedelta(seconds=31))
    missing("ship")
    code.deploy(around)
    run.advance_time(timedelta(seconds=31))
    assert run.approval("ship").risk == "high"
    code.deploy(without_functions)
    run.approve("ship")
    missing("act")
    code.deploy(around)
    run.advance_time(timedelta(seconds=31))
    [question] = run.pending
    assert run.answer(question, "go ahead").output == "go ahead"
    assert run.status == "succeeded"


def yield_to_others(run: TestRun) -> None:
    for _ in range(12):
        run.advance_time(timedelta(seconds=6))
    engine.sweep()
    assert clock.offset() > timedelta(0)
    assert Run.objects.get(pk=run.id).status == "waiting"
