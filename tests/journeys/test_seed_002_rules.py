"""Seed 002: a gate on a rule (`process_refund` with `policies.yaml`), its escalation, and confirmation."""

from __future__ import annotations

from typing import Any

import pytest

from hitl import Workflow, audit
from hitl.exceptions import InvalidWorkflow
from hitl.models import Decision
from project.examples import psp
from tests.journeys.conftest import Person, doctor, ended, manage

# -- a gate on a rule -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("last_day")
def test_a_small_refund_passes_by_a_rule_and_is_on_record(asker: Person, fay: Person) -> None:
    run = asker.start("process-refund", {"order_id": "A-1", "amount": 100})
    assert ended(run)["refunded"] == 100
    assert fay.inbox() == []
    [row] = asker.api.get("approvals/", view="asked").json()["results"]
    assert (row["status"], row["decided_via"]) == ("approved", "policy")
    shown = asker.api.get(f"approvals/{row['id']}/").json()
    assert shown["requirement"] == {"policy": "refunds v1", "rule": "small refunds pass"}
    assert not Decision.objects.exists()
    assert "hitl.approval.passed" in [line.action for line in audit.timeline(run.stream)]


@pytest.mark.usefixtures("last_day")
@pytest.mark.parametrize("verdict", ["approve", "reject"])
def test_a_refund_above_the_rule_waits_for_a_person(verdict: str, asker: Person, fay: Person) -> None:
    run = asker.start("process-refund", {"order_id": "A-1", "amount": 101})
    assert psp.ledger == {}
    fay.say(run, verdict, comment="looked at")
    assert ended(run)["refunded"] == (101 if verdict == "approve" else 0)
    assert len(psp.ledger) == (verdict == "approve")


@pytest.mark.usefixtures("last_day")
def test_after_its_last_day_the_rule_lets_nothing_pass(asker: Person, fay: Person, later: Any) -> None:
    assert "small refunds pass: ends after" in doctor()
    later(days=1)
    run = asker.start("process-refund", {"order_id": "A-1", "amount": 5})
    assert fay.asked(run)["requirement"]["rule"] == "default"
    fay.say(run)
    assert ended(run)["refunded"] == 5
    assert "small refunds pass: ended on" in doctor()


def test_an_edit_is_under_the_rules_like_a_proposal(asker: Person, fay: Person, manager: Person, tmp_path: Any) -> None:
    path = tmp_path / "policies.yaml"
    path.write_text(
        "name: wide\n"
        "rules: [{when: args.amount > 100, stages: [{reviewers: ['group:managers']}]}]\n"
        "default: {stages: [{reviewers: ['group:finance']}]}\n"
    )
    manage("policy", "apply", str(path))
    flow = Workflow("journey-wide")
    flow.step(lambda ctx: {"amount": 50}, name="propose")
    flow.approval("gate", after="propose", title="Refund", impact="Money leaves", policy="wide")
    flow.step(lambda ctx: ctx.action["amount"], name="act", after="gate")
    run, other = (asker.start("journey-wide") for _ in range(2))
    fay.say(run, "edit", args={"amount": 70})
    assert ended(run) == 70
    more = fay.vote(fay.asked(other), "edit", args={"amount": 5000})
    assert (more.status_code, more.json()["revision"], fay.inbox()) == (202, 2, [])
    manager.say(other)
    assert ended(other) == 5000


# -- escalation ------------------------------------------------------------------------------------------------


def test_an_escalation_is_put_before_further_people_by_time(
    asker: Person, fay: Person, manager: Person, later: Any
) -> None:
    run = asker.start("process-refund", {"order_id": "A-1", "amount": 500})
    assert manager.inbox() == []
    later(hours=2)
    [row] = manager.api.get("approvals/", view="escalated").json()["results"]
    assert row["run"] == str(run.pk)
    assert len(fay.inbox()) == 1  # asked still
    manager.say(run)
    assert ended(run)["refunded"] == 500
    assert fay.inbox() == []


def test_an_escalation_is_put_before_further_people_by_hand(asker: Person, fay: Person, manager: Person) -> None:
    run = asker.start("process-refund", {"order_id": "A-1", "amount": 500})
    request = fay.asked(run)
    assert asker.act(request, "escalate").status_code == 403
    assert manager.act(request, "escalate").status_code == 404
    assert fay.act(request, "escalate", reason="a regular customer").status_code == 200
    assert fay.act(request, "escalate").json()["reason"] == "no_rung"
    manager.say(run)
    ended(run)
    assert any("a regular customer" in line.text for line in audit.timeline(run.stream))


# -- confirmation by whoever asked -------------------------------------------------------------------------------


def test_the_requester_confirms_and_it_is_on_record_as_what_it_is(meet: Any, fay: Person) -> None:
    kim = meet("kim")
    run = kim.start("confirm-refund", {"order_id": "A-1", "amount": 50})
    assert fay.inbox() == []
    kim.say(run)
    assert ended(run)["refunded"] == 50
    assert Decision.objects.get().confirmation == {"self": True}
    [line] = [line for line in audit.timeline(run.stream) if line.action == "hitl.approval.approved"]
    assert line.data["self_confirmed"] is True


def test_the_requester_hands_the_confirmation_to_nobody(meet: Any) -> None:
    kim, _ = meet("kim"), meet("eve")
    run = kim.start("confirm-refund", {"order_id": "A-1", "amount": 50})
    refused = kim.act(kim.asked(run), "delegate", to="eve")
    assert (refused.status_code, refused.json()["reason"]) == (403, "only_requester")


@pytest.mark.parametrize("risk", ["high", "critical"])
def test_the_requester_confirms_nothing_dangerous(risk: str) -> None:
    flow = Workflow("journey-dangerous")
    flow.step(lambda ctx: {}, name="propose")
    with pytest.raises(InvalidWorkflow, match="not for the requester"):
        flow.approval("gate", after="propose", reviewers=["requester"], risk=risk)
