"""hitl.testing: what authors write about their workflows, and what they are told when they are wrong."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group

from hitl import Action, Signal, SignalTimeout, StepFailed, Timer, Workflow, clock
from hitl.exceptions import RunEnded, UnknownApproval
from hitl.models import Decision
from hitl.testing import NotWaiting, TestRun, fresh, reset_time, run_workflow

pytestmark = pytest.mark.django_db


def doing(n: int = 1) -> Action:
    return Action({"n": n, "to": "x"}, type="do", title=f"Do {n}", impact="It is done")


def gated(**options: Any) -> Workflow:
    flow = Workflow("kit-gated")
    flow.step(lambda ctx: doing(2 if ctx.instructions else 1), name="draft")
    flow.approval("review", after="draft", **{"reviewers": ["group:nobody-made-it"], **options})
    flow.step(lambda ctx: ctx.action.n, name="act", after="review")
    return flow


def test_one_line_decides_a_gate_and_its_reviewers_are_made() -> None:
    run = run_workflow(gated())
    assert (run.status, run.pending, run.waiting_for) == ("waiting", ["review"], ["approval:review"])
    assert run.approve("review").output == 1
    assert (run.status, run.failure, run.pending, run.waiting_for) == ("succeeded", "", [], [])
    assert "reviewer-1-of-nobody-made-it approved Do 1" in run.timeline


def test_changed_arguments_leave_the_others() -> None:
    run = run_workflow(gated()).approve("review", edit={"n": 7})
    assert run.output == 7
    assert run.step("review").output["$action"]["args"] == {"n": 7, "to": "x"}


def test_as_many_agree_as_it_takes() -> None:
    run = run_workflow(gated(approvals=3)).approve("review")
    assert run.status == "succeeded"
    assert Decision.objects.values("actor").distinct().count() == 3


def test_a_no_ends_the_run() -> None:
    run = run_workflow(gated(rejections=2)).reject("review", comment="never")
    assert (run.status, run.failure) == ("rejected", "rejected: never")


def test_a_revision_is_asked_for(bob: Any) -> None:
    run = run_workflow(gated(reviewers=["user:bob"])).request_revision("review", "more", by=bob)
    assert (run.step("draft").instructions, run.approval("review").title) == ("more", "Do 2")
    assert run.approve("review", by=bob).output == 2


def test_who_may_not_decide_may_not_here_either(alice: Any, mallory: Any) -> None:
    run = run_workflow(gated(), requester=alice)
    with pytest.raises(UnknownApproval):
        run.approve("review", by=mallory)
    with pytest.raises(NotWaiting, match="none of user:alice may decide 'review'"):
        run_workflow(gated_again(reviewers=["user:alice"]), requester=alice).approve("review")


def gated_again(**options: Any) -> Workflow:
    from hitl.definition import registry

    registry._workflows.pop("kit-gated")
    return gated(**options)


def test_the_phrase_is_typed_and_the_comment_is_written() -> None:
    run = run_workflow(gated(level="verify", phrase="DO IT", comment="always"))
    assert run.approve("review").status == "succeeded"


def test_questions_inside_handlers_and_in_iterations_go_by_their_names() -> None:
    flow = Workflow("kit-asks")

    def turn(ctx: Any) -> Any:
        from hitl import Complete, Continue

        said = ctx.ask("colour", "Which?", reviewers=["group:g"])
        return Complete(said) if ctx.iteration else Continue(said)

    flow.agent_loop("agent", turn)
    run = run_workflow(flow).answer("colour", "red")
    assert run.pending == ["colour"]
    assert run.answer("agent/colour", "blue").output == "blue"


def test_a_child_run_is_looked_through() -> None:
    flow = Workflow("kit-parent")
    flow.run_workflow("child", gated())
    run = run_workflow(flow)
    assert "approval:review" in run.waiting_for
    assert run.approve("review").output == 1


def test_signals_come_from_whom_the_wait_takes_them() -> None:
    flow = Workflow("kit-signals")

    @flow.step
    def wait(ctx: Any) -> Any:
        first = ctx.wait_for_signal("a", from_="people")
        second = ctx.wait_for_signal("b", from_="agents")
        return [first, second, ctx.wait_any("c", Signal("c"), Timer(timedelta(hours=1))).kind]

    run = run_workflow(flow).signal("a", 1).signal("b", 2)
    assert run.waiting_for == ["any:c"]
    assert run.signal("c").output == [1, 2, "signal"]
    with pytest.raises(RunEnded):
        run.signal("c")


def test_time_moves_when_it_is_told_to() -> None:
    flow = Workflow("kit-time")

    @flow.step
    def wait(ctx: Any) -> Any:
        ctx.sleep("night", timedelta(hours=8))
        ctx.set_event("now", "morning")
        try:
            return ctx.wait_for_signal("go", timeout=timedelta(days=1))
        except SignalTimeout:
            return "nobody"

    run = run_workflow(flow)
    assert run.advance_time(timedelta(hours=7)).waiting_for == ["sleep:night"]
    assert run.advance_time(timedelta(hours=2)).event("now") == "morning"
    assert run.advance_time(timedelta(days=2)).output == "nobody"
    assert clock.offset() == timedelta(days=2, hours=9)
    reset_time()
    assert clock.offset() == timedelta(0)
    with fresh():
        run.advance_time(timedelta(hours=1))
    assert clock.offset() == timedelta(0)


def test_a_retry_waits_for_time_and_every_queue_is_worked() -> None:
    flow = Workflow("kit-retry")

    @flow.step(queue="heavy", backoff=timedelta(minutes=1))
    def flaky(ctx: Any) -> int:
        if ctx.attempt == 1:
            raise StepFailed("not yet")
        return ctx.attempt

    run = run_workflow(flow)
    assert (run.status, run.step("flaky").attempt) == ("running", 2)
    assert run.advance_time(timedelta(minutes=2)).output == 2


def test_what_is_not_pending_is_told_with_what_is() -> None:
    run = run_workflow(gated())
    for wrong in (lambda: run.approve("revue"), lambda: run.reject("draft"), lambda: run.answer("x", 1)):
        with pytest.raises(NotWaiting, match="it waits for approval:review"):
            wrong()
    with pytest.raises(NotWaiting, match="there are act, draft, review"):
        run.step("acts")
    run.cancel(reason="enough")
    with pytest.raises(NotWaiting, match=r"the run has cancelled \(cancelled: enough\)"):
        run.approve("review")


def test_two_requests_of_one_name_are_told_apart() -> None:
    flow = Workflow("kit-two")
    for name in ("left", "right"):
        flow.step(lambda ctx: ctx.ask("q", "Well?", reviewers=["user:made-too"]), name=name)
    run = run_workflow(flow)
    with pytest.raises(NotWaiting, match="write one of left/q, right/q"):
        run.answer("q", "x")
    assert run.answer("left/q", "l").answer("q", "r").output == {"left": "l", "right": "r"}


def test_a_sweep_that_fails_fails_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    from hitl.engine import sweeps

    run = run_workflow(gated())
    monkeypatch.setitem(sweeps.DUTIES, "wake", lambda: 1 / 0)
    with pytest.raises(AssertionError, match="the sweep failed at wake"):
        run.settle()


def test_an_existing_run_is_taken_up(refund: Any, alice: Any) -> None:
    run = TestRun(refund.start(requester=alice)).settle()
    assert TestRun(str(run.id)).approve("review").output == {"paid": 250}
    assert get_user_model().objects.filter(username="reviewer-1-of-finance").exists()
    assert Group.objects.get(name="finance").user_set.count() == 1


def test_an_external_step_is_done_as_a_program_would(finance: Any) -> None:
    flow = Workflow("kit-external")
    render = flow.step(name="render", external=True, queue="gpu")

    @flow.step(after=render)
    def publish(ctx: Any) -> Any:
        return {"published": ctx.previous}

    run = run_workflow(flow, {"scene": 1})
    assert (run.status, run.step("render").status) == ("running", "ready")
    assert run.work("render", {"frames": 24}).output == {"published": {"frames": 24}}
    with pytest.raises(NotWaiting, match="succeeded"):
        run.work("render")
