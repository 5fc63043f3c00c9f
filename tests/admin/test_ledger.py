"""Who was told of a request: over which channel, of what, how often it was tried, when, and what went wrong."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from hitl import clock, notifications
from hitl.models import Approval, Notification, WebhookEndpoint
from tests.admin.conftest import browse, page_of


def ledger(approval: Approval, who: Any) -> list[str]:
    """The lines of it, without tags."""
    text = browse(who).get(page_of(approval) + "?tab=record").content.decode()
    section = text.partition("Who was told")[2].partition("</section>")[0]
    return [" ".join(re.sub(r"<[^>]+>", " ", line).split()) for line in re.findall(r"<li>(.*?)</li>", section)]


def test_it_says_who_was_told_what_and_when(waiting: Approval, bob: Any) -> None:
    notifications.deliver()
    lines = ledger(waiting, bob)
    assert len(lines) == 2
    assert lines[-1].startswith("bob · email · Asked Sent · ")


def test_it_says_how_often_it_was_tried_and_what_went_wrong(waiting: Approval, bob: Any) -> None:
    notifications.deliver()
    Notification.objects.filter(recipient=bob).update(
        status="pending", attempts=3, sent_at=None, last_error="451 try again", next_attempt_at=clock.now()
    )
    line = ledger(waiting, bob)[-1]
    assert " · 3 attempts · next try " in line
    assert line.endswith("· 451 try again")


def test_it_names_programs_and_only_operators_read_their_errors(waiting: Approval, bob: Any, root: Any) -> None:
    now = clock.now()
    endpoint = WebhookEndpoint.objects.create(
        url="https://example.com/secret", description="The dashboard", secrets=[], created_at=now
    )
    Notification.objects.create(
        approval=waiting, run=waiting.run, kind="requested", channel="webhook", endpoint=endpoint, status="dead",
        last_error="https://example.com/secret hangs", dedupe_key="x", created_at=now + timedelta(seconds=1),
        next_attempt_at=now,
    )  # fmt: skip
    (line,) = ledger(waiting, bob)
    assert line.startswith("The dashboard · webhook · Asked Dead · ")
    assert "secret" not in line
    assert ledger(waiting, root)[0].endswith("https://example.com/secret hangs")
