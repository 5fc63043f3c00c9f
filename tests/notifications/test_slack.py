"""Slack: a message that points at the request, is changed when it is decided, and says nothing an agent made up where
the risk is high. A real server speaks Slack's two methods."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from hitl import clock, decisions, notifications
from hitl.checks import check_slack
from hitl.models import Approval, Notification
from tests.notifications.receivers import Receiver, receiver

TOKEN = "xoxb-only-for-tests"


@dataclass
class Slack:
    """What was called, and what is said to the next calls: `refuse` is an error of Slack's, `limit` seconds."""

    url: str = ""
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    refuse: str = ""
    limit: int = 0

    def of(self, method: str) -> list[dict[str, Any]]:
        return [said for name, said in self.calls if name == method]

    def answer(self, method: str, said: dict[str, Any]) -> dict[str, Any]:
        if self.refuse:
            return {"ok": False, "error": self.refuse}
        self.calls.append((method, said))
        return {"ok": True, "channel": "C024BE91L", "ts": said.get("ts") or f"1503435956.{len(self.calls):06}"}


@contextmanager
def serving() -> Iterator[Slack]:
    """A Slack of our own."""
    state = Slack()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            state.tokens.add(self.headers["Authorization"])
            method = self.path.removeprefix("/api/")
            body = json.dumps({"ok": False, "error": "ratelimited"} if state.limit else state.answer(method, said))
            self.send_response(429 if state.limit else 200)
            if state.limit:
                self.send_header("Retry-After", str(state.limit))
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *args: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}/api/"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def slack(settings: Any) -> Iterator[Slack]:
    """A bot of ours is in a channel."""
    with serving() as server:
        settings.HITL_SLACK_TOKEN, settings.HITL_SLACK_CHANNEL = TOKEN, "#approvals"
        settings.HITL_SLACK_URL = server.url
        yield server


@pytest.fixture
def incoming(settings: Any) -> Iterator[Receiver]:
    """Only an incoming webhook is set."""
    with receiver() as server:
        settings.HITL_WEBHOOK_ALLOW, settings.HITL_SLACK_WEBHOOK = ["localhost"], server.url
        server.status, server.body = 200, b"ok"
        yield server


def tell() -> int:
    notifications.deliver()
    return notifications.deliver_hooks()


def decide(approval: Approval, actor: Any, verdict: str = "approve", **options: Any) -> None:
    approval.refresh_from_db()
    decisions.decide(approval, actor=actor, verdict=verdict, digest=approval.digest, **options)


def texts(said: dict[str, Any]) -> str:
    """Everything a reader sees."""
    return json.dumps(said["blocks"], ensure_ascii=False) + said["text"]


def rows(status: str) -> int:
    return Notification.objects.filter(channel="slack", status=status).count()


def test_a_request_is_told_with_a_link_to_its_page(waiting: Approval, slack: Slack) -> None:
    assert tell() == 1
    (said,) = slack.of("chat.postMessage")
    assert said["channel"] == "#approvals"
    assert slack.tokens == {f"Bearer {TOKEN}"}
    for told in ("Refund 250 to order A-17", "Risk: medium", "Asked by: alice", "Due: ", waiting.digest[:8]):
        assert told in texts(said)
    assert waiting.digest[:9] not in texts(said)
    (button,) = said["blocks"][-1]["elements"]
    assert button["url"] == f"http://127.0.0.1:8000/review/hitl/approval/{waiting.pk}/"
    assert (said["unfurl_links"], said["unfurl_media"]) == (False, False)


def test_no_button_decides(waiting: Approval, slack: Slack) -> None:
    tell()
    (said,) = slack.of("chat.postMessage")
    elements = [element for block in said["blocks"] for element in block.get("elements", [])]
    assert [(one["type"], set(one)) for one in elements] == [("button", {"type", "text", "url", "action_id"})]


def test_arguments_are_not_told(make: Any, slack: Slack) -> None:
    make({"iban": "DE02120300000000202051"})
    tell()
    assert "DE0212" not in texts(*slack.of("chat.postMessage"))


@pytest.mark.parametrize("risk", ["high", "critical"])
def test_at_high_risk_no_word_of_the_agents_is_told(make: Any, slack: Slack, risk: str) -> None:
    make(title="Trust me", impact="Nothing", description="Really", target="prod", risk=risk)
    tell()
    (said,) = slack.of("chat.postMessage")
    assert all(word not in texts(said) for word in ("Trust me", "Nothing", "Really", "prod"))
    assert f"Risk: {risk}" in texts(said)


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("<!channel> look", "&lt;!channel&gt; look"),
        ("<@U024BE7LH> & co", "&lt;(at)U024BE7LH&gt; &amp; co"),
        ("@here now", "(at)here now"),
        ("see https://evil.example/login", "see https[:]//evil.example/login"),
        ("<https://evil.example|Review>", "&lt;https[:]//evil.example|Review&gt;"),
        ("one\ntwo \u202egpj.exe", "one two ⟦U+202E⟧gpj.exe"),
    ],
)
def test_an_agents_text_calls_nobody_and_links_nowhere(make: Any, slack: Slack, title: str, shown: str) -> None:
    make(title=title)
    tell()
    (said,) = slack.of("chat.postMessage")
    assert said["blocks"][0]["text"] == {"type": "plain_text", "text": shown, "emoji": False}
    assert said["text"].startswith(shown)
    assert said["mrkdwn"] is False
    assert "mrkdwn" not in json.dumps(said["blocks"])


def test_a_title_of_signs_stays_within_what_slack_takes(make: Any, slack: Slack) -> None:
    make(title="&" * 200)
    tell()
    assert len(slack.of("chat.postMessage")[0]["blocks"][0]["text"]["text"]) <= 150


def test_after_the_decision_the_message_says_who_decided_and_has_no_button(
    waiting: Approval, slack: Slack, bob: Any
) -> None:
    tell()
    decide(waiting, bob, comment="<b>looks fine</b>")
    assert tell() == 1
    (said,) = slack.of("chat.update")
    assert (said["channel"], said["ts"]) == ("C024BE91L", "1503435956.000001")
    assert all(word in texts(said) for word in ("approved", "bob", "When: "))
    assert "looks fine" not in texts(said)
    assert "button" not in texts(said)
    assert len(slack.calls) == 2


@pytest.mark.parametrize(("verdict", "word"), [("reject", "refused"), ("approve", "approved")])
def test_the_outcome_is_in_its_words(waiting: Approval, slack: Slack, bob: Any, verdict: str, word: str) -> None:
    tell()
    decide(waiting, bob, verdict, comment="because")
    tell()
    assert word in texts(*slack.of("chat.update"))


def test_a_request_that_nobody_decided_says_so(waiting: Approval, slack: Slack, pass_time: Any) -> None:
    tell()
    pass_time(timedelta(hours=5))
    decisions.expire(waiting)
    tell()
    assert "Nobody decided in time" in texts(*slack.of("chat.update"))


def test_reminders_are_answers_below_the_message(make: Any, slack: Slack, pass_time: Any) -> None:
    approval = make(remind=["1h"])
    tell()
    pass_time(timedelta(minutes=61))
    decisions.remind_due(approval)
    tell()
    first, second = slack.of("chat.postMessage")
    assert (second["channel"], second["thread_ts"]) == ("C024BE91L", "1503435956.000001")
    assert "thread_ts" not in first


def test_what_is_decided_before_it_was_told_is_not_told(waiting: Approval, slack: Slack, bob: Any) -> None:
    notifications.deliver()
    decide(waiting, bob)
    tell()
    assert slack.calls == []
    assert rows("pending") == 0


def test_the_end_waits_for_a_message_that_is_on_its_way(
    waiting: Approval, slack: Slack, bob: Any, pass_time: Any
) -> None:
    notifications.deliver()
    (first,) = Notification.objects.filter(channel="slack")
    Notification.objects.filter(pk=first.pk).update(next_attempt_at=clock.now() + timedelta(minutes=5), attempts=1)
    decide(waiting, bob)
    assert tell() == 0, "another worker is posting the request just now"
    Notification.objects.filter(pk=first.pk).update(status="sent", remote="C1:7.7")
    pass_time(timedelta(minutes=1))
    assert tell() == 1
    assert slack.of("chat.update")[0]["ts"] == "7.7"


def test_a_new_revision_takes_the_button_off_the_old_message(make: Any, slack: Slack, bob: Any, work: Any) -> None:
    old = make(title="The first", approvals=2)
    tell()
    decide(old, bob, "edit", args={"n": 2})
    tell()
    (said,) = slack.of("chat.update")
    assert said["ts"] == "1503435956.000001"
    assert "Another revision" in texts(said)
    assert len(slack.of("chat.postMessage")) == 2
    told = Notification.objects.filter(channel="slack").exclude(approval=old.pk).get()
    assert told.remote.endswith(".000003"), "what follows is said of the new message"


def test_a_rate_limit_is_kept_to(waiting: Approval, slack: Slack, pass_time: Any) -> None:
    slack.limit = 120
    assert tell() == 0
    row = Notification.objects.get(channel="slack")
    assert row.last_error == "Undelivered: Slack answered ratelimited"
    assert (row.next_attempt_at - clock.now()).total_seconds() > 110
    slack.limit = 0
    pass_time(timedelta(minutes=3))
    assert tell() == 1


def test_what_slack_refuses_is_tried_again(waiting: Approval, slack: Slack, pass_time: Any) -> None:
    slack.refuse = "not_in_channel"
    assert tell() == 0
    assert Notification.objects.get(channel="slack").last_error == "Undelivered: Slack answered not_in_channel"
    slack.refuse = ""
    pass_time(timedelta(minutes=1))
    assert tell() == 1


def test_a_message_that_somebody_removed_is_not_missed(waiting: Approval, slack: Slack, bob: Any) -> None:
    tell()
    decide(waiting, bob)
    slack.refuse = "message_not_found"
    assert tell() == 1
    assert rows("sent") == 2


def test_nobody_at_home_is_tried_again(waiting: Approval, slack: Slack, settings: Any) -> None:
    settings.HITL_SLACK_URL = "http://127.0.0.1:9/api/"
    assert tell() == 0
    assert rows("pending") == 1


def test_an_incoming_webhook_posts_and_posts_again_at_the_end(waiting: Approval, incoming: Receiver, bob: Any) -> None:
    tell()
    decide(waiting, bob)
    tell()
    first, second = (json.loads(body) for _, body in incoming.got)
    assert first["blocks"][-1]["elements"][0]["url"].endswith(f"/review/hitl/approval/{waiting.pk}/")
    assert "bob" in texts(second)
    assert rows("sent") == 2


@pytest.mark.parametrize(("status", "left"), [(404, "dead"), (410, "dead"), (500, "pending"), (429, "pending")])
def test_an_incoming_webhook_that_refuses(waiting: Approval, incoming: Receiver, status: int, left: str) -> None:
    incoming.status = status
    tell()
    row = Notification.objects.get(channel="slack")
    assert (row.status, row.last_error) == (left, f"Undelivered: Slack answered {status}")


def test_without_a_setting_nothing_is_told(waiting: Approval) -> None:
    tell()
    assert rows("pending") == rows("sent") == 0


def test_a_token_without_a_channel_or_the_package_is_an_error_at_the_start(settings: Any, monkeypatch: Any) -> None:
    assert check_slack() == []
    settings.HITL_SLACK_TOKEN = TOKEN
    assert [error.id for error in check_slack()] == ["hitl.E006"]
    monkeypatch.setattr("hitl.checks.find_spec", lambda name: None)
    settings.HITL_SLACK_CHANNEL = "#approvals"
    assert ["not installed" in error.msg for error in check_slack()] == [True]
