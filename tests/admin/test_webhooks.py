"""Webhooks and dead letters on the screens: for operators, and a secret once."""

from __future__ import annotations

import re
import uuid
from typing import Any

import pytest
from django.test import Client

from hitl import clock
from hitl.admin.webhooks.forms import WORDS
from hitl.models import Approval, Notification, WebhookEndpoint
from hitl.notifications import endpoints
from hitl.notifications.kinds import TOLD_TO_PROGRAMS
from tests.plans import statements

pytestmark = pytest.mark.django_db
URL = "https://example.com/hook"
HOME = "/review/webhooks/"


@pytest.fixture
def operator(root: Any, client: Client) -> Client:
    """Root, signed in."""
    client.force_login(root)
    return client


@pytest.fixture
def endpoint(root: Any) -> WebhookEndpoint:
    """One that is there."""
    return endpoints.create_endpoint(URL, actor=root, description="The dashboard")[0]


def sent(endpoint: WebhookEndpoint, count: int = 1, **fields: Any) -> list[Notification]:
    """Messages of an endpoint that are dead."""
    now = clock.now()
    rows = [
        Notification(
            **{"kind": "info", "channel": "webhook", "status": "dead", **fields}, endpoint=endpoint,
            dedupe_key=str(uuid.uuid4()), created_at=now, next_attempt_at=now, attempts=10, last_error="no <answer>",
        )
        for _ in range(count)
    ]  # fmt: skip
    return Notification.objects.bulk_create(rows)


def text(response: Any) -> str:
    assert response.status_code in (200, 422), response.status_code
    return response.content.decode()


def once(page: str) -> str:
    return re.search(r'name="once" value="([^"]+)"', page)[1]  # type: ignore[index]


def test_a_webhook_is_set_up_and_its_secret_is_shown_once(operator: Client) -> None:
    assert "No program is told of anything" in text(operator.get(HOME))
    form = {"once": once(text(operator.get(f"{HOME}new/"))), "url": URL, "kinds": ["approved"], "topics": "a, b"}
    answer = operator.post(f"{HOME}new/", form)
    row = WebhookEndpoint.objects.get()
    assert (row.url, row.kinds, row.topics) == (URL, ["approved"], ["a", "b"])
    assert row.secrets[0]["secret"] in text(answer)
    assert "no-store" in answer["Cache-Control"]
    for page in (HOME, f"{HOME}{row.pk}/"):
        assert row.secrets[0]["secret"] not in text(operator.get(page))
    assert "sent before" in text(operator.post(f"{HOME}new/", form))
    assert WebhookEndpoint.objects.count() == 1


@pytest.mark.parametrize("url", ["", "http://example.com/", "https://127.0.0.1/", "x"])
def test_what_is_no_address_is_said_beside_the_field(url: str, operator: Client) -> None:
    form = {"once": once(text(operator.get(f"{HOME}new/"))), "url": url, "description": "kept"}
    answer = operator.post(f"{HOME}new/", form)
    assert answer.status_code == 422
    assert re.search(r'<p class="error" id="error-url">[^<]+</p>', text(answer))
    assert 'value="kept"' in text(answer)
    assert not WebhookEndpoint.objects.exists()


def test_every_kind_that_programs_hear_of_has_its_words() -> None:
    assert WORDS.keys() == TOLD_TO_PROGRAMS


def test_a_new_secret_is_shown_once(operator: Client, endpoint: WebhookEndpoint) -> None:
    page = text(operator.post(f"{HOME}{endpoint.pk}/rotate/"))
    endpoint.refresh_from_db()
    assert endpoint.secrets[0]["secret"] in page
    shown = text(operator.get(f"{HOME}{endpoint.pk}/"))
    assert [one["secret"][:10] in shown for one in endpoint.secrets] == [True, True]
    assert endpoint.secrets[0]["secret"] not in shown


def test_off_on_and_a_test(operator: Client, endpoint: WebhookEndpoint) -> None:
    where = f"{HOME}{endpoint.pk}/"
    assert "nothing more is sent" in text(operator.post(f"{where}disable/", {"why": "noisy\0"}, follow=True))
    assert "noisy" in text(operator.get(HOME))
    assert "The webhook is on" in text(operator.post(f"{where}enable/", follow=True))
    assert "hitl.test" in text(operator.post(f"{where}test/", follow=True))


def test_dead_messages_are_sent_again_one_or_all(operator: Client, endpoint: WebhookEndpoint) -> None:
    row, *_ = sent(endpoint, 3)
    where = f"{HOME}{endpoint.pk}/"
    assert "no &lt;answer&gt;" in text(operator.get(where))
    answer = operator.post(f"/review/dead-letters/{row.pk}/resend/", {"webhook": "1"})
    assert answer["Location"] == where
    assert Notification.objects.filter(status="pending").count() == 1
    assert "2 messages are sent again" in text(operator.post(f"{where}replay/", follow=True))
    assert not Notification.objects.filter(status="dead").exists()


def test_dead_letters_of_all_channels(operator: Client, endpoint: WebhookEndpoint, waiting: Approval, bob: Any) -> None:
    assert "Everything arrived" in text(operator.get("/review/dead-letters/"))
    sent(endpoint)
    row, *_ = sent(None, channel="email", kind="requested", approval=waiting, recipient=bob)  # type: ignore[arg-type]
    Approval.objects.filter(pk=waiting.pk).update(callback_url="https://agent.example.com/")
    sent(None, channel="callback", kind="approved", approval=waiting)  # type: ignore[arg-type]
    page = text(operator.get("/review/dead-letters/"))
    assert all(words in page for words in (URL, waiting.title, "bob", "https://agent.example.com/"))
    assert "is sent again" in text(operator.post(f"/review/dead-letters/{row.pk}/resend/", follow=True))
    row.refresh_from_db()
    assert (row.status, row.attempts) == ("pending", 0)


def test_what_was_dropped_is_not_sent_again(operator: Client, endpoint: WebhookEndpoint) -> None:
    row, *_ = sent(endpoint, status="dropped")
    assert "was not lost" in text(operator.post(f"/review/dead-letters/{row.pk}/resend/", follow=True))


@pytest.mark.parametrize("page", ["webhook", "letters"])
def test_pages_go_on_where_the_last_one_ended_and_cost_the_same(
    page: str, operator: Client, endpoint: WebhookEndpoint
) -> None:
    path = f"{HOME}{endpoint.pk}/" if page == "webhook" else "/review/dead-letters/"
    sent(endpoint, 10)
    few = statements(lambda: operator.get(path))
    sent(endpoint, 45)
    many = statements(lambda: operator.get(path))
    assert len(few) == len(many)
    first = text(operator.get(path))
    before = re.search(r"\?before=([0-9a-f-]+)", first)
    assert before is not None
    shown = first + text(operator.get(path, {"before": before[1]}))
    pks = set(re.findall(r"dead-letters/([0-9a-f-]{36})/resend", shown))
    assert pks == {str(pk) for pk in Notification.objects.values_list("pk", flat=True)}
    assert operator.get(path, {"before": "x"}).status_code == 404


def test_for_everybody_else_nothing_is_there(client: Client, bob: Any, endpoint: WebhookEndpoint) -> None:
    row, *_ = sent(endpoint)
    client.force_login(bob)
    assert "Webhooks" not in client.get("/review/hitl/approval/").content.decode()
    for path in (HOME, f"{HOME}new/", f"{HOME}{endpoint.pk}/", "/review/dead-letters/"):
        assert client.get(path).status_code == 404
    acts = [f"{HOME}{endpoint.pk}/{act}/" for act in ("rotate", "disable", "enable", "test", "replay")]
    for path in (*acts, f"{HOME}new/", f"/review/dead-letters/{row.pk}/resend/"):
        assert client.post(path).status_code == 404
    row.refresh_from_db()
    assert row.status == "dead"


def test_what_is_not_there_is_not_found(operator: Client) -> None:
    assert operator.get(f"{HOME}{uuid.uuid4()}/").status_code == 404
    assert operator.post(f"/review/dead-letters/{uuid.uuid4()}/resend/").status_code == 404
