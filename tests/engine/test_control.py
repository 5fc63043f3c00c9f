"""Retry, fork, resolve, freeze: what people do to runs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

import hitl
from hitl import SYSTEM, Action, Workflow, audit, decisions, engine
from hitl.engine.context.waits import question_wait
from hitl.exceptions import BadInput, NotAllowed, UnknownRun, UnknownStep
from hitl.models import Approval, Run, Step

pytestmark = pytest.mark.django_db


def fresh(run: Run) -> Run:
    assert audit.verify(run.pk).code == 0
    return Run.objects.get(pk=run.pk)


@pytest.fixture
def line(bob: Any) -> Any:
    """a → gate → b → c; `broken` makes c fail."""
    flow = Workflow("line")
    flow.ran = []  # type: ignore[attr-defined]
    flow.broken = True  # type: ignore[attr-defined]

    def note(name: str, value: Any) -> Any:
        flow.ran.append(name)  # type: ignore[attr-defined]
        return value

    flow.step(lambda ctx: note("a", Action({"n": 1}, type="do", title="Do", impact="Done")), name="a")
    gate = flow.approval("gate", after="a", reviewers=["user:bob"])
    flow.step(lambda ctx: note("b", ctx.action.n + 1), name="b", after=gate)

    @flow.step(after="b", max_attempts=1)
    def c(ctx: Any) -> Any:
        if flow.broken:  # type: ignore[attr-defined]
            raise RuntimeError("broken")
        return note("c", ctx.results["b"] * 10)

    return flow


@pytest.fixture
def failed(line: Any, alice: Any, bob: Any, work: Any) -> Run:
    """A run of it that failed at c."""
    run = line.start(requester=alice)
    work()
    approve(run, bob)
    work()
    assert fresh(run).status == "failed"
    line.broken = False
    line.ran.clear()
    return run


def approve(run: Run, bob: Any) -> None:
    approval = Approval.objects.get(run=run, status="pending")
    decisions.decide(approval, actor=bob, verdict="approve", digest=approval.digest)


def test_retry_begins_where_it_failed_and_keeps_the_rest(failed: Run, line: Any, alice: Any, work: Any) -> None:
    run = hitl.retry(failed, actor=alice)
    work()
    assert (fresh(run).status, fresh(run).output, fresh(run).retry_of_id) == ("succeeded", 20, failed.pk)
    assert line.ran == ["c"]
    assert fresh(failed).status == "failed"


def test_only_a_bad_end_is_tried_again(line: Any, alice: Any, work: Any) -> None:
    run = line.start(requester=alice)
    with pytest.raises(BadInput, match="ended badly"):
        hitl.retry(run, actor=alice)
    with pytest.raises(UnknownRun):
        hitl.retry("01a1f863-9e38-7d5f-9cba-8408e9377f0d", actor=alice)


def test_a_fork_changes_what_came_before(failed: Run, line: Any, alice: Any, work: Any) -> None:
    run = hitl.fork(failed, "c", actor=alice, patch={"b": 7})
    work()
    assert (fresh(run).output, fresh(run).forked_from_id) == (70, failed.pk)
    with pytest.raises(BadInput, match="run again or do not exist"):
        hitl.fork(failed, "b", actor=alice, patch={"c": 1})
    with pytest.raises(UnknownStep):
        hitl.fork(failed, "nowhere", actor=alice)


def test_a_protected_step_asks_again(failed: Run, line: Any, alice: Any, bob: Any, work: Any) -> None:
    run = hitl.fork(failed, "b", actor=alice)
    assert work() == 0
    assert Step.objects.get(run=run, name="gate").status == "waiting"
    approve(run, bob)
    work()
    assert fresh(run).output == 20
    assert line.ran == ["b", "c"]


@pytest.fixture
def uncertain(alice: Any, pass_time: Any) -> Run:
    """A run whose step may not be repeated and whose worker died inside."""
    flow = Workflow("once-only")
    flow.step(lambda ctx: "sent", name="send", repeatable=False)
    flow.step(lambda ctx: ctx.results["send"], name="end", after="send")
    run = flow.start(requester=alice)
    from hitl.engine.claim import claim, pick

    assert claim(pick("default")[0]) is not None
    pass_time(timedelta(minutes=5))
    assert engine.sweep()["rescue"] == 1
    assert Step.objects.get(run=run, name="send").status == "uncertain"
    assert fresh(run).status == "waiting"
    return run


def test_a_person_says_what_became_of_an_uncertain_step(uncertain: Run, alice: Any, agent_key: Any, work: Any) -> None:
    for who in (SYSTEM, agent_key[0]):
        with pytest.raises(NotAllowed):
            hitl.resolve(uncertain, "send", "succeeded", actor=who)
    with pytest.raises(BadInput, match="no outcome"):
        hitl.resolve(uncertain, "send", "maybe", actor=alice)
    with pytest.raises(BadInput, match="not uncertain"):
        hitl.resolve(uncertain, "end", "retry", actor=alice)
    hitl.resolve(uncertain, "send", "succeeded", actor=alice, output="it was sent", reason="seen in the outbox")
    work()
    assert fresh(uncertain).output == "it was sent"


@pytest.mark.parametrize(("outcome", "status"), [("failed", "failed"), ("retry", "succeeded")])
def test_other_ends_of_uncertainty(outcome: str, status: str, uncertain: Run, alice: Any, work: Any) -> None:
    hitl.resolve(uncertain, "send", outcome, actor=alice)
    work()
    assert fresh(uncertain).status == status


@pytest.mark.parametrize("scope", ["all", "workflow", "run", "key"])
def test_a_freeze_stops_claims_of_what_it_covers_and_nothing_else(
    scope: str, agent_key: Any, alice: Any, work: Any
) -> None:
    cold = Workflow("cold")
    cold.step(lambda ctx: 1, name="a", repeatable=False)
    cold.step(lambda ctx: 2, name="b")
    warm = Workflow("warm")
    warm.step(lambda ctx: 1, name="a")
    frozen = [cold.start(requester=agent_key[0]) for _ in range(10)]
    other = warm.start(requester=alice)
    target = {
        "all": "all",
        "workflow": "workflow:cold",
        "run": f"run:{frozen[0].pk}",
        "key": f"key:{agent_key[0].pk}",
    }[scope]
    assert hitl.freeze(target, actor=alice, reason="something is wrong") == []
    hitl.freeze(target, actor=alice)
    work()
    assert fresh(frozen[0]).status == "running"
    assert fresh(other).status == ("running" if scope == "all" else "succeeded")
    assert fresh(frozen[1]).status == ("succeeded" if scope == "run" else "running")
    assert hitl.unfreeze(target, actor=alice)
    assert not hitl.unfreeze(target, actor=alice)
    work()
    assert {fresh(run).status for run in (*frozen, other)} == {"succeeded"}
    assert audit.verify().code == 0


def test_a_freeze_tells_what_is_in_flight(alice: Any, work: Any) -> None:
    flow = Workflow("busy")
    seen: list[Any] = []
    flow.step(lambda ctx: seen.extend(hitl.freeze("workflow:busy", actor=alice)), name="a")
    run = flow.start(requester=alice)
    work()
    assert [(step.name, step.run_id) for step in seen] == [("a", run.pk)]
    assert fresh(run).status == "succeeded"


@pytest.mark.parametrize("target", ["", "everything", "workflow:", "run:nonsense", "all:x", "key:" + "x" * 200])
def test_what_cannot_be_frozen_is_refused(target: str, alice: Any) -> None:
    with pytest.raises(hitl.HitlError):
        hitl.freeze(target, actor=alice)


def test_who_changed_a_run_by_hand_may_not_approve_it(failed: Run, bob: Any, carol: Any, work: Any) -> None:
    run = hitl.fork(failed, "gate", actor=bob, patch={"a": {"n": 9999}})
    work()
    assert fresh(run).failure_code == "invalid_action"  # a plain value is no action
    again = hitl.fork(failed, "gate", actor=bob, patch={"a": Action({"n": 9}, type="do", title="Do", impact="Done")})
    work()
    approval = Approval.objects.get(run=again, status="pending")
    assert approval not in decisions.inbox(bob)
    with pytest.raises(NotAllowed) as error:
        approve(again, bob)
    assert error.value.details["reason"] == "own_request"


def test_who_resolved_a_step_by_hand_may_not_approve_what_follows(uncertain: Run, alice: Any, bob: Any) -> None:
    hitl.resolve(uncertain, "send", "succeeded", actor=bob, output="x")
    assert fresh(uncertain).authors == f",{bob.pk},"


def test_a_question_with_a_broken_schema_is_refused_when_it_is_asked() -> None:
    with pytest.raises(BadInput, match="its schema is wrong"):
        question_wait("q", "Well?", {"type": "nonsense"}, None, {"reviewers": ["user:bob"]})
