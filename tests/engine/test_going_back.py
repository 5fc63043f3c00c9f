"""Going back to a step behind a gate asks people again; what was skipped has no output to go on with."""

from __future__ import annotations

from typing import Any

import pytest

from hitl import Action, Escalate, Restart, StepFailed, Workflow, audit, decisions, engine
from hitl.models import Approval, Run, Step

pytestmark = pytest.mark.django_db


def pending(run: Run) -> Approval:
    return Approval.objects.get(run=run, status="pending")


def say(run: Run, actor: Any, verdict: str = "approve", **options: Any) -> None:
    approval = pending(run)
    decisions.decide(approval, actor=actor, verdict=verdict, digest=approval.digest, **options)


@pytest.fixture
def two_gates(bob: Any) -> Any:
    """propose → first → middle → second → last; `middle` is protected and proposes in its turn."""
    flow = Workflow("two-gates")
    seen: list[tuple[int, str]] = []

    def propose(ctx: Any) -> Action:
        return Action({"n": 1}, type="do", title="Do 1", impact="It is done")

    def middle(ctx: Any) -> Action:
        seen.append((ctx.action.n, ctx.instructions))
        return Action({"n": ctx.action.n + 1}, type="do", title="Do more", impact="It is done")

    flow.step(propose, name="propose")
    flow.approval("first", after="propose", reviewers=["user:bob"])
    flow.step(middle, name="middle", after="first")
    flow.approval("second", after="middle", reviewers=["user:bob"])
    flow.step(lambda ctx: ctx.action.n, name="last", after="second")
    flow.seen = seen  # type: ignore[attr-defined]
    return flow


def test_a_revision_of_a_protected_step_asks_its_gate_again(two_gates: Any, alice: Any, bob: Any, work: Any) -> None:
    run = two_gates.start(requester=alice)
    work()
    say(run, bob)
    work()
    say(run, bob, "request_revision", comment="more")
    work()
    assert (pending(run).step.name, two_gates.seen) == ("first", [(1, "")])
    say(run, bob, "edit", args={"n": 5})
    work()
    assert two_gates.seen == [(1, ""), (5, "more")]
    say(run, bob)
    work()
    run.refresh_from_db()
    assert (run.status, run.output) == ("succeeded", 6)
    assert not Approval.objects.filter(run=run, status="approved", consumed_at=None).exists()
    assert audit.verify(run.pk).code == 0


def test_a_restart_at_a_protected_step_asks_its_gate_again(two_gates: Any, alice: Any, bob: Any, work: Any) -> None:
    two_gates.on_failure("second", lambda ctx: Restart("middle"), max_restarts=1)
    run = two_gates.start(requester=alice)
    work()
    say(run, bob)
    work()
    say(run, bob, "reject", comment="not so")
    work()
    assert pending(run).step.name == "first"
    say(run, bob, "reject", comment="then not at all")
    run.refresh_from_db()
    assert (run.status, run.failure_text) == ("rejected", "then not at all")
    assert two_gates.seen == [(1, "")]
    assert Step.objects.filter(run=run, name="last", status="succeeded").count() == 0
    assert audit.verify(run.pk).code == 0


# -- what was skipped has no output ---------------------------------------------------------------------


def test_a_gate_after_a_skipped_step_opens_nothing_and_says_so(alice: Any, bob: Any, work: Any) -> None:
    flow = Workflow("skipped")
    flow.step(lambda ctx: 1, name="propose", when=lambda ctx: False)
    flow.approval("gate", after="propose", reviewers=["user:bob"], title="Do it", impact="It is done")
    flow.step(lambda ctx: "acted", name="act", after="gate")
    run = flow.start(requester=alice)
    work()
    run.refresh_from_db()
    assert (run.status, run.failure_code) == ("failed", "invalid_action")
    assert "step 'propose' was skipped; give the gate action=" in run.failure_text
    assert Step.objects.get(run=run, name="act").status == "cancelled"
    assert audit.verify(run.pk).code == 0


def test_previous_after_a_skipped_step_says_so(alice: Any, work: Any) -> None:
    flow = Workflow("previous")
    flow.step(lambda ctx: 1, name="first", when=lambda ctx: False)
    flow.step(lambda ctx: ctx.previous, name="second", after="first")
    run = flow.start(requester=alice)
    work()
    run.refresh_from_db()
    assert (run.status, "'first', which was skipped" in run.failure_text) == ("failed", True)


def test_a_rung_knows_why_it_was_asked(alice: Any, work: Any) -> None:
    def senior(ctx: Any) -> Any:
        return {"told": ctx.escalation["reason"], "before": ctx.escalation["history"]}

    def junior(ctx: Any) -> Any:
        assert ctx.escalation is None
        return Escalate("too hard", suggested_action="ask somebody")

    flow = Workflow("rung")
    flow.step(junior, name="answer", escalation=[senior])
    run = flow.start(requester=alice)
    work()
    run.refresh_from_db()
    assert run.output["value"] == {"told": "too hard", "before": []}


# -- whatever runs again asks again -----------------------------------------------------------------------


@pytest.fixture
def joined(bob: Any) -> Any:
    """`act` comes after `look`, which is behind no gate, and after the gate over `propose`."""
    flow = Workflow("joined")
    acted: list[str] = []

    def act(ctx: Any) -> str:
        acted.append(ctx.results["look"])
        if len(acted) == 1:
            raise StepFailed("broken", retry=False)
        return "acted"

    flow.step(lambda ctx: ctx.instructions or "once", name="look")
    flow.step(lambda ctx: Action({"n": 1}, type="do", title="Do", impact="Done"), name="propose")
    flow.approval("gate", after="propose", reviewers=["user:bob"])
    flow.step(act, name="act", after=["look", "gate"])
    flow.acted = acted  # type: ignore[attr-defined]
    return flow


def test_a_fork_beside_a_gate_does_not_get_past_it(joined: Any, alice: Any, bob: Any, work: Any) -> None:
    run = joined.start(requester=alice)
    work()
    say(run, bob)
    work()
    assert joined.acted == ["once"]
    again = engine.fork(run, "look", actor=alice)
    work()
    assert joined.acted == ["once"]
    say(again, bob)
    work()
    again.refresh_from_db()
    assert (again.output, joined.acted) == ("acted", ["once", "once"])
    assert audit.verify(again.pk).code == 0


def test_a_restart_beside_a_gate_asks_it_again(joined: Any, alice: Any, bob: Any, work: Any) -> None:
    joined.on_failure("act", lambda ctx: Restart("look", instructions="twice"))
    run = joined.start(requester=alice)
    work()
    say(run, bob)
    work()
    assert (pending(run).revision, joined.acted) == (2, ["once"])
    say(run, bob)
    work()
    run.refresh_from_db()
    assert (run.output, joined.acted) == ("acted", ["once", "twice"])
    assert audit.verify(run.pk).code == 0


def test_a_step_whose_gate_was_never_decided_is_not_claimed(joined: Any, alice: Any, bob: Any, work: Any) -> None:
    run = joined.start(requester=alice)
    work()
    Step.objects.filter(run=run, name="gate").update(status="succeeded", waiting_for="")
    Step.objects.filter(run=run, name="act").update(status="ready", ready_at=pending(run).opened_at)
    Approval.objects.filter(run=run).update(step=Step.objects.get(run=run, name="propose"))
    work()
    run.refresh_from_db()
    assert (run.status, run.failure_code, joined.acted) == ("failed", "grant_missing", [])
