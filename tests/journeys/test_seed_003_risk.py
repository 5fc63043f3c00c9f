"""Seed 003: routing by risk (`risk_routing` with `policies.yaml`), and what silence means at each."""

from __future__ import annotations

from typing import Any

import pytest

from hitl import Action, Workflow
from hitl.models import Approval, Decision
from project.examples import world
from tests.journeys.conftest import Person, ended, manage

DROP = {"environment": "production", "command": "drop orders", "deletes_data": True}


@pytest.mark.usefixtures("last_day")
def test_low_risk_passes_and_is_on_record(asker: Person, ops: Person, manager: Person) -> None:
    run = asker.start("risk-routing", {"environment": "dev", "command": "migrate"})
    assert ended(run)["command"] == "migrate"
    row = Approval.objects.get(run=run)
    assert (row.status, row.decided_via, row.required.rule) == ("approved", "policy", "low risk passes")
    assert ops.inbox() == manager.inbox() == []
    assert not Decision.objects.exists()


def test_medium_risk_takes_one_reviewer(asker: Person, ops: Person, manager: Person, policies: None) -> None:
    run = asker.start("risk-routing", {"environment": "staging", "command": "migrate"})
    args = ops.asked(run)["action"]["args"]
    wider = ops.vote(ops.asked(run), "edit", args={**args, "environment": "production"})
    assert wider.status_code == 422  # where it runs decided who is asked
    ops.say(run, "edit", args={**args, "command": "migrate --plan"})
    assert manager.inbox() == []
    assert ended(run) == {"did": "change", "command": "migrate --plan", "environment": "staging"}


def test_high_risk_takes_a_senior_one(asker: Person, ops: Person, manager: Person, policies: None) -> None:
    run = asker.start("risk-routing", {"environment": "production", "command": "migrate"})
    assert ops.inbox() == []
    manager.say(run)
    assert ended(run)["environment"] == "production"


def test_critical_risk_takes_two_people_a_phrase_and_a_password(
    asker: Person, ops: Person, manager: Person, policies: None
) -> None:
    run = asker.start("risk-routing", DROP)
    typed = {"phrase": "APPROVE change"}
    assert ops.vote(ops.asked(run), **typed).json()["reason"] == "step_up_required"
    for person in (ops, manager):
        person.user.set_password("correct horse")
        person.user.save()
        person.sign_in()
        wrong = person.vote(person.asked(run), password="battery", **typed)
        assert (wrong.status_code, world.deeds()) == (403, [])
        assert person.vote(person.asked(run), password="correct horse").status_code == 422  # no phrase
        person.say(run, **typed)  # the password holds for some minutes
    assert ended(run)["command"] == "drop orders"
    assert Decision.objects.filter(approval__run=run).values_list("stage", flat=True).distinct().count() == 2


def test_critical_risk_is_not_agreed_to_by_one_person_twice(asker: Person, policies: None, meet: Any) -> None:
    both = meet("boss", "ops", "managers")
    run = asker.start("risk-routing", DROP)
    both.user.set_password("correct horse")
    both.user.save()
    both.sign_in()
    request = both.say(run, password="correct horse", phrase="APPROVE change")
    again = both.vote(request, "reject", comment="on second thought")
    assert (again.status_code, again.json()["reason"], both.inbox()) == (403, "voted_earlier_stage", [])
    assert world.deeds() == []


def test_what_is_made_another_action_is_confirmed_by_its_own_name(asker: Person, ops: Person, meet: Any) -> None:
    flow, otto, third = Workflow("journey-other"), meet("otto", "ops"), meet("ola", "ops")
    flow.step(lambda ctx: Action({"rows": 9}, type="delete", title="Tidy", impact="Rows go"), name="propose")
    archive = {"archive": {"type": "object", "required": ["to"]}}
    flow.approval("gate", after="propose", reviewers=["group:ops"], risk="critical", types=archive)
    flow.step(lambda ctx: ctx.action["to"], name="act", after="gate")
    run = asker.start("journey-other")
    made = ops.vote(ops.asked(run), "edit", args={"to": "tape"}, action_type="archive", phrase=ops.asked(run)["phrase"])
    assert made.status_code == 202
    assert otto.asked(run)["phrase"] == "APPROVE archive"
    for person in (otto, third):
        person.say(run, phrase="APPROVE archive")
    assert ended(run) == "tape"


# -- silence ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("risk", "reversible", "passes"),
    [("low", True, True), ("low", False, False), ("medium", True, False), ("high", True, False)],
)
def test_silence_is_what_the_policy_says_only_where_nothing_can_be_lost(
    risk: str, reversible: bool, passes: bool, asker: Person, ops: Person, later: Any, tmp_path: Any
) -> None:
    path = tmp_path / "policies.yaml"
    path.write_text("name: quick\non_timeout: approve\ndefault: {stages: [{reviewers: ['group:ops'], timeout: 1h}]}\n")
    manage("policy", "apply", str(path))
    flow = Workflow("journey-quick")
    flow.step(lambda ctx: {}, name="propose")
    flow.approval(
        "gate", after="propose", title="Tidy", impact="Tidy", policy="quick", risk=risk, reversible=reversible
    )
    flow.step(lambda ctx: "tidied", name="act", after="gate")
    run = asker.start("journey-quick")
    [coming] = ops.api.get(f"approvals/{ops.asked(run)['id']}/explain/").json()["next"]
    assert coming["what"] == ("approve" if passes else "reject")
    later(hours=1)
    if passes:
        assert ended(run) == "tidied"
        assert Approval.objects.get(run=run).decided_via == "timeout"
    else:
        ended(run, "failed", "approval_expired")
    assert not Decision.objects.exists()
