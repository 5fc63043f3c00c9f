"""Who decides though they may not: authors by way of a child run, chains of hand-overs, operators on their own side."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission

import hitl
from hitl import Action, Workflow, clock, decisions, engine
from hitl.engine.claim import claim, pick
from hitl.exceptions import NotAllowed
from hitl.models import Approval, Run
from hitl.policies import explain
from hitl.policies.delegations import create_delegation

DAY = timedelta(days=1)


def hand_over(giver: Any, to: Any) -> None:
    create_delegation(giver, to, ends_at=clock.now() + DAY, actor=giver)


def test_who_wrote_a_childs_output_does_not_approve_what_the_parent_makes_of_it(
    decide: Any, work: Any, alice: Any, bob: Any, pass_time: Any
) -> None:
    child, flow = Workflow("attacked-child"), Workflow("attacked-parent")
    child.step(lambda ctx: {"n": 1}, name="count", repeatable=False)
    flow.step(lambda ctx: ctx.run_workflow("counted", child), name="begin")
    flow.step(lambda ctx: Action(ctx.results["begin"], type="do", title="t", impact="i"), name="draft", after="begin")
    flow.approval("ask", after="draft", reviewers=["group:finance"])
    flow.step(lambda ctx: ctx.action, name="act", after="ask")
    flow.start(requester=alice)
    engine.freeze("workflow:attacked-child", actor=alice)
    work()
    engine.unfreeze("workflow:attacked-child", actor=alice)
    assert claim(pick("default")[0]) is not None  # and its worker dies
    pass_time(timedelta(minutes=5))
    engine.sweep()
    hitl.resolve(Run.objects.get(parent_step__isnull=False), "count", "succeeded", actor=bob, output={"n": 1_000_000})
    engine.sweep()  # which tells the parent
    work()
    approval = Approval.objects.get()
    assert approval.args == {"n": 1_000_000}
    with pytest.raises(NotAllowed):
        decide(approval, bob)


def test_a_place_that_its_owner_may_not_use_is_used_by_nobody(
    gate: Any, decide: Any, alice: Any, bob: Any, people: Any
) -> None:
    approval, dave = gate(reviewers=["user:bob"]), people("dave")
    hand_over(alice, bob)
    with pytest.raises(NotAllowed):
        decide(approval, bob)
    hand_over(bob, dave)
    with pytest.raises(NotAllowed):
        decide(approval, dave)


def test_an_operator_does_not_choose_who_decides_their_own_request(gate: Any, alice: Any, people: Any) -> None:
    approval, friend = gate(reviewers=["user:bob"]), people("friend")
    alice.user_permissions.add(Permission.objects.get(codename="operate"))
    operator = get_user_model().objects.get(pk=alice.pk)
    with pytest.raises(NotAllowed):
        decisions.assign(approval, actor=operator, to=friend, reason="a friend of mine")


def test_people_who_cannot_since_they_stand_in_for_who_asked_are_not_counted_on(
    gate: Any, alice: Any, bob: Any, carol: Any
) -> None:
    approval = gate(reviewers=["group:finance"])
    for reviewer in (bob, carol):
        hand_over(alice, reviewer)
        assert explain(approval, reviewer).reason == "own_request"
    told = explain(approval, bob)
    assert (told.can_still, told.satisfiable) == ((), False)


def test_somebody_elses_yes_is_not_recorded_as_the_requesters_own(gate: Any, decide: Any, alice: Any, bob: Any) -> None:
    approval = gate(stages=[{"reviewers": ["requester"], "fallback": ["group:finance"]}])
    decisions.escalate(approval, actor=alice)
    assert "self" not in (decide(approval, bob).decision.confirmation or {})


def test_one_more_person_who_is_not_enough_leaves_the_warning(gate: Any, root: Any, people: Any) -> None:
    approval = gate(reviewers=["group:finance"], approvals=4)
    assert approval.unsatisfiable
    decisions.assign(approval, actor=root, to=people("dave"), reason="somebody has to")
    approval.refresh_from_db()
    assert approval.unsatisfiable
