"""Questions and news by mail: what they say, who gets them, and that news asks nothing of anybody."""

from __future__ import annotations

from email import message_from_bytes, policy
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core import mail

from hitl import Action, Workflow, notifications
from hitl.models import Notification, ReviewLink, Run
from tests.rows import nothing_written

HOSTILE = 'Pay\r\nBcc: eve@example.com <b>"\'&{{ link }}{% now "Y" %}\u202egpj'


@pytest.fixture
def ask(alice: Any, bob: Any, carol: Any, work: Any) -> Any:
    """A question of a run that waits."""

    def build(question: str, **options: Any) -> None:
        flow = Workflow("asks", title="Asking <things>")
        given = {"reviewers": ["group:finance"], **options}
        flow.step(lambda ctx: ctx.ask("q", question, **given), name="think")
        flow.start(requester=alice)
        work()

    return build


@pytest.fixture
def tell(alice: Any, bob: Any, carol: Any, work: Any) -> Any:
    """A run that tells people and goes on."""

    def build(*reviewers: str, name: str = "news", title: str = "Deployed", **words: Any) -> Run:
        flow = Workflow("tells", title="Telling")

        @flow.step
        def say(ctx: Any) -> str:
            action = Action({"secret": "s3"}, type="deploy", title=title, **{"impact": "Version 2 is live", **words})
            ctx.notify(name, action, reviewers=list(reviewers or ["group:finance"]))
            return "went on"

        run = flow.start(requester=alice)
        work()
        return Run.objects.get(pk=run.pk)

    return build


def told() -> list[str]:
    return sorted(address for message in mail.outbox for address in message.to)


def test_a_question_says_so_and_leads_to_its_page(ask: Any, bob: Any) -> None:
    ask("Which colour?\nRed or blue", options=["red", "blue"])
    notifications.deliver()
    message = next(m for m in mail.outbox if m.to == ["bob@example.com"])
    assert message.subject.startswith("[Question] Which colour? Red or blue – due ")
    for words in ("Written by the agent, not verified:\n> Which colour?\n> Red or blue", "Answer: http://", "closed"):
        assert words in message.body
    assert "refused" not in message.body
    assert "Asking &lt;things&gt;" in message.alternatives[0][0]
    assert message.alternatives[0][0].count("http") == 1
    assert ReviewLink.objects.count() == 2


@pytest.mark.parametrize("risk", ["high", "critical"])
def test_at_high_risk_the_question_does_not_leave_the_house(risk: str, ask: Any) -> None:
    ask("Is DE0212 right?", risk=risk)
    notifications.deliver()
    for message in mail.outbox:
        assert "DE0212" not in message.message().as_string() + message.alternatives[0][0]
        assert message.subject.startswith(f"[Question][{risk.upper()}] Asking <things> asks – due ")


def test_hostile_words_of_a_question_are_text(ask: Any) -> None:
    ask(HOSTILE)
    notifications.deliver()
    message = message_from_bytes(mail.outbox[0].message().as_bytes(), policy=policy.default)
    assert message["Bcc"] is None
    assert "⟦U+202E⟧gpj" in message["Subject"]
    assert "&lt;b&gt;&quot;" in mail.outbox[0].alternatives[0][0]
    assert "{{ link }}" in mail.outbox[0].body


def test_news_reach_each_reviewer_once_and_ask_nothing(tell: Any, bob: Any) -> None:
    bob.groups.add(Group.objects.create(name="managers"))
    run = tell("group:finance", "group:managers", "user:bob", description="All <fine>")
    assert (run.status, run.output) == ("succeeded", "went on")
    assert notifications.deliver() == 1
    assert told() == ["bob@example.com", "carol@example.com"]
    message = mail.outbox[0]
    assert message.subject == "[For information] Deployed"
    for words in ("Consequence: Version 2 is live", "Workflow: Telling", "All <fine>", "Nothing is asked of you."):
        assert words in message.body
    assert "All &lt;fine&gt;" in message.alternatives[0][0]
    assert message.body.count("http") == message.body.count("/u/") == 1, "only where one turns such news off"
    assert message.alternatives[0][0].count("http") == 1
    assert "s3" not in message.body
    assert message.message()["References"] == f"<run-{run.pk}@127.0.0.1>"
    assert not ReviewLink.objects.exists()
    assert set(Notification.objects.values_list("status", flat=True)) == {"sent"}
    with nothing_written():
        assert notifications.deliver() == 0


def test_a_long_name_of_news_has_room_for_the_people(tell: Any) -> None:
    tell(name="n" * 180)
    notifications.deliver()
    assert told() == ["bob@example.com", "carol@example.com"]


def test_news_are_dropped_where_nobody_has_an_address(tell: Any, bob: Any, carol: Any) -> None:
    for person in (bob, carol):
        person.email = ""
        person.save()
    tell()
    notifications.deliver()
    rows = Notification.objects.exclude(recipient=None).values_list("status", "last_error")
    assert list(rows) == [("dropped", "this person has no mail address")] * 2
    assert mail.outbox == []


def test_one_without_an_address_keeps_no_one_else_from_the_news(tell: Any, bob: Any) -> None:
    bob.email = ""
    bob.save()
    tell()
    notifications.deliver()
    assert told() == ["carol@example.com"]
    assert Notification.objects.get(recipient=bob).status == "dropped"


def test_the_deactivated_get_no_news(tell: Any, bob: Any) -> None:
    bob.is_active = False
    bob.save()
    tell()
    notifications.deliver()
    assert told() == ["carol@example.com"]


def test_a_name_that_nobody_has_is_tried_again_until_it_is_corrected(tell: Any, pass_time: Any) -> None:
    from datetime import timedelta

    tell("group:finance", "group:nowhere")
    assert notifications.deliver() == 0
    row = Notification.objects.get()
    assert (row.status, row.attempts) == ("pending", 1)
    assert "group:nowhere" in row.last_error
    Group.objects.create(name="nowhere")
    pass_time(timedelta(minutes=5))
    assert notifications.deliver() == 1
    assert told() == ["bob@example.com", "carol@example.com"]


def test_hostile_words_of_news_are_text(tell: Any) -> None:
    tell(title=HOSTILE, impact=HOSTILE, description=HOSTILE)
    notifications.deliver()
    message = message_from_bytes(mail.outbox[0].message().as_bytes(), policy=policy.default)
    assert message["Bcc"] is None
    html = mail.outbox[0].alternatives[0][0]
    assert "⟦U+202E⟧gpj" in html
    assert "&lt;b&gt;" in html
