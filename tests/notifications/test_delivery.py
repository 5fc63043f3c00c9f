"""From the outbox to the people: who is told, once each, and what happens when a mail cannot be sent."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.mail.backends.base import BaseEmailBackend
from django.db import connection

from hitl import clock, decisions, notifications
from hitl.models import Approval, Notification, ReviewLink
from hitl.policies import create_key
from tests.rows import nothing_written


def told() -> list[str]:
    return sorted(address for message in mail.outbox for address in message.to)


class Broken(BaseEmailBackend):
    """A mail backend that cannot."""

    def send_messages(self, messages: Any) -> int:
        """Raise."""
        raise ConnectionRefusedError("the mail server does not answer")


@pytest.fixture
def broken(settings: Any) -> None:
    """Mails fail."""
    settings.EMAIL_BACKEND = f"{__name__}.Broken"


def test_a_gate_that_opens_writes_one_row_and_sends_nothing_yet(waiting: Approval) -> None:
    row = Notification.objects.get()
    assert (row.approval, row.kind, row.recipient, row.status, row.attempts) == (
        waiting,
        "requested",
        None,
        "pending",
        0,
    )
    assert mail.outbox == []


def test_delivery_tells_each_candidate_once(waiting: Approval, bob: Any, carol: Any) -> None:
    assert notifications.deliver() == 1
    assert told() == ["bob@example.com", "carol@example.com"]
    rows = Notification.objects.exclude(recipient=None)
    assert {(row.recipient, row.channel, row.status, row.attempts) for row in rows} == {
        (bob, "email", "sent", 1),
        (carol, "email", "sent", 1),
    }
    assert all(row.sent_at for row in Notification.objects.all())
    with nothing_written():
        assert notifications.deliver() == 0


def test_each_mail_has_one_link_that_works(waiting: Approval, bob: Any, client: Any) -> None:
    notifications.deliver()
    message = next(m for m in mail.outbox if m.to == ["bob@example.com"])
    links = [word for word in message.body.split() if "/r/" in word]
    assert len(links) == 1
    html = message.alternatives[0][0]
    assert html.count("http") == html.count(links[0]) == 1
    client.force_login(bob)
    response = client.get(links[0].removeprefix("http://127.0.0.1:8000"), follow=True)
    assert "Refund 250 to order A-17" in response.content.decode()
    assert {link.user_id for link in ReviewLink.objects.all()} == {
        r.pk for r in (bob, waiting.assignments.get().group.user_set.get(username="carol"))
    }


def test_who_is_in_many_groups_is_told_once(make: Any, bob: Any) -> None:
    from django.contrib.auth.models import Group

    bob.groups.add(Group.objects.create(name="managers"))
    make(reviewers=["group:finance", "group:managers", "user:bob"])
    notifications.deliver()
    assert told() == ["bob@example.com", "carol@example.com"]


def test_neither_the_requester_nor_the_one_it_is_for_is_told(make: Any, alice: Any, bob: Any, finance: Any) -> None:
    alice.groups.add(finance)
    make(on_behalf_of=bob)
    notifications.deliver()
    assert told() == ["carol@example.com"]


def test_the_owner_of_the_agents_key_is_not_asked_by_mail(make: Any, bob: Any) -> None:
    key, _ = create_key("bot", owner=bob, scopes=["runs:start"], actor=bob)
    make(requester=key)
    notifications.deliver()
    assert told() == ["carol@example.com"]


def test_a_deactivated_person_is_not_told(waiting: Approval, bob: Any) -> None:
    bob.is_active = False
    bob.save()
    notifications.deliver()
    assert told() == ["carol@example.com"]
    assert not Notification.objects.filter(recipient=bob).exists()


def test_somebody_deactivated_between_two_attempts_is_dropped(
    waiting: Approval, bob: Any, carol: Any, settings: Any, pass_time: Any
) -> None:
    backend, settings.EMAIL_BACKEND = settings.EMAIL_BACKEND, f"{__name__}.Broken"
    notifications.deliver()
    bob.is_active = False
    bob.save()
    settings.EMAIL_BACKEND = backend
    pass_time(timedelta(minutes=5))
    notifications.deliver()
    assert told() == ["carol@example.com"]
    assert Notification.objects.get(recipient=bob).status == "dropped"


def test_a_person_without_an_address_is_dropped_with_the_reason(waiting: Approval, bob: Any) -> None:
    bob.email = ""
    bob.save()
    notifications.deliver()
    assert told() == ["carol@example.com"]
    row = Notification.objects.get(recipient=bob)
    assert (row.status, row.last_error) == ("dropped", "this person has no mail address")


def test_a_request_decided_meanwhile_is_not_mailed(waiting: Approval, bob: Any) -> None:
    decisions.decide(waiting, actor=bob, verdict="approve", digest=waiting.digest)
    notifications.deliver()
    assert told() == ["alice@example.com"], "who asked hears what came of it"
    row = Notification.objects.get(kind="requested", recipient=None)
    assert (row.status, row.last_error) == ("dropped", "the request is closed")
    assert not ReviewLink.objects.exclude(user__username="alice").exists()


def test_a_mail_that_failed_is_not_tried_again_once_the_request_is_closed(
    waiting: Approval, bob: Any, broken: None, settings: Any, pass_time: Any
) -> None:
    notifications.deliver()
    decisions.decide(waiting, actor=bob, verdict="approve", digest=waiting.digest)
    pass_time(timedelta(hours=1))
    notifications.deliver()
    asked = Notification.objects.filter(kind="requested").exclude(recipient=None)
    assert set(asked.values_list("status", flat=True)) == {"dropped"}


def test_a_failing_mail_is_tried_again_further_and_further_apart_then_is_dead(
    waiting: Approval, carol: Any, bob: Any, broken: None, pass_time: Any, settings: Any
) -> None:
    settings.HITL_MAIL_ATTEMPTS = 8
    carol.groups.clear()
    waits = []
    for attempt in range(1, 8):
        notifications.deliver()
        row = Notification.objects.get(recipient=bob)
        assert (row.status, row.attempts) == ("pending", attempt)
        assert row.last_error == "ConnectionRefusedError: the mail server does not answer"
        waits.append((row.next_attempt_at - clock.now()).total_seconds())
        with nothing_written():
            assert notifications.deliver() == 0, "not before its time"
        pass_time(timedelta(seconds=waits[-1] + 1))
        Approval.objects.filter(pk=waiting.pk).update(expires_at=clock.now() + timedelta(hours=9))
    for number, wait in enumerate(waits):
        assert 0.74 * 30 * 2**number <= wait <= 1.26 * 30 * 2**number
    notifications.deliver()
    row = Notification.objects.get(recipient=bob)
    assert (row.status, row.attempts) == ("dead", 8)
    assert row.last_error == "ConnectionRefusedError: the mail server does not answer"
    dead = Notification.objects.get(kind="dead")
    assert dead.payload == {"channel": "email", "to": "bob", "error": row.last_error}
    assert notifications.deliver() == 1, "operators, of whom there are none here"
    pass_time(timedelta(days=30))
    with nothing_written():
        assert notifications.deliver() == 0


def test_one_mail_that_fails_does_not_keep_the_others(waiting: Approval, bob: Any, carol: Any) -> None:
    bob.email = "bob@example.com\nBcc: eve@example.com"
    bob.save()
    notifications.deliver()
    assert told() == ["carol@example.com"]
    row = Notification.objects.get(recipient=bob)
    assert (row.status, row.attempts) == ("pending", 1)
    assert "newline" in row.last_error.lower()


def test_a_deliverer_that_died_is_replaced_after_a_while(waiting: Approval, pass_time: Any, monkeypatch: Any) -> None:
    from hitl.notifications.channels import email

    class Died(BaseException): ...

    def die(*args: Any) -> None:
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(email, "send", die)
        with pytest.raises(Died):
            notifications.deliver()
    assert notifications.deliver() == 1, "carol's row was not taken yet"
    pass_time(timedelta(minutes=6))
    notifications.deliver()
    assert told() == ["bob@example.com", "carol@example.com"]


def test_a_delivery_takes_so_many_at_most(make: Any) -> None:
    for _ in range(3):
        make(reviewers=["user:bob"])
    assert notifications.deliver(limit=2) == 2
    assert len(mail.outbox) == 2
    assert notifications.deliver() == 1


@pytest.mark.django_db(transaction=True)
def test_two_deliverers_at_once_send_once(waiting: Approval) -> None:
    start = threading.Barrier(4)
    errors: list[BaseException] = []

    def run() -> None:
        try:
            start.wait(10)
            notifications.deliver()
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    notifications.deliver()
    assert told() == ["bob@example.com", "carol@example.com"]
    assert set(Notification.objects.values_list("status", flat=True)) == {"sent"}
