"""Seed 001: interrupts before and after a step, a gate per step, levels of confirmation, the ladder, edits."""

from __future__ import annotations

from typing import Any

import pytest

from hitl import audit
from hitl.models import Approval, Notification
from project.examples import psp, world
from tests.journeys.conftest import Person, ended, manage, steps

LATER = (
    ("feedback: run, score 0-1, kind, comment", 4),
    ("who may be asked to type a phrase is chosen by a policy rule", 4),
)


# -- interrupt before, interrupt after, resume by run id -----------------------------------------------------


def test_interrupt_before_a_step(asker: Person, ops: Person) -> None:
    run = asker.start("multi-step", {"customer": "Acme"})
    assert steps(run) == {
        "export.gate": "waiting", "export": "pending", "load.gate": "pending", "load": "pending",
        "switch.gate": "pending", "switch": "pending",
    }  # fmt: skip
    assert world.deeds() == []
    ops.say(run)
    assert [deed["did"] for deed in world.deeds()] == ["export"]
    for _ in range(2):
        ops.say(run)
    ended(run)


def test_interrupt_after_a_step(asker: Person, editor: Person, manager: Person) -> None:
    run = asker.start("email-pipeline", {"topic": "the move"})
    assert (steps(run)["draft"], steps(run)["review_tone"]) == ("succeeded", "pending")
    assert editor.asked(run)["action"]["args"]["text"] == "Dear team, this is about the move."
    editor.say(run)
    manager.say(run)
    ended(run)


# -- one gate per step -------------------------------------------------------------------------------------


def test_multi_step_approval_asks_before_each_step(asker: Person, ops: Person) -> None:
    run = asker.start("multi-step", {"customer": "Acme"})
    titles = [ops.say(run)["title"] for _ in range(3)]
    assert titles == ["Export Acme", "Import Acme", "Switch Acme"]
    assert ended(run) == ["export", "import", "switch"]
    assert Approval.objects.filter(run=run, consumed_at=None).count() == 0


def test_multi_step_approval_stops_at_the_first_no(asker: Person, ops: Person) -> None:
    run = asker.start("multi-step", {"customer": "Acme"})
    ops.say(run)
    ops.say(run, "reject", comment="not before the audit")
    ended(run, "rejected", "rejected")
    assert [deed["did"] for deed in world.deeds()] == ["export"]
    assert steps(run)["switch.gate"] == "cancelled"


# -- levels: info, confirm, verify --------------------------------------------------------------------------


def test_verify_takes_the_typed_phrase_only(asker: Person, ops: Person, manager: Person) -> None:
    run = asker.start("delete-resource", {"resource_id": "db-7"})
    request = ops.asked(run)
    assert (request["level"], request["phrase"], request["risk"]) == ("verify", "DELETE db-7", "critical")
    for typed in ("", "delete db-7", "DELETE db-8"):
        refused = ops.vote(request, phrase=typed)
        assert (refused.status_code, "phrase" in str(refused.json())) == (422, True)
    assert world.deeds() == []
    ops.say(run, phrase=" DELETE db-7 ")
    assert ended(run) == {"deleted": "db-7"}
    assert world.deeds() == [{"did": "delete", "resource": "db-7"}]


@pytest.mark.parametrize("how", ["reject", "expired"])
def test_verify_without_a_yes_deletes_nothing(
    how: str, asker: Person, ops: Person, manager: Person, later: Any
) -> None:
    run = asker.start("delete-resource", {"resource_id": "db-7"})
    if how == "reject":
        ops.say(run, "reject", comment="still used")
    else:
        later(hours=5)
    output = ended(run)
    assert (output["deleted"], output["status"]) == (None, {"reject": "rejected"}.get(how, how))
    assert world.deeds() == []


def test_info_tells_people_and_waits_for_nobody(asker: Person, ops: Person, manager: Person) -> None:
    run = asker.start("delete-resource", {"resource_id": "db-7"})
    ops.say(run, phrase="DELETE db-7")
    ended(run)
    note = Notification.objects.get(run=run, kind="info")
    assert note.payload["title"] == "db-7: deletion was approved"
    assert manager.inbox() == []


def test_confirm_takes_a_plain_yes_of_the_person_it_is_for(meet: Any) -> None:
    kim, eve = meet("kim"), meet("eve")
    run = kim.start("confirm-refund", {"order_id": "A-1", "amount": 50, "for": "kim"})
    request = kim.asked(run)
    assert (request["level"], "50 back" in request["title"]) == ("confirm", True)
    assert eve.vote(request).status_code == 404
    kim.say(run)
    assert ended(run)["refunded"] == 50


def test_confirm_by_silence_or_no_refunds_nothing(meet: Any, later: Any) -> None:
    kim = meet("kim")
    one = kim.start("confirm-refund", {"order_id": "A-1", "amount": 50, "for": "kim"})
    kim.say(one, "reject")
    other = kim.start("confirm-refund", {"order_id": "A-2", "amount": 50, "for": "kim"})
    later(hours=2)
    assert (ended(one)["status"], ended(other)["status"]) == ("rejected", "expired")
    assert psp.ledger == {}


# -- the ladder ------------------------------------------------------------------------------------------------


def test_escalation_ends_at_the_agent_that_is_sure(asker: Person, helper: Person, manager: Person) -> None:
    assert ended(asker.start("support-escalation", {"question": "when do you open?"})) == {"reply": "We open at nine."}
    assert ended(asker.start("support-escalation", {"question": "it is late"})) == {"reply": "It arrives tomorrow."}
    assert helper.inbox() == manager.inbox() == []


def test_escalation_reaches_a_person_with_the_history(asker: Person, helper: Person, manager: Person) -> None:
    run = asker.start("support-escalation", {"question": "my lawyer will write"})
    question = Approval.objects.get(run=run, status="pending").question
    assert "no idea" in question
    assert "senior_agent" in question
    assert "this needs a person" in question
    helper.answer(run, "We will call you.")
    assert ended(run) == {"reply": "We will call you."}
    assert manager.inbox() == []


def test_escalation_reaches_the_manager_when_nobody_answers(
    asker: Person, helper: Person, manager: Person, later: Any
) -> None:
    run = asker.start("support-escalation", {"question": "something odd"})
    later(hours=5)
    assert "nobody answered" in Approval.objects.get(run=run, status="pending").question
    assert helper.inbox() == []
    manager.answer(run, "Give it to me.")
    assert ended(run) == {"reply": "Give it to me."}


def test_escalation_that_nobody_answers_fails(asker: Person, helper: Person, manager: Person, later: Any) -> None:
    run = asker.start("support-escalation", {"question": "something odd"})
    later(hours=5)
    later(hours=25)
    ended(run, "failed", "answer_timeout")


# -- people modify, see everything, and every decision is on record -------------------------------------------


def test_people_modify_and_exactly_that_runs(asker: Person, manager: Person) -> None:
    run = asker.start("concurrent-analysis", {"company": "Acme"})
    args = manager.asked(run)["action"]["args"]
    manager.say(run, "edit", args={**args, "summary": "Acme grows"}, comment="the rest is not public")
    assert ended(run)["summary"] == "Acme grows"
    assert world.deeds("report") == [{"did": "report", "summary": "Acme grows"}]


def test_every_decision_is_on_record_with_its_comment(asker: Person, manager: Person) -> None:
    run = asker.start("concurrent-analysis", {"company": "Acme"})
    manager.say(run, "reject", comment="the numbers are old")
    ended(run, "rejected", "rejected")
    told = [line.text for line in audit.timeline(run.stream)]
    assert any("the numbers are old" in text for text in told)
    assert "rejected" in manage("run", "show", str(run.pk))
