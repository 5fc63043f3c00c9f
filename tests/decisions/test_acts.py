"""What people do with a request beside voting, who may, and what they leave on record."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from hitl import clock, decisions
from hitl.engine import sweep
from hitl.exceptions import AlreadyDecided, ApprovalClosed, HitlError, InvalidDecision, NotAllowed, UnknownApproval
from hitl.models import Approval, Assignment, Comment, Decision, Notification, Run, Watch
from hitl.policies import explain
from hitl.policies.delegations import create_delegation, revoke_delegation
from tests.rows import nothing_written

pytestmark = pytest.mark.usefixtures("whole_house")

LADDER = [
    {
        "reviewers": ["group:finance"],
        "timeout": "4h",
        "remind": ["1h", "3h"],
        "escalate": [
            {"after": "2h", "to": ["group:managers"]},
            {"after": "3h", "to": ["group:chiefs"], "mode": "replace"},
        ],
    }
]


def decide(approval: Approval, actor: Any, verdict: str = "approve", **options: Any) -> decisions.Outcome:
    return decisions.decide(approval, actor=actor, verdict=verdict, **{"digest": approval.digest, **options})


def refused(act: Callable[..., Any], *args: Any, line: str = "hitl.act.refused", **options: Any) -> str:
    """The machine reason of a refusal that wrote one line and sent nothing."""
    with nothing_written(line), pytest.raises(HitlError) as error:
        act(*args, **options)
    return str(error.value.details.get("reason") or error.value.code)


@pytest.fixture
def operator(people: Any) -> Any:
    return people("otto", is_superuser=True)


# -- hands ------------------------------------------------------------------------------------------------


def test_a_claim_is_a_courtesy(waiting: Approval, bob: Any, carol: Any, pass_time: Any) -> None:
    decisions.claim(waiting, actor=bob)
    assert refused(decisions.claim, waiting, actor=carol) == "claimed"
    assert explain(Approval.objects.get(pk=waiting.pk), carol).verdicts["approve"] == ""
    assert refused(decisions.release, waiting, actor=carol) == "not_claimed"
    decisions.release(waiting, actor=bob)
    decisions.claim(waiting, actor=carol)
    pass_time(timedelta(minutes=15))
    decisions.claim(waiting, actor=bob)
    assert decide(waiting, carol).approval.status == "approved"


def test_a_place_is_handed_over_and_counts_once(waiting: Approval, bob: Any, people: Any) -> None:
    gina = people("gina")
    decisions.delegate(waiting, actor=bob, to=gina, reason="I am away")
    assert [row.pk for row in decisions.inbox(gina)] == [waiting.pk]
    assert Notification.objects.filter(recipient=gina, approval=waiting).count() == 1
    outcome = decide(waiting, gina)
    assert (outcome.decision.actor, outcome.decision.for_user) == (gina, bob)


def test_of_the_two_only_one_counts(make_gate: Any, bob: Any, carol: Any, people: Any) -> None:
    approval, gina = make_gate(reviewers=["group:finance"], approvals=2), people("gina")
    decisions.delegate(approval, actor=bob, to=gina)
    decide(approval, gina)
    assert refused(decide, approval, bob, line="hitl.decision.refused") == "place_taken"
    assert decisions.inbox(bob) == []
    assert decide(approval, carol).approval.status == "approved"


def test_and_the_other_way_round(make_gate: Any, bob: Any, people: Any) -> None:
    approval, gina = make_gate(reviewers=["group:finance"], approvals=2), people("gina")
    decisions.delegate(approval, actor=bob, to=gina)
    decide(approval, bob)
    assert refused(decide, approval, gina, line="hitl.decision.refused") == "place_taken"
    assert decisions.inbox(gina) == []


def test_it_goes_no_further(waiting: Approval, bob: Any, people: Any) -> None:
    gina = people("gina")
    decisions.delegate(waiting, actor=bob, to=gina)
    assert refused(decisions.delegate, waiting, actor=gina, to=people("hans")) == "stands_in"


def test_a_place_that_was_lost_cannot_be_lent(waiting: Approval, bob: Any, finance: Any, people: Any) -> None:
    gina = people("gina")
    decisions.delegate(waiting, actor=bob, to=gina)
    bob.groups.remove(finance)
    assert refused(decide, waiting, gina, line="hitl.decision.refused") == "not_candidate"
    assert decisions.inbox(gina) == []


def test_not_to_everybody(waiting: Approval, alice: Any, bob: Any, carol: Any, people: Any) -> None:
    gone = people("gone", is_active=False)
    for to in (alice, bob, carol, gone):
        assert refused(decisions.delegate, waiting, actor=bob, to=to) == "invalid_decision"


def test_while_a_delegation_lasts(waiting: Approval, bob: Any, people: Any, pass_time: Any) -> None:
    gina = people("gina")
    create_delegation(bob, gina, ends_at=clock.now() + timedelta(hours=2), actor=bob, reason="holiday")
    assert [row.pk for row in decisions.inbox(gina)] == [waiting.pk]
    assert explain(waiting, gina).stands_for == ("bob",)
    pass_time(timedelta(hours=2))
    assert decisions.inbox(gina) == []
    with pytest.raises(UnknownApproval):
        decide(waiting, gina)


def test_a_delegation_that_is_revoked_is_over(waiting: Approval, bob: Any, mallory: Any, people: Any) -> None:
    gina = people("gina")
    row = create_delegation(bob, gina, ends_at=clock.now() + timedelta(hours=2), actor=bob)
    with pytest.raises(NotAllowed):
        revoke_delegation(row, actor=mallory)
    assert revoke_delegation(row, actor=bob) is True
    assert revoke_delegation(row, actor=bob) is False
    assert decisions.inbox(gina) == []


def test_nobody_hands_over_to_who_may_not(waiting: Approval, alice: Any, bob: Any, carol: Any) -> None:
    """Alice asked; whoever stands in for her decides nothing of hers, not even in their own place."""
    create_delegation(alice, bob, ends_at=clock.now() + timedelta(hours=2), actor=alice)
    assert refused(decide, waiting, bob, line="hitl.decision.refused") == "own_request"
    assert decisions.inbox(bob) == []
    assert decide(waiting, carol).approval.status == "approved"


def test_who_may_delegate_for_others(alice: Any, bob: Any, carol: Any, mallory: Any, operator: Any) -> None:
    later = clock.now() + timedelta(hours=1)
    for actor, to in ((mallory, mallory), (mallory, carol), (operator, operator)):
        with pytest.raises(NotAllowed):
            create_delegation(bob, to, ends_at=later, actor=actor)
    assert create_delegation(bob, carol, ends_at=later, actor=operator).to_user == carol


def test_an_operator_asks_one_more(waiting: Approval, bob: Any, operator: Any, people: Any) -> None:
    gina = people("gina")
    assert refused(decisions.assign, waiting, actor=bob, to=gina, reason="please") == "not_operator"
    assert refused(decisions.assign, waiting, actor=operator, to=gina, reason=" ") == "invalid_decision"
    assert refused(decisions.assign, waiting, actor=operator, to=operator, reason="me") == "invalid_decision"
    decisions.assign(waiting, actor=operator, to=gina, reason="bob is ill")
    outcome = decide(waiting, gina)
    assert (outcome.approval.status, outcome.decision.for_user) == ("approved", None)


# -- pace -------------------------------------------------------------------------------------------------


def test_time_reminds_and_pushes_up(make_gate: Any, bob: Any, people: Any, pass_time: Any) -> None:
    boss, chief = people("boss", "managers"), people("chief", "chiefs")
    approval = make_gate(stages=LADDER)
    pass_time(timedelta(hours=1))
    assert (sweep()["remind"], sweep()["remind"]) == (1, 0)
    assert Notification.objects.filter(kind="reminder", approval=approval).count() == 1
    pass_time(timedelta(hours=1))
    assert (sweep()["escalate"], sweep()["escalate"]) == (1, 0)
    assert [row.pk for row in decisions.inbox(boss)] == [approval.pk] == [row.pk for row in decisions.inbox(bob)]
    pass_time(timedelta(hours=1))
    swept = sweep()
    assert (swept["escalate"], swept["remind"]) == (1, 1)
    assert decisions.inbox(boss) == [] == decisions.inbox(bob)
    assert [row.pk for row in decisions.inbox(chief)] == [approval.pk]
    assert refused(decide, approval, bob, line="hitl.decision.refused") == "not_candidate"
    pass_time(timedelta(hours=1))
    assert sweep()["expire"] == 1
    approval.refresh_from_db()
    assert approval.status == "expired"


def test_a_vote_of_the_rung_before_stays_valid(make_gate: Any, bob: Any, people: Any) -> None:
    chief = people("chief", "chiefs")
    stage = {**LADDER[0], "approvals": 2, "escalate": [{"after": "2h", "to": ["group:chiefs"], "mode": "replace"}]}
    approval = make_gate(stages=[stage])
    decide(approval, bob)
    decisions.escalate(approval, actor=bob, reason="it is urgent")
    assert decide(approval, chief).approval.status == "approved"


def test_by_hand_as_far_as_there_is_somebody(make_gate: Any, alice: Any, bob: Any, people: Any) -> None:
    people("boss", "managers")
    people("chief", "chiefs")
    approval = make_gate(stages=LADDER)
    assert refused(decisions.escalate, approval, actor=alice) == "own_request"
    decisions.escalate(approval, actor=bob)
    approval.refresh_from_db()
    assert (approval.rung, approval.escalate_at) == (1, approval.stage_opened_at + timedelta(hours=3))
    decisions.escalate(approval, actor=people("mia", "managers"))
    assert refused(decisions.escalate, approval, actor=people("cleo", "chiefs")) == "no_rung"
    assert Assignment.objects.filter(approval=approval, ended_at=None).get().group.name == "chiefs"


def test_silence_may_go_up_instead(make_gate: Any, bob: Any, people: Any, pass_time: Any) -> None:
    gina = people("gina", "spare")
    stage = {"reviewers": ["group:finance"], "timeout": "1h", "fallback": ["group:spare"]}
    approval = make_gate(stages=[stage], on_timeout="escalate")
    pass_time(timedelta(hours=1))
    assert sweep()["expire"] == 1
    approval.refresh_from_db()
    assert (approval.status, approval.fell_back) == ("pending", True)
    assert approval.expires_at > clock.now()
    assert [row.pk for row in decisions.inbox(gina)] == [approval.pk]
    pass_time(timedelta(hours=1))
    assert sweep()["expire"] == 1
    approval.refresh_from_db()
    assert approval.status == "expired"


def test_a_vote_that_finds_the_time_over_counts_where_it_goes_up(
    make_gate: Any, bob: Any, people: Any, pass_time: Any
) -> None:
    people("gina", "spare")
    stage = {"reviewers": ["group:finance"], "timeout": "1h", "fallback": ["group:spare"]}
    approval = make_gate(stages=[stage], on_timeout="escalate")
    pass_time(timedelta(hours=1))
    assert decide(approval, bob).approval.status == "approved"


def test_the_deadline_is_put_off_to_the_cap(waiting: Approval, alice: Any, bob: Any) -> None:
    hours = timedelta(hours=1)
    cap = waiting.stage_opened_at + timedelta(days=7, hours=4)
    assert refused(decisions.extend, waiting, actor=alice, until=waiting.expires_at + hours) == "own_request"
    for until in (waiting.expires_at, cap + hours, waiting.expires_at.replace(tzinfo=None)):
        assert refused(decisions.extend, waiting, actor=bob, until=until) == "invalid_decision"
    decisions.extend(waiting, actor=bob, until=cap, reason="the bank is closed")
    waiting.refresh_from_db()
    assert waiting.expires_at == cap
    assert Assignment.objects.get(approval=waiting).due_at == cap
    assert refused(decisions.extend, waiting, actor=bob, until=cap + hours) == "at_cap"


def test_everybody_is_reminded_now_and_then(waiting: Approval, alice: Any, mallory: Any, pass_time: Any) -> None:
    assert refused(decisions.remind, waiting, actor=alice) == "too_soon"
    pass_time(timedelta(minutes=15))
    decisions.remind(waiting, actor=alice)
    assert refused(decisions.remind, waiting, actor=alice) == "too_soon"
    assert refused(decisions.remind, waiting, actor=mallory) == "unknown_approval"


# -- words and ends ---------------------------------------------------------------------------------------


def test_people_talk_about_it(waiting: Approval, alice: Any, bob: Any, agent_key: Any) -> None:
    decisions.comment(waiting, actor=alice, text=" It is for the fair. ")
    decide(waiting, bob)
    decisions.comment(waiting, actor=bob, text="Done.")
    assert list(Comment.objects.order_by("pk").values_list("text", flat=True)) == ["It is for the fair.", "Done."]
    assert refused(decisions.comment, waiting, actor=bob, text=" ") == "invalid_decision"
    assert refused(decisions.comment, waiting, actor=bob, text="a\0b") == "invalid_decision"
    assert refused(decisions.comment, waiting, actor=bob, text="x" * 20_000) == "invalid_decision"


def test_watching_begins_and_ends_once(waiting: Approval, alice: Any, mallory: Any) -> None:
    assert [decisions.watch(waiting, actor=alice), decisions.watch(waiting, actor=alice)] == [True, False]
    assert refused(decisions.watch, waiting, actor=mallory) == "unknown_approval"
    assert [decisions.unwatch(waiting, actor=alice), decisions.unwatch(waiting, actor=alice)] == [True, False]
    assert not Watch.objects.exists()


def test_a_vote_is_taken_back_while_it_is_open(make_gate: Any, bob: Any, carol: Any, people: Any) -> None:
    approval = make_gate(reviewers=["group:finance"], approvals=2)
    assert refused(decisions.withdraw, approval, actor=bob) == "no_vote"
    decide(approval, bob)
    decisions.withdraw(approval, actor=bob, reason="I misread it")
    assert explain(approval, carol).have == 0
    decide(approval, bob, "approve", comment="now I have read it")
    assert decide(approval, carol).approval.status == "approved"
    with pytest.raises(AlreadyDecided):
        decisions.withdraw(approval, actor=bob)
    assert Decision.objects.filter(withdrawn_at=None).count() == 2


def test_an_operator_may_revoke_what_nobody_decided(make_gate: Any, bob: Any, operator: Any) -> None:
    until = (clock.now() + timedelta(days=10)).date()
    rules = [{"when": "true", "auto": "approve", "until": str(until)}]
    approval = make_gate(reviewers=["group:finance"], rules=rules, cool_off=timedelta(hours=1))
    assert approval.status == "approved"
    decisions.revoke(approval, actor=operator, reason="stop")
    assert Run.objects.get(pk=approval.run_id).failure_code == "revoked"


def test_the_side_that_asked_calls_it_off(refund: Any, agent_key: Any, alice: Any, bob: Any, work: Any) -> None:
    key, _ = agent_key
    refund.start(requester=key)
    work()
    approval = Approval.objects.get()
    assert refused(decisions.cancel, approval, actor=bob) == "not_yours"
    row = decisions.cancel(approval, actor=key, reason="the customer paid")
    assert (row.status, Run.objects.get().status) == ("cancelled", "cancelled")
    with pytest.raises(ApprovalClosed):
        decisions.cancel(approval, actor=alice)


def test_agents_do_nothing_but_what_their_side_may(refund: Any, agent_key: Any, work: Any, bob: Any) -> None:
    key, _ = agent_key
    refund.start(requester=key)
    work()
    approval = Approval.objects.get()
    acts: list[Any] = [decisions.claim, decisions.release, decisions.escalate, decisions.withdraw, decisions.revoke]
    for act in [*acts, decisions.watch]:
        assert refused(act, approval, actor=key) == "agent"
    assert refused(decisions.delegate, approval, actor=key, to=bob) == "agent"


def test_an_invalid_field_is_named(waiting: Approval, bob: Any) -> None:
    with pytest.raises(InvalidDecision) as error:
        decisions.delegate(waiting, actor=bob, to=bob)
    assert error.value.details["fields"] == {"to": "not to yourself"}
