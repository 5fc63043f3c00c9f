"""Seed 003: pipelines with named approvers, clear actions with context, timeouts that fail closed."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission

from hitl import Workflow, audit
from hitl.definition import registry
from hitl.exceptions import InvalidWorkflow
from hitl.models import Approval, Decision
from project.examples import world
from tests.journeys.conftest import Person, doctor, ended, manage, steps

LATER = (
    ("context pane: step x of n and what was done before, on the request page", 6),
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


def staged(**options: Any) -> list[str]:
    """A workflow whose one request is signed by nora, then by max; the texts that were published."""
    flow, published = Workflow("journey-signed"), []
    flow.step(lambda ctx: {"text": ctx.instructions or "first"}, name="write")
    stages = [{"reviewers": ["user:nora"]}, {"reviewers": ["user:max"], "timeout": "2h"}]
    flow.approval("sign", after="write", title="Publish", impact="All can read it", stages=stages, **options)
    flow.step(lambda ctx: published.append(ctx.action["text"]), name="publish", after="sign")
    return published


def test_one_request_is_signed_by_named_people_one_after_the_other(asker: Person, meet: Any, later: Any) -> None:
    nora, max_, published = meet("nora"), meet("max"), staged()
    run = asker.start("journey-signed")
    shown = nora.asked(run)
    assert (shown["stage"], shown["stages"], max_.inbox()) == (1, 2, [])
    assert max_.vote(shown).json()["reason"] == "stage_not_open"
    assert nora.vote(shown).status_code == 202
    assert (max_.asked(run)["stage"], nora.inbox(), published) == (2, [], [])
    max_.say(run)
    ended(run)
    assert published == ["first"]
    other = asker.start("journey-signed")
    nora.say(other)
    later(hours=2)  # of the second stage; its time counts from when it opened
    ended(other, "failed", "approval_expired")
    assert published == ["first"]


def test_a_revision_begins_at_the_first_stage_again(asker: Person, meet: Any) -> None:
    nora, max_, published = meet("nora"), meet("max"), staged()
    run = asker.start("journey-signed")
    for words in ("second", "third"):
        nora.say(run)
        max_.say(run, "request_revision", comment=words)
        assert max_.inbox() == []
        shown = nora.asked(run)
        assert (shown["stage"], shown["have"], shown["action"]["args"]["text"]) == (1, 0, words)
    nora.say(run)
    max_.say(run)
    ended(run)
    assert published == ["third"]


def test_a_no_at_the_second_stage_is_a_no(asker: Person, meet: Any) -> None:
    nora, max_, published = meet("nora"), meet("max"), staged()
    run = asker.start("journey-signed")
    nora.say(run)
    max_.say(run, "reject", comment="not in our name")
    ended(run, "rejected", "rejected")
    assert published == []


def test_an_edit_where_others_must_agree_is_signed_by_all_anew(asker: Person, meet: Any) -> None:
    nora, max_ = meet("nora"), meet("max")
    stages = [{"reviewers": ["user:nora", "user:olaf"]}, {"reviewers": ["user:max"]}]
    flow, olaf = Workflow("journey-edited"), meet("olaf")
    flow.step(lambda ctx: {"text": "first"}, name="write")
    flow.approval("sign", after="write", title="Publish", impact="All can read it", stages=stages)
    flow.step(lambda ctx: ctx.action["text"], name="publish", after="sign")
    run = asker.start("journey-edited")
    old = nora.say(run)
    edited = max_.vote(max_.asked(run), "edit", args={"text": "better"})
    assert (edited.status_code, edited.json()["revision"]) == (202, 2)
    stale = olaf.vote(old)
    assert (stale.status_code, stale.json()["digest"]) == (412, edited.json()["digest"])
    olaf.say(run)
    mine = olaf.api.get(f"approvals/{edited.json()['approval']}/").json()
    assert (mine["stage"], mine["edited_by"]) == (2, "max")
    assert max_.vote(mine).json()["reason"] == "own_edit"  # who wrote it signs nothing of it
    olivia = meet("olivia")
    olivia.user.user_permissions.add(Permission.objects.get(codename="operate", content_type__app_label="hitl"))
    assert "unsatisfiable" in doctor()
    assert olivia.act(mine, "assign", to="nora", reason="max wrote it").status_code == 200
    nora.say(run)
    assert ended(run) == "better"


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
    one = manager.asked(run)
    phrase = {"phrase": one["phrase"]}
    assert (one["risk"], one["phrase"]) == (risk, "APPROVE roll_out" if drops else "")
    assert manager.vote(one, **phrase).status_code == 202
    assert manager.vote(one, "reject", comment="twice").status_code == 403
    meet("max", "managers").say(run, **phrase)
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


def test_an_author_cannot_even_write_that_silence_is_yes_to_more() -> None:
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
