"""Seed 001: interrupts before and after a step, a gate per step, levels, feedback, the ladder, edits."""

from __future__ import annotations

from typing import Any

import pytest

from hitl import audit
from hitl.models import Approval, Feedback, Notification
from project.examples import psp, world
from tests.api.conftest import Api
from tests.journeys.conftest import Person, ended, manage, steps

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


def test_verify_takes_the_typed_phrase_only(asker: Person, ops: Person, meet: Any) -> None:
    otto, _ = meet("otto", "ops"), meet("mia", "managers")
    run = asker.start("delete-resource", {"resource_id": "db-7"})
    request = ops.asked(run)
    assert (request["level"], request["phrase"], request["risk"]) == ("verify", "DELETE db-7", "critical")
    for typed in ("", "delete db-7", "DELETE db-8"):
        refused = ops.vote(request, phrase=typed)
        assert (refused.status_code, "phrase" in str(refused.json())) == (422, True)
    ops.say(run, phrase=" DELETE db-7 ")
    assert (ops.inbox(), world.deeds()) == ([], [])  # critical takes two people, and each types it
    assert otto.vote(otto.asked(run)).status_code == 422
    otto.say(run, phrase="DELETE db-7")
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


def test_info_tells_people_and_waits_for_nobody(asker: Person, ops: Person, manager: Person, meet: Any) -> None:
    run = asker.start("delete-resource", {"resource_id": "db-7"})
    for person in (ops, meet("otto", "ops")):
        person.say(run, phrase="DELETE db-7")
    ended(run)
    note = Notification.objects.get(run=run, kind="info")
    assert note.payload["title"] == "db-7: deletion was approved"
    assert manager.inbox() == []


def test_confirm_takes_a_plain_yes_of_the_person_it_is_for(meet: Any) -> None:
    kim, eve = meet("kim"), meet("eve")
    run = kim.start("confirm-refund", {"order_id": "A-1", "amount": 50})
    request = kim.asked(run)
    assert (request["level"], "50 back" in request["title"]) == ("confirm", True)
    assert eve.vote(request).status_code == 404
    kim.say(run)
    assert ended(run)["refunded"] == 50


def test_confirm_by_silence_or_no_refunds_nothing(meet: Any, later: Any) -> None:
    kim = meet("kim")
    one = kim.start("confirm-refund", {"order_id": "A-1", "amount": 50})
    kim.say(one, "reject", comment="another order")
    other = kim.start("confirm-refund", {"order_id": "A-2", "amount": 50})
    later(hours=2)
    assert (ended(one)["status"], ended(other)["status"]) == ("rejected", "expired")
    assert psp.ledger == {}


def test_the_level_is_chosen_by_a_rule_of_the_policy(
    asker: Person, ops: Person, manager: Person, policies: None
) -> None:
    change = {"environment": "production", "command": "vacuum"}
    run = asker.start("risk-routing", change)
    assert (manager.asked(run)["level"], manager.asked(run)["phrase"]) == ("confirm", "")
    other = asker.start("risk-routing", {**change, "deletes_data": True})
    shown = ops.asked(other)
    assert (shown["level"], shown["phrase"]) == ("verify", "APPROVE change")
    assert shown["requirement"] == {
        "policy": "infrastructure v1",
        "rule": "critical risk needs ops, then a manager",
    }


# -- feedback: run, score 0-1, kind, comment ---------------------------------------------------------------


def test_feedback_on_a_run_is_a_score_of_a_kind_with_a_comment(asker: Person, ops: Person) -> None:
    run = asker.start("multi-step", {"customer": "Acme"})
    for _ in range(3):
        ops.say(run)
    output = ended(run)
    given = {"key": "helpfulness", "score": 0.8, "comment": "It asked at the right moments."}
    kept = asker.api.post(f"runs/{run.pk}/feedback/", given)
    assert kept.status_code == 201
    assert {name: kept.json()[name] for name in given} == given
    [shown] = asker.api.get(f"runs/{run.pk}/feedback/").json()["results"]
    assert (shown, shown["by"]) == (kept.json(), f"user:{asker.user.pk}")
    assert "It asked at the right moments." in str([line.text for line in audit.timeline(run.stream)])
    assert ended(run) == output


def test_feedback_may_be_about_one_step_and_comes_from_programs_too(alice: Any, work: Any, meet: Any) -> None:
    from hitl.policies import create_key

    meet("olga", "ops")
    _, token = create_key("judge", owner=alice, scopes=["runs:start", "runs:read", "feedback:write"], actor=alice)
    bot = Api(token=token)
    run = bot.post("runs/", {"workflow": "multi-step", "input": {"customer": "Acme"}}).json()["id"]
    work()
    given = {"key": "correctness", "score": 1, "step": "export.gate"}
    assert bot.post(f"runs/{run}/feedback/", given).status_code == 201
    [shown] = bot.get(f"runs/{run}/feedback/").json()["results"]
    assert (shown["key"], shown["score"], shown["step"], shown["by"][:4]) == ("correctness", 1, "export.gate", "key:")


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"key": "helpfulness", "score": 1.1}, 400),
        ({"key": "helpfulness", "score": -0.1}, 400),
        ({"key": "helpfulness"}, 400),
        ({"key": "", "score": 1}, 400),
        ({"key": "helpfulness", "score": 1, "step": "nowhere"}, 404),
    ],
)
def test_feedback_that_says_nothing_is_not_kept(given: dict[str, Any], status: int, asker: Person, ops: Person) -> None:
    run = asker.start("multi-step", {"customer": "Acme"})
    assert asker.api.post(f"runs/{run.pk}/feedback/", given).status_code == status
    assert not Feedback.objects.exists()


def test_feedback_on_a_run_one_may_not_see_is_not_kept(asker: Person, ops: Person, meet: Any) -> None:
    run = asker.start("multi-step", {"customer": "Acme"})
    assert meet("eve").api.post(f"runs/{run.pk}/feedback/", {"key": "x", "score": 1}).status_code == 404
    assert not Feedback.objects.exists()


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
