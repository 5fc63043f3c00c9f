"""`hitl doctor`: each finding, its advice, and the exit code."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError

from hitl import Workflow, clock, engine
from hitl.models import Approval, Notification, Step, SweepMark, triggers
from tests.management.test_hitl_command import hitl

pytestmark = pytest.mark.django_db


def kinds(*words: str) -> dict[str, Any]:
    """The findings by their kind, after checking that code and words agree."""
    code, out = hitl("doctor", *words, "--json")
    told = json.loads(out)
    assert code == told["code"] == (1 if told["findings"] else 0)
    plain_code, plain = hitl("doctor", *words)
    assert plain_code == code
    assert all(f"{one['kind']}: {one['count']}. {one['advice']}" in plain for one in told["findings"])
    return {one["kind"]: one for one in told["findings"]}


@pytest.fixture
def swept() -> None:
    engine.sweep()


def test_a_healthy_house_exits_with_0(swept: None, waiting: Approval) -> None:
    assert kinds() == kinds("--deep") == {}
    assert hitl("doctor") == (0, "everything goes on by itself\n")


def test_beat_that_does_not_beat() -> None:
    assert kinds()["beat"]["where"] == ["there never was a sweep"]
    SweepMark.objects.create(name="sweep", swept_at=clock.now() - timedelta(seconds=90))
    assert kinds()["beat"]["where"] == ["the last sweep ended 90 s ago"]
    engine.sweep()
    assert kinds() == {}


def test_what_sweeps_left_behind(waiting: Approval, alice: Any, work: Any) -> None:
    flow = Workflow("doc-waits")
    flow.step(lambda ctx: ctx.wait_for_signal("go"), name="s")
    flow.step(lambda ctx: 1, name="t", queue="far")
    run = flow.start(requester=alice)
    work()
    Step.objects.filter(name="draft").update(
        status="running", lease_token=run.pk, lease_expires_at=clock.now(), started_at=clock.now()
    )
    clock.move(timedelta(hours=9))
    SweepMark.objects.create(name="sweep", swept_at=clock.now())
    found = kinds()
    assert found.keys() == {"unclaimed", "silent", "unwoken", "overdue", "undelivered"}
    assert found["unclaimed"]["where"] == [f"run {run.pk} step t (queue far) of doc-waits"]
    assert "Refund 250" in found["overdue"]["where"][0]


@pytest.mark.parametrize("target", ["all", "workflow:doc-frozen", "run", "user"])
def test_what_is_frozen_is_not_unclaimed(target: str, swept: None, alice: Any) -> None:
    flow = Workflow("doc-frozen")
    flow.step(lambda ctx: 1, name="s")
    run = flow.start(requester=alice)
    target = {"run": f"run:{run.pk}", "user": f"user:{alice.pk}"}.get(target, target)
    engine.freeze(target, actor=alice, reason="wrong prices")
    clock.move(timedelta(minutes=9))
    SweepMark.objects.update(swept_at=clock.now())
    found = kinds()
    assert found.keys() == {"frozen"}
    assert found["frozen"]["where"][0].startswith(target)
    assert found["frozen"]["where"][0].endswith("wrong prices")


def test_an_uncertain_step(swept: None, alice: Any, pass_time: Any) -> None:
    from hitl.engine.claim import claim, pick

    flow = Workflow("doc-uncertain")
    flow.step(lambda ctx: 1, name="send", repeatable=False)
    flow.start(requester=alice)
    assert claim(pick("default")[0]) is not None
    pass_time(timedelta(minutes=5))
    engine.sweep()
    assert "step send" in kinds()["uncertain"]["where"][0]


def test_dead_notices(swept: None, waiting: Approval) -> None:
    Notification.objects.update(status="dead", last_error="refused\nagain")
    [told] = kinds()["dead"]["where"]
    assert told.endswith(": refused")


def test_missing_triggers(swept: None) -> None:
    triggers.remove()
    try:
        assert kinds()["triggers"]["where"] == ["hitl_auditrecord"]
    finally:
        triggers.install()


def test_a_run_nothing_will_move(swept: None, waiting: Approval) -> None:
    Approval.objects.update(status="expired", decided_at=waiting.opened_at)
    assert "which nobody will bring" in kinds()["stuck"]["where"][0]
    assert "invariant" not in kinds()
    assert any(line.startswith("I6") for line in kinds("--deep")["invariant"]["where"])


def test_many_are_counted_and_a_few_named(swept: None, alice: Any) -> None:
    flow = Workflow("doc-many")
    flow.step(lambda ctx: 1, name="s", queue="far")
    for _ in range(7):
        flow.start(requester=alice)
    clock.move(timedelta(minutes=9))
    SweepMark.objects.update(swept_at=clock.now())
    assert (kinds()["unclaimed"]["count"], len(kinds()["unclaimed"]["where"])) == (7, 5)
    assert "  … and 2 more" in hitl("doctor")[1]


def test_what_cannot_be_checked_exits_with_2(monkeypatch: pytest.MonkeyPatch) -> None:
    def down() -> Any:
        raise OperationalError("the server is gone\nand more")

    monkeypatch.setattr("hitl.management.cli.doctor.last_sweep_age", down)
    assert hitl("doctor") == (2, "could not check: the server is gone\n")
    code, out = hitl("doctor", "--json")
    assert (code, json.loads(out)) == (2, {"code": 2, "error": "the server is gone", "findings": []})


# -- requests nobody can grant, and rules that end ------------------------------------------------------


def test_requests_whose_people_are_too_few(swept: None, ask: Any, carol: Any) -> None:
    row = ask(reviewers=["group:finance"], approvals=2)
    assert kinds() == {}
    carol.groups.clear()
    assert Approval.objects.get().unsatisfiable is False
    found = kinds()["unsatisfiable"]
    assert (found["count"], found["where"]) == (1, [f"approval {row.pk} of run {row.run_id}: Pay 250"])
    assert "approvals explain" in found["advice"]
    carol.groups.set(row.assignments.values_list("group", flat=True))
    assert kinds() == {}


def test_only_deep_looks_at_every_request(swept: None, ask: Any, carol: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hitl.management.cli.doctor._LOOKED_AT", 1)
    ask(reviewers=["user:bob"])
    ask(reviewers=["group:finance"], approvals=2)
    carol.groups.clear()
    assert kinds() == {}
    assert kinds("--deep")["unsatisfiable"]["count"] == 1
    Approval.objects.filter(stage=0).update(unsatisfiable=True)
    assert kinds()["unsatisfiable"]["count"] == 1


@pytest.mark.parametrize(("days", "told"), [(-1, "ended on"), (0, "ends after"), (14, "ends after"), (15, None)])
def test_rules_that_end_soon_or_have_ended(days: int, told: str | None, swept: None, finance: Any, alice: Any) -> None:
    from hitl.policies import apply_policy

    until = (clock.now() + timedelta(days=days)).date().isoformat()
    rule = {"when": "true", "name": "sm\x1ball", "auto": "approve", "until": until}
    stages = {"stages": [{"reviewers": ["group:finance"]}]}
    other = {"when": "risk == 'high'", **stages}
    apply_policy({"name": "refunds", "rules": [other, rule], "default": stages}, actor=alice)
    found = kinds()
    assert [one["where"] for one in found.values()] == (
        [[f"refunds v1, rule 2: sm⟦U+001B⟧all: {told} {until}"]] if told else []
    )
    apply_policy({"name": "refunds", "default": stages}, actor=alice)
    assert kinds() == {}


def test_rules_of_a_gate_end_too(swept: None, finance: Any) -> None:
    flow = Workflow("doc-gate")
    flow.step(lambda ctx: 1, name="s")
    rule = {"when": "true", "auto": "approve", "until": "2020-01-31"}
    options = {"title": "t", "impact": "i", "reviewers": ["group:finance"], "rules": [rule]}
    flow.step(lambda ctx: 1, name="t", after=flow.approval("review", after="s", **options))
    assert kinds()["auto_rule"]["where"] == ["gate review of doc-gate, rule 1: true: ended on 2020-01-31"]


def test_a_workflow_that_is_none_keeps_nothing_else_from_being_checked(swept: None) -> None:
    Workflow("doc-broken").step(lambda ctx: 1, name="s", after="nothing")
    assert kinds() == {}


def test_a_policy_that_cannot_be_read_any_more(swept: None, finance: Any, alice: Any) -> None:
    from hitl.models import Policy
    from hitl.policies import apply_policy

    apply_policy({"name": "refunds", "default": {"stages": [{"reviewers": ["group:finance"]}]}}, actor=alice)
    Policy.objects.update(document={"name": "refunds"})
    found = kinds()
    assert found.keys() == {"policy"}
    assert found["policy"]["where"][0].startswith("refunds v1: default")
