"""Loops, checkpoints, streams, events, sleep, plans, child runs, failure handlers, revisions, ladders, wait_any."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

import hitl
from hitl import (
    SYSTEM,
    Action,
    AnswerTimeout,
    Approve,
    Complete,
    Continue,
    Escalate,
    Human,
    Pause,
    Restart,
    RunFailed,
    Signal,
    Timer,
    Workflow,
    audit,
    decisions,
    engine,
)
from hitl.models import Approval, Run, Step, StreamChunk

pytestmark = pytest.mark.django_db


def fresh(run: Run) -> Run:
    assert audit.verify(run.pk).code == 0
    return Run.objects.get(pk=run.pk)


def pending(run: Run) -> Approval:
    return Approval.objects.get(run=run, status="pending")


def say(approval: Approval, actor: Any, verdict: str = "approve", **options: Any) -> None:
    decisions.decide(approval, actor=actor, verdict=verdict, digest=approval.digest, **options)


def doing(n: int = 1) -> Action:
    return Action({"n": n}, type="do", title=f"Do {n}", impact="It is done")


# -- loops --------------------------------------------------------------------------------------------


def test_an_agent_loop_goes_on_until_it_completes(work: Any) -> None:
    flow = Workflow("loop")

    def turn(ctx: Any) -> Any:
        state = ctx.load_checkpoint() or {"seen": []}
        found = ctx.once("think", lambda: ctx.iteration)
        seen = [*state["seen"], found]
        return Complete(seen) if len(seen) == 3 else Continue({"seen": seen})

    flow.agent_loop("agent", turn, max_iterations=5)
    run = flow.start(requester=SYSTEM)
    assert work() == 3
    assert fresh(run).output == [0, 1, 2]


def test_a_loop_ends_at_its_limit_with_a_code(work: Any) -> None:
    flow = Workflow("endless")
    flow.agent_loop("agent", lambda ctx: Continue(ctx.iteration), max_iterations=4)
    run = flow.start(requester=SYSTEM)
    assert work() == 4
    assert (fresh(run).status, fresh(run).failure_code) == ("failed", "max_iterations")


def test_a_loop_may_not_work_longer_than_allowed_but_waiting_is_free(work: Any, pass_time: Any) -> None:
    flow = Workflow("long")

    def turn(ctx: Any) -> Any:
        if ctx.iteration == 0:
            ctx.wait_for_signal("go", timeout=timedelta(days=1))
        elif ctx.iteration == 2:
            pass_time(timedelta(minutes=21))
        return Continue(None)

    flow.agent_loop("agent", turn, max_iterations=50, max_duration=timedelta(minutes=20))
    run = flow.start(requester=SYSTEM)
    work()
    pass_time(timedelta(hours=3))
    hitl.signal(run, "go", sender=SYSTEM)
    work()
    assert (fresh(run).failure_code, Step.objects.get(run=run).iteration) == ("max_duration", 2)


def test_a_loop_delay_lets_time_pass(work: Any, pass_time: Any) -> None:
    flow = Workflow("slow")
    flow.agent_loop("agent", lambda ctx: 1 if ctx.iteration else Continue(None), loop_delay=timedelta(minutes=1))
    run = flow.start(requester=SYSTEM)
    assert work() == 1
    assert work() == 0
    pass_time(timedelta(minutes=2))
    assert work() == 1
    assert fresh(run).status == "succeeded"


def test_continue_is_for_loops_only(work: Any) -> None:
    flow = Workflow("noloop")
    flow.step(lambda ctx: Continue(1), name="a")
    run = flow.start(requester=SYSTEM)
    work()
    assert (fresh(run).failure_code, "no agent_loop" in fresh(run).failure_text) == ("bad_input", True)


def test_pause_enters_again_later_and_keeps_the_checkpoint(work: Any, pass_time: Any) -> None:
    flow = Workflow("pause")

    @flow.step
    def poll(ctx: Any) -> Any:
        tries = (ctx.load_checkpoint() or 0) + 1
        ctx.checkpoint(tries)
        return tries if tries == 2 else Pause(timedelta(minutes=10))

    run = flow.start(requester=SYSTEM)
    work()
    assert engine.sweep()["wake"] == 0
    pass_time(timedelta(minutes=11))
    assert engine.sweep()["wake"] == 1
    work()
    assert fresh(run).output == 2


def test_sleep_streams_and_events(work: Any, pass_time: Any) -> None:
    flow = Workflow("tells")

    @flow.step
    def tell(ctx: Any) -> Any:
        ctx.set_event("status", {"now": "working"})
        ctx.put_stream("first", name="first")
        ctx.put_stream({"n": 2}, name="second")
        ctx.sleep("night", timedelta(hours=8))
        ctx.set_event("status", "awake")
        return ctx.get_event("status")

    run = flow.start(requester=SYSTEM)
    work()
    assert hitl.get_event(run, "status") == {"now": "working"}
    assert hitl.get_event(run, "other") is None
    pass_time(timedelta(hours=9))
    engine.sweep()
    work()
    assert fresh(run).output == "awake"
    assert list(StreamChunk.objects.order_by("seq").values_list("seq", "chunk")) == [(1, "first"), (2, {"n": 2})]


# -- plans --------------------------------------------------------------------------------------------


@pytest.fixture
def planning(bob: Any) -> Any:
    """A planner that runs an approved plan."""
    flow = Workflow("plans")
    done: list[Any] = []

    @flow.handler("edit")
    def edit(ctx: Any) -> Any:
        done.append((ctx.step_name, ctx.args))
        return ctx.args

    flow.step(
        lambda ctx: Action({"steps": ctx.input}, type="plan", title="Run the plan", impact="Code changes"), name="plan"
    )
    gate = flow.approval("gate", after="plan", reviewers=["user:bob"])
    flow.planner("execute", plan_from=gate, allowed=["edit"], max_steps=3)
    flow.step(lambda ctx: ctx.results["execute"], name="end", after="execute")
    flow.done = done  # type: ignore[attr-defined]
    return flow


def test_an_approved_plan_becomes_steps(planning: Any, alice: Any, bob: Any, work: Any) -> None:
    steps = [{"name": "b", "handler": "edit", "args": 2, "after": ["a"]}, {"name": "a", "handler": "edit", "args": 1}]
    run = planning.start(steps, requester=alice)
    work()
    say(pending(run), bob)
    work()
    assert planning.done == [("execute/a", 1), ("execute/b", 2)]
    assert fresh(run).output == {"a": 1, "b": 2}
    assert Step.objects.get(run=run, name="execute/a").parent.name == "execute"


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([], "at least one step"),
        ("no list", "at least one step"),
        ([{"name": "a", "handler": "shell"}], "wants 'shell'; allowed are edit"),
        ([{"name": "a", "handler": "edit", "kind": "gate"}], "may bring plain steps only"),
        ([{"name": "a", "handler": "edit", "reviewers": ["user:mallory"]}], "brings reviewers"),
        ([{"name": "a", "handler": "edit"}] * 2, "two steps named"),
        ([{"name": f"s{n}", "handler": "edit"} for n in range(4)], "has 4 steps; 3 are allowed"),
        (
            [{"name": "a", "handler": "edit", "after": ["b"]}, {"name": "b", "handler": "edit", "after": ["a"]}],
            "circle",
        ),
        ([{"name": "a", "handler": "edit", "after": ["x"]}], "does not exist"),
        ([{"name": "../a", "handler": "edit"}], "needs a name"),
        ([5], "is no object"),
    ],
)
def test_a_plan_that_brings_what_it_may_not_is_refused(
    steps: Any, words: str, planning: Any, alice: Any, bob: Any, work: Any
) -> None:
    run = planning.start(steps, requester=alice)
    work()
    say(pending(run), bob)
    work()
    assert (fresh(run).status, fresh(run).failure_code) == ("failed", "invalid_plan")
    assert words in fresh(run).failure_text
    assert planning.done == []


# -- other runs ---------------------------------------------------------------------------------------


def test_a_run_waits_for_a_run_of_another_workflow(work: Any) -> None:
    other = Workflow("child")
    other.step(lambda ctx: ctx.wait_for_signal("go") + ctx.input, name="a")
    flow = Workflow("parent")
    flow.run_workflow("child", other, input=lambda ctx: 10)
    flow.step(lambda ctx: ctx.results["child"] * 2, name="end", after="child")
    run = flow.start(requester=SYSTEM)
    work()
    child = Run.objects.get(parent_step__run=run)
    hitl.signal(child, "go", 5, sender=SYSTEM)
    work()
    engine.sweep()
    work()
    assert fresh(run).output == 30


def test_a_bad_end_of_a_child_is_told(work: Any) -> None:
    other = Workflow("bad-child")
    other.step(lambda ctx: 1 / 0, name="a", max_attempts=1)
    flow = Workflow("careful")

    @flow.step
    def look(ctx: Any) -> str:
        try:
            return ctx.run_workflow("x", other)
        except RunFailed as error:
            return error.details["status"]

    run = flow.start(requester=SYSTEM)
    work()
    engine.sweep()
    work()
    assert fresh(run).output == "failed"


def test_cancelling_a_parent_cancels_its_child(work: Any, alice: Any) -> None:
    other = Workflow("kid")
    other.step(lambda ctx: ctx.wait_for_signal("never"), name="a")
    flow = Workflow("mother")
    flow.run_workflow("kid", other)
    run = flow.start(requester=SYSTEM)
    work()
    hitl.cancel(run, actor=alice)
    assert Run.objects.get(parent_step__run=run).status == "cancelled"


# -- refusals that go on ------------------------------------------------------------------------------


def test_a_refused_gate_goes_back_with_instructions_a_bounded_number_of_times(alice: Any, bob: Any, work: Any) -> None:
    flow = Workflow("replan")
    seen: list[str] = []

    @flow.step
    def reason(ctx: Any) -> Action:
        seen.append(ctx.instructions)
        return doing(len(seen))

    gate = flow.approval("gate", after=reason, reviewers=["user:bob"])
    flow.step(lambda ctx: ctx.action.n, name="act", after=gate)
    flow.on_failure(gate, lambda ctx: Restart("reason"), max_restarts=2)
    run = flow.start(requester=alice)
    for words in ("too much", "still too much"):
        work()
        say(pending(run), bob, "reject", comment=words)
    work()
    assert seen == ["", "too much", "still too much"]
    say(pending(run), bob)
    work()
    assert fresh(run).output == 3
    assert sorted(Step.objects.filter(run=run, name="gate").values_list("revision", flat=True)) == [1, 2, 3]


def test_restarts_end(alice: Any, bob: Any, work: Any) -> None:
    flow = Workflow("stubborn")
    flow.step(lambda ctx: doing(), name="reason")
    gate = flow.approval("gate", after="reason", reviewers=["user:bob"])
    flow.step(lambda ctx: 1, name="act", after=gate)
    flow.on_failure(gate, lambda ctx: Restart("reason"), max_restarts=1)
    run = flow.start(requester=alice)
    for _ in range(2):
        work()
        say(pending(run), bob, "reject", comment="no")
    work()
    assert (fresh(run).status, fresh(run).failure_code) == ("failed", "max_restarts")


def test_a_failure_handler_that_goes_nowhere_ends_the_run_as_it_would_have(alice: Any, bob: Any, work: Any) -> None:
    flow = Workflow("cleanup")
    told: list[Any] = []
    flow.step(lambda ctx: doing(), name="reason")
    gate = flow.approval("gate", after="reason", reviewers=["user:bob"])
    flow.step(lambda ctx: 1, name="act", after=gate)
    flow.on_failure(gate, lambda ctx: told.append(ctx.failure))
    run = flow.start(requester=alice)
    work()
    say(pending(run), bob, "reject", comment="never")
    work()
    assert told == [{"status": "rejected", "code": "rejected", "why": "never"}]
    assert (fresh(run).status, fresh(run).failure_code) == ("rejected", "rejected")


def test_an_unneeded_failure_handler_is_skipped(work: Any) -> None:
    flow = Workflow("fine")
    flow.step(lambda ctx: 1, name="a")
    flow.on_failure("a", lambda ctx: None)
    run = flow.start(requester=SYSTEM)
    work()
    assert (fresh(run).status, fresh(run).output) == ("succeeded", 1)
    assert Step.objects.get(run=run, name="a.on_failure").status == "skipped"


def test_a_revision_is_proposed_again_and_voted_afresh(alice: Any, bob: Any, work: Any) -> None:
    flow = Workflow("revise")

    @flow.step
    def draft(ctx: Any) -> Action:
        return doing(2 if ctx.instructions else 1)

    gate = flow.approval("gate", after=draft, reviewers=["user:bob"], max_revisions=1)
    flow.step(lambda ctx: ctx.action.n, name="act", after=gate)
    run = flow.start(requester=alice)
    work()
    first = pending(run)
    with pytest.raises(hitl.HitlError, match="say what to do better"):
        say(first, bob, "request_revision")
    say(first, bob, "request_revision", comment="more")
    work()
    second = pending(run)
    assert (second.revision, second.supersedes_id, second.args) == (2, first.pk, {"n": 2})
    first.refresh_from_db()
    assert (first.status, Step.objects.get(run=run, name="draft", revision=2).instructions) == (
        "revision_requested",
        "more",
    )
    with pytest.raises(hitl.HitlError) as error:
        say(first, bob)
    assert (error.value.code, error.value.details["revision"]) == ("stale_approval", 2)
    say(second, bob)
    work()
    assert fresh(run).output == 2


def test_revisions_end_in_a_refusal(alice: Any, bob: Any, work: Any) -> None:
    flow = Workflow("norevise")
    flow.step(lambda ctx: doing(), name="draft")
    gate = flow.approval("gate", after="draft", reviewers=["user:bob"], max_revisions=0)
    flow.step(lambda ctx: 1, name="act", after=gate)
    run = flow.start(requester=alice)
    work()
    say(pending(run), bob, "request_revision", comment="more")
    assert (fresh(run).status, fresh(run).failure_code) == ("rejected", "max_revisions")


def test_a_revision_inside_a_handler(alice: Any, bob: Any, work: Any) -> None:
    def handler(ctx: Any) -> Any:
        n = 1
        while True:
            answer = ctx.approve("release", doing(n), reviewers=["user:bob"])
            if answer.status != "revision_requested":
                return [answer.status, answer.action.n, answer.revision]
            n = ctx.once(f"again-{answer.revision}", lambda: int(answer.comment))  # noqa: B023

    flow = Workflow("handler")
    flow.step(handler, name="a")
    run = flow.start(requester=alice)
    work()
    say(pending(run), bob, "request_revision", comment="7")
    work()
    say(pending(run), bob)
    work()
    assert fresh(run).output == ["approved", 7, 2]


# -- questions and ladders ----------------------------------------------------------------------------


def test_a_question_is_answered_by_its_schema(alice: Any, bob: Any, work: Any) -> None:
    flow = Workflow("asks")
    flow.question("region", question="Which region?", options=["eu", "us"], reviewers=["user:bob"])
    run = flow.start(requester=alice)
    work()
    approval = pending(run)
    assert (approval.kind, approval.title) == ("question", "Which region?")
    with pytest.raises(hitl.HitlError) as error:
        say(approval, bob, "approve")
    assert error.value.code == "verdict_not_offered"
    with pytest.raises(hitl.HitlError) as error:
        say(approval, bob, "respond", response="mars")
    assert "response" in error.value.details["fields"]
    say(approval, bob, "respond", response="eu")
    work()
    assert fresh(run).output == "eu"


def test_an_unanswered_question_is_no_answer(alice: Any, bob: Any, work: Any, pass_time: Any) -> None:
    flow = Workflow("silence")

    @flow.step
    def ask(ctx: Any) -> str:
        try:
            return ctx.ask("x", "Well?", reviewers=["user:bob"], timeout=timedelta(hours=1))
        except AnswerTimeout as error:
            return error.code

    run = flow.start(requester=alice)
    work()
    pass_time(timedelta(hours=2))
    engine.sweep()
    work()
    assert fresh(run).output == "answer_timeout"


def test_the_ladder_is_climbed_until_a_rung_helps(alice: Any, bob: Any, carol: Any, work: Any, pass_time: Any) -> None:
    calls: list[str] = []

    def junior(ctx: Any) -> Any:
        calls.append("junior")
        return {"answer": "?", "confidence": 0.2}

    def senior(ctx: Any) -> Any:
        calls.append("senior")
        return {"text": "maybe", "confidence": 0.5}

    flow = Workflow("ladder")
    people = {"timeout": timedelta(hours=1)}
    flow.step(
        junior,
        name="answer",
        escalation=[
            senior,
            Human("human", reviewers=["user:bob"], **people),
            Human("manager", reviewers=["user:carol"]),
        ],
    )
    run = flow.start(requester=alice)
    work()
    pass_time(timedelta(hours=2))
    engine.sweep()
    work()
    question = pending(run)
    assert "senior" in question.question
    assert "nobody answered" in question.question
    say(question, carol, "respond", response="refund it")
    work()
    assert fresh(run).output == "refund it"
    assert calls == ["junior", "senior"]


def test_a_handler_may_ask_for_help_itself(alice: Any, bob: Any, work: Any) -> None:
    flow = Workflow("helps")

    @flow.step(escalation=[Human(reviewers=["user:bob"])])
    def answer(ctx: Any) -> Any:
        help = ctx.escalate("which account?", {"seen": 2}, "the first")
        return [help.text, help.by, help.rung]

    run = flow.start(requester=alice)
    work()
    say(pending(run), bob, "respond", response="the second")
    work()
    assert fresh(run).output == ["the second", "bob", 1]
    returns = Workflow("returns")
    returns.step(lambda ctx: Escalate("stuck"), name="a", escalation=[lambda ctx: "fixed"])
    run = returns.start(requester=alice)
    work()
    assert fresh(run).output["value"] == "fixed"


# -- wait_any -----------------------------------------------------------------------------------------


def any_of(*waits: Any) -> Workflow:
    flow = Workflow("any")

    @flow.step
    def wait(ctx: Any) -> Any:
        won = ctx.wait_any("first", *waits)
        return [won.kind, won.name, won.value.status if won.kind == "approval" else won.value]

    return flow


def test_the_first_of_several_wins_and_losers_are_closed(alice: Any, bob: Any, work: Any) -> None:
    run = any_of(
        Signal("go"), Signal("stop"), Timer(timedelta(hours=1)), Approve(doing(), reviewers=["user:bob"])
    ).start(requester=alice)
    work()
    approval = pending(run)
    hitl.signal(run, "stop", 1, sender=SYSTEM)
    work()
    assert fresh(run).output == ["signal", "stop", 1]
    approval.refresh_from_db()
    assert approval.status == "cancelled"


def test_people_may_win(alice: Any, bob: Any, work: Any) -> None:
    run = any_of(Signal("go"), Approve(doing(), reviewers=["user:bob"])).start(requester=alice)
    work()
    say(pending(run), bob)
    work()
    assert fresh(run).output == ["approval", "first.1", "approved"]
    assert Approval.objects.get(run=run).consumed_at is not None


def test_time_may_win_and_an_early_signal_wins_at_once(alice: Any, work: Any, pass_time: Any) -> None:
    flow = any_of(Signal("go"), Timer(timedelta(hours=1)))
    run = flow.start(requester=alice)
    work()
    pass_time(timedelta(hours=2))
    engine.sweep()
    work()
    assert fresh(run).output == ["timer", "first", None]
    run = flow.start(requester=alice)
    hitl.signal(run, "go", 7, sender=SYSTEM)
    work()
    assert fresh(run).output == ["signal", "go", 7]


def test_a_grant_of_a_skipped_step_or_of_the_past_neither_runs_nor_lapses(
    alice: Any, bob: Any, work: Any, pass_time: Any
) -> None:
    flow = Workflow("skips")
    flow.step(lambda ctx: doing(), name="draft")
    gate = flow.approval("gate", after="draft", reviewers=["user:bob"])
    flow.step(lambda ctx: 1, name="act", after=gate, when=lambda ctx: False)
    flow.step(lambda ctx: ctx.wait_for_signal("go", timeout=timedelta(days=9)), name="wait", after="act")
    run = flow.start(requester=alice)
    work()
    say(pending(run), bob)
    work()
    assert Approval.objects.get(run=run).status == "revoked"
    pass_time(timedelta(days=2))
    engine.sweep()
    assert fresh(run).status == "waiting"
