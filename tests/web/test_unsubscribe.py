"""Turning a kind of message off from a mail: one click, no sign-in, one person, one kind, and never what is needed."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core import signing
from django.test import Client

from hitl import decisions, notifications
from hitl.models import Approval, Notification, Preference
from hitl.notifications.kinds import KINDS
from hitl.notifications.links import stop_link
from tests.rows import nothing_written

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
def address(bob: Any) -> str:
    """The path of the link in bob's reminders."""
    return urlsplit(stop_link(bob, "reminder")).path


def signed(*said: Any) -> str:
    return "/u/" + signing.Signer(salt="hitl.unsubscribe").sign_object(list(said)) + "/"


@pytest.mark.parametrize("method", ["get", "head", "options", "put", "delete"])
def test_looking_changes_nothing(method: str, address: str) -> None:
    with nothing_written():
        for _ in range(20):
            getattr(Client(), method)(address)


def test_the_page_says_what_is_turned_off_and_what_stays(address: str) -> None:
    response = Client().get(address)
    text = response.content.decode()
    assert "“Reminders”" in text
    assert "requests that wait for your decision stay on" in text
    assert (response["Referrer-Policy"], response["X-Robots-Tag"]) == ("no-referrer", "noindex")
    assert "no-store" in response["Cache-Control"]


def test_a_mail_program_turns_it_off_without_a_session(address: str, bob: Any) -> None:
    client = Client(enforce_csrf_checks=True)
    for _ in range(2):
        response = client.post(address, ONE_CLICK)
        assert response.status_code == 200
        assert "You get no more messages of this kind" in response.content.decode()
    row = Preference.objects.get()
    assert (row.user, row.kind, row.channel, row.mode) == (bob, "reminder", "email", "off")
    assert not client.cookies


def test_nothing_of_the_kind_is_sent_afterwards(address: str, waiting: Approval, alice: Any, pass_time: Any) -> None:
    from datetime import timedelta

    from django.core import mail

    Client().post(address, ONE_CLICK)
    pass_time(timedelta(minutes=20))
    decisions.remind(waiting, actor=alice)
    notifications.deliver()
    told = [(message.to[0], "Reminder" in message.subject) for message in mail.outbox]
    assert sorted(told) == [
        ("bob@example.com", False),
        ("carol@example.com", False),
        ("carol@example.com", True),
    ]


@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if kind.needed])
def test_what_is_needed_has_no_link_and_cannot_be_turned_off(kind: str, bob: Any) -> None:
    assert stop_link(bob, kind) == ""
    with nothing_written():
        assert Client().post(signed(str(bob.pk), kind), ONE_CLICK).status_code == 404


@pytest.mark.parametrize(
    "path",
    ["/u/x/", "/u/a:b/", signed("999", "reminder"), signed("1", "nothing"), signed("1"), signed("x", "reminder")],
)
def test_what_we_did_not_sign_or_leads_to_nobody_is_not_there(path: str, bob: Any) -> None:
    with nothing_written():
        assert Client().post(path, ONE_CLICK).status_code == 404
        assert Client().get(path).status_code == 404


def test_a_tampered_link_is_not_there(address: str, bob: Any, carol: Any) -> None:
    theirs = urlsplit(stop_link(carol, "reminder")).path
    mixed = theirs.partition(":")[0] + ":" + address.partition(":")[2]
    with nothing_written():
        assert Client().post(mixed, ONE_CLICK).status_code == 404


def test_the_page_speaks_the_browsers_language(address: str) -> None:
    response = Client().get(address, HTTP_ACCEPT_LANGUAGE="de")
    assert '<html lang="de"' in response.content.decode()


def test_a_mail_carries_the_link_and_asks_for_one_click(waiting: Approval, alice: Any, bob: Any) -> None:
    from django.core import mail

    from hitl.notifications.channels import email

    email.send(Notification(approval=waiting, run=waiting.run, recipient=bob, kind="reminder"))
    sent = mail.outbox[0].message()
    assert sent["List-Unsubscribe"] == f"<{stop_link(bob, 'reminder')}>"
    assert sent["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
