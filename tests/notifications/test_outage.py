"""A channel that is down for an hour: nothing else waits for it, and when it is back all of it arrives."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from hitl import decisions, notifications
from hitl.models import Approval, Notification
from hitl.notifications.endpoints import create_endpoint
from tests.notifications.receivers import Receiver, receiver
from tests.notifications.test_slack import Slack, serving
from tests.servers import free_port


class Post:
    """A mail server that can be switched on."""

    def __init__(self) -> None:
        self.port, self.got = free_port(), []
        self.controller: Controller | None = None

    def start(self) -> None:
        self.controller = Controller(self, hostname="127.0.0.1", port=self.port)
        self.controller.start()

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """One mail."""
        self.got += envelope.rcpt_tos
        return "250 OK"


@pytest.fixture
def post(settings: Any) -> Any:
    """Mails go to a server that is not there yet."""
    server = Post()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
    yield server
    if server.controller is not None:
        server.controller.stop()


@pytest.fixture
def slack(settings: Any) -> Any:
    """A channel on Slack."""
    with serving() as server:
        settings.HITL_SLACK_TOKEN, settings.HITL_SLACK_CHANNEL = "xoxb-only-for-tests", "#approvals"
        settings.HITL_SLACK_URL = server.url
        yield server


@pytest.fixture
def hook(settings: Any, root: Any) -> Any:
    """A receiver of webhooks."""
    settings.HITL_WEBHOOK_ALLOW = ["localhost"]
    with receiver() as server:
        create_endpoint(server.url, actor=root)
        yield server


def travel(hours: float, pass_time: Callable[[timedelta], None]) -> None:
    """Let time pass, with a worker that looks every five minutes."""
    for _ in range(int(hours * 12)):
        notifications.deliver()
        notifications.deliver_hooks()
        pass_time(timedelta(minutes=5))
    notifications.deliver()
    notifications.deliver_hooks()


def left(channel: str) -> int:
    return Notification.objects.filter(channel=channel, status="pending").count()


def lost() -> int:
    return Notification.objects.filter(status="dead").count()


def test_programs_that_hang_hold_one_slot_of_a_process(waiting: Approval, post: Post, hook: Receiver) -> None:
    from hitl.notifications.deliver import _calling

    notifications.deliver()
    with _calling:
        assert notifications.deliver_hooks() == 0
    assert notifications.deliver_hooks() == 1


def test_where_more_is_due_than_a_pass_takes_the_bell_rings_again(
    waiting: Approval, post: Post, hook: Receiver, slack: Slack, monkeypatch: Any
) -> None:
    from hitl import dispatch

    rung: list[str] = []
    notifications.deliver()
    monkeypatch.setattr(dispatch, "ring_hooks", lambda: rung.append("hooks"))
    assert notifications.deliver_hooks(limit=1) == 1
    assert rung == ["hooks"]


def test_mail_that_is_down_for_an_hour(
    waiting: Approval, post: Post, hook: Receiver, slack: Slack, pass_time: Any
) -> None:
    travel(1, pass_time)
    assert (left("email"), left("webhook"), left("slack")) == (2, 0, 0)
    assert (len(hook.got), len(slack.calls)) == (1, 1)
    post.start()
    travel(1.5, pass_time)
    assert sorted(post.got) == ["bob@example.com", "carol@example.com"]
    assert lost() == 0


def test_a_webhook_that_is_down_for_an_hour(
    waiting: Approval, post: Post, hook: Receiver, slack: Slack, pass_time: Any
) -> None:
    post.start()
    hook.status = 503
    travel(1, pass_time)
    assert (left("email"), left("webhook"), left("slack")) == (0, 1, 0)
    hook.status, tries = 204, len(hook.got)
    travel(3, pass_time)
    assert (left("webhook"), lost(), len(hook.got) - tries) == (0, 0, 1)


def test_slack_that_is_down_for_an_hour(
    waiting: Approval, post: Post, hook: Receiver, slack: Slack, pass_time: Any
) -> None:
    post.start()
    slack.refuse = "service_unavailable"
    travel(1, pass_time)
    assert (left("email"), left("webhook"), left("slack")) == (0, 0, 1)
    slack.refuse = ""
    travel(3, pass_time)
    assert (left("slack"), lost(), len(slack.calls)) == (0, 0, 1)


def test_everything_is_down_and_people_decide_all_the_same(
    waiting: Approval, post: Post, hook: Receiver, slack: Slack, bob: Any, pass_time: Any
) -> None:
    hook.status, slack.refuse = 500, "internal_error"
    travel(0.5, pass_time)
    waiting.refresh_from_db()
    decisions.decide(waiting, actor=bob, verdict="approve", digest=waiting.digest)
    travel(0.5, pass_time)
    hook.status, slack.refuse = 204, ""
    post.start()
    hook.got.clear()
    travel(8, pass_time)
    assert post.got.count("alice@example.com") == 1, "who asked hears of the outcome"
    assert len(hook.got) == 2, "that it was asked, and that it was approved"
    assert slack.calls == [], "what is decided need not be asked any more"
    assert (lost(), Notification.objects.filter(status="pending").count()) == (0, 0)
