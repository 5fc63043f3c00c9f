"""Several requests at once: each looked at by itself, decided by itself, and told by itself."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from hitl.models import Approval, Decision
from hitl.models.audit import AuditRecord
from tests.admin.conftest import INBOX, browse, decide, page_of, post
from tests.rows import nothing_written

BULK = f"{INBOX}bulk/"


def look(who: Any, *approvals: Any, verdict: str = "approve") -> str:
    """The pre-flight page, for a person or in their browser."""
    ids = [getattr(approval, "pk", approval) for approval in approvals]
    response = (who if isinstance(who, Client) else browse(who)).get(BULK, {"id": ids, "verdict": verdict})
    assert response.status_code == 200
    return str(response.content.decode())


def hidden(text: str) -> dict[str, Any]:
    """What the form of the pre-flight page carries, and the number of rows where it wants it typed."""
    pairs = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]+)">', text)
    found: dict[str, Any] = {"id": [value for name, value in pairs if name == "id"]}
    found |= {name: value for name, value in pairs if name not in ("id", "csrfmiddlewaretoken")}
    return found | ({"count": len(found["id"])} if 'name="count"' in text else {})


def status(approval: Approval) -> str:
    return Approval.objects.get(pk=approval.pk).status


@pytest.fixture
def three(make: Any) -> list[Approval]:
    """Three of one kind."""
    return [make({"n": number}, title=f"Do number {number}") for number in range(3)]


def test_the_inbox_lets_choose_what_can_be_decided_together(three: list[Approval], bob: Any) -> None:
    text = browse(bob).get(INBOX).content.decode()
    assert f'<form id="together" class="together" method="get" action="{BULK}">' in text
    for approval in three:
        assert f'<input type="checkbox" form="together" name="id" value="{approval.pk}">' in text
    assert 'type="checkbox"' not in browse(bob).get(INBOX, {"view": "all"}).content.decode()


def test_looking_first_changes_nothing_and_shows_what_would_run(three: list[Approval], bob: Any) -> None:
    client = browse(bob)
    with nothing_written():
        text = look(client, *three)
    assert "3 of 3 can be approved together. Nothing is recorded yet." in text
    assert "Approve these 3" in text
    for number, approval in enumerate(three):
        assert f"Do number {number}" in text
        assert f"<pre>{number}</pre>" in text
        assert f'name="digest-{approval.pk}" value="{approval.digest}"' in text


def test_approving_together(three: list[Approval], bob: Any, work: Any) -> None:
    fields = hidden(look(bob, *three))
    response = post(browse(bob), BULK, {**fields, "comment": "all fine"})
    assert response.status_code == 200
    text = response.content.decode()
    assert "3 of 3 recorded" in text
    assert text.count("Recorded: approved.") == 3
    rows = list(Decision.objects.all())
    assert {(row.actor, row.verdict, row.comment, row.channel) for row in rows} == {
        (bob, "approve", "all fine", "admin")
    }
    assert {row.digest for row in rows} == {approval.digest for approval in three}


def test_rejecting_together_needs_the_comment_that_one_would_need(three: list[Approval], bob: Any) -> None:
    text = look(bob, *three, verdict="reject")
    assert "Reject these 3" in text
    assert "needed, for all of them" in text
    client = browse(bob)
    with nothing_written():
        response = post(client, BULK, {**hidden(text), "comment": "  "})
    assert response.status_code == 422
    assert 'href="#id_comment">Say why' in response.content.decode()
    text = post(browse(bob), BULK, {**hidden(text), "comment": "not now"}).content.decode()
    assert text.count("Recorded: rejected.") == 3
    assert {status(approval) for approval in three} == {"rejected"}


@pytest.mark.parametrize("typed", ["", "2", "4", "three", "³"])
def test_medium_risk_is_counted_by_hand(typed: str, three: list[Approval], bob: Any) -> None:
    text = look(bob, *three)
    assert "Type 3 to confirm" in text
    client = browse(bob)
    with nothing_written():
        response = post(client, BULK, {**hidden(text), "count": typed})
    assert response.status_code == 422
    assert 'href="#id_count">Type how many there are' in response.content.decode()


def test_low_risk_and_one_alone_are_not_counted(make: Any, three: list[Approval], bob: Any) -> None:
    low = [make(risk="low", reversible=True), make(risk="low", reversible=True)]
    assert 'name="count"' not in look(bob, *low)
    assert 'name="count"' not in look(bob, three[0])


def test_each_has_its_own_possibility_and_reason(make: Any, alice: Any, bob: Any, carol: Any) -> None:
    fine, voted = make(), make(approvals=2)
    decide(browse(bob), voted)
    others = {
        "Its risk is too high": make(risk="high"),
        "You have voted already": voted,
        "asked for this; somebody else has to decide": make(requester=bob),
        "It wants a phrase typed": make(level="verify", phrase="DO it"),
        "Enter your password again first": make(step_up={"medium": "password"}),
    }
    foreign = make(reviewers=["user:alice"], requester=carol)
    client = browse(bob)
    with nothing_written():
        text = look(client, fine, *others.values(), foreign)
    for words, approval in others.items():
        part = text.split(page_of(approval), 1)[1].split("</li>", 1)[0]
        assert re.search(rf'class="error">Not with the others: [^<]*{words}', part)
    assert f'"{page_of(foreign)}"' not in text
    assert "There is no such request that you may see." in text
    assert hidden(text)["id"] == [str(fine.pk)]
    assert "Approve this one" in text


def test_what_is_refused_is_not_decided_even_when_it_is_sent(make: Any, bob: Any) -> None:
    fine, high = make(), make(risk="high")
    body = {"id": [fine.pk, high.pk], "verdict": "approve"}
    body |= {f"digest-{row.pk}": row.digest for row in (fine, high)}
    text = post(browse(bob), BULK, body).content.decode()
    assert "1 of 2 recorded" in text
    assert "Not recorded: Its risk is too high" in text
    assert (status(fine), status(high)) == ("approved", "pending")


def test_one_that_was_not_seen_as_it_is_does_not_hold_up_the_others(three: list[Approval], bob: Any) -> None:
    fields = hidden(look(bob, *three))
    fields[f"digest-{three[0].pk}"] = "0" * 64
    del fields[f"digest-{three[1].pk}"]
    text = post(browse(bob), BULK, fields).content.decode()
    assert "1 of 3 recorded" in text
    assert text.count("what you saw is not what would be decided") == 2
    assert [status(approval) for approval in three] == ["pending", "pending", "approved"]


def test_one_that_somebody_else_decided_meanwhile_is_told(three: list[Approval], bob: Any, carol: Any) -> None:
    fields = hidden(look(bob, *three))
    decide(browse(carol), three[0], "reject", comment="no")
    text = post(browse(bob), BULK, fields).content.decode()
    assert "2 of 3 recorded" in text
    assert "Not recorded: this was rejected already" in text
    assert status(three[0]) == "rejected"


def test_none_that_can_be_decided_leaves_no_button(make: Any, bob: Any) -> None:
    text = look(bob, make(risk="critical"))
    assert "None of them can be approved here." in text
    assert "Approve these" not in text
    assert 'name="comment"' not in text


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"id": "nonsense"},
        {"id": ""},
        {"id": "01a1f863-9e38-7d5f-9cba-8408e9377f0d", "verdict": "edit"},
    ],
    ids=range(4),
)
def test_what_cannot_be_looked_at_leads_back(query: Any, bob: Any) -> None:
    client = browse(bob)
    for response in (
        client.get(BULK, query, follow=True),
        client.post(BULK, {**query, "csrfmiddlewaretoken": "c" * 32}, follow=True),
    ):
        assert response.redirect_chain[-1][0] == INBOX
        assert "Nothing was decided" in response.content.decode()
    assert not AuditRecord.objects.filter(action="hitl.decision.refused").exists()


def test_more_than_fifty_are_too_many(bob: Any) -> None:
    ids = [f"01a1f863-9e38-7d5f-9cba-8408e93{number:05d}" for number in range(51)]
    assert "1 to 50 requests" in browse(bob).get(BULK, {"id": ids}, follow=True).content.decode()


def test_an_outsider_sees_and_decides_nothing(three: list[Approval], mallory: Any) -> None:
    client = browse(mallory)
    with nothing_written():
        text = look(client, *three)
        assert "Do number" not in text
        body = {"id": [row.pk for row in three], "verdict": "approve"}
        body |= {f"digest-{row.pk}": row.digest for row in three}
        assert "0 of 3 recorded" in post(client, BULK, body).content.decode()


def test_without_the_csrf_token_nothing_happens(three: list[Approval], bob: Any) -> None:
    client = browse(bob)
    with nothing_written():
        body = {"id": [row.pk for row in three], "verdict": "approve"}
        assert client.post(BULK, body).status_code == 403


def test_a_second_click_decides_nothing_twice(three: list[Approval], bob: Any) -> None:
    fields = hidden(look(bob, *three))
    client = browse(bob)
    post(client, BULK, fields)
    with nothing_written():
        text = post(client, BULK, fields).content.decode()
    assert "3 of 3 recorded" in text
