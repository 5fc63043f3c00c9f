"""What the machine found, or hardly ever draws: each as one short story."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group

from hitl import clock, decisions, invariants
from hitl.exceptions import AlreadyDecided, HitlError, UnknownApproval
from hitl.models import Approval, Assignment, Decision
from hitl.policies import explain
from hitl.policies.delegations import create_delegation
from tests.model.case import Said
from tests.model.people import Rules, Rung, Stage
from tests.model.world import World

FINANCE = ("group:finance",)
DIRECTORS = ("group:directors",)


@pytest.fixture
def world(db: None) -> World:
    """The people and the workflows."""
    return World()


def ask(world: World, stage: Stage, **rules: Any) -> Approval:
    """A request at its one stage, asked by alice."""
    run = world.begin(Rules((stage,), **rules))
    world.work()
    return Approval.objects.get(run=run)


def fresh(row: Approval) -> Approval:
    """As it is now."""
    return Approval.objects.get(pk=row.pk)


def late(row: Approval) -> None:
    """Its time is over."""
    clock.move(row.expires_at - clock.now() + timedelta(minutes=1))


def whole() -> list[str]:
    """Everything that is broken."""
    return [str(violation) for violation in invariants.check()]


def test_a_late_vote_climbs_and_counts_those_who_are_asked_then(world: World) -> None:
    row = ask(world, Stage(FINANCE, 3, ladder=(Rung(30, DIRECTORS, "add"),)), on_timeout="escalate")
    world.active("dave", yes=False)
    late(row)
    world.decide(row, "bob", Said("approve"))
    assert (fresh(row).rung, fresh(row).unsatisfiable) == (1, False)
    assert explain(fresh(row), world.users["erin"]).satisfiable
    assert whole() == []


def test_a_late_vote_does_not_ask_the_same_people_twice(world: World) -> None:
    stage = Stage(("user:bob", "user:carol"), 2, ladder=(Rung(30, ("group:directors",), "add"),), fallback=DIRECTORS)
    row = ask(world, stage, on_timeout="escalate")
    world.active("carol", yes=False)
    late(row)
    world.decide(row, "bob", Said("approve"))
    assert Assignment.objects.filter(approval=row, group=world.groups["directors"]).count() == 1
    assert whole() == []


def test_a_late_escalation_goes_two_rungs_up_and_asks_nobody_twice(world: World) -> None:
    ladder = (Rung(30, DIRECTORS, "add"), Rung(60, (*DIRECTORS, "user:sam"), "replace"))
    row = ask(world, Stage(FINANCE, ladder=ladder), on_timeout="escalate")
    late(row)
    world.act(row, "escalate", "root")
    asked = Assignment.objects.filter(approval=row, ended_at=None)
    assert {str(one) for one in asked} == {f"group:{world.groups['directors'].pk}", f"user:{world.users['sam'].pk}"}
    assert whole() == []


def test_a_late_hand_over_to_somebody_who_is_asked_just_then_is_refused(world: World) -> None:
    row = ask(world, Stage(FINANCE, 2, ladder=(Rung(30, ("user:sam",), "add"),)), on_timeout="escalate")
    late(row)
    with pytest.raises(HitlError):
        world.act(row, "delegate", "bob", to="sam")
    assert Assignment.objects.filter(approval=row, user=world.users["sam"], for_user=None).count() == 1
    assert whole() == []


def test_a_late_assignment_brings_back_one_whose_place_was_replaced(world: World) -> None:
    stage = Stage(("user:bob",), ladder=(Rung(30, ("user:sam",), "replace"), Rung(60, ("user:dave",), "replace")))
    row = ask(world, stage, on_timeout="escalate")
    world.act(row, "escalate", "root")
    late(row)
    world.act(row, "assign", "root", to="bob")
    mine = Assignment.objects.get(approval=row, user=world.users["bob"])
    assert (mine.ended_at, mine.due_at) == (None, fresh(row).expires_at)
    assert whole() == []


def test_an_edit_whose_reviewers_were_renamed_leaves_no_half_of_it(world: World) -> None:
    row = ask(world, Stage(FINANCE, 2))
    Group.objects.filter(name="finance").update(name="treasury")
    try:
        world.decide(row, "bob", Said("edit", args="less"))
    except HitlError:
        assert fresh(row).status == "pending"
        assert not Decision.objects.exists()
    assert Approval.objects.filter(run=row.run_id, status="pending").count() == 1
    assert whole() == []


def test_a_remark_after_the_end_breaks_no_rule(world: World) -> None:
    row = ask(world, Stage(FINANCE))
    world.decide(row, "bob", Said("reject"))
    decisions.comment(row, actor=world.users["bob"], text="for the record")
    decisions.watch(row, actor=world.users["alice"])
    decisions.give_feedback(row.run_id, "tone", actor=world.users["alice"], score=1)
    assert whole() == []


def test_one_more_who_is_asked_is_not_always_enough(world: World) -> None:
    row = ask(world, Stage(("user:bob", "user:carol", "user:dave"), 3))
    world.active("carol", yes=False)
    world.active("dave", yes=False)
    world.decide(row, "bob", Said("approve"))
    assert fresh(row).unsatisfiable
    world.act(row, "assign", "root", to="erin")
    assert not explain(fresh(row), world.users["erin"]).satisfiable
    assert fresh(row).unsatisfiable


def test_who_stands_in_for_the_requester_is_nobody_who_is_left(world: World) -> None:
    create_delegation(
        world.users["alice"], world.users["bob"], ends_at=clock.now() + timedelta(days=1), actor=world.users["alice"]
    )
    row = ask(world, Stage(("user:bob",), fallback=DIRECTORS))
    assert explain(row, world.users["bob"]).reason == "own_request"
    assert "bob" not in explain(row, world.users["erin"]).can_still
    assert fresh(row).fell_back


def test_nobody_confirms_in_the_requesters_place(world: World) -> None:
    row = ask(world, Stage(("requester",)), risk="low")
    create_delegation(
        world.users["alice"], world.users["sam"], ends_at=clock.now() + timedelta(days=1), actor=world.users["alice"]
    )
    assert explain(row, world.users["alice"]).can_decide
    assert not explain(row, world.users["sam"]).can_decide
    assert decisions.inbox(world.users["sam"]) == []


def test_only_the_requester_is_recorded_as_confirming_their_own(world: World) -> None:
    run = world.begin(Rules((Stage(("requester",), fallback=DIRECTORS),), risk="low"))
    world.active("alice", yes=False)
    world.work()
    row = Approval.objects.get(run=run)
    world.decide(row, "erin", Said("approve"))
    assert Decision.objects.get().confirmation is None


def test_a_used_place_is_not_handed_on(world: World) -> None:
    row = ask(world, Stage(("user:bob", "user:carol", "user:dave"), 3))
    for giver in ("bob", "carol"):
        until = clock.now() + timedelta(days=1)
        to = world.users["sam" if giver == "bob" else "bob"]
        create_delegation(world.users[giver], to, ends_at=until, actor=world.users[giver])
    world.decide(row, "sam", Said("approve"))  # bob's place
    assert explain(row, world.users["bob"]).acts["delegate"]


def test_a_request_sent_back_was_decided_by_a_person(world: World) -> None:
    row = ask(world, Stage(FINANCE))
    world.decide(row, "bob", Said("request_revision"))
    with pytest.raises(AlreadyDecided):
        world.decide(row, "carol", Said("approve"))


def test_too_few_people_twice_are_told_twice(world: World) -> None:
    row = ask(world, Stage(("user:bob", "user:carol"), 2, rejections=2))
    for _ in range(2):
        world.decide(row, "bob", Said("reject"))
        assert fresh(row).unsatisfiable
        world.act(row, "withdraw", "bob")
        assert not fresh(row).unsatisfiable
    assert whole() == []


def test_a_stranger_who_comes_late_takes_nothing_from_those_who_are_asked(world: World) -> None:
    row = ask(world, Stage(FINANCE, ladder=(Rung(30, ("user:sam",), "replace"),)), on_timeout="escalate")
    late(row)
    with pytest.raises(UnknownApproval):
        world.decide(row, "mallory", Said("approve"))
    assert fresh(row).rung == 0
    assert list(Assignment.objects.filter(approval=row).values_list("ended_at", flat=True)) == [None]
    assert decisions.inbox(world.users["bob"]) == [fresh(row)]
    assert whole() == []
