"""Votes against what makes them stale: edits that need others, new revisions, and stages that open."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from hitl import decisions
from hitl.definition import Stage
from hitl.exceptions import AlreadyDecided, NotAllowed, StaleApproval
from hitl.models import Approval
from tests.races.conftest import Asking, Race, recorded, say, told, votes, whole

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("whole_house")]

Gate = Callable[..., Asking]


def revisions(approval: Approval) -> list[Approval]:
    return list(Approval.objects.filter(run=approval.run_id, key=approval.key).order_by("revision"))


def names_the_newest(error: Any, newest: Approval) -> None:
    """The 412: which revision it is about now, with the digest to look at."""
    assert isinstance(error, StaleApproval)
    assert error.details == {"approval": str(newest.pk), "revision": newest.revision, "digest": newest.digest}


def test_decide_against_an_edit_that_others_must_agree_to(
    race: Race, gate: Gate, bob: Any, carol: Any, person: Any, finance: Any
) -> None:
    """The edit makes the next revision, and votes on the old one are void; its author may not vote on it."""
    dave = person("dave", finance)
    for approval in race.rounds(gate(approvals=2)):
        edit = say(approval, carol, "edit", args={"n": 2})
        voted, edited = race(say(approval, bob), edit, hold=approval.run_id)
        race.won(0 if told(voted) == "done" else 1)
        old, new = revisions(approval)
        assert told(edited) == "done"
        assert (edited.approval.pk, old.status, new.status, new.args) == (new.pk, "superseded", "pending", {"n": 2})
        if told(voted) == "done":
            assert votes(old) == [("bob", "approve"), ("carol", "edit")]
        else:
            names_the_newest(voted, new)
            assert votes(old) == [("carol", "edit")]
        assert (votes(new), recorded(new, "approval.redrafted"), recorded(new, "approval.requested")) == ([], 1, 2)
        with pytest.raises(NotAllowed) as own:
            say(new, carol)()
        assert own.value.details["reason"] == "own_edit"
        assert say(new, bob)().open is True, "the vote on the old revision is void, and one on the new one is not"
        assert say(new, dave)().open is False
        assert whole(new).run.status == "running"


def test_the_last_vote_against_an_edit(race: Race, gate: Gate, bob: Any, carol: Any, person: Any, finance: Any) -> None:
    dave = person("dave", finance)
    asking = gate(approvals=2)

    def one_vote() -> Approval:
        approval = asking()
        say(approval, bob)()
        return approval

    for approval in race.rounds(one_vote):
        voted, edited = race(say(approval, dave), say(approval, carol, "edit", args={"n": 2}), hold=approval.run_id)
        if told(voted) == "done":
            race.won(0)
            assert (told(edited), edited.details["status"]) == ("already_decided", "approved")
            assert whole(approval).current_args == {"n": 1}
        else:
            race.won(1)
            names_the_newest(voted, revisions(approval)[1])
        assert [row.status for row in revisions(approval)] in (["approved"], ["superseded", "pending"])
        assert recorded(approval, "approval.approved", "approval.redrafted") == 1


def test_two_edits_at_once(race: Race, gate: Gate, bob: Any, carol: Any) -> None:
    for approval in race.rounds(gate(approvals=2)):
        results = race(
            say(approval, bob, "edit", args={"n": 2}),
            say(approval, carol, "edit", args={"n": 3}),
            hold=approval.run_id,
        )
        winner = list(map(told, results)).index("done")
        race.won(winner)
        old, new = revisions(approval)
        names_the_newest(results[1 - winner], new)
        assert (old.status, new.args, new.edited_by_id) == ("superseded", {"n": 2 + winner}, (bob, carol)[winner].pk)
        assert len(votes(old)) == recorded(new, "approval.redrafted") == 1


def test_two_edits_at_once_where_one_is_enough(race: Race, gate: Gate, bob: Any, carol: Any, work: Any) -> None:
    for approval in race.rounds(gate()):
        results = race(
            say(approval, bob, "edit", args={"n": 2}),
            say(approval, carol, "edit", args={"n": 3}),
            hold=approval.run_id,
        )
        winner = list(map(told, results)).index("done")
        race.won(winner)
        assert isinstance(results[1 - winner], AlreadyDecided)
        assert whole(approval).current_args == {"n": 2 + winner}
        assert recorded(approval, "approval.edited") == 1
    work()


def test_decide_against_a_revision_that_is_asked_for(
    race: Race, gate: Gate, bob: Any, carol: Any, work: Callable[[], int]
) -> None:
    """Whoever votes on the old text is told of the new one, or, until it is there, that it was sent back."""
    for approval in race.rounds(gate()):

        def send_back(approval: Approval = approval) -> decisions.Outcome:
            found = say(approval, carol, "request_revision", comment="smaller")()
            work()
            return found

        voted, sent = race(say(approval, bob), send_back, hold=approval.run_id)
        if told(voted) == "done":
            race.won(0)
            assert (told(sent), whole(approval).status) == ("already_decided", "approved")
            continue
        race.won(1)
        old, new = revisions(approval)
        assert (old.status, new.status, new.revision) == ("revision_requested", "pending", 2)
        if isinstance(voted, StaleApproval):
            names_the_newest(voted, new)
        else:
            assert (race.way, type(voted)) == ("at_once", AlreadyDecided)
            assert (told(voted), voted.details["status"]) == ("already_decided", "revision_requested")
        with pytest.raises(StaleApproval) as later:
            say(approval, bob)()
        names_the_newest(later.value, new)
        assert (votes(old), votes(new)) == ([("carol", "request_revision")], [])
        assert told(say(new, bob)()) == "done"


def test_a_vote_on_what_was_sent_back_before_the_next_revision_is_there(gate: Gate, bob: Any, carol: Any) -> None:
    """Somebody decided it: that is no end by time or cancel."""
    approval = gate()()
    say(approval, carol, "request_revision", comment="smaller")()
    with pytest.raises(AlreadyDecided) as error:
        say(approval, bob)()
    assert error.value.details["status"] == "revision_requested"
    assert votes(approval) == [("carol", "request_revision")]


def stages(*groups: str, approvals: int = 1) -> list[Stage]:
    return [Stage(reviewers=(f"group:{name}",), approvals=approvals) for name in groups]


def test_a_stage_that_opens_against_a_vote_at_the_one_before(
    race: Race, gate: Gate, bob: Any, carol: Any, person: Any, managers: Any
) -> None:
    """Who was asked at the stage that is over is told so; the next one counts from nothing."""
    mia = person("mia", managers)
    for approval in race.rounds(gate(stages=stages("finance", "managers"))):
        results = race(say(approval, bob), say(approval, carol), hold=approval.run_id)
        winner = list(map(told, results)).index("done")
        race.won(winner)
        assert isinstance(results[1 - winner], NotAllowed)
        assert sorted(map(told, results)) == ["done", "not_allowed:not_candidate"]
        now = whole(approval)
        assert (now.status, now.stage) == ("pending", 1)
        assert votes(now) == [(("bob", "carol")[winner], "approve")]
        assert recorded(now, "approval.stage_passed") == recorded(now, "decision.refused") == 1
        assert say(now, mia)().open is False


def test_who_is_asked_at_both_stages_votes_at_one(race: Race, gate: Gate, bob: Any, carol: Any, managers: Any) -> None:
    """The votes of two who are asked at both stages count at one each, and no stage takes two of one person."""
    bob.groups.add(managers)
    carol.groups.add(managers)
    for approval in race.rounds(gate(stages=stages("finance", "managers"))):
        results = race(say(approval, bob), say(approval, carol), hold=approval.run_id)
        assert list(map(told, results)) == ["done", "done"]
        assert sorted(result.decision.stage for result in results) == [0, 1]
        race.won([result.decision.stage for result in results].index(0))
        assert whole(approval).status == "approved"
        assert recorded(approval, "approval.stage_passed") == recorded(approval, "approval.approved") == 1


def test_withdraw_against_the_opening_of_the_next_stage(
    race: Race, gate: Gate, bob: Any, carol: Any, managers: Any
) -> None:
    """A vote of a stage that has passed is not taken back."""
    asking = gate(stages=stages("finance", "managers", approvals=2))

    def one_vote() -> Approval:
        approval = asking()
        say(approval, bob)()
        return approval

    for approval in race.rounds(one_vote):
        back, voted = race(partial(decisions.withdraw, approval, actor=bob), say(approval, carol), hold=approval.run_id)
        assert told(voted) == "done"
        assert told(back) in ("done", "not_allowed:no_vote")
        race.won(0 if told(back) == "done" else 1)
        now = whole(approval)
        assert (now.status, now.stage) == ("pending", 0 if told(back) == "done" else 1)
        assert len(votes(now)) == 1 + now.stage
        assert recorded(now, "approval.withdrawn", "approval.stage_passed") == 1
