"""Freezing, unfreezing, and saying what became of uncertain steps, under /admin/."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from hitl import Workflow, engine
from hitl.models import Freeze, Run, Step
from hitl.models import Workflow as Row
from hitl.transitions import locked
from tests.admin.conftest import browse, post
from tests.conftest import _user
from tests.rows import nothing_written

WORKFLOWS, FREEZES, STEPS = (reverse(f"admin:hitl_{name}_changelist") for name in ("workflow", "freeze", "step"))


@pytest.fixture
def operator(db: None) -> Any:
    """Staff with the permission to operate and no other."""
    user = _user("olga", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="operate"))
    return user


@pytest.fixture
def viewer(db: None) -> Any:
    """Staff who may look and not operate."""
    user = _user("vera", is_staff=True)
    codes = ["view_workflow", "view_freeze", "view_step"]
    user.user_permissions.add(*Permission.objects.filter(codename__in=codes))
    return user


@pytest.fixture
def uncertain(alice: Any) -> Step:
    """A step that nobody knows the end of."""
    flow = Workflow("unsure")
    flow.step(lambda ctx: None, name="pay", repeatable=False)
    run = flow.start(requester=alice)
    with locked(run.pk) as t:
        t.lease(t.step("pay"))
    with locked(run.pk) as t:
        t.move(t.step("pay"), "uncertain")
    return Step.objects.get(run=run)


def act(who: Any, page: str, action: str, row: Any, **fields: str) -> Any:
    client = who if isinstance(who, Client) else browse(who)
    body = {"action": action, "_selected_action": [str(row.pk)], "csrfmiddlewaretoken": "c" * 32, **fields}
    return client.post(page, body, follow=True).content.decode()


def test_a_workflow_is_frozen_and_goes_on(refund: Any, alice: Any, work: Any, operator: Any) -> None:
    refund.start(requester=alice)
    row = Row.objects.get()
    text = act(operator, WORKFLOWS, "freeze", row)
    assert "Frozen: test-refund. 0 of its steps are in flight" in text
    freeze = Freeze.objects.get()
    assert (freeze.target, freeze.by, freeze.lifted_at) == ("workflow:test-refund", operator, None)
    assert work() == 0
    assert "workflow:test-refund" in browse(operator).get(FREEZES).content.decode()
    assert "1 of 1 workflows were frozen" in act(operator, WORKFLOWS, "unfreeze", row)
    assert work() > 0


def test_a_freeze_is_lifted_where_it_is_listed(operator: Any, root: Any) -> None:
    engine.freeze("all", actor=root, reason="<script>")
    freeze = Freeze.objects.get()
    assert "&lt;script&gt;" in browse(operator).get(FREEZES).content.decode()
    assert "1 freeze was lifted." in act(operator, FREEZES, "lift", freeze)
    assert "0 freezes were lifted." in act(operator, FREEZES, "lift", freeze)


@pytest.mark.parametrize(
    ("outcome", "status"), [("succeeded", "succeeded"), ("failed", "failed"), ("retry", "running")]
)
def test_an_uncertain_step_is_resolved(outcome: str, status: str, uncertain: Step, operator: Any) -> None:
    output = '{"paid": 5}' if outcome == "succeeded" else ""
    text = act(operator, STEPS, "resolve", uncertain, outcome=outcome, output=output, reason="the statement says so")
    assert "1 step was resolved." in text
    run = Run.objects.get()
    assert run.status == status
    assert run.output == ({"paid": 5} if outcome == "succeeded" else None)
    client = browse(operator)
    with nothing_written():
        assert "not uncertain" in act(client, STEPS, "resolve", uncertain, outcome="failed")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "Choose an outcome"),
        ({"outcome": "nonsense"}, "No action selected"),
        ({"outcome": "succeeded", "output": "{"}, "Output: "),
        ({"outcome": "failed", "output": "1"}, "Only what succeeded has an output."),
        ({"outcome": "succeeded", "output": '{"$action": {}}'}, "plain value may not have the key"),
    ],
)
def test_what_makes_no_outcome_resolves_nothing(fields: Any, words: str, uncertain: Step, operator: Any) -> None:
    client = browse(operator)
    with nothing_written():
        assert words in act(client, STEPS, "resolve", uncertain, **fields)


@pytest.mark.parametrize(
    ("page", "action"), [(WORKFLOWS, "freeze"), (WORKFLOWS, "unfreeze"), (FREEZES, "lift"), (STEPS, "resolve")]
)
def test_who_may_only_look_does_nothing(page: str, action: str, uncertain: Step, viewer: Any, root: Any) -> None:
    engine.freeze("workflow:unsure", actor=root)
    row = {WORKFLOWS: Row, FREEZES: Freeze, STEPS: Step}[page].objects.get()
    client, other = browse(viewer), browse(root)
    assert client.get(page).status_code == 200
    with nothing_written():
        act(client, page, action, row, outcome="succeeded")
        body = {"action": action, "_selected_action": [str(row.pk)], "outcome": "failed"}
        assert other.post(page, body).status_code == 403, "without the CSRF token"


def test_whoever_is_not_staff_does_not_come_in(uncertain: Step, bob: Any) -> None:
    bob.user_permissions.add(Permission.objects.get(codename="operate"))
    client = browse(bob)
    with nothing_written():
        body = {"action": "resolve", "_selected_action": [str(uncertain.pk)], "outcome": "failed"}
        assert post(client, STEPS, body).status_code == 302
