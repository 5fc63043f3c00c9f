"""Digests, quiet hours and what is turned off: nobody gets more mails than they want, and nobody misses what waits."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from django.core import mail

from hitl import clock, decisions, notifications
from hitl.models import Approval, Notification, Preference, Profile
from hitl.notifications.preferences import plan
from tests.rows import nothing_written


@pytest.fixture
def hourly(bob: Any, pass_time: Any) -> Any:
    """Bob wants digests, once an hour, and an hour has just begun."""
    now = clock.now()
    pass_time(now.replace(minute=1, second=0) + timedelta(hours=1) - now)
    return Profile.objects.create(user=bob, digest="hourly")


def to_bob() -> list[Any]:
    return [message for message in mail.outbox if message.to == ["bob@example.com"]]


def test_what_waits_comes_once_the_most_urgent_first_and_then_news(
    make: Any, hourly: Any, alice: Any, bob: Any, carol: Any, pass_time: Any
) -> None:
    later = make(title="Later", timeout=timedelta(hours=9))
    sooner = make(title="Sooner", timeout=timedelta(hours=5))
    watched = make(title="Watched", reviewers=["user:carol"])
    watched.assignments.create(user=bob, source="assigned")
    decisions.watch(watched, actor=bob)
    notifications.deliver()
    assert to_bob() == []
    pass_time(timedelta(minutes=20))
    decisions.remind(later, actor=alice)
    decisions.comment(watched, actor=carol, text="What is this?")
    decisions.decide(watched, actor=carol, verdict="reject", digest=watched.digest, comment="No need.")
    notifications.deliver()
    assert to_bob() == []
    pass_time(timedelta(hours=1))
    notifications.deliver()
    (message,) = to_bob()
    assert message.subject == "[hitl] 2 requests to decide, 1 piece of news"
    for whole in (message.body, message.alternatives[0][0]):
        assert whole.count("Later") == whole.count("Sooner") == whole.count("Watched") == 1
        assert whole.index("Sooner") < whole.index("Later") < whole.index("Watched")
        assert whole.index("carol commented on it.") < whole.index("It was refused.")
        assert "No need." in whole
        assert f"http://127.0.0.1:8000/review/hitl/approval/{sooner.pk}/" in whole
    assert not Notification.objects.filter(recipient=bob, status="pending").exists()
    with nothing_written():
        notifications.deliver()


def test_nothing_is_sent_when_all_was_closed_meanwhile(make: Any, hourly: Any, carol: Any, pass_time: Any) -> None:
    approval = make()
    notifications.deliver()
    decisions.decide(approval, actor=carol, verdict="approve", digest=approval.digest)
    pass_time(timedelta(hours=1))
    notifications.deliver()
    assert to_bob() == []
    row = Notification.objects.get(recipient__username="bob")
    assert (row.channel, row.status, row.last_error) == ("digest", "dropped", "the request is closed")


def test_who_voted_meanwhile_is_not_asked_any_more(make: Any, hourly: Any, bob: Any, pass_time: Any) -> None:
    approval = make(approvals=2)
    notifications.deliver()
    decisions.decide(approval, actor=bob, verdict="approve", digest=approval.digest)
    pass_time(timedelta(hours=1))
    notifications.deliver()
    assert to_bob() == []
    assert Notification.objects.get(recipient=bob).last_error == "this person has voted"


def test_who_read_of_it_in_a_digest_hears_that_it_is_not_needed_any_more(
    make: Any, hourly: Any, carol: Any, pass_time: Any
) -> None:
    approval = make()
    notifications.deliver()
    pass_time(timedelta(hours=1))
    notifications.deliver()
    decisions.decide(approval, actor=carol, verdict="approve", digest=approval.digest)
    notifications.deliver()
    pass_time(timedelta(hours=1))
    notifications.deliver()
    assert [message.subject for message in to_bob()] == ["[hitl] 1 request to decide", "[hitl] 1 piece of news"]
    assert "It was approved." in to_bob()[1].body


@pytest.mark.parametrize("risk", ["high", "critical"])
def test_what_is_dangerous_waits_for_no_digest(risk: str, make: Any, hourly: Any) -> None:
    make(risk=risk)
    notifications.deliver()
    assert len(to_bob()) == 1


def test_what_is_turned_off_before_it_is_sent_is_not_sent(make: Any, bob: Any, alice: Any, pass_time: Any) -> None:
    profile = Profile.objects.create(user=bob, digest="hourly")
    approval = make()
    notifications.deliver()
    Profile.objects.filter(pk=profile.pk).update(digest="")
    pass_time(timedelta(hours=1))
    decisions.remind(approval, actor=alice)
    Preference.objects.create(user=bob, kind="reminder", mode="digest")
    notifications.deliver()
    Preference.objects.update(mode="off")
    pass_time(timedelta(days=1))
    Approval.objects.filter(pk=approval.pk).update(expires_at=approval.expires_at + timedelta(days=3))
    notifications.deliver()
    row = Notification.objects.get(recipient=bob, kind="reminder")
    assert (row.status, row.last_error) == ("dropped", "this person has turned it off")


def test_what_waits_for_a_decision_cannot_be_turned_off(make: Any, bob: Any) -> None:
    Preference.objects.create(user=bob, kind="requested", mode="off")
    make()
    notifications.deliver()
    assert len(to_bob()) == 1


NIGHT = datetime(2026, 11, 20, 23, 30, tzinfo=UTC)
QUIET = {"quiet_from": time(22), "quiet_until": time(7)}


@pytest.mark.parametrize(
    ("profile", "mode", "kind", "risk", "channel", "at"),
    [
        ({}, "", "requested", "low", "email", NIGHT),
        (QUIET, "", "requested", "high", "email", datetime(2026, 11, 21, 7, tzinfo=UTC)),
        (QUIET, "", "requested", "critical", "email", NIGHT),
        (QUIET | {"digest": "hourly"}, "", "requested", "low", "digest", datetime(2026, 11, 21, 7, tzinfo=UTC)),
        ({"digest": "daily"}, "", "requested", "low", "digest", datetime(2026, 11, 21, 9, tzinfo=UTC)),
        ({"digest": "daily"}, "now", "requested", "low", "email", NIGHT),
        ({}, "digest", "comment", "low", "digest", datetime(2026, 11, 21, 9, tzinfo=UTC)),
        ({"digest": "daily"}, "", "uncertain", "", "email", NIGHT),
        ({}, "off", "comment", "low", "", NIGHT),
        (QUIET | {"time_zone": "Asia/Tokyo"}, "", "requested", "low", "email", NIGHT),
    ],
)
def test_how_and_when_somebody_is_told(
    profile: dict[str, Any], mode: str, kind: str, risk: str, channel: str, at: datetime
) -> None:
    found = plan(Profile(**profile), mode, kind, risk=risk, now=NIGHT)
    assert found.channel == channel
    assert channel == "" or found.at == at
