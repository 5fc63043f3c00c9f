"""What a mail says, what it leaves out, and that an agent's words cannot dress up as anything else."""

from __future__ import annotations

from email import message_from_bytes, policy
from typing import Any

import pytest
from django.core import mail

from hitl import notifications
from hitl.models import Approval, Notification

HOSTILE = '<img src=x onerror=alert(1)>"\'&{{ link }}{% now "Y" %}\u202egpj.exe\u200b'
SHOWN = "⟦U+202E⟧gpj.exe⟦U+200B⟧"


def sent(to: str = "bob@example.com") -> Any:
    notifications.deliver()
    return next(message for message in mail.outbox if message.to == [to])


def test_a_mail_says_what_is_asked_and_until_when(waiting: Approval) -> None:
    message = sent()
    assert message.subject == f"[Approval][MEDIUM] Refund 250 to order A-17 – due {waiting.expires_at:%-d %b %H:%M} UTC"
    for words in (
        "Refund 250 to order A-17",
        "Consequence: Money leaves at once (cannot be undone)",
        "Risk: medium",
        "Asked by: alice, workflow Refund an order",
        "  order_id: A-17",
        "  amount: 250",
        "If nobody answers, it is refused.",
        f"Digest: {waiting.digest[:8]}",
        "Nothing is decided by opening it.",
    ):
        assert words in message.body


def test_nobody_answers_a_machine(waiting: Approval) -> None:
    message = sent().message()
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["X-Auto-Response-Suppress"] == "All"
    row = Notification.objects.get(recipient__username="bob")
    assert (message["Message-ID"], message["List-Id"]) == (f"<{row.pk}@127.0.0.1>", "<notices.127.0.0.1>")
    assert message["References"] is None, "the first mail of a thread is its root"
    assert message["From"] == "hitl <hitl@localhost>"


@pytest.mark.parametrize("risk", ["high", "critical"])
def test_at_high_risk_no_arguments_leave_the_house(risk: str, make: Any) -> None:
    make({"iban": "DE02120300000000202051"}, risk=risk)
    message = sent()
    whole = message.message().as_string() + message.alternatives[0][0]
    assert "iban" not in whole
    assert "DE0212" not in whole
    assert f"since the risk is {risk}" in message.body
    assert f"[{risk.upper()}]" in message.subject


@pytest.mark.parametrize("risk", ["low", "medium"])
def test_at_low_risk_the_arguments_are_shown(risk: str, make: Any) -> None:
    make({"iban": "DE02120300000000202051"}, risk=risk)
    message = sent()
    assert "iban: DE02120300000000202051" in message.body
    assert "DE02120300000000202051" in message.alternatives[0][0]


def test_an_argument_called_items_is_an_argument_like_any_other(make: Any) -> None:
    make({"items": ["a", "b"], "keys": 1})
    message = sent()
    assert '"a",' in message.body
    assert "keys: 1" in message.body
    assert "<td" in message.alternatives[0][0]
    assert ">items<" in message.alternatives[0][0]


def test_a_title_cannot_write_headers(make: Any) -> None:
    make(title="Pay\r\nBcc: eve@example.com\r\n\r\nbody\u2028x", impact="x")
    message = message_from_bytes(sent().message().as_bytes(), policy=policy.default)
    assert message["Bcc"] is None
    assert message["To"] == "bob@example.com"
    assert "\n" not in message["Subject"]
    assert "Pay⟦U+000D⟧ Bcc: eve@example.com" in message["Subject"]


def test_a_long_title_does_not_make_an_endless_subject(make: Any) -> None:
    make(title="x" * 500)
    subject = sent().subject
    assert len(subject) < 200
    assert "… – due " in subject


@pytest.mark.parametrize("field", ["title", "impact"])
def test_hostile_words_are_shown_as_they_are(field: str, make: Any) -> None:
    make(**{field: HOSTILE})
    message = sent()
    html = message.alternatives[0][0]
    assert SHOWN in message.body
    assert "{{ link }}" in message.body
    assert "<img" not in html
    assert "&lt;img src=x onerror=alert(1)&gt;" in html
    assert SHOWN in html
    for text in (message.body, html, message.subject):
        assert "\u202e" not in text
        assert "\u200b" not in text


def test_hostile_arguments_are_shown_as_they_are(make: Any) -> None:
    make({HOSTILE: HOSTILE, "deep": {"<b>": [HOSTILE]}})
    message = sent()
    html = message.alternatives[0][0]
    assert message.body.count(SHOWN) == 3
    assert html.count(SHOWN) == 3
    assert "<img" not in html
    assert "<b>&" not in html.replace("<b>Consequence", "").replace("<b>Risk", "")


def test_hostile_names_are_shown_as_they_are(make: Any, alice: Any) -> None:
    alice.first_name = "<b>Al\u202eice"
    alice.save()
    make()
    message = sent()
    assert "<b>Al⟦U+202E⟧ice" in message.body
    assert "&lt;b&gt;Al⟦U+202E⟧ice" in message.alternatives[0][0]


def test_nothing_is_loaded_from_anywhere(waiting: Approval) -> None:
    html = sent().alternatives[0][0]
    for tag in ("<img", "<script", "<link", "<iframe", "url(", "src="):
        assert tag not in html


def test_a_low_risk_request_that_passes_by_silence_says_so(make: Any) -> None:
    make(risk="low", reversible=True, on_timeout="approve")
    assert "If nobody answers, it is refused." in sent().body, "the action itself cannot be undone"
