"""Several at once: each is looked at by itself, and each is decided by itself."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from hitl import Action, Workflow, decisions
from hitl.decisions.bulk import MOST
from hitl.exceptions import BadInput, UnknownApproval
from hitl.models import Approval, Decision
from tests.rows import nothing_written

pytestmark = pytest.mark.usefixtures("whole_house")


@pytest.fixture
def ask(alice: Any, bob: Any, carol: Any, work: Any) -> Callable[..., Approval]:
    """One more request of Alice's to finance, of this type."""
    made: list[Workflow] = []

    def make(kind: str = "refund", *, requester: Any = None, **options: Any) -> Approval:
        flow = Workflow(f"bulk-{len(made)}")
        made.append(flow)
        action = Action({"n": len(made)}, type=kind, title=f"{kind} {len(made)}", impact="It is done")
        flow.step(lambda ctx: action, name="draft")
        flow.approval("ask", after="draft", **{"reviewers": ["group:finance"], **options})
        flow.step(lambda ctx: ctx.action["n"], name="act", after="ask")
        run = flow.start(requester=requester or alice)
        work()
        return Approval.objects.get(run=run)

    return make


def reasons(found: list[decisions.Item]) -> list[str]:
    return [item.reason for item in found]


def seen(*approvals: Approval) -> dict[Any, str]:
    return {row.pk: row.digest for row in approvals}


# -- the pre-flight ------------------------------------------------------------------------------------------


def test_the_pre_flight_says_of_each_what_keeps_it_and_writes_nothing(
    ask: Any, alice: Any, bob: Any, carol: Any
) -> None:
    rows = {
        "": ask(),
        "other_type": ask("wire"),
        "risk": ask(risk="high"),
        "phrase": ask(level="verify", phrase="YES"),
        "own_request": ask(requester=bob),
        "not_candidate": ask(reviewers=["user:carol"], requester=bob, prevent_self_review=False),
        "closed": ask(),
    }
    decisions.decide(rows["closed"], actor=carol, verdict="reject", digest=rows["closed"].digest, comment="no")
    with nothing_written():
        found = decisions.preflight([*rows.values(), uuid.uuid4()], user=bob)
    assert reasons(found) == [*rows, "unknown"]
    assert [bool(item.sentence) for item in found] == [bool(item.reason) for item in found]
    assert found[-1].approval is None


def test_a_no_needs_no_phrase(ask: Any, bob: Any) -> None:
    row = ask(level="verify", phrase="YES")
    assert reasons(decisions.preflight([row], user=bob)) == ["phrase"]
    assert reasons(decisions.preflight([row], user=bob, verdict="reject")) == [""]


@pytest.mark.parametrize(("risk", "reason"), [("low", ""), ("medium", ""), ("high", "risk"), ("critical", "risk")])
def test_only_what_is_not_dangerous_is_decided_beside_others(risk: str, reason: str, ask: Any, bob: Any) -> None:
    assert reasons(decisions.preflight([ask(risk=risk)], user=bob, verdict="reject")) == [reason]


def test_a_question_is_answered_by_itself(alice: Any, bob: Any, work: Any) -> None:
    flow = Workflow("bulk-question")
    flow.step(lambda ctx: ctx.ask("which", "Which?", options=["a", "b"], reviewers=["group:finance"]), name="ask")
    run = flow.start(requester=alice)
    work()
    assert reasons(decisions.preflight([Approval.objects.get(run=run)], user=bob)) == ["question"]


def test_they_are_of_the_type_of_the_first_one_that_is_to_be_seen(ask: Any, bob: Any, mallory: Any) -> None:
    hidden = ask("secret", reviewers=["user:mallory"], requester=mallory, prevent_self_review=False)
    wire, refund = ask("wire"), ask()
    found = decisions.preflight([hidden, refund, wire], user=bob)
    assert reasons(found) == ["unknown", "", "other_type"]
    assert found[0].approval is None  # not even its title is told


def test_whoever_is_no_person_is_offered_nothing(ask: Any, agent_key: Any, refund: Any, work: Any) -> None:
    key, _ = agent_key
    run = refund.start(requester=key)
    work()
    assert reasons(decisions.preflight([Approval.objects.get(run=run), ask()], user=key)) == ["agent", "unknown"]


@pytest.mark.parametrize("count", [0, MOST + 1])
def test_too_many_and_none_are_refused(count: int, bob: Any) -> None:
    with pytest.raises(BadInput, match="1 to 50"):
        decisions.preflight([uuid.uuid4() for _ in range(count)], user=bob)


def test_the_same_one_many_times_is_one(ask: Any, bob: Any) -> None:
    row = ask()
    found = decisions.preflight([row, row.pk, str(row.pk)] * MOST, user=bob)
    assert [(item.id, item.reason) for item in found] == [(str(row.pk), "")]


@pytest.mark.parametrize("verdict", ["edit", "request_revision", "respond", "maybe", ""])
def test_several_are_approved_or_rejected_and_nothing_else(verdict: str, ask: Any, bob: Any) -> None:
    row = ask()
    with nothing_written():
        with pytest.raises(BadInput):
            decisions.preflight([row], user=bob, verdict=verdict)
        with pytest.raises(BadInput):
            decisions.decide_all(seen(row), actor=bob, verdict=verdict)


def test_what_is_no_id_is_no_request(bob: Any) -> None:
    with pytest.raises(UnknownApproval):
        decisions.preflight(["nonsense"], user=bob)


# -- deciding ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("verdict", "status"), [("approve", "approved"), ("reject", "rejected")])
def test_each_is_decided_with_the_comment_and_by_its_door(verdict: str, status: str, ask: Any, bob: Any) -> None:
    rows = [ask(), ask()]
    found = decisions.decide_all(seen(*rows), actor=bob, verdict=verdict, comment="all the same", channel="admin")
    assert [(item.approval.status, item.error) for item in found] == [(status, None)] * 2
    votes = Decision.objects.values_list("verdict", "comment", "channel").distinct()
    assert list(votes) == [(verdict, "all the same", "admin")]
    assert Decision.objects.count() == 2


def test_what_the_pre_flight_refuses_is_left_alone(ask: Any, bob: Any) -> None:
    fine, risky, unknown = ask(), ask(risk="high"), uuid.uuid4()
    found = decisions.decide_all({**seen(fine, risky), unknown: "0" * 64}, actor=bob, verdict="approve")
    assert reasons(found) == ["", "risk", "unknown"]
    assert [item.outcome is not None for item in found] == [True, False, False]
    assert Decision.objects.get().approval == fine


def test_one_that_fails_does_not_keep_the_others(ask: Any, bob: Any) -> None:
    first, stale, last = ask(), ask(), ask()
    found = decisions.decide_all({**seen(first), stale.pk: first.digest, **seen(last)}, actor=bob, verdict="approve")
    assert reasons(found) == ["", "stale_approval", ""]
    assert found[1].error is not None
    assert found[1].sentence == found[1].error.message
    assert set(Approval.objects.filter(status="approved")) == {first, last}


def test_a_no_without_the_reason_it_wants_fails_for_each(ask: Any, bob: Any) -> None:
    rows = [ask(), ask()]
    found = decisions.decide_all(seen(*rows), actor=bob, verdict="reject")
    assert reasons(found) == ["invalid_decision"] * 2
    assert not Decision.objects.exists()


def test_where_more_must_agree_a_vote_is_cast_and_it_stays_open(ask: Any, bob: Any, carol: Any) -> None:
    rows = [ask(approvals=2), ask(approvals=2)]
    first = decisions.decide_all(seen(*rows), actor=bob, verdict="approve")
    assert [item.outcome.open for item in first if item.outcome] == [True, True]
    again = decisions.decide_all(seen(*rows), actor=bob, verdict="approve")
    assert [item.outcome.duplicate for item in again if item.outcome] == [True, True]
    assert Decision.objects.count() == 2
    second = decisions.decide_all(seen(*rows), actor=carol, verdict="approve")
    assert [item.outcome.open for item in second if item.outcome] == [False, False]


def test_a_second_click_gives_the_recorded_answers(ask: Any, bob: Any) -> None:
    rows = [ask(), ask()]
    first, again = (decisions.decide_all(seen(*rows), actor=bob, verdict="approve") for _ in range(2))
    assert [item.outcome.decision for item in again if item.outcome] == [item.outcome.decision for item in first]
    assert [item.outcome.duplicate for item in again if item.outcome] == [True, True]


def test_what_somebody_else_decided_or_nobody_in_time_is_said(ask: Any, bob: Any, carol: Any, pass_time: Any) -> None:
    late, decided = ask(timeout=timedelta(hours=1)), ask()
    decisions.decide(decided, actor=carol, verdict="approve", digest=decided.digest)
    pass_time(timedelta(hours=1))
    found = decisions.decide_all(seen(late, decided), actor=bob, verdict="approve")
    assert reasons(found) == ["approval_closed", "already_decided"]
    assert all(item.sentence for item in found)
    assert Approval.objects.get(pk=late.pk).status == "expired"
    assert not Decision.objects.filter(actor=bob).exists()


def test_ids_may_be_written_as_text(ask: Any, bob: Any) -> None:
    row = ask()
    [item] = decisions.decide_all({str(row.pk): row.digest}, actor=bob, verdict="approve")
    assert (item.id, item.approval.status) == (str(row.pk), "approved")
