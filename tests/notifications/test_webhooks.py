"""Programs are told: signed as Standard Webhooks have it, in few words, and again until it arrives."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from django.core import mail
from standardwebhooks import Webhook, WebhookVerificationError

from hitl import audit, clock, decisions, notifications
from hitl.exceptions import BadInput, NotAllowed
from hitl.models import Approval, Notification, WebhookEndpoint
from hitl.notifications import endpoints
from hitl.notifications.channels import net
from hitl.policies import create_key
from tests.notifications import receivers
from tests.notifications.receivers import Receiver, receiver

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _loopback(settings: Any) -> None:
    settings.HITL_WEBHOOK_ALLOW = ["localhost"]


@pytest.fixture
def there() -> Iterator[Receiver]:
    """A receiver."""
    with receiver() as one:
        yield one


Listen = Callable[..., tuple[WebhookEndpoint, str]]


@pytest.fixture
def listen(there: Receiver, root: Any) -> Listen:
    """`listen(kinds=…)` sets an endpoint up; the receiver's, if no other address is named."""

    def make(url: str = "", **options: Any) -> tuple[WebhookEndpoint, str]:
        return endpoints.create_endpoint(url or there.url, actor=root, **options)

    return make


def told() -> int:
    """Find out who is told, and tell the programs."""
    notifications.deliver()
    return notifications.deliver_hooks()


def row() -> Notification:
    return Notification.objects.get(channel="webhook")


def lines(endpoint: WebhookEndpoint) -> list[str]:
    return [line.text for line in audit.timeline(f"webhook:{endpoint.pk}")]


# -- what arrives -------------------------------------------------------------------------------------


def test_a_request_is_told_signed_and_in_few_words(waiting: Approval, there: Receiver, listen: Listen) -> None:
    _, secret = listen()
    assert told() == 1
    ((headers, body),) = there.got
    said = Webhook(secret).verify(body, headers)
    assert said == {
        "type": "approval.requested",
        "timestamp": row().created_at.isoformat(),
        "data": {
            "approval": str(waiting.pk),
            "run": str(waiting.run_id),
            "workflow": waiting.run.workflow.name,
            "kind": "approval",
            "status": "pending",
            "revision": 1,
            "digest": waiting.digest,
            "topic": waiting.topic,
            "stream": f"run:{waiting.run_id}",
            "seq": said["data"]["seq"],
        },
    }
    assert audit.records_of(waiting.run.stream).get(seq=said["data"]["seq"]).action == "hitl.approval.requested"
    assert headers["webhook-id"] == str(row().pk)
    assert waiting.title.encode() not in body
    assert (row().status, notifications.deliver_hooks()) == ("sent", 0)


def test_a_changed_body_an_old_message_and_another_secret_are_found_out(
    waiting: Approval, there: Receiver, listen: Listen
) -> None:
    _, secret = listen()
    told()
    ((headers, body),) = there.got
    for key, changed, given in (
        (secret, {}, body + b" "),
        (secret, {"webhook-timestamp": "1700000000"}, body),
        (secret, {"webhook-id": "another"}, body),
        ("whsec_" + "A" * 43 + "=", {}, body),
    ):
        with pytest.raises(WebhookVerificationError):
            Webhook(key).verify(given, {**headers, **changed})


def test_during_a_rotation_both_secrets_verify_and_then_the_new_one_alone(
    make: Any, there: Receiver, listen: Listen, root: Any, pass_time: Any
) -> None:
    endpoint, old = listen()
    new = endpoints.rotate_secret(endpoint, actor=root)
    make()
    told()
    ((headers, body),) = there.got
    assert Webhook(old).verify(body, headers) == Webhook(new).verify(body, headers)
    pass_time(timedelta(hours=25))
    make()
    told()
    headers, body = there.got[-1]
    assert len(headers["webhook-signature"].split()) == 1
    assert lines(endpoint)[1].startswith("root changed the secret")


def test_a_second_rotation_keeps_the_secrets_that_still_count(listen: Listen, root: Any) -> None:
    endpoint, first = listen()
    second, third = (endpoints.rotate_secret(endpoint, actor=root) for _ in range(2))
    endpoint.refresh_from_db()
    assert [one["secret"] for one in endpoint.secrets] == [third, second, first]


def test_an_endpoint_hears_of_its_kinds_and_topics_alone(make: Any, bob: Any, there: Receiver, listen: Listen) -> None:
    listen(kinds=["approved"], topics=["refunds"])
    for topic in ("refunds", "orders"):
        approval = make(topic=topic)
        decisions.decide(approval, actor=bob, verdict="approve", digest=approval.digest)
    told()
    assert [json.loads(body)["type"] for _, body in there.got] == ["approval.approved"]
    assert json.loads(there.got[0][1])["data"]["topic"] == "refunds"


def test_a_test_arrives(there: Receiver, listen: Listen, root: Any) -> None:
    endpoint, secret = listen()
    endpoints.try_endpoint(endpoint, actor=root)
    assert notifications.deliver_hooks() == 1
    ((headers, body),) = there.got
    said = Webhook(secret).verify(body, headers)
    assert (said["type"], said["data"]) == ("hitl.test", {})
    assert lines(endpoint)[-1] == "root sent a test to the webhook"


def test_an_agents_callback_is_told_of_the_end_with_its_own_secret(
    waiting: Approval, bob: Any, carol: Any, there: Receiver, settings: Any
) -> None:
    key, _ = create_key("bot", owner=bob, scopes=["approvals:request"], actor=bob)
    other, _ = create_key("bot", owner=bob, scopes=["approvals:request"], actor=bob)
    Approval.objects.filter(pk=waiting.pk).update(callback_url=there.url, agent_key=key)
    secret = notifications.callback_secret(key)
    told()
    assert there.got == [], "nothing has ended"
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another"
    decisions.decide(waiting, actor=carol, verdict="approve", digest=waiting.digest)
    assert told() == 1
    ((headers, body),) = there.got
    for known in (secret, notifications.callback_secret(key)):
        assert Webhook(known).verify(body, headers)["type"] == "approval.approved"
    with pytest.raises(WebhookVerificationError):
        Webhook(notifications.callback_secret(other)).verify(body, headers)


# -- what does not arrive -----------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 404, 500, 502])
def test_what_is_not_taken_is_tried_again(status: int, waiting: Approval, there: Receiver, listen: Listen) -> None:
    there.status, there.headers = status, {"Location": there.url}
    listen()
    assert told() == 0
    assert len(there.got) == 1
    assert (row().status, row().attempts) == ("pending", 1)
    assert row().last_error == f"Undelivered: it answered {status}"
    assert 3 <= (row().next_attempt_at - clock.now()).total_seconds() <= 7


def test_it_is_tried_for_three_days_and_is_dead_then(
    waiting: Approval, there: Receiver, listen: Listen, pass_time: Any
) -> None:
    there.status = 500
    listen()
    begun = clock.now()
    for attempt in range(1, 11):
        told()
        assert row().attempts == attempt
        pass_time(max(row().next_attempt_at - clock.now(), timedelta()) + timedelta(seconds=1))
    assert row().status == "dead"
    assert timedelta(days=2) < clock.now() - begun < timedelta(days=4.5)
    assert len({headers["webhook-id"] for headers, _ in there.got}) == 1
    assert Notification.objects.get(kind="dead", channel="").payload["to"] == there.url


def test_410_turns_the_endpoint_off_and_operators_are_told(
    waiting: Approval, there: Receiver, listen: Listen, root: Any
) -> None:
    root.email = "root@example.com"
    root.save()
    there.status = 410
    endpoint, _ = listen()
    told()
    endpoint.refresh_from_db()
    assert (row().status, endpoint.disabled_why) == ("dead", "it answered 410: gone")
    mail.outbox.clear()
    told()
    assert {message.to[0] for message in mail.outbox} == {"root@example.com"}
    assert lines(endpoint)[-1] == "hitl turned the webhook off: it answered 410: gone"


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("said", "least", "most"),
    [
        ("1800", 1790, 1801),
        (lambda: format_datetime(datetime.now(UTC) + timedelta(minutes=30), usegmt=True), 1780, 1801),
        ("99999999", 86390, 86401),
        ("soon", 3, 7),
        ("-5", 3, 7),
        ("Mon, 01 Jan 2001 00:00:00 GMT", 3, 7),
    ],
)
def test_who_asks_for_time_gets_it_but_no_more_than_a_day(
    status: int, said: Any, least: float, most: float, waiting: Approval, there: Receiver, listen: Listen
) -> None:
    there.status, there.headers = status, {"Retry-After": said() if callable(said) else said}
    listen()
    told()
    assert least <= (row().next_attempt_at - clock.now()).total_seconds() <= most


def test_an_endpoint_that_fails_for_five_days_is_turned_off(
    make: Any, there: Receiver, listen: Listen, pass_time: Any
) -> None:
    there.status = 500
    endpoint, _ = listen()
    make()
    told()
    pass_time(timedelta(days=5, minutes=1))
    told()
    endpoint.refresh_from_db()
    assert endpoint.disabled_why == "it failed for 5 days"
    assert "turned off" in Notification.objects.filter(kind="dead", channel="").latest("created_at").payload["error"]
    calls = len(there.got)
    make()
    told()
    assert len(there.got) == calls


def test_one_that_answers_again_has_not_failed(make: Any, there: Receiver, listen: Listen, pass_time: Any) -> None:
    there.status = 500
    endpoint, _ = listen()
    make()
    told()
    pass_time(timedelta(minutes=1))
    there.status = 204
    assert told() == 1
    endpoint.refresh_from_db()
    assert (endpoint.failing_since, endpoint.disabled_at) == (None, None)


def test_one_that_hangs_delays_no_mail_and_no_other_endpoint(make: Any, there: Receiver, listen: Listen) -> None:
    def talk(connection: socket.socket, over: threading.Event) -> None:
        """Answer only after the other one was reached."""
        connection.recv(65536)
        there.reached.wait()
        connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    with receivers.raw(talk) as url:
        listen(url)
        listen(topics=["late"])
        for _ in range(12):
            make()
        make(topic="late")
        notifications.deliver()
        assert len(mail.outbox) == 26, "mails do not wait"
        assert notifications.deliver_hooks() == 14


def test_nobody_waits_again_and_again_for_one_that_hangs(
    make: Any, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(net, "WHOLE", 0.3)
    calls: list[int] = []

    def talk(connection: socket.socket, over: threading.Event) -> None:
        calls.append(1)
        over.wait()

    with receivers.raw(talk) as url:
        listen(url)
        for _ in range(12):
            make()
        assert told() == 0
    assert len(calls) == 4, "those at the same time, and none after them"
    rows = Notification.objects.filter(channel="webhook").order_by("attempts")
    assert list(rows.values_list("attempts", flat=True)) == [0] * 8 + [1] * 4
    assert {row.next_attempt_at > clock.now() + timedelta(minutes=4) for row in rows[:8]} == {True}


def test_one_message_that_is_not_taken_does_not_keep_the_others_for_long(
    make: Any, there: Receiver, listen: Listen, pass_time: Any
) -> None:
    listen()
    for _ in range(9):
        make()
    poison = str(Approval.objects.order_by("id")[0].pk)
    there.refuses = poison.encode()
    for _ in range(3):
        told()
        pass_time(timedelta(minutes=6))
    states = Notification.objects.filter(channel="webhook").values_list("approval", "status")
    assert {str(approval) for approval, status in states if status == "pending"} == {poison}


def test_one_that_failed_the_last_time_takes_few_places(
    make: Any, there: Receiver, listen: Listen, pass_time: Any
) -> None:
    endpoint, _ = listen()
    for _ in range(12):
        make()
    notifications.deliver()
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(failing_since=clock.now())
    assert (notifications.deliver_hooks(), notifications.deliver_hooks()) == (8, 4)


# -- what operators do --------------------------------------------------------------------------------


@pytest.mark.parametrize("act", ["rotate_secret", "disable_endpoint", "enable_endpoint", "try_endpoint", "replay"])
def test_operators_alone(act: str, listen: Listen, bob: Any) -> None:
    endpoint, _ = listen()
    with pytest.raises(NotAllowed):
        getattr(endpoints, act)(endpoint, actor=bob)
    with pytest.raises(NotAllowed):
        endpoints.create_endpoint("https://example.com/", actor=bob)


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("http://example.com/", {}),
        ("https://127.0.0.1/", {}),
        ("https://example.com/", {"kinds": ["dead"]}),
        ("https://example.com/", {"description": "x" * 201}),
        ("https://example.com/", {"topics": ["\0"]}),
    ],
)
def test_what_cannot_be_an_endpoint_is_refused(url: str, options: Any, root: Any) -> None:
    with pytest.raises(BadInput):
        endpoints.create_endpoint(url, actor=root, **options)
    assert not WebhookEndpoint.objects.exists()


def test_off_and_on_again(make: Any, there: Receiver, listen: Listen, root: Any) -> None:
    endpoint, _ = listen()
    make()
    notifications.deliver()
    assert endpoints.disable_endpoint(endpoint, actor=root, why="noisy")
    assert not endpoints.disable_endpoint(endpoint, actor=root)
    notifications.deliver_hooks()
    assert (row().status, row().last_error) == ("dropped", "the endpoint is disabled")
    assert endpoints.enable_endpoint(endpoint, actor=root)
    assert not endpoints.enable_endpoint(endpoint, actor=root)
    make()
    assert told() == 1
    assert lines(endpoint)[1:] == ["root turned the webhook off: noisy", "root turned the webhook on"]


def test_what_is_dead_is_sent_again_under_its_own_id(
    waiting: Approval, there: Receiver, listen: Listen, root: Any
) -> None:
    there.status = 410
    endpoint, _ = listen()
    told()
    endpoints.enable_endpoint(endpoint, actor=root)
    there.status = 204
    assert endpoints.replay(endpoint, actor=root) == 1
    assert endpoints.replay(endpoint, actor=root) == 0
    assert told() >= 1
    assert [headers["webhook-id"] for headers, _ in there.got] == [str(row().pk)] * 2
    assert row().status == "sent"


def test_what_arrived_is_sent_again_as_a_new_message(
    waiting: Approval, there: Receiver, listen: Listen, root: Any
) -> None:
    listen()
    told()
    first = row()
    made = endpoints.resend(first, actor=root)
    assert told() == 1
    assert [headers["webhook-id"] for headers, _ in there.got] == [str(first.pk), str(made.pk)]
    assert audit.records_of("system").get().action == "hitl.message.resent"


def test_what_was_dropped_is_not_sent_again(waiting: Approval, listen: Listen, root: Any) -> None:
    endpoint, _ = listen()
    notifications.deliver()
    endpoints.disable_endpoint(endpoint, actor=root)
    notifications.deliver_hooks()
    with pytest.raises(BadInput):
        endpoints.resend(row(), actor=root)


def test_no_secret_is_in_the_record(listen: Listen, root: Any) -> None:
    endpoint, secret = listen("https://example.com/hook?token=hidden")
    endpoints.rotate_secret(endpoint, actor=root)
    bodies = b"".join(bytes(record.body) for record in audit.records_of(f"webhook:{endpoint.pk}"))
    assert secret.encode() not in bodies
    assert b"whsec_" not in bodies
    assert b"hidden" not in bodies
