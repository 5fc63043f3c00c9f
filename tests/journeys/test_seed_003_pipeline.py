"""Seed 003: pipelines with named approvers, routing by risk, clear actions with context, timeouts that fail closed."""

from __future__ import annotations

from typing import Any

import pytest

from hitl import audit
from hitl.definition import registry
from hitl.exceptions import InvalidWorkflow
from hitl.models import Approval, Decision
from project.examples import world
from tests.journeys.conftest import Person, ended, manage, steps

LATER = (
    ("stages: several sign-offs on one request, each by other people", 4),
    ("risk routing by policy rules: low passes on the record, critical needs a second stage", 4),
    ("context pane: step x of n and what was done before, on the request page", 6),
    ("on_timeout=escalate", 4),
    ("calendar timeouts: four business hours", 7),
)

RELEASE = {"service": "shop", "version": "4.2"}


# -- stages with named approvers ------------------------------------------------------------------------------


def test_each_stage_asks_its_own_people(asker: Person, editor: Person, manager: Person) -> None:
    run = asker.start("email-pipeline", {"topic": "the move"})
    assert (len(editor.inbox()), len(manager.inbox())) == (1, 0)
    request = editor.say(run)
    assert (len(editor.inbox()), len(manager.inbox())) == (0, 1)
    assert manager.vote(request).status_code == 404
    manager.say(run)
    assert ended(run).endswith("Many thanks!\n\nThe team")
    assert [deed["did"] for deed in world.deeds()] == ["mail"]


def test_a_rejected_stage_stops_the_pipeline(asker: Person, editor: Person, manager: Person) -> None:
    run = asker.start("email-pipeline", {"topic": "the move"})
    editor.say(run)
    manager.say(run, "reject", comment="do not send this at all")
    ended(run, "rejected", "rejected")
    assert (steps(run)["draft"], steps(run)["finalize"]) == ("succeeded", "cancelled")
    assert world.deeds() == []


def test_every_revision_is_reviewed_again(asker: Person, editor: Person, manager: Person) -> None:
    run = asker.start("email-pipeline", {"topic": "the move"})
    for number, words in enumerate(("Say when.", "Say where."), 2):
        editor.say(run, "request_revision", comment=words)
        shown = editor.asked(run)
        assert (shown["revision"], shown["action"]["args"]["text"].endswith(words)) == (number, True)
    assert manager.inbox() == []
    editor.say(run)
    manager.say(run)
    assert "Say where." in ended(run)


def test_a_stage_sent_back_asks_anew_for_the_approval_it_had_used_up(
    asker: Person, editor: Person, manager: Person
) -> None:
    run = asker.start("email-pipeline", {"topic": "the move"})
    editor.say(run)
    manager.say(run, "request_revision", comment="shorter")
    assert manager.inbox() == []
    editor.say(run, "edit", args={"text": "We move."})
    assert manager.asked(run)["action"]["args"]["text"] == "We move. Many thanks!"
    manager.say(run)
    assert ended(run) == "We move. Many thanks!\n\nThe team"
    assert len(world.deeds("mail")) == 1


# -- promotion: dev, staging, prod ------------------------------------------------------------------------------


def test_promotion_dev_staging_prod(asker: Person, ops: Person, manager: Person, meet: Any) -> None:
    run = asker.start("promotion-pipeline", RELEASE)
    assert [deed["to"] for deed in world.deeds("roll-out")] == ["dev"]
    ops.say(run)
    assert [deed["to"] for deed in world.deeds("roll-out")] == ["dev", "staging"]
    manager.say(run)
    assert steps(run)["prod"] == "pending"  # a second manager has to agree
    meet("max", "managers").say(run)
    assert ended(run)["to"] == "prod"
    assert len(world.deeds("load-test")) == 1


def test_promotion_stops_where_somebody_says_no(asker: Person, ops: Person, manager: Person, meet: Any) -> None:
    run = asker.start("promotion-pipeline", RELEASE)
    ops.say(run)
    manager.say(run, "reject", comment="Friday")
    ended(run, "rejected", "rejected")
    assert meet("max", "managers").inbox() == []
    assert [deed["to"] for deed in world.deeds("roll-out")] == ["dev", "staging"]


def test_promotion_silence_keeps_it_out_of_production(asker: Person, ops: Person, manager: Person, later: Any) -> None:
    run = asker.start("promotion-pipeline", RELEASE)
    ops.say(run)
    manager.say(run)
    later(hours=25)
    ended(run, "failed", "approval_expired")
    assert [deed["to"] for deed in world.deeds("roll-out")] == ["dev", "staging"]


def test_promotion_skips_what_a_hotfix_does_not_need(asker: Person, ops: Person, manager: Person, meet: Any) -> None:
    run = asker.start("promotion-pipeline", RELEASE | {"hotfix": True})
    ops.say(run, "edit", args={**ops.asked(run)["action"]["args"], "version": "4.2.1"})
    assert (steps(run)["load_test"], steps(run)["to-prod"]) == ("skipped", "waiting")
    manager.say(run)
    meet("max", "managers").say(run)
    ended(run)
    assert [deed["version"] for deed in world.deeds("roll-out")] == ["4.2", "4.2.1", "4.2"]
    assert world.deeds("load-test") == []


@pytest.mark.parametrize(("drops", "risk"), [(False, "high"), (True, "critical")])
def test_risk_is_a_function_of_the_action(
    drops: bool, risk: str, asker: Person, ops: Person, manager: Person, meet: Any
) -> None:
    run = asker.start("promotion-pipeline", RELEASE | {"drops_data": drops})
    assert ops.asked(run)["risk"] == "medium"
    ops.say(run)
    assert manager.asked(run)["risk"] == risk
    one = manager.asked(run)
    manager.vote(one)
    assert manager.vote(one, "reject", comment="twice").status_code in (403, 409)
    meet("max", "managers").say(run)
    ended(run)


# -- clear action ------------------------------------------------------------------------------------------------


def test_a_request_says_what_to_whom_with_which_impact_and_whether_it_can_be_undone(
    asker: Person, ops: Person, manager: Person
) -> None:
    run = asker.start("promotion-pipeline", RELEASE)
    shown = ops.asked(run)
    assert shown["title"] == "Roll out shop 4.2 to staging"
    assert shown["action"] == {
        "type": "roll_out",
        "args": {**RELEASE, "environment": "staging", "drops_data": False},
        "target": "staging",
        "impact": "Testers work with it",
        "reversible": True,
    }
    assert (shown["workflow"], shown["step"]) == ("promotion-pipeline", "to-staging")
    ops.say(run, "reject", comment="no")
    ended(run, "rejected", "rejected")


# -- timeout, audit, resume --------------------------------------------------------------------------------------


def test_silence_is_no_and_may_only_be_yes_where_nothing_can_be_lost() -> None:
    from hitl import Workflow

    flow = Workflow("journey-silence")
    flow.step(lambda ctx: {}, name="propose")
    with pytest.raises(InvalidWorkflow, match="low risk and reversible"):
        flow.approval("gate", after="propose", reviewers=["group:ops"], on_timeout="approve")
    assert registry.get("journey-silence") is flow


def test_every_decision_is_in_the_audit_before_the_next_stage_runs(
    asker: Person, editor: Person, manager: Person
) -> None:
    run = asker.start("email-pipeline", {"topic": "the move"})
    editor.say(run, "edit", args={"text": "We move."}, comment="shorter")
    manager.say(run)
    ended(run)
    names = [line.action for line in audit.timeline(run.stream)]
    assert names.index("hitl.approval.edited") < names.index("hitl.grant.consumed")
    assert names.count("hitl.grant.consumed") == 2
    shown = manage("run", "show", str(run.pk))
    assert "ed approved Approve draft with changes" in shown
    assert Decision.objects.get(approval__run=run, verdict="edit").comment == "shorter"


def test_change_the_state_then_resume(asker: Person, editor: Person, manager: Person) -> None:
    run = asker.start("concurrent-analysis", {"company": "Acme"})
    args = manager.asked(run)["action"]["args"]
    manager.say(run, "edit", args={**args, "summary": "Buy"})
    assert ended(run)["summary"] == "Buy"
    assert Approval.objects.get(run=run).args["summary"] == "Acme grows; one lawsuit; no debts"
