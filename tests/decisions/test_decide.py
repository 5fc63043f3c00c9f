"""decide(): the seven checks in their order, what each refusal leaves behind, and what an answer does to the run."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from hitl import audit, decisions
from hitl.exceptions import (
    AlreadyDecided,
    ApprovalClosed,
    InvalidDecision,
    NotAllowed,
    StaleApproval,
    UnknownApproval,
    VerdictNotOffered,
)
from hitl.models import Approval, Decision, Notification, Run
from hitl.states import Verdict


def decide(approval: Approval, actor: Any, verdict: str = "approve", **options: Any) -> decisions.Outcome:
    return decisions.decide(approval, actor=actor, verdict=verdict, **{"digest": approval.digest, **options})


@pytest.fixture
def nothing_but_one_line(waiting: Approval) -> Any:
    """Asserts that a refusal wrote one audit line and nothing else, and sent nothing."""
    before = (audit.records_of(waiting.run.stream).count(), Notification.objects.count(), Decision.objects.count())

    def check(action: str = "hitl.decision.refused") -> None:
        records = audit.records_of(waiting.run.stream)
        after = (records.count() - 1, Notification.objects.count(), Decision.objects.count())
        assert after == before
        assert records.last().action == action
        fresh = Approval.objects.get(pk=waiting.pk)
        assert (fresh.status, fresh.run.status) == ("pending", "waiting")
        assert audit.verify(waiting.run_id).code == 0

    return check


def test_an_approval_lets_the_protected_step_run(waiting: Approval, bob: Any, work: Any, refund: Any) -> None:
    outcome = decide(waiting, bob)
    assert (outcome.approval.status, outcome.open, outcome.duplicate) == ("approved", False, False)
    assert refund.paid == []
    work()
    assert refund.paid == [("A-17", 250)]
    approval = Approval.objects.get(pk=waiting.pk)
    assert approval.consumed_by.name == "pay"
    assert approval.run.status == "succeeded"
    assert approval.run.output == {"paid": 250}


def test_a_verdict_may_be_given_as_the_enum(waiting: Approval, bob: Any) -> None:
    assert decide(waiting, bob, Verdict.APPROVE).approval.status == "approved"


def test_an_edit_is_what_runs(waiting: Approval, bob: Any, work: Any, refund: Any) -> None:
    decide(waiting, bob, "edit", args={"order_id": "A-17", "amount": 200})
    work()
    assert refund.paid == [("A-17", 200)]
    approval = Approval.objects.get(pk=waiting.pk)
    assert (approval.args["amount"], approval.current_args["amount"]) == (250, 200)
    assert approval.digest != approval.current_digest
    assert Decision.objects.get().edited_args == {"order_id": "A-17", "amount": 200}


def test_a_rejection_ends_the_run_and_nothing_runs(waiting: Approval, bob: Any, work: Any, refund: Any) -> None:
    decide(waiting, bob, "reject", comment="not this customer")
    assert work() == 0
    run = Run.objects.get(pk=waiting.run_id)
    assert (run.status, run.failure_code, run.failure_text) == ("rejected", "rejected", "not this customer")
    assert refund.paid == []
    assert {s.name: s.status for s in run.steps.all()} == {"draft": "succeeded", "review": "failed", "pay": "cancelled"}


def test_the_same_vote_again_gives_the_same_answer(waiting: Approval, bob: Any) -> None:
    first = decide(waiting, bob)
    again = decide(waiting, bob)
    assert again.duplicate
    assert again.decision.pk == first.decision.pk
    assert Decision.objects.count() == 1


def test_a_second_decision_learns_the_outcome(waiting: Approval, bob: Any, carol: Any) -> None:
    decide(waiting, bob)
    with pytest.raises(AlreadyDecided) as error:
        decide(waiting, carol, "reject", comment="no")
    assert error.value.details["status"] == "approved"
    assert error.value.details["decided_by"] == [str(bob.pk)]
    assert Approval.objects.get(pk=waiting.pk).status == "approved"


def test_a_change_of_mind_after_the_decision_is_refused(waiting: Approval, bob: Any) -> None:
    decide(waiting, bob)
    with pytest.raises(AlreadyDecided):
        decide(waiting, bob, "reject", comment="no")


def test_a_late_decision_expires_the_request(
    waiting: Approval, bob: Any, pass_time: Any, work: Any, refund: Any
) -> None:
    pass_time(timedelta(hours=5))
    with pytest.raises(ApprovalClosed) as error:
        decide(waiting, bob)
    assert error.value.details["status"] == "expired"
    approval = Approval.objects.get(pk=waiting.pk)
    assert (approval.status, approval.run.status, approval.run.failure_code) == (
        "expired",
        "failed",
        "approval_expired",
    )
    assert work() == 0
    assert refund.paid == []
    assert Decision.objects.count() == 0
    with pytest.raises(ApprovalClosed):
        decide(waiting, bob)


def test_a_stale_digest_is_refused(waiting: Approval, bob: Any, nothing_but_one_line: Any) -> None:
    with pytest.raises(StaleApproval) as error:
        decide(waiting, bob, digest="0" * 64)
    assert error.value.details["digest"] == waiting.digest
    nothing_but_one_line()


def test_a_stale_revision_is_refused(waiting: Approval, bob: Any, nothing_but_one_line: Any) -> None:
    with pytest.raises(StaleApproval):
        decide(waiting, bob, revision=2)
    nothing_but_one_line()


@pytest.mark.parametrize(("who", "reason"), [("alice", "own_request"), ("root", "not_candidate")])
def test_who_may_not_is_told_why(
    who: str, reason: str, waiting: Approval, request: Any, nothing_but_one_line: Any
) -> None:
    with pytest.raises(NotAllowed) as error:
        decide(waiting, request.getfixturevalue(who))
    assert error.value.details["reason"] == reason
    nothing_but_one_line()


def test_the_requester_may_not_decide_even_as_a_candidate(
    waiting: Approval, alice: Any, finance: Any, nothing_but_one_line: Any
) -> None:
    alice.groups.add(finance)
    with pytest.raises(NotAllowed) as error:
        decide(waiting, alice)
    assert error.value.details["reason"] == "own_request"
    nothing_but_one_line()


def test_neither_may_the_person_it_is_asked_for(refund: Any, alice: Any, bob: Any, work: Any) -> None:
    run = refund.start(requester=alice, on_behalf_of=bob)
    work()
    with pytest.raises(NotAllowed) as error:
        decide(Approval.objects.get(run=run), bob)
    assert error.value.details["reason"] == "own_request"


def test_an_outsider_learns_nothing(waiting: Approval, mallory: Any) -> None:
    records = audit.records_of(waiting.run.stream).count()
    with pytest.raises(UnknownApproval):
        decide(waiting, mallory)
    attempts = audit.records_of(waiting.run.stream).values_list("action", flat=True)[records:]
    assert list(attempts) == ["hitl.decision.refused"]  # that somebody tried stands on record
    with pytest.raises(UnknownApproval):
        decisions.decide("nonsense", actor=mallory, verdict="approve", digest="")
    with pytest.raises(UnknownApproval):
        decisions.decide("01a1f863-9e38-7d5f-9cba-8408e9377f0d", actor=mallory, verdict="approve", digest="")


def test_an_agent_never_decides(refund: Any, agent_key: Any, bob: Any, work: Any) -> None:
    key, _ = agent_key
    run = refund.start(requester=key)
    work()
    approval = Approval.objects.get(run=run)
    with pytest.raises(NotAllowed) as error:
        decide(approval, key)
    assert error.value.details["reason"] == "agent"
    assert Approval.objects.get(pk=approval.pk).status == "pending"


def test_the_owner_of_the_key_may_not_decide_its_requests(
    refund: Any, agent_key: Any, alice: Any, finance: Any, work: Any
) -> None:
    alice.groups.add(finance)
    run = refund.start(requester=agent_key[0])
    work()
    with pytest.raises(NotAllowed) as error:
        decide(Approval.objects.get(run=run), alice)
    assert error.value.details["reason"] == "own_request"


def test_a_deactivated_reviewer_cannot_vote(waiting: Approval, bob: Any, nothing_but_one_line: Any) -> None:
    bob.is_active = False
    bob.save(update_fields=["is_active"])
    with pytest.raises(NotAllowed) as error:
        decide(waiting, bob)
    assert error.value.details["reason"] == "inactive"
    nothing_but_one_line()


def test_membership_is_read_at_the_vote(waiting: Approval, bob: Any, mallory: Any, finance: Any) -> None:
    bob.groups.clear()
    mallory.groups.add(finance)
    with pytest.raises((NotAllowed, UnknownApproval)):
        decide(waiting, bob)
    assert decide(waiting, mallory).approval.status == "approved"


def test_an_unknown_verdict_is_refused(waiting: Approval, bob: Any, nothing_but_one_line: Any) -> None:
    with pytest.raises(VerdictNotOffered) as error:
        decide(waiting, bob, "maybe")
    assert error.value.details["offered"] == ["approve", "edit", "request_revision", "reject"]
    nothing_but_one_line()


@pytest.mark.parametrize(
    ("verdict", "options", "field"),
    [
        ("reject", {}, "comment"),
        ("reject", {"comment": "   "}, "comment"),
        ("approve", {"comment": "x" * 10_001}, "comment"),
        ("approve", {"comment": "nul \0"}, "comment"),
        ("approve", {"comment": "half \ud800"}, "comment"),
        ("approve", {"args": {"order_id": "A-17", "amount": 1}}, "args"),
        ("edit", {}, "args"),
        ("edit", {"args": [1]}, "args"),
        ("edit", {"args": {"order_id": "A-17"}}, "args"),
        ("edit", {"args": {"order_id": "A-17", "amount": "much"}}, "args.amount"),
        ("edit", {"args": {"order_id": "A-17", "amount": 1, "extra": True}}, "args"),
        ("edit", {"args": {"order_id": "A-17", "amount": float("nan")}}, "args"),
        ("edit", {"args": {"order_id": "x" * 70_000, "amount": 1}}, "args"),
    ],
)
def test_what_is_missing_or_wrong_is_named(
    verdict: str, options: dict[str, Any], field: str, waiting: Approval, bob: Any, nothing_but_one_line: Any
) -> None:
    with pytest.raises(InvalidDecision) as error:
        decide(waiting, bob, verdict, **options)
    assert field in error.value.details["fields"]
    nothing_but_one_line()


def test_a_quorum_needs_distinct_people(make_gate: Any, bob: Any, carol: Any) -> None:
    approval = make_gate(reviewers=["group:finance"], approvals=2)
    first = decide(approval, bob)
    assert (first.open, first.have, first.need) == (True, 1, 2)
    assert decide(approval, bob).duplicate
    with pytest.raises(NotAllowed) as error:
        decide(approval, bob, "reject", comment="no")
    assert error.value.details["reason"] == "already_voted"
    second = decide(approval, carol)
    assert (second.approval.status, second.have) == ("approved", 2)


def test_one_refusal_is_enough_by_default(make_gate: Any, bob: Any, carol: Any) -> None:
    approval = make_gate(reviewers=["group:finance"], approvals=2)
    decide(approval, bob)
    assert decide(approval, carol, "reject", comment="no").approval.status == "rejected"


def test_an_edit_where_more_must_agree_is_the_next_revision(make_gate: Any, bob: Any, carol: Any) -> None:
    approval = make_gate(reviewers=["group:finance"], approvals=2)
    decide(approval, carol)
    outcome = decide(approval, bob, "edit", args={"n": 2})
    assert (outcome.open, outcome.have, outcome.need) == (True, 0, 2)
    fresh = outcome.approval
    assert (fresh.revision, fresh.args, fresh.supersedes_id, fresh.status) == (2, {"n": 2}, approval.pk, "pending")
    approval.refresh_from_db()
    assert (approval.status, approval.decided_via) == ("superseded", "edit")
    with pytest.raises(NotAllowed) as error:
        decide(fresh, bob)
    assert error.value.details["reason"] == "own_edit"
    assert decide(fresh, carol).have == 1  # her vote on the old one is void


def test_only_what_may_be_changed_can_be_changed(make_gate: Any, bob: Any) -> None:
    approval = make_gate(reviewers=["group:finance"], editable=["n"], args={"n": 1, "m": 1})
    with pytest.raises(InvalidDecision) as error:
        decide(approval, bob, "edit", args={"n": 1, "m": 2})
    assert error.value.details["fields"] == {"args.m": "this may not be changed"}
    decide(approval, bob, "edit", args={"n": 2, "m": 1})


def test_the_phrase_must_be_typed(make_gate: Any, bob: Any) -> None:
    approval = make_gate(reviewers=["group:finance"], level="verify", phrase="DELETE x")
    with pytest.raises(InvalidDecision) as error:
        decide(approval, bob, phrase="delete x")
    assert error.value.details["fields"] == {"phrase": "type exactly: DELETE x"}
    assert decide(approval, bob, phrase="  DELETE x ").approval.status == "approved"


def test_no_phrase_is_needed_to_say_no(make_gate: Any, bob: Any) -> None:
    approval = make_gate(reviewers=["group:finance"], level="verify", phrase="DELETE x")
    assert decide(approval, bob, "reject", comment="no").approval.status == "rejected"
