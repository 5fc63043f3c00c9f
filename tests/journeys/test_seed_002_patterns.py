"""Seed 002: gates, structured escalation, maker and checker, confirmation; and a person's place in six patterns."""

from __future__ import annotations

from typing import Any

import pytest

from hitl import Workflow
from hitl.models import Approval, Step, StreamChunk
from project.examples import psp, world
from tests.journeys.conftest import Person, ended, steps

# -- approval gate -------------------------------------------------------------------------------------------


def test_single_agent_a_refund_is_paid_only_after_a_yes(asker: Person, fay: Person) -> None:
    run = asker.start("refund", {"order_id": "A-17"})
    assert psp.ledger == {}
    shown = fay.say(run)
    assert (shown["reversible"], shown["impact"]) == (False, "Money leaves at once")
    assert ended(run) == {"receipt": "psp-A-17", "order_id": "A-17", "refunded": 250}
    assert len(psp.ledger) == 1


@pytest.mark.parametrize("how", ["no", "silence"])
def test_single_agent_a_refund_is_not_paid_without_a_yes(how: str, asker: Person, fay: Person, later: Any) -> None:
    run = asker.start("refund", {"order_id": "A-17"})
    if how == "no":
        fay.say(run, "reject", comment="the photo is of another parcel")
        ended(run, "rejected", "rejected")
    else:
        later(hours=5)
        ended(run, "failed", "approval_expired")
    assert psp.ledger == {}


# -- structured escalation -----------------------------------------------------------------------------------


def test_structured_escalation_goes_to_a_queue_of_people_with_reason_context_and_suggestion(
    asker: Person, helper: Person, manager: Person
) -> None:
    run = asker.start("support-escalation", {"question": "I want a refund"})
    [row] = helper.inbox()
    assert (row["kind"], row["workflow"]) == ("question", "support-escalation")
    question = Approval.objects.get(pk=row["id"]).question
    assert "It wants money back, which is not mine to give" in question
    assert '"customer since": 2019' in question
    assert "Suggested: offer a voucher" in question
    helper.answer(run, "Here is a voucher.")
    assert ended(run) == {"reply": "Here is a voucher."}


def test_structured_escalation_that_nobody_takes_up_is_not_answered_for_them(
    asker: Person, helper: Person, manager: Person, later: Any
) -> None:
    run = asker.start("support-escalation", {"question": "I want a refund"})
    later(hours=5)
    assert "Suggested: offer a voucher" in Approval.objects.get(run=run, status="pending").question
    later(hours=25)
    ended(run, "failed", "answer_timeout")
    assert steps(run)["reply"] == "cancelled"


# -- maker and checker -----------------------------------------------------------------------------------------


def test_maker_checker_rounds_until_it_is_good(asker: Person, editor: Person) -> None:
    run = asker.start("content-review", {"topic": "bees"})
    editor.say(run, "request_revision", comment="the winter")
    shown = editor.asked(run)
    assert (shown["revision"], shown["action"]["args"]["text"]) == (2, "All about bees. Added: the winter.")
    assert world.deeds() == []
    editor.say(run)
    assert ended(run)["text"] == "All about bees. Added: the winter."
    assert len(world.deeds("publish")) == 1


def test_maker_checker_never_publishes_the_last_version_unapproved(asker: Person, editor: Person) -> None:
    run = asker.start("content-review", {"topic": "bees"})
    for words in ("the winter", "the queen", "the hive"):
        editor.say(run, "request_revision", comment=words)
    ended(run, "rejected", "max_revisions")
    assert world.deeds() == []


def test_maker_checker_a_round_nobody_looks_at_ends(asker: Person, editor: Person, later: Any) -> None:
    run = asker.start("content-review", {"topic": "bees"})
    editor.say(run, "request_revision", comment="the winter")
    later(hours=25)
    ended(run, "failed", "approval_expired")
    assert world.deeds() == []


def test_maker_checker_a_vote_on_an_old_version_is_told_so(asker: Person, editor: Person) -> None:
    run = asker.start("content-review", {"topic": "bees"})
    old = editor.asked(run)
    editor.say(run, "request_revision", comment="the winter")
    assert editor.vote(old).status_code in (409, 410, 412)
    assert world.deeds() == []
    editor.say(run)
    assert "winter" in ended(run)["text"]


def test_maker_checker_at_the_limit_somebody_else_decides_where_the_gate_says_so(
    asker: Person, editor: Person, manager: Person
) -> None:
    flow = Workflow("journey-rounds")
    flow.step(lambda ctx: {"text": ctx.instructions or "first"}, name="write")
    stage = {"reviewers": ["group:editors"], "escalate": [{"after": "2h", "to": ["group:managers"]}]}
    rounds = {"max_revisions": 1, "on_max_revisions": "escalate"}
    flow.approval("check", after="write", title="Publish", impact="All can read it", stages=[stage], **rounds)
    flow.step(lambda ctx: ctx.action["text"], name="publish", after="check")
    run = asker.start("journey-rounds")
    editor.say(run, "request_revision", comment="second")
    assert manager.inbox() == []
    editor.say(run, "request_revision", comment="third")
    assert steps(run)["check"] == "waiting"
    shown = manager.say(run)
    assert (shown["revision"], ended(run)) == (2, "second")


# -- where a person fits in ------------------------------------------------------------------------------------


def test_sequential_a_person_looks_between_the_stages(asker: Person, editor: Person, manager: Person) -> None:
    run = asker.start("email-pipeline", {"topic": "the move"})
    editor.say(run, "edit", args={"text": "We move."})
    assert manager.asked(run)["action"]["args"]["text"] == "We move. Many thanks!"
    manager.say(run)
    assert ended(run) == "We move. Many thanks!\n\nThe team"


def test_concurrent_a_person_validates_the_joined_result(asker: Person, manager: Person) -> None:
    run = asker.start("concurrent-analysis", {"company": "Acme"})
    assert {name: status for name, status in steps(run).items() if name in ("market", "risks", "finances")} == {
        "market": "succeeded",
        "risks": "succeeded",
        "finances": "succeeded",
    }
    assert manager.asked(run)["action"]["args"]["summary"] == "Acme grows; one lawsuit; no debts"
    assert world.deeds() == []
    manager.say(run)
    ended(run)
    assert len(world.deeds("report")) == 1


def test_concurrent_what_is_not_validated_is_not_reported(asker: Person, manager: Person, later: Any) -> None:
    run = asker.start("concurrent-analysis", {"company": "Acme"})
    later(hours=25)
    ended(run, "failed", "approval_expired")
    assert world.deeds() == []


def test_group_chat_goes_on_without_a_person(asker: Person, later: Any) -> None:
    run = asker.start("group-chat")
    for _ in range(12):
        later(minutes=3)
    ended(run, "failed", "max_iterations")
    assert StreamChunk.objects.filter(run=run).count() == 12


def test_group_chat_a_person_steers_it(asker: Person, later: Any) -> None:
    run = asker.start("group-chat")
    later(minutes=3)
    assert asker.tell(run, "say", "try it for a month").status_code == 202
    for _ in range(6):
        later(minutes=3)
    said = ended(run)
    assert said[2] == {"who": "person", "text": "try it for a month"}
    assert said[4] == {"who": "writer", "text": "Let us say: try it for a month"}
    assert said[-1] == {"who": "closer", "text": "Agreed"}


def test_group_chat_what_is_said_ahead_is_heard(asker: Person, later: Any) -> None:
    run = asker.start("group-chat")
    asker.tell(run, "say", "first")
    asker.tell(run, "say", "second")
    assert Step.objects.get(run=run).iteration == 2
    for _ in range(4):
        later(minutes=3)
    assert [line["text"] for line in ended(run) if line["who"] == "person"] == ["first", "second"]


def test_handoff_goes_to_the_specialist_that_triage_chose(asker: Person, helper: Person) -> None:
    run = asker.start("handoff", {"query": "my invoice is wrong"})
    assert steps(run) == {"triage": "succeeded", "billing": "succeeded", "technical": "skipped", "reply": "succeeded"}
    assert ended(run).startswith("billing:")
    assert helper.inbox() == []


def test_handoff_a_person_re_routes_what_was_misjudged(asker: Person, helper: Person) -> None:
    run = asker.start("handoff", {"query": "I paid twice"})
    args = helper.asked(run)["action"]["args"]
    assert args["specialist"] == "technical"
    wrong = helper.vote(helper.asked(run), "edit", args={**args, "specialist": "nobody"})
    locked = helper.vote(helper.asked(run), "edit", args={**args, "query": "other words"})
    assert (wrong.status_code, locked.status_code) == (422, 422)
    helper.say(run, "edit", args={**args, "specialist": "billing"})
    assert ended(run) == "billing: your invoice is corrected (I paid twice)"
    assert steps(run)["technical"] == "skipped"


def test_handoff_without_a_route_reaches_nobody(asker: Person, helper: Person, later: Any) -> None:
    run = asker.start("handoff", {"query": "I paid twice"})
    later(hours=5)
    ended(run, "failed", "step_failed")
    assert (steps(run)["billing"], steps(run)["technical"]) == ("cancelled", "cancelled")


def test_magentic_a_person_approves_the_plan_and_reviews_the_findings(asker: Person, ops: Person) -> None:
    run = asker.start("incident-plan", {"service": "shop"})
    ops.say(run, "reject", comment="drain it first")
    shown = ops.say(run)
    assert [step["name"] for step in shown["action"]["args"]["steps"]] == ["drain", "restart", "check"]
    assert [deed["did"] for deed in world.deeds()] == ["drain", "restart", "check"]
    ops.answer(run, "over")
    assert ended(run) == "over"


def test_magentic_an_incident_nobody_decides_is_left_alone(asker: Person, ops: Person, later: Any) -> None:
    run = asker.start("incident-plan", {"service": "shop"})
    later(minutes=31)
    ended(run, "failed", "approval_expired")
    assert world.deeds() == []
