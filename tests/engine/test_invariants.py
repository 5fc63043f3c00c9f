"""Every invariant can fail: rows are changed behind the engine's back, and the rule says which."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F

from hitl import SYSTEM, Workflow, audit, decisions, invariants
from hitl.invariants import RULES, Violation, check
from hitl.models import Approval, Assignment, Decision, Notification, Run, Signal, Step

pytestmark = pytest.mark.django_db


@pytest.fixture
def house(refund: Any, alice: Any, bob: Any, carol: Any, work: Any) -> Any:
    """A finished run, one that waits for people, and one that has taken a signal and waits for another."""
    done = refund.start(requester=alice)
    work()
    approval = Approval.objects.get(run=done)
    decisions.decide(approval, actor=bob, verdict="edit", digest=approval.digest, args={"order_id": "B", "amount": 1})
    work()
    refund.start(requester=alice)
    flow = Workflow("inv-signals")
    flow.step(lambda ctx: [ctx.wait_for_signal("a"), ctx.wait_for_signal("b", from_="people")], name="s")
    run = flow.start(requester=alice)
    work()
    from hitl import engine

    engine.signal(run, "a", 1, sender=SYSTEM)
    work()
    assert check() == []
    return approval


def asked() -> Any:
    return Approval.objects.filter(status="pending")


def at_work() -> Any:
    return Step.objects.filter(name="s")


def spoil(rows: Any, **fields: Any) -> None:
    assert rows.update(**fields) > 0


WAYS: list[tuple[str, str, Callable[[], None]]] = [
    (
        "I2",
        "used up no approval of review",
        lambda: spoil(Approval.objects.filter(status="approved"), consumed_by=Step.objects.filter(name="draft")[0]),
    ),
    ("I3", "not that of what was proposed", lambda: spoil(asked(), digest="0" * 64)),
    (
        "I3",
        "not that of what was approved",
        lambda: spoil(Approval.objects.exclude(effective_digest=""), effective_digest="0" * 64),
    ),
    ("I3", "other bytes", lambda: spoil(Decision.objects, digest="0" * 64)),
    ("I4", "votes of stage 1 do not say so", lambda: spoil(Decision.objects, verdict="reject")),
    ("I4", "counts twice", lambda: vote_again()),
    ("I15", "who does not see it", lambda: spoil(waiting_rows(), due_at=None)),
    ("I15", "is still shown", lambda: spoil(closed_rows(), due_at=expiry())),
    ("I4", "could not", lambda: spoil(Decision.objects, actor=asked()[0].requester)),
    ("I6", "its timeline says otherwise", lambda: spoil(Run.objects.filter(status="succeeded"), status="failed")),
    ("I6", "its timeline says nothing", lambda: close_quietly()),
    ("I6", "goes on after its end", lambda: go_on()),
    ("I8", "which nobody will bring", lambda: close_quietly()),
    ("I8", "none of its steps", lambda: spoil(at_work(), status="cancelled", wake_at=None)),
    ("I8", "ready at no time", lambda: spoil(at_work(), status="ready", ready_at=None)),
    ("I8", "in a run that has ended", lambda: spoil(Step.objects.filter(name="pay"), status="ready")),
    ("I9", "the head says", lambda: spoil(Run.objects.filter(status="waiting"), audit_seq=99)),
    (
        "I9",
        "stands 1 times, not 0",
        lambda: spoil(Approval.objects.filter(status="approved"), consumed_at=None, consumed_by=None),
    ),
    ("I9", "signals are stored", lambda: send(late=True)),
    ("I10", "the time was over", lambda: spoil(Decision.objects, decided_at=expiry())),
    ("I11", "2 signals a were taken by 1 waits", lambda: take_again()),
    ("I11", "which lies there", lambda: send(name="b", sender_kind="user")),
    ("I12", "never be tried", lambda: spoil(Notification.objects, next_attempt_at=None)),
    ("I12", "at no time", lambda: spoil(Notification.objects, status="sent")),
    ("I12", "nobody is told", lambda: Notification.objects.all().delete()),
    ("I13", "after its request had closed", lambda: spoil(Decision.objects, decided_at=expiry() - timedelta(hours=1))),
]


def close_quietly() -> None:
    spoil(asked(), status="expired", decided_at=F("opened_at"))


def go_on() -> None:
    from hitl.audit import Entry
    from hitl.models import sql

    run = Run.objects.get(status="succeeded")
    entry = Entry("hitl.step.started", SYSTEM, "step:pay", {})
    records, seq, head = audit.seal(run.stream, run.audit_seq, bytes(run.audit_hash), sql.database_clock(), [entry])
    sql.write(records, [])
    Run.objects.filter(pk=run.pk).update(audit_seq=seq, audit_hash=head)


def send(name: str = "x", sender_kind: str = "system", **fields: Any) -> None:
    at = Signal.objects.all()[0].sent_at
    Signal.objects.create(run=Signal.objects.all()[0].run, name=name, sender_kind=sender_kind, sent_at=at, **fields)


def take_again() -> None:
    first = Signal.objects.get()
    send(name="a", consumed_by=first.consumed_by, consumed_at=first.consumed_at)


def vote_again() -> None:
    """The same person in somebody else's place."""
    old = Decision.objects.get()
    Decision.objects.create(
        approval=old.approval, stage=1, actor=old.actor, verdict="approve", digest=old.digest, channel="api",
        decided_at=old.decided_at,
    )  # fmt: skip


def waiting_rows() -> Any:
    return Assignment.objects.filter(approval__status="pending")


def closed_rows() -> Any:
    return Assignment.objects.exclude(approval__status="pending")


def expiry() -> Any:
    return Decision.objects.get().approval.expires_at


@pytest.mark.parametrize(("rule", "words", "way"), WAYS, ids=[f"{rule} {words}" for rule, words, _ in WAYS])
def test_what_breaks_a_rule_is_found(rule: str, words: str, way: Callable[[], None], house: Any) -> None:
    way()
    found = [violation for violation in check() if violation.rule == rule]
    assert any(words in violation.what for violation in found), check()
    assert str(found[0]).startswith(f"{rule}: ")


def test_every_rule_was_broken_above() -> None:
    assert {rule for rule, _, _ in WAYS} == RULES.keys()


def test_the_fixture_of_the_suite_asks_them_all(monkeypatch: pytest.MonkeyPatch, pytestconfig: Any) -> None:
    from tests import conftest

    monkeypatch.setattr(invariants, "check", lambda: [Violation("I0", "here", "wrong")])
    asking = conftest.whole_house.__wrapped__(None)
    next(asking)
    with pytest.raises(AssertionError, match="I0: here: wrong"):
        next(asking)
