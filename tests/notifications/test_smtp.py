"""Every kind of notice over a real mail server: exactly its people, each once, never who did it; and what becomes of
mails when a worker dies, or the server is away."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from email import message_from_bytes, policy
from typing import Any

import pytest
from django.contrib.auth.models import Group

from hitl import Action, Workflow, decisions, engine, notifications
from hitl.models import Approval, Notification
from hitl.notifications.kinds import KINDS
from tests.notifications.conftest import Postbox
from tests.servers import free_port


@dataclass
class World:
    """Who there is, and ways to make something happen."""

    alice: Any
    bob: Any
    carol: Any
    dave: Any
    root: Any
    work: Callable[[], int]
    pass_time: Callable[[timedelta], None]
    made: int = 0

    def asked(self, *, fails: bool = False, **options: Any) -> Approval:
        """A request of alice's that waits, all its mails sent."""
        self.made += 1
        flow = Workflow(f"smtp-{self.made}")
        flow.step(lambda ctx: Action({"n": 1}, type="do", title="Do it", impact="It is done"), name="draft")
        flow.approval("ask", after="draft", **({} if options else {"reviewers": ["group:finance"]}), **options)
        flow.step((lambda ctx: 1 / 0) if fails else (lambda ctx: None), name="act", after="ask", max_attempts=1)
        run = flow.start(requester=self.alice)
        self.work()
        notifications.deliver()
        return Approval.objects.get(run=run)

    def decide(self, approval: Approval, verdict: str = "approve", **options: Any) -> None:
        """Bob says it."""
        approval.refresh_from_db()
        comment = "no" if verdict == "reject" else ""
        said = {"digest": approval.digest, "comment": comment, **options}
        decisions.decide(approval, actor=self.bob, verdict=verdict, **said)


@pytest.fixture
def world(
    alice: Any, bob: Any, carol: Any, people: Any, root: Any, work: Any, pass_time: Any, postbox: Postbox
) -> World:
    return World(alice, bob, carol, people("dave"), root, work, pass_time)


def addressed(box: Postbox, kind: str) -> list[str]:
    """Whom mails of this kind went to."""
    ids = {f"<{pk}@127.0.0.1>" for pk in Notification.objects.filter(kind=kind).values_list("pk", flat=True)}
    found = [(to, message_from_bytes(content, policy=policy.default)["Message-ID"]) for to, content in box.received]
    return sorted(to[0].partition("@")[0] for to, number in found if number in ids)


def requested(world: World) -> None:
    world.asked()


def revision(world: World) -> None:
    approval = world.asked(reviewers=["group:finance", "user:dave"], approvals=2)
    world.decide(approval, "edit", args={"n": 2})


def stage(world: World) -> None:
    stages = [{"reviewers": ["user:bob"], "timeout": "4h"}, {"reviewers": ["user:carol"], "timeout": "4h"}]
    world.decide(world.asked(stages=stages))


def escalated(world: World) -> None:
    decisions.delegate(world.asked(), actor=world.bob, to=world.dave, reason="I am away")


def reminder(world: World) -> None:
    approval = world.asked()
    world.pass_time(timedelta(minutes=30))
    decisions.remind(approval, actor=world.bob)


def approved(world: World) -> None:
    world.decide(world.asked())


def rejected(world: World) -> None:
    world.decide(world.asked(), "reject")


def answered(world: World) -> None:
    flow = Workflow("smtp-asks")
    flow.step(lambda ctx: ctx.ask("q", "Which?", reviewers=["group:finance"]), name="think")
    run = flow.start(requester=world.alice)
    world.work()
    approval = Approval.objects.get(run=run)
    decisions.decide(approval, actor=world.bob, verdict="respond", digest=approval.digest, response="this")


def expired(world: World) -> None:
    approval = world.asked()
    world.pass_time(timedelta(hours=5))
    decisions.expire(approval)


def cancelled(world: World) -> None:
    decisions.cancel(world.asked(), actor=world.root, reason="not now")


def revoked(world: World) -> None:
    approval = world.asked()
    world.decide(approval)
    decisions.revoke(approval, actor=world.bob, reason="a mistake")


def comment(world: World) -> None:
    approval = world.asked()
    decisions.watch(approval, actor=world.carol)
    decisions.watch(approval, actor=world.bob)
    decisions.comment(approval, actor=world.bob, text="Look, @alice and @dave and @bob and @nobody.")


def failed(world: World) -> None:
    world.decide(world.asked(fails=True))
    world.work()


def info(world: World) -> None:
    world.asked(level="info", reviewers=["group:finance"])


def unsatisfiable(world: World) -> None:
    world.bob.groups.set([Group.objects.create(name="lonely")])
    world.asked(reviewers=["group:lonely"], approvals=2)


def uncertain(world: World) -> None:
    from hitl.engine.claim import claim, pick

    flow = Workflow("smtp-once")
    flow.step(lambda ctx: "sent", name="send", repeatable=False)
    flow.start(requester=world.alice)
    assert claim(pick("default")[0]) is not None
    world.pass_time(timedelta(minutes=5))
    engine.sweep()


def dead(world: World) -> None:
    Notification.objects.create(
        kind="dead",
        payload={"channel": "email", "to": "bob", "error": "refused"},
        dedupe_key="dead",
        created_at="2026-01-01T00:00Z",
        next_attempt_at="2026-01-01T00:00Z",
    )


KNOWN: dict[str, tuple[Callable[[World], None], list[str]]] = {
    "requested": (requested, ["bob", "carol"]),
    "revision": (revision, ["carol", "dave"]),
    "stage": (stage, ["carol"]),
    "escalated": (escalated, ["dave"]),
    "reminder": (reminder, ["carol"]),
    "closed": (approved, ["carol"]),
    "approved": (approved, ["alice"]),
    "rejected": (rejected, ["alice"]),
    "answered": (answered, ["alice"]),
    "expired": (expired, ["alice"]),
    "cancelled": (cancelled, ["alice"]),
    "revoked": (revoked, ["alice"]),
    "comment": (comment, ["alice", "carol"]),
    "failed": (failed, ["bob"]),
    "info": (info, ["bob", "carol"]),
    "unsatisfiable": (unsatisfiable, ["root"]),
    "uncertain": (uncertain, ["root"]),
    "dead": (dead, ["root"]),
}


def test_every_kind_is_tried() -> None:
    assert KNOWN.keys() == KINDS.keys()


@pytest.mark.parametrize("kind", KNOWN)
def test_each_kind_reaches_exactly_its_people_once(kind: str, world: World, postbox: Postbox) -> None:
    happen, expected = KNOWN[kind]
    happen(world)
    notifications.deliver()
    notifications.deliver()
    assert addressed(postbox, kind) == expected
    numbers = [message_from_bytes(content)["Message-ID"] for _, content in postbox.received]
    assert len(numbers) == len(set(numbers))


def test_all_mails_of_a_pass_go_over_one_connection(world: World, postbox: Postbox) -> None:
    world.asked()
    assert (len(postbox.received), postbox.calls) == (2, 1)
    notifications.deliver()
    assert postbox.calls == 1, "nothing to send, nothing to connect to"


def test_a_worker_killed_after_sending_sends_one_mail_more_and_the_ledger_says_so(
    world: World, postbox: Postbox, monkeypatch: Any
) -> None:
    class Killed(BaseException): ...

    def die(point: str) -> None:
        if point == "after_send":
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(sys.modules["hitl.notifications.deliver"], "crashpoint", die)
        with pytest.raises(Killed):
            world.asked()
    assert [to for to, _ in postbox.received] == [["bob@example.com"]]
    for _ in range(3):
        world.pass_time(timedelta(minutes=6))
        notifications.deliver()
    assert sorted(to[0] for to, _ in postbox.received) == ["bob@example.com"] * 2 + ["carol@example.com"]
    numbers = [message_from_bytes(content)["Message-ID"] for to, content in postbox.received if to[0].startswith("bob")]
    assert numbers[0] == numbers[1], "mail programs show one of them"
    assert Notification.objects.get(recipient=world.bob).attempts == 2


def test_a_server_that_is_away_for_an_hour_delays_nothing_else_and_gets_all_of_it_then(
    world: World, postbox: Postbox, settings: Any
) -> None:
    port, settings.EMAIL_PORT = settings.EMAIL_PORT, free_port()
    approvals = [world.asked() for _ in range(3)]
    world.decide(approvals[0])
    world.work()
    assert postbox.received == []
    for _ in range(30):
        world.pass_time(timedelta(minutes=2))
        notifications.deliver()
    for approval in approvals[1:]:
        assert Approval.objects.get(pk=approval.pk).is_pending
    settings.EMAIL_PORT = port
    for _ in range(40):
        world.pass_time(timedelta(minutes=1))
        notifications.deliver()
    assert addressed(postbox, "requested") == ["bob", "bob", "carol", "carol"], "the third is decided"
    assert addressed(postbox, "approved") == ["alice"]
    assert not Notification.objects.filter(status__in=["pending", "dead"]).exists()


def test_a_server_that_is_away_is_asked_once_a_pass(world: World, settings: Any, monkeypatch: Any) -> None:
    from django.core.mail.backends import smtp

    asked: list[str] = []

    def away(self: Any) -> None:
        asked.append("open")
        raise TimeoutError("no answer")

    monkeypatch.setattr(smtp.EmailBackend, "open", away)
    world.asked()
    assert asked == ["open"]
    errors = Notification.objects.filter(channel="email").values_list("last_error", "attempts")
    assert sorted(errors) == [("TimeoutError: no answer", 1), ("Undelivered: TimeoutError: no answer", 1)]
