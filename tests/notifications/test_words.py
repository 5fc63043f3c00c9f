"""The words of each kind: what leads, what comes next, what stays in the house; and the mails of one request."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core import mail

from hitl import clock, decisions, notifications
from hitl.models import Approval, Notification, Profile, Step
from hitl.notifications.kinds import KINDS


def to(name: str) -> Any:
    """The last mail to somebody, once everything is delivered."""
    notifications.deliver()
    return next(message for message in reversed(mail.outbox) if message.to == [f"{name}@example.com"])


def decided(approval: Approval, actor: Any, verdict: str = "approve", comment: str = "") -> None:
    decisions.decide(approval, actor=actor, verdict=verdict, digest=approval.digest, comment=comment)


def test_who_asked_hears_who_decided_what_and_what_comes_next(waiting: Approval, bob: Any) -> None:
    decided(waiting, bob, "reject", "Not our customer.")
    message = to("alice")
    assert message.subject == "[Refused] Refund 250 to order A-17"
    assert "bob refuses:\n> Not our customer.\n" in message.body
    assert "What was asked for is not done, and the agent is told why." in message.body


def test_a_cool_off_is_said(make: Any, bob: Any) -> None:
    decided(make(cool_off=timedelta(minutes=10)), bob)
    assert "until then it can be taken back." in to("alice").body


def test_silence_that_approves_is_not_called_a_decision(make: Any, pass_time: Any) -> None:
    from hitl.notifications.words import happened

    row = Notification(approval=make(), kind="approved", payload={})
    row.approval.decided_via = "timeout"
    assert happened(row).lead == "Nobody answered in time, and its policy approves it then."


def test_who_was_asked_hears_that_nothing_is_needed(waiting: Approval, bob: Any) -> None:
    notifications.deliver()
    decided(waiting, bob)
    message = to("carol")
    assert message.subject == "[No longer needed] Refund 250 to order A-17"
    assert "It was approved." in message.body
    assert "Nothing is asked of you any more." in message.body


@pytest.mark.parametrize("unit", ["h", "h business"])
def test_reminders_are_counted(unit: str, make: Any, pass_time: Any) -> None:
    remind = [f"{number}{unit}" for number in (1, 2, 3)]
    approval = make(reviewers=None, stages=[{"reviewers": ["user:bob"], "timeout": f"5{unit}", "remind": remind}])
    for number in (1, 2):
        approval.refresh_from_db()
        pass_time(approval.remind_at - clock.now() + timedelta(minutes=1))
        assert decisions.remind_due(approval)
        assert f"Reminder {number} of 3; refused at " in to("bob").body


def test_who_reminds_is_named(waiting: Approval, alice: Any, pass_time: Any) -> None:
    pass_time(timedelta(minutes=20))
    decisions.remind(waiting, actor=alice)
    assert "alice reminds you of it; refused at " in to("bob").body


def test_an_escalation_says_why(make: Any, people: Any, pass_time: Any) -> None:
    people("gina", "managers")
    stage = {"reviewers": ["user:bob"], "timeout": "4h", "escalate": [{"after": "1h", "to": ["group:managers"]}]}
    approval = make(reviewers=None, stages=[stage])
    pass_time(timedelta(minutes=61))
    assert decisions.escalate_due(approval)
    assert "It was escalated. Why: nobody decided yet" in to("gina").body


@pytest.mark.parametrize(("risk", "shown"), [("medium", True), ("high", False)])
def test_who_hands_over_is_named_and_at_high_risk_the_reason_is_on_the_page(
    risk: str, shown: bool, make: Any, bob: Any, people: Any
) -> None:
    decisions.delegate(make(risk=risk), actor=bob, to=people("dave"), reason="I am on leave")
    body = to("dave").body
    assert "bob asks you to decide in their place." in body
    assert ("I am on leave" in body) is shown


def test_a_new_revision_and_the_next_stage_say_so(make: Any, bob: Any, people: Any) -> None:
    people("dave", "finance")
    approval = make(approvals=2)
    decisions.decide(approval, actor=bob, verdict="edit", digest=approval.digest, args={"n": 2})
    message = to("dave")
    assert message.subject.startswith("[New revision][Approval][MEDIUM] Do it – due ")
    assert "Revision 2 replaces what was asked before" in message.body
    stages = [{"reviewers": [f"user:{name}"], "timeout": "4h"} for name in ("bob", "carol")]
    decided(make(reviewers=None, stages=stages), bob)
    assert "Now it is yours to decide: stage 2 of 2." in to("carol").body


@pytest.mark.parametrize(("risk", "shown"), [("low", True), ("critical", False)])
def test_comments_leave_the_house_at_low_risk_only(risk: str, shown: bool, make: Any, bob: Any) -> None:
    approval = make(risk=risk)
    decisions.comment(approval, actor=bob, text="See DE0212, @carol")
    message = to("carol")
    whole = message.body + message.alternatives[0][0]
    assert "bob commented on it." in whole
    assert ("DE0212" in whole) is shown
    assert ("is shown on its page only" in whole) is not shown


def test_at_high_risk_a_verdict_is_told_without_its_comment(make: Any, bob: Any) -> None:
    decided(make(risk="high"), bob, "reject", "DE0212 is wrong")
    message = to("alice")
    assert "bob refuses" in message.body
    assert "DE0212" not in message.body + message.alternatives[0][0]


def test_a_failure_names_the_step_and_its_code(waiting: Approval, bob: Any) -> None:
    step = Step.objects.filter(run=waiting.run, name="pay").first()
    Step.objects.filter(pk=step.pk).update(failure_code="handler_failed")
    from hitl.notifications.messages import message

    words = message(Notification(run=waiting.run, recipient=bob, kind="failed", payload={"step": "pay"}), link="x")
    assert words.subject == "[Failed] Refund an order: pay"
    assert "Error code: handler_failed" in words.text


@pytest.mark.parametrize(
    ("kind", "page"),
    [
        ("uncertain", "/review/runs/"),
        ("dead", "/admin/hitl/notification/?status__exact=dead"),
        ("unsatisfiable", "/r/"),
    ],
)
def test_operators_are_led_to_where_they_can_help(kind: str, page: str, waiting: Approval, root: Any) -> None:
    from hitl.notifications.links import link_of

    row = Notification(approval=None if kind == "uncertain" else waiting, run=waiting.run, recipient=root, kind=kind)
    assert link_of(row).startswith(f"http://127.0.0.1:8000{page}")


def test_mails_come_in_the_readers_language_and_time_zone(waiting: Approval, bob: Any) -> None:
    Profile.objects.create(user=bob, language="de", time_zone="Asia/Kolkata")
    german, english = to("bob"), to("carol")
    assert german.subject.startswith("[Freigabe][MITTEL] Refund 250 to order A-17 – fällig ")
    assert german.subject.endswith(f"{waiting.expires_at + timedelta(hours=5, minutes=30):%H:%M} IST")
    assert "Wenn niemand antwortet, wird es abgelehnt." in german.body
    assert '<html lang="de">' in german.alternatives[0][0]
    assert english.subject.endswith(f"{waiting.expires_at:%H:%M} UTC")


def test_mails_about_one_request_stand_together_also_over_its_revisions(make: Any, bob: Any, people: Any) -> None:
    people("dave", "finance")
    approval = make(approvals=2)
    root = to("dave").message()
    decisions.comment(approval, actor=bob, text="Look, @dave")
    comment = to("dave").message()
    decisions.decide(approval, actor=bob, verdict="edit", digest=approval.digest, args={"n": 2})
    revision = to("dave").message()
    assert root["References"] is None
    for message in (comment, revision):
        assert message["References"] == message["In-Reply-To"] == root["Message-ID"]
    make()
    assert to("dave").message()["References"] is None, "another request is another thread"


@pytest.mark.parametrize("kind", KINDS)
def test_what_may_be_turned_off_says_where(kind: str, waiting: Approval, bob: Any) -> None:
    from hitl.notifications.channels import email

    row = Notification(approval=waiting, run=waiting.run, recipient=bob, kind=kind, payload={"step": "pay"})
    email.send(row)
    message = mail.outbox[-1]
    one_click = message.message()["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert one_click is ("/u/" in message.body) is ("/u/" in message.alternatives[0][0]) is not KINDS[kind].needed
    assert message.body.count("/r/") == (0 if kind == "dead" else 1)
