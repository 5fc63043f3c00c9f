"""Votes against votes: one outcome, everybody is told which, and the rows under the lock are what is counted."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from hitl import Workflow, decisions
from hitl.exceptions import AlreadyDecided, HitlError, NotAllowed
from hitl.models import Approval, Decision, Notification
from tests.races.conftest import LAST, Asking, Race, recorded, say, told, votes, whole

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("whole_house")]

Gate = Callable[..., Asking]


def test_two_approve_where_one_is_enough(race: Race, gate: Gate, bob: Any, carol: Any, work: Any) -> None:
    asking = gate()
    for approval in race.rounds(asking):
        results = race(say(approval, bob), say(approval, carol), hold=approval.run_id)
        assert sorted(map(told, results)) == ["already_decided", "done"]
        winner = [told(result) for result in results].index("done")
        race.won(winner)
        loser = results[1 - winner]
        assert isinstance(loser, AlreadyDecided)
        who = (bob, carol)[winner]
        assert (loser.details["status"], loser.details["decided_by"]) == ("approved", [str(who.pk)])
        assert votes(whole(approval)) == [(who.username, "approve")]
        assert (recorded(approval, "approval.approved"), recorded(approval, "decision.refused")) == (1, 1)
        work()
        assert asking.ran.count(str(approval.run_id)) == 1


def test_approve_against_reject(race: Race, gate: Gate, bob: Any, carol: Any) -> None:
    for approval in race.rounds(gate()):
        results = race(say(approval, bob), say(approval, carol, "reject"), hold=approval.run_id)
        assert sorted(map(told, results)) == ["already_decided", "done"]
        winner = [told(result) for result in results].index("done")
        race.won(winner)
        now = whole(approval)
        assert now.status == ("approved", "rejected")[winner] == results[1 - winner].details["status"]
        assert votes(now) == [[("bob", "approve")], [("carol", "reject")]][winner]
        assert recorded(approval, "approval.approved", "approval.rejected") == 1
        notices = Notification.objects.filter(approval=approval).values_list("kind", flat=True)
        assert sorted(notices) == sorted(["requested", now.status]), "that it was requested, and what came of it"


def test_approve_against_reject_where_two_must_agree(race: Race, gate: Gate, bob: Any, carol: Any) -> None:
    """The refusal decides in any order; a yes that was first stays on record."""
    for approval in race.rounds(gate(approvals=2)):
        yes, no = race(say(approval, bob), say(approval, carol, "reject"), hold=approval.run_id)
        race.won(0 if told(yes) == "done" else 1)
        assert (told(no), whole(approval).status) == ("done", "rejected")
        if told(yes) == "done":
            assert votes(approval) == [("bob", "approve"), ("carol", "reject")]
        else:
            assert (told(yes), votes(approval)) == ("already_decided", [("carol", "reject")])
        assert recorded(approval, "approval.rejected") == 1


def test_yes_and_no_of_one_person_in_two_windows(race: Race, gate: Gate, bob: Any) -> None:
    for approval in race.rounds(gate(approvals=2)):
        yes, no = race(say(approval, bob), say(approval, bob, "reject"), hold=approval.run_id)
        race.won(0 if told(yes) == "done" else 1)
        if told(yes) == "done":
            assert isinstance(no, NotAllowed)
            assert (told(no), votes(approval)) == ("not_allowed:already_voted", [("bob", "approve")])
            assert whole(approval).status == "pending"
        else:
            assert (told(yes), votes(approval)) == ("already_decided", [("bob", "reject")])
            assert whole(approval).status == "rejected"


@pytest.mark.parametrize("needed", [8, 5])
def test_the_last_votes_of_a_quorum(race: Race, gate: Gate, person: Any, finance: Any, work: Any, needed: int) -> None:
    """`HITL_RACES_LAST=500` sets how often."""
    eight = [person(f"voter{number}", finance) for number in range(8)]
    asking = gate(approvals=needed)
    for approval in race.rounds(asking, times=LAST):
        results = race(*(say(approval, voter) for voter in eight), hold=approval.run_id)
        won = [result for result in results if not isinstance(result, HitlError)]
        lost = [result for result in results if isinstance(result, HitlError)]
        assert sorted(result.have for result in won) == list(range(1, needed + 1))
        assert [result.open for result in won].count(False) == 1
        assert [told(error) for error in lost] == ["already_decided"] * (8 - needed)
        assert {error.details["status"] for error in lost} <= {"approved"}
        counted = {str(result.decision.actor_id) for result in won}
        assert all(set(error.details["decided_by"]) == counted for error in lost)
        assert whole(approval).status == "approved"
        assert len(votes(approval)) == needed
        assert (recorded(approval, "approval.voted"), recorded(approval, "approval.approved")) == (needed - 1, 1)
        work()
        assert asking.ran.count(str(approval.run_id)) == 1


CLICKS = [("approve", 1), ("approve", 2), ("edit", 1), ("edit", 2), ("reject", 1), ("request_revision", 1)]


@pytest.mark.parametrize(("verdict", "needed"), CLICKS)
def test_a_double_click(race: Race, gate: Gate, bob: Any, work: Any, verdict: str, needed: int) -> None:
    """Also a client that tries again, and one whose answer was lost until all was over."""
    for approval in race.rounds(gate(approvals=needed)):
        click = say(approval, bob, verdict, **({"args": {"n": 2}} if verdict == "edit" else {}))
        results = race(click, click, hold=approval.run_id)
        race.won([result.duplicate for result in results].index(False))
        assert sorted(result.duplicate for result in results) == [False, True]
        work()
        late = click()
        assert late.duplicate is True
        assert {result.decision.pk for result in results} == {late.decision.pk}
        assert len({result.approval.pk for result in (*results, late)}) == 1
        assert votes(whole(approval)) == [("bob", verdict)]
        assert recorded(approval, "decision.refused") == 0
        assert Approval.objects.filter(run=approval.run_id, supersedes=approval).count() <= 1


def test_a_double_click_on_an_answer(race: Race, alice: Any, bob: Any, work: Any) -> None:
    flow = Workflow("asks")
    options = {"schema": {"type": "integer"}, "reviewers": ["group:finance"]}
    flow.step(lambda ctx: ctx.ask("many", "How many?", **options), name="a")

    def ask() -> Approval:
        run = flow.start(requester=alice)
        work()
        return Approval.objects.get(run=run)

    for question in race.rounds(ask):
        click = say(question, bob, "respond", response=3)
        results = race(click, click, hold=question.run_id)
        assert sorted(result.duplicate for result in results) == [False, True]
        work()
        assert click().duplicate is True
        assert whole(question).run.status == "succeeded"
        assert (votes(question), recorded(question, "approval.answered")) == ([("bob", "respond")], 1)


def test_two_reviewers_claim_it(race: Race, gate: Gate, bob: Any, carol: Any) -> None:
    people = (bob, carol)
    for approval in race.rounds(gate()):
        results = race(*(partial(decisions.claim, approval, actor=who) for who in people), hold=approval.run_id)
        assert sorted(map(told, results)) == ["done", "not_allowed:claimed"]
        winner = [told(result) for result in results].index("done")
        race.won(winner)
        assert whole(approval).claimed_by_id == people[winner].pk
        assert (recorded(approval, "approval.claimed"), recorded(approval, "act.refused")) == (1, 1)
        assert told(say(approval, people[1 - winner])()) == "done", "a claim is a courtesy, no lock"


def test_claim_against_a_vote(race: Race, gate: Gate, bob: Any, carol: Any) -> None:
    """Somebody else's claim does not keep a vote from being valid."""
    for approval in race.rounds(gate()):
        claimed, voted = race(partial(decisions.claim, approval, actor=bob), say(approval, carol), hold=approval.run_id)
        race.won(0 if told(claimed) == "done" else 1)
        assert (told(voted), told(claimed) in ("done", "already_decided")) == ("done", True)
        assert (whole(approval).status, votes(approval)) == ("approved", [("carol", "approve")])
        assert recorded(approval, "act.refused") == int(told(claimed) != "done")


def test_several_at_once_against_one_of_them(race: Race, gate: Gate, bob: Any, carol: Any) -> None:
    asking = gate()
    for one, other in race.rounds(lambda: (asking(), asking())):
        seen = {one.pk: one.digest, other.pk: other.digest}
        items, single = race(
            partial(decisions.decide_all, seen, actor=bob, verdict="approve", comment="all"),
            say(one, carol, "reject"),
            hold=one.run_id,
        )
        first, second = items
        assert (first.id, second.id, second.reason) == (str(one.pk), str(other.pk), "")
        assert votes(whole(other)) == [("bob", "approve")]
        if told(single) == "done":
            race.won(1)
            assert first.reason in ("already_decided", "closed"), "seen at once, or by the pre-flight"
            assert (whole(one).status, votes(one)) == ("rejected", [("carol", "reject")])
        else:
            race.won(0)
            assert (told(single), first.reason) == ("already_decided", "")
            assert (whole(one).status, votes(one)) == ("approved", [("bob", "approve")])
        assert Decision.objects.filter(approval=one).count() == 1
