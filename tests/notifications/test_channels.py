"""The two ends of a mail: files on the embedded default, and a real SMTP server."""

from __future__ import annotations

from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from django.core import mail

from hitl import notifications
from hitl.models import Approval, Notification
from tests.notifications.conftest import Postbox


def test_a_mail_server_gets_exactly_one_mail_for_each(waiting: Approval, postbox: Postbox) -> None:
    notifications.deliver()
    notifications.deliver()
    assert sorted(to for to, _ in postbox.received) == [["bob@example.com"], ["carol@example.com"]]
    for to, content in postbox.received:
        message = message_from_bytes(content, policy=policy.default)
        assert [message["To"]] == to
        assert message["Auto-Submitted"] == "auto-generated"
        assert message.get_content_type() == "multipart/alternative"
        assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
        assert "/r/hitlr_" in message.get_body(("plain",)).get_content()


def test_what_the_mail_server_refuses_is_tried_again(waiting: Approval, postbox: Postbox, pass_time: Any) -> None:
    from datetime import timedelta

    postbox.refuse = True
    notifications.deliver()
    assert postbox.received == []
    assert "try again later" in Notification.objects.exclude(recipient=None).first().last_error
    postbox.refuse = False
    pass_time(timedelta(minutes=1))
    assert notifications.deliver() == 2
    assert len(postbox.received) == 2
    assert set(Notification.objects.values_list("status", flat=True)) == {"sent"}


@pytest.fixture
def files(settings: Any, tmp_path: Path) -> Path:
    """The folder that the console channel writes to."""
    settings.EMAIL_BACKEND = "hitl.notifications.channels.console.EmailBackend"
    settings.EMAIL_FILE_PATH = str(tmp_path / "mail")
    return tmp_path / "mail"


def test_the_embedded_default_keeps_mails_as_files_and_prints_their_links(
    waiting: Approval, files: Path, capsys: Any
) -> None:
    notifications.deliver()
    mails = [message_from_bytes(path.read_bytes(), policy=policy.default) for path in files.glob("*.eml")]
    assert sorted(message["To"] for message in mails) == ["bob@example.com", "carol@example.com"]
    printed = capsys.readouterr().out
    for message in mails:
        link = next(w for w in message.get_body(("plain",)).get_content().split() if "/r/" in w)
        assert link in printed
    assert str(files) in printed


def test_mails_written_at_the_same_moment_are_all_kept(files: Path, monkeypatch: Any) -> None:
    from datetime import UTC, datetime

    from hitl import clock

    monkeypatch.setattr(clock, "now", lambda: datetime(2026, 1, 1, tzinfo=UTC))
    messages = [mail.EmailMessage(subject=str(n), body="x", to=["bob@example.com"]) for n in range(3)]
    assert mail.get_connection().send_messages(messages) == 3
    assert len(list(files.glob("*.eml"))) == 3
