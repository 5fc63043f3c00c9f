"""Votes against whatever happens to the people meanwhile: membership, delegation and ladder are read under the lock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from hitl import clock, decisions
from hitl.exceptions import NotAllowed, UnknownApproval
from hitl.models import Approval, Assignment, Decision, Delegation
from hitl.policies.delegations import create_delegation, revoke_delegation
from tests.races.conftest import Asking, Race, recorded, say, told, votes, whole

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("whole_house")]

Gate = Callable[..., Asking]


def rung(mode: str) -> list[dict[str, Any]]:
    """One stage of two people of finance, that goes up to the managers after an hour."""
    up = {"after": "1h", "to": ["group:managers"], "mode": mode}
    return [{"reviewers": ["group:finance"], "approvals": 2, "escalate": [up]}]


@pytest.mark.parametrize("mode", ["add", "replace"])
def test_decide_against_escalate(
    race: Race, gate: Gate, bob: Any, carol: Any, person: Any, managers: Any, mode: str
) -> None:
    """A vote of the earlier rung stays valid; after people were replaced they are asked no more."""
    mia, max_ = person("mia", managers), person("max", managers)
    for approval in race.rounds(gate(stages=rung(mode))):
        up = partial(decisions.escalate, approval, actor=carol, reason="slow")
        voted, escalated = race(say(approval, bob), up, hold=approval.run_id)
        assert (told(escalated), recorded(approval, "approval.escalated")) == ("done", 1)
        assert whole(approval).rung == 1
        if mode == "replace" and told(voted) != "done":
            race.won(1)
            assert isinstance(voted, NotAllowed)
            assert (told(voted), votes(approval)) == ("not_allowed:not_candidate", [])
            assert told(say(approval, max_)()) == "done"
        else:
            assert (told(voted), votes(approval)) == ("done", [("bob", "approve")])
        assert whole(approval).status == "pending"
        assert say(approval, mia)().open is False, "the vote of the earlier rung counts"
        assert whole(approval).status == "approved"
        assert len(votes(approval)) == 2


def test_the_deciding_vote_against_escalate(race: Race, gate: Gate, bob: Any, carol: Any, managers: Any) -> None:
    up = [{"reviewers": ["group:finance"], "escalate": [{"after": "1h", "to": ["group:managers"]}]}]
    for approval in race.rounds(gate(stages=up)):
        voted, escalated = race(
            say(approval, bob), partial(decisions.escalate, approval, actor=carol), hold=approval.run_id
        )
        race.won(1 if told(escalated) == "done" else 0)
        assert (told(voted), told(escalated) in ("done", "already_decided")) == ("done", True)
        assert (whole(approval).status, votes(approval)) == ("approved", [("bob", "approve")])
        assert recorded(approval, "approval.escalated") == int(told(escalated) == "done")
        assert not Assignment.objects.filter(approval=approval, due_at__isnull=False).exists()


def test_two_escalate_at_once(race: Race, gate: Gate, bob: Any, carol: Any, managers: Any) -> None:
    for approval in race.rounds(gate(stages=rung("add"))):
        results = race(
            *(partial(decisions.escalate, approval, actor=who) for who in (bob, carol)), hold=approval.run_id
        )
        race.won(list(map(told, results)).index("done"))
        assert sorted(map(told, results)) == ["done", "not_allowed:no_rung"]
        assert (whole(approval).rung, recorded(approval, "approval.escalated")) == (1, 1)


def test_decide_against_delegate(race: Race, gate: Gate, bob: Any, person: Any) -> None:
    """Whoever votes while they hand over either has voted, or has handed over and votes all the same."""
    dave = person("dave")
    for approval in race.rounds(gate(approvals=2)):
        hand_over = partial(decisions.delegate, approval, actor=bob, to=dave, reason="away")
        voted, handed = race(say(approval, bob), hand_over, hold=approval.run_id)
        race.won(1 if told(handed) == "done" else 0)
        assert (told(voted), votes(whole(approval))) == ("done", [("bob", "approve")])
        stands_in = say(approval, dave)
        if told(handed) == "done":
            with pytest.raises(NotAllowed) as late:
                stands_in()
            assert late.value.details["reason"] == "place_taken"
        else:
            assert isinstance(handed, NotAllowed)
            assert told(handed) == "not_allowed:already_voted"
            with pytest.raises(UnknownApproval):
                stands_in()
        assert recorded(approval, "approval.delegated") == int(told(handed) == "done")


def lend(who: Any, to: Any) -> Delegation:
    """A period from now, of a day."""
    ends_at = clock.now() + timedelta(days=1)
    return create_delegation(who, to, starts_at=clock.now() - timedelta(hours=1), ends_at=ends_at, actor=who)


@pytest.mark.parametrize("way", ["this_request", "for_a_period"])
def test_who_stands_in_and_who_they_stand_in_for_count_once(
    race: Race, gate: Gate, bob: Any, person: Any, way: str
) -> None:
    dave = person("dave")
    if way == "for_a_period":
        lend(bob, dave)
    for approval in race.rounds(gate(approvals=2)):
        if way == "this_request":
            decisions.delegate(approval, actor=bob, to=dave)
        results = race(say(approval, bob), say(approval, dave), hold=approval.run_id)
        winner = list(map(told, results)).index("done")
        race.won(winner)
        loser = results[1 - winner]
        assert isinstance(loser, NotAllowed)
        assert told(loser) == "not_allowed:place_taken"
        vote = Decision.objects.get(approval=approval)
        assert (vote.actor_id, vote.for_user_id) == [(bob.pk, None), (dave.pk, bob.pk)][winner]
        assert whole(approval).status == "pending"
        assert recorded(approval, "approval.voted") == recorded(approval, "decision.refused") == 1


def test_two_who_stand_in_for_one(race: Race, gate: Gate, bob: Any, person: Any) -> None:
    both = person("dave"), person("erin")
    for one in both:
        lend(bob, one)
    for approval in race.rounds(gate(approvals=2)):
        results = race(*(say(approval, one) for one in both), hold=approval.run_id)
        assert sorted(map(told, results)) == ["done", "not_allowed:place_taken"]
        race.won(list(map(told, results)).index("done"))
        assert Decision.objects.get(approval=whole(approval)).for_user_id == bob.pk


def test_a_vote_against_the_end_of_its_delegation(race: Race, gate: Gate, bob: Any, carol: Any, person: Any) -> None:
    """Cast in time it stands; later, who stood in is a stranger."""
    dave = person("dave")
    asking = gate(approvals=2)
    for approval, lent in race.rounds(lambda: (asking(), lend(bob, dave))):
        voted, ended = race(say(approval, dave), partial(revoke_delegation, lent, actor=bob), hold=approval.run_id)
        race.won(0 if told(voted) == "done" else 1)
        assert ended is True
        _stands_or_stranger(approval, voted, dave)
        if told(voted) == "done":
            with pytest.raises(NotAllowed):
                say(approval, bob)()  # his place was used
        else:
            assert told(say(approval, bob)()) == "done"
        _settled_by(carol, approval)


def test_a_vote_against_the_end_of_its_membership(
    race: Race, gate: Gate, finance: Any, carol: Any, person: Any
) -> None:
    """A vote held up at the lock while its voter leaves the group is none; one that was cast before stands."""
    dave = person("dave")
    asking = gate(approvals=2)

    def ask() -> Approval:
        dave.groups.add(finance)
        return asking()

    for approval in race.rounds(ask):
        voted, _ = race(say(approval, dave), partial(dave.groups.remove, finance), hold=approval.run_id)
        race.won(0 if told(voted) == "done" else 1)
        _stands_or_stranger(approval, voted, dave)
        _settled_by(carol, approval, alone=told(voted) != "done")


def test_a_vote_against_its_voters_deactivation(race: Race, gate: Gate, finance: Any, carol: Any, person: Any) -> None:
    dave = person("dave", finance)
    asking = gate(approvals=2)

    def ask() -> Approval:
        _active(dave, True)
        return asking()

    for approval in race.rounds(ask):
        voted, _ = race(say(approval, dave), partial(_active, dave, False), hold=approval.run_id)
        race.won(0 if told(voted) == "done" else 1)
        if told(voted) != "done":
            assert isinstance(voted, NotAllowed)
            assert (told(voted), votes(approval)) == ("not_allowed:inactive", [])
        _settled_by(carol, approval, alone=told(voted) != "done")


def test_a_vote_against_the_deactivation_of_whose_place_it_takes(
    race: Race, gate: Gate, finance: Any, carol: Any, person: Any
) -> None:
    """Nobody stands in for somebody who could not vote themselves."""
    frank, dave = person("frank", finance), person("dave")
    lend(frank, dave)
    asking = gate(approvals=2)

    def ask() -> Approval:
        _active(frank, True)
        return asking()

    for approval in race.rounds(ask):
        voted, _ = race(say(approval, dave), partial(_active, frank, False), hold=approval.run_id)
        race.won(0 if told(voted) == "done" else 1)
        assert told(voted) in ("done", "not_allowed:not_candidate")
        assert len(votes(approval)) == int(told(voted) == "done")
        _settled_by(carol, approval, alone=told(voted) != "done")


def test_a_vote_against_being_asked(race: Race, gate: Gate, root: Any, mallory: Any) -> None:
    for approval in race.rounds(gate()):
        assign = partial(decisions.assign, approval, actor=root, to=mallory, reason="nobody else is here")
        voted, assigned = race(say(approval, mallory), assign, hold=approval.run_id)
        assert told(assigned) == "done"
        assert told(voted) in ("done", "unknown_approval")
        race.won(1 if told(voted) == "done" else 0)
        assert whole(approval).status == ("approved" if told(voted) == "done" else "pending")
        assert len(votes(approval)) == int(told(voted) == "done")


def _active(user: Any, active: bool) -> None:
    type(user).objects.filter(pk=user.pk).update(is_active=active)


def _stands_or_stranger(approval: Approval, voted: Any, who: Any) -> None:
    if told(voted) == "done":
        assert votes(approval) == [(who.username, "approve")]
    else:
        assert isinstance(voted, UnknownApproval), "who is not asked may not even know"
        assert votes(approval) == []
    assert recorded(approval, "decision.refused") == int(told(voted) != "done")


def _settled_by(carol: Any, approval: Approval, *, alone: bool = False) -> None:
    """Carol's vote makes it two; alone she is not enough."""
    assert whole(approval).status == "pending"
    assert say(approval, carol)().open is alone
    assert whole(approval).status == ("pending" if alone else "approved")
