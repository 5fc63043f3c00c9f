"""What operators may do under /admin/: look at everything, change nothing but through two verbs."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Permission
from django.urls import reverse
from django_celery_beat.models import PeriodicTask

from hitl import clock, decisions, engine, notifications
from hitl.models import Approval, Decision, Notification, Run
from hitl.models.audit import AuditRecord
from hitl.policies import apply_policy
from hitl.policies.delegations import create_delegation
from tests.admin.conftest import browse, post
from tests.conftest import _user
from tests.rows import nothing_written

NAMES = [
    "approval",
    "auditrecord",
    "decision",
    "run",
    "policy",
    "apikey",
    "workflow",
    "signal",
    "sweepmark",
    "notification",
    "freeze",
    "step",
    "delegation",
    "comment",
    "watch",
    "feedback",
]


@pytest.fixture
def decided(waiting: Approval, alice: Any, bob: Any, carol: Any, agent_key: Any) -> Approval:
    """A request with a decision, so that every list has a row."""
    until = clock.now() + timedelta(days=1)
    create_delegation(bob, carol, ends_at=until, actor=bob, reason="a holiday")
    decisions.comment(waiting, actor=bob, text="looks <b>fine</b>")
    decisions.watch(waiting, actor=alice)
    decisions.give_feedback(waiting.run_id, "quality", actor=bob, score=1)
    apply_policy({"name": "usual", "default": {"stages": [{"reviewers": ["group:finance"]}]}}, actor=bob)
    decisions.decide(waiting, actor=bob, verdict="approve", digest=waiting.digest)
    engine.sweep()
    return waiting


@pytest.fixture
def clerk(db: None) -> Any:
    """Staff who may look at runs and notifications, and no more."""
    user = _user("clerk", is_staff=True)
    user.user_permissions.add(
        *Permission.objects.filter(codename__in=["view_run", "view_notification", "change_run", "delete_run"])
    )
    return user


@pytest.mark.parametrize("name", NAMES)
def test_a_superuser_sees_and_changes_nothing(name: str, decided: Approval, root: Any) -> None:
    client, model = browse(root), apps.get_model("hitl", name)
    with nothing_written():
        assert client.get(reverse(f"admin:hitl_{name}_changelist")).status_code == 200
        row = model.objects.first()
        if name != "apikey":  # which operators make here: see test_keys_page
            add = reverse(f"admin:hitl_{name}_add")
            assert client.get(add).status_code == 403
            assert post(client, add, {}).status_code == 403
        if row is None:
            return
        page = reverse(f"admin:hitl_{name}_change", args=[row.pk])
        response = client.get(page)
        assert response.status_code == 200
        assert 'name="_save"' not in response.content.decode()
        assert "deletelink" not in response.content.decode()
        assert post(client, page, {"status": "approved", "_save": "Save"}).status_code == 403
        delete = reverse(f"admin:hitl_{name}_delete", args=[row.pk])
        assert client.get(delete).status_code == 403
        assert post(client, delete, {"post": "yes"}).status_code == 403
        body = {"action": "delete_selected", "_selected_action": [str(row.pk)], "post": "yes"}
        post(client, reverse(f"admin:hitl_{name}_changelist"), body)
    assert model.objects.filter(pk=row.pk).exists()


def test_the_proof_stands_after_all_that(decided: Approval, root: Any) -> None:
    assert (Decision.objects.count(), AuditRecord.objects.exists()) == (1, True)


@pytest.mark.parametrize("name", NAMES)
def test_a_search_of_any_text_finds_or_does_not(name: str, decided: Approval, root: Any) -> None:
    client = browse(root)
    for text in ("A-17", "x' OR 1=1", "\u202e", "%", str(decided.pk), "x" * 3000):
        assert client.get(reverse(f"admin:hitl_{name}_changelist"), {"q": text}).status_code == 200


def test_secrets_and_hashes_are_not_shown(decided: Approval, root: Any, agent_key: Any) -> None:
    text = browse(root).get(reverse("admin:hitl_apikey_change", args=[agent_key[0].pk])).content.decode()
    assert "secret" not in text.lower()
    assert agent_key[1].split("_", 2)[2] not in text


def test_the_timeline_of_a_run_reads_in_sentences_and_is_escaped(make: Any, root: Any) -> None:
    approval = make(title="<script>alert(1)</script>")
    text = browse(root).get(reverse("admin:hitl_run_change", args=[approval.run_id])).content.decode()
    assert "alice started" in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "<script>alert" not in text


def test_an_operator_cancels_runs(waiting: Approval, root: Any) -> None:
    client = browse(root)
    body = {"action": "cancel_runs", "_selected_action": [str(waiting.run_id)]}
    response = client.post(reverse("admin:hitl_run_changelist"), body | {"csrfmiddlewaretoken": "c" * 32}, follow=True)
    assert "1 run cancelled" in response.content.decode()
    run = Run.objects.get(pk=waiting.run_id)
    assert (run.status, Approval.objects.get().status) == ("cancelled", "cancelled")
    with nothing_written("hitl.cancel.refused"):
        post(client, reverse("admin:hitl_run_changelist"), body)


def test_whoever_may_not_operate_cannot_cancel_or_resend(waiting: Approval, clerk: Any) -> None:
    client = browse(clerk)
    row = Notification.objects.get()
    Notification.objects.update(status="dead")
    for name, action, pk in (("run", "cancel_runs", waiting.run_id), ("notification", "resend", row.pk)):
        page = reverse(f"admin:hitl_{name}_changelist")
        assert action not in client.get(page).content.decode()
        with nothing_written():
            post(client, page, {"action": action, "_selected_action": [str(pk)]})
        assert client.get(reverse(f"admin:hitl_{name}_change", args=[pk])).status_code == 200
        assert post(client, reverse(f"admin:hitl_{name}_delete", args=[pk]), {"post": "yes"}).status_code == 403
    assert Run.objects.get().status == "waiting"


def test_an_operator_needs_no_more_than_the_permission(waiting: Approval, clerk: Any) -> None:
    clerk.user_permissions.add(Permission.objects.get(codename="operate"))
    body = {"action": "cancel_runs", "_selected_action": [str(waiting.run_id)]}
    post(browse(clerk), reverse("admin:hitl_run_changelist"), body)
    assert Run.objects.get().status == "cancelled"


def test_dead_letters_are_sent_again(waiting: Approval, root: Any, bob: Any, carol: Any) -> None:
    from django.core import mail

    notifications.deliver()
    mail.outbox.clear()
    Notification.objects.filter(recipient=bob).update(status="dead", attempts=8, last_error="x")
    rows = [str(row.pk) for row in Notification.objects.all()]
    response = post(
        browse(root), reverse("admin:hitl_notification_changelist"), {"action": "resend", "_selected_action": rows}
    )
    assert response.status_code == 302
    row = Notification.objects.get(recipient=bob)
    assert (row.status, row.attempts) == ("pending", 0)
    notifications.deliver()
    assert [message.to for message in mail.outbox] == [["bob@example.com"]]
    assert Notification.objects.get(recipient=bob).status == "sent"


def test_the_form_of_a_periodic_task_has_no_inline_script(root: Any) -> None:
    from hitl.schedule import ensure_sweep

    ensure_sweep()
    task = PeriodicTask.objects.get(name="hitl: sweep")
    client = browse(root)
    pages = [reverse("admin:django_celery_beat_periodictask_change", args=[task.pk])]
    pages += [reverse("admin:django_celery_beat_periodictask_add"), reverse("admin:index")]
    for page in pages:
        text = client.get(page).content.decode()
        assert not re.search(r"<script(?![^>]*\ssrc=)[^>]*>\s*\S", text.replace('type="application/json"', ""))
        assert not re.search(r"<style|\son(click|load|error|change)=", text)


def test_signing_in_to_admin_needs_staff(bob: Any) -> None:
    bob.set_password("correct horse")
    bob.save()
    from django.test import Client

    response = Client().post("/admin/login/", {"username": "bob", "password": "correct horse"})
    assert response.status_code == 200
    assert "staff account" in response.content.decode()


def test_a_policy_is_shown_in_words(finance: Any, root: Any) -> None:
    stage = {
        "reviewers": ["group:finance", "user:root"],
        "approvals": 2,
        "rejections": 2,
        "timeout": "4h",
        "remind": ["1h", "3h"],
        "escalate": [{"after": "2h", "to": ["user:root"], "mode": "replace"}],
        "fallback": ["user:root"],
    }
    small = {"when": "args.amount <= 100", "name": "small <ones>", "auto": "approve", "until": "2030-01-31"}
    large = {"when": "args.amount > 5000", "level": "verify", "stages": [{"reviewers": ["user:root"]}, stage]}
    document = {
        "name": "refunds",
        "rules": [small, large],
        "default": {"stages": [stage], "on_timeout": "escalate"},
        "comment": "always",
        "prevent_self_review": False,
        "step_up": {"critical": "password"},
    }
    policy = apply_policy(document, actor=root)
    text = browse(root).get(reverse("admin:hitl_policy_change", args=[policy.pk])).content.decode()
    for words in (
        "<p>1. If args.amount &lt;= 100 (small &lt;ones&gt;): it passes by itself, until 2030-01-31.</p>",
        "<p>2. If args.amount &gt; 5000: as many as the risk asks for of user:root, then 2 of group:finance, user:root "
        "(2 refusals end it; within 4\xa0hours; reminded after 1\xa0hour, 3\xa0hours; "
        "after 2\xa0hours only user:root; user:root where these are not enough); level verify.</p>",
        "<p>Otherwise: 2 of group:finance, user:root",
        "if nobody decides, it goes further up.</p>",
        "Who asks may also decide.",
        "At critical risk people give their password again.",
        "A comment is needed: always.",
    ):
        assert words in text


def test_operators_see_who_stands_in_for_whom(decided: Approval) -> None:
    clerk = _user("shift", is_staff=True)
    page = reverse("admin:hitl_delegation_changelist")
    assert browse(clerk).get(page).status_code == 403
    clerk.user_permissions.add(Permission.objects.get(codename="operate"))
    text = browse(clerk).get(page).content.decode()
    assert "bob" in text
    assert "carol" in text
    assert "a holiday" in text
