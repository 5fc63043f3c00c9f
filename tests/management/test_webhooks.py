"""`hitl webhook` and `hitl key callback-secret`: what operators do from a shell."""

from __future__ import annotations

import json
import uuid
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from hitl import notifications
from hitl.models import Notification, WebhookEndpoint
from hitl.notifications import endpoints

pytestmark = pytest.mark.django_db
URL = "https://example.com/hook"


def hitl(*words: str) -> Any:
    """What a command gives to programs."""
    out = StringIO()
    call_command("hitl", *words, "--json", stdout=out)
    return json.loads(out.getvalue())


def said(*words: str) -> str:
    """What it says to people."""
    out = StringIO()
    call_command("hitl", *words, stdout=out)
    return out.getvalue()


def test_a_webhook_from_its_beginning_to_its_end() -> None:
    made = hitl("webhook", "create", URL, "--kind", "approved", "--topic", "refunds")
    row = WebhookEndpoint.objects.get()
    assert (str(row.pk), made["secret"]) == (made["id"], row.secrets[0]["secret"])
    assert (row.kinds, row.topics) == (["approved"], ["refunds"])
    assert hitl("webhook", "rotate", made["id"])["secret"] != made["secret"]
    assert [hitl("webhook", "disable", made["id"])["disabled"] for _ in range(2)] == [True, False]
    assert " off " in said("webhook", "list")
    assert [hitl("webhook", "enable", made["id"])["enabled"] for _ in range(2)] == [True, False]
    assert URL in said("webhook", "list")
    assert "whsec_" not in said("webhook", "list")


def test_what_is_dead_is_sent_again(root: Any) -> None:
    made = hitl("webhook", "create", URL)
    row = endpoints.try_endpoint(WebhookEndpoint.objects.get(), actor=root)
    Notification.objects.update(status="dead")
    assert hitl("webhook", "list")[0]["dead"] == 1
    assert hitl("webhook", "replay", made["id"])["count"] == 1
    Notification.objects.update(status="sent")
    assert hitl("webhook", "replay", made["id"], "--delivery", str(row.pk))["count"] == 1
    with pytest.raises(CommandError, match="no delivery"):
        hitl("webhook", "replay", made["id"], "--delivery", str(uuid.uuid4()))


def test_what_cannot_be_is_refused() -> None:
    assert said("webhook", "list") == "no webhooks\n"
    with pytest.raises(CommandError, match="no public address"):
        hitl("webhook", "create", "https://127.0.0.1/")
    with pytest.raises(CommandError, match="no webhook"):
        hitl("webhook", "rotate", str(uuid.uuid4()))


def test_the_callback_secret_of_a_key(agent_key: Any) -> None:
    key, _ = agent_key
    assert hitl("key", "callback-secret", key.prefix)["callback_secret"] == notifications.callback_secret(key)
    assert said("key", "callback-secret", f"hitl_{key.prefix}") == notifications.callback_secret(key) + "\n"
    with pytest.raises(CommandError, match="no key"):
        hitl("key", "callback-secret", "unknown")
