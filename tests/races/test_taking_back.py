"""What is taken back while it is used: votes, requests, approvals, and whole runs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

import hitl
from hitl import Action, Workflow, decisions
from hitl.exceptions import AlreadyDecided, ApprovalClosed
from hitl.models import Approval, Assignment, Decision
from tests.races.conftest import Asking, Race, recorded, say, told, votes, whole

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("whole_house")]

Gate = Callable[..., Asking]


@pytest.mark.parametrize("what", ["run", "request"])
def test_decide_against_cancel(race: Race, gate: Gate, alice: Any, bob: Any, work: Any, what: str) -> None:
    """Nothing runs: what was approved first is taken back with the run."""
    asking = gate()
    for approval in race.rounds(asking):
        end = partial(hitl.cancel, approval.run_id, actor=alice)
        if what == "request":
            end = partial(decisions.cancel, approval, actor=alice)
        decided, cancelled = race(say(approval, bob), end, hold=approval.run_id)
        now = whole(approval)
        if told(decided) != "done":
            race.won(1)
            assert isinstance(decided, ApprovalClosed)
            assert (told(decided), decided.details["status"]) == ("approval_closed", "cancelled")
            assert (now.status, now.run.status, votes(now)) == ("cancelled", "cancelled", [])
        elif what == "run":
            race.won(0)
            assert (told(cancelled), now.status, now.run.status) == ("done", "revoked", "cancelled")
        else:
            race.won(0)
            assert (told(cancelled), now.status, now.run.status) == ("already_decided", "approved", "running")
            hitl.cancel(now.run_id, actor=alice)
        assert recorded(approval, "run.cancelled") == 1
        assert not Assignment.objects.filter(approval=approval, due_at__isnull=False).exists()
    assert work() == 0
    assert asking.ran == []


def test_cancel_against_cancel(race: Race, gate: Gate, alice: Any) -> None:
    for approval in race.rounds(gate()):
        run, request = race(
            partial(hitl.cancel, approval.run_id, actor=alice),
            partial(decisions.cancel, approval, actor=alice),
            hold=approval.run_id,
        )
        race.won(0 if told(run) == "done" else 1)
        assert (told(run), told(request)) in {("done", "approval_closed"), ("run_ended", "done")}
        assert whole(approval).status == "cancelled"
        assert recorded(approval, "approval.cancelled") == recorded(approval, "run.cancelled") == 1


def test_withdraw_against_the_last_vote(race: Race, gate: Gate, bob: Any, carol: Any) -> None:
    asking = gate(approvals=2)

    def one_vote() -> Approval:
        approval = asking()
        say(approval, bob)()
        return approval

    for approval in race.rounds(one_vote):
        back, voted = race(partial(decisions.withdraw, approval, actor=bob), say(approval, carol), hold=approval.run_id)
        now = whole(approval)
        assert told(voted) == "done"
        if told(back) == "done":
            race.won(0)
            assert (now.status, votes(now), voted.have) == ("pending", [("carol", "approve")], 1)
        else:
            race.won(1)
            assert isinstance(back, AlreadyDecided)
            assert (told(back), now.status, voted.have) == ("already_decided", "approved", 2)
            assert votes(now) == [("bob", "approve"), ("carol", "approve")]
        assert recorded(approval, "approval.withdrawn") == int(told(back) == "done")
        assert recorded(approval, "approval.approved") == int(told(back) != "done")
        assert Decision.objects.filter(approval=approval).count() == 2, "a vote that was taken back is kept"


@pytest.mark.parametrize("verdict", ["approve", "reject"])
def test_withdraw_against_a_second_vote_of_the_same_person(race: Race, gate: Gate, bob: Any, verdict: str) -> None:
    asking = gate(approvals=2)

    def one_vote() -> Approval:
        approval = asking()
        say(approval, bob)()
        return approval

    for approval in race.rounds(one_vote):
        back, again = race(
            partial(decisions.withdraw, approval, actor=bob), say(approval, bob, verdict), hold=approval.run_id
        )
        assert told(back) == "done"
        counted = told(again) == "done" and not again.duplicate
        race.won(0 if counted else 1)
        assert votes(whole(approval)) == ([("bob", verdict)] if counted else [])
        assert whole(approval).status == ("rejected" if counted and verdict == "reject" else "pending")
        if not counted:
            assert told(again) == ("done" if verdict == "approve" else "not_allowed:already_voted")
        assert recorded(approval, "approval.withdrawn") == 1


def test_withdraw_twice(race: Race, gate: Gate, bob: Any) -> None:
    asking = gate(approvals=2)

    def one_vote() -> Approval:
        approval = asking()
        say(approval, bob)()
        return approval

    for approval in race.rounds(one_vote):
        back = partial(decisions.withdraw, approval, actor=bob)
        results = race(back, back, hold=approval.run_id)
        race.won(list(map(told, results)).index("done"))
        assert sorted(map(told, results)) == ["done", "not_allowed:no_vote"]
        assert (votes(whole(approval)), recorded(approval, "approval.withdrawn")) == ([], 1)


def test_revoke_against_revoke(race: Race, gate: Gate, bob: Any, root: Any, work: Any) -> None:
    asking = gate()

    def approved() -> Approval:
        approval = asking()
        say(approval, bob)()
        return approval

    for approval in race.rounds(approved):
        results = race(
            *(partial(decisions.revoke, approval, actor=who, reason="a slip") for who in (bob, root)),
            hold=approval.run_id,
        )
        winner = list(map(told, results)).index("done")
        race.won(winner)
        assert sorted(map(told, results)) == ["approval_closed", "done"]
        assert isinstance(results[1 - winner], ApprovalClosed)
        now = whole(approval)
        assert (now.status, now.run.status, now.run.failure_code) == ("revoked", "rejected", "revoked")
        assert recorded(approval, "approval.revoked") == recorded(approval, "act.refused") == 1
    assert work() == 0
    assert asking.ran == []


@pytest.fixture
def two_gates(alice: Any, bob: Any, carol: Any, work: Any) -> Callable[[], tuple[Approval, Approval]]:
    """A run that waits at two gates at once."""
    flow = Workflow("two-gates")
    flow.step(lambda ctx: Action({"n": 1}, type="do", title="Do", impact="Done"), name="draft")
    for name in ("left", "right"):
        flow.approval(name, after="draft", reviewers=["group:finance"])
        flow.step(lambda ctx: 1, name=f"act_{name}", after=name)

    def ask() -> tuple[Approval, Approval]:
        run = flow.start(requester=alice)
        work()
        left, right = Approval.objects.filter(run=run).select_related("step").order_by("step__name")
        assert (left.step.name, right.step.name) == ("left", "right")
        return left, right

    return ask


def test_a_run_that_ends_against_a_vote_on_what_is_still_open(
    race: Race, two_gates: Any, bob: Any, carol: Any, work: Any
) -> None:
    """The refusal at one gate ends the run, and closes the other in the same transaction."""
    for left, right in race.rounds(two_gates):
        refused, voted = race(say(left, bob, "reject"), say(right, carol), hold=left.run_id)
        race.won(0 if told(voted) != "done" else 1)
        assert told(refused) == "done"
        now = whole(right)
        assert now.run.status == "rejected"
        if told(voted) == "done":
            assert (now.status, now.decided_via, votes(now)) == ("revoked", "human", [("carol", "approve")])
        else:
            assert isinstance(voted, ApprovalClosed)
            assert (told(voted), voted.details["status"]) == ("approval_closed", "cancelled")
            assert (now.status, votes(now)) == ("cancelled", [])
            assert now.decided_at == whole(left).decided_at
        assert recorded(right, "approval.cancelled", "approval.revoked") == recorded(right, "run.rejected") == 1
    assert work() == 0


def test_two_gates_of_one_run_decided_at_once(race: Race, two_gates: Any, bob: Any, carol: Any, work: Any) -> None:
    for left, right in race.rounds(two_gates):
        results = race(say(left, bob), say(right, carol), hold=left.run_id)
        assert list(map(told, results)) == ["done", "done"]
        work()
        assert (whole(left).run.status, whole(right).status) == ("succeeded", "approved")
        assert recorded(left, "grant.consumed") == 2
