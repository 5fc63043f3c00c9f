"""The inbox: each person's own, in the order in which it is due, at a constant price."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from hitl.models import Approval
from tests.admin.conftest import INBOX, browse, decide, page_of
from tests.rows import nothing_written


def listed(who: Any, **query: Any) -> list[str]:
    """The ids on the page, in their order."""
    response = browse(who).get(INBOX, query)
    assert response.status_code == 200
    return re.findall(r'href="/review/hitl/approval/([0-9a-f-]{36})/"', response.content.decode())


def test_each_view_shows_its_own(waiting: Approval, alice: Any, bob: Any, carol: Any, mallory: Any, root: Any) -> None:
    one = [str(waiting.pk)]
    assert listed(bob) == listed(carol) == listed(bob, view="me") == one
    assert listed(alice) == listed(mallory) == listed(root) == []
    assert listed(alice, view="asked") == one
    assert listed(bob, view="asked") == listed(bob, view="decided") == []
    assert listed(alice, view="all") == listed(bob, view="all") == listed(root, view="all") == one
    assert listed(mallory, view="all") == []
    decide(browse(bob), waiting)
    assert listed(bob) == listed(carol) == []
    assert listed(bob, view="decided") == one
    assert listed(carol, view="decided") == []


@pytest.mark.parametrize("view", ["nonsense", "", "me\0", "<script>"])
def test_an_unknown_view_is_the_first_one(view: str, waiting: Approval, bob: Any) -> None:
    assert listed(bob, view=view) == [str(waiting.pk)]


@pytest.mark.parametrize("page", ["0", "-1", "x", "99999999999999999999999", "2"])
def test_a_page_that_is_not_there_is_the_nearest_one(page: str, waiting: Approval, bob: Any) -> None:
    assert listed(bob, page=page) == [str(waiting.pk)]


@pytest.mark.parametrize(
    ("view", "words"),
    [
        ("me", "Nothing waits for you"),
        ("asked", "Requests of runs you start appear here"),
        ("decided", "What you decide is kept here"),
        ("all", "You see what you asked for"),
    ],
)
def test_an_empty_view_says_why(view: str, words: str, mallory: Any) -> None:
    assert words in browse(mallory).get(INBOX, {"view": view}).content.decode()


def test_what_is_due_soonest_comes_first_then_the_riskier(make: Any, bob: Any) -> None:
    made = {
        name: make(timeout=timedelta(hours=hours), risk=risk)
        for name, hours, risk in [("late", 9, "critical"), ("low", 4, "low"), ("soon", 1, "low"), ("high", 4, "high")]
    }
    Approval.objects.filter(pk=made["high"].pk).update(expires_at=made["low"].expires_at)
    assert listed(bob) == [str(made[name].pk) for name in ("soon", "high", "low", "late")]


def test_a_row_says_what_matters(waiting: Approval, bob: Any) -> None:
    text = browse(bob).get(INBOX).content.decode()
    for words in (
        "in 3\xa0hours, 59\xa0minutes",
        "refused ",
        '<span class="chip medium">Medium</span>',
        "Refund 250 to order A-17",
        "Money leaves at once · cannot be undone · Refund an order",
        "alice",
        "1 approval<",
        "1 request<",
    ):
        assert words in text


def test_hostile_words_of_an_agent_are_text(make: Any, bob: Any) -> None:
    make(title="<script>alert(1)</script>\u202e", impact='"><img src=x>')
    text = browse(bob).get(INBOX).content.decode()
    assert "<script" not in text
    assert "<img" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;⟦U+202E⟧" in text


def test_many_requests_are_spread_over_pages(refund: Any, alice: Any, bob: Any, work: Any) -> None:
    for _ in range(51):
        refund.start(requester=alice)
    work()
    first, second = listed(bob), listed(bob, page=2)
    assert (len(first), len(second), len({*first, *second})) == (50, 1, 51)
    text = browse(bob).get(INBOX, {"view": "all"}).content.decode()
    assert "51 requests" in text
    assert 'href="?view=all&amp;page=2"' in text
    assert "Page 1 of 2" in text


def test_the_price_does_not_depend_on_the_number_of_rows(refund: Any, alice: Any, bob: Any, work: Any) -> None:
    client, prices = browse(bob), {}
    for view in ("me", "all"):
        client.get(INBOX, {"view": view})
    for number in (5, 45):
        for _ in range(number):
            refund.start(requester=alice)
        work()
        for view in ("me", "all"):
            with CaptureQueriesContext(connection) as queries:
                client.get(INBOX, {"view": view})
            prices.setdefault(view, []).append(len(queries))
    assert {len(set(price)) for price in prices.values()} == {1}
    assert max(max(price) for price in prices.values()) <= 7


def test_looking_changes_nothing(waiting: Approval, bob: Any) -> None:
    client = browse(bob)
    with nothing_written():
        for view in ("me", "asked", "decided", "all"):
            client.get(INBOX, {"view": view})
        client.get("/review/", follow=True)


@pytest.mark.parametrize("path", [INBOX, "/review/"])
def test_nobody_is_asked_to_sign_in(path: str, waiting: Approval) -> None:
    response = Client().get(path, follow=True)
    assert response.redirect_chain[-1][0].startswith("/review/login/?next=")
    assert "Refund" not in response.content.decode()


def test_reviewing_needs_no_staff_and_operating_does(waiting: Approval, bob: Any) -> None:
    client = browse(bob)
    assert (bob.is_staff, client.get(INBOX).status_code) == (False, 200)
    assert client.get("/admin/").status_code == 302
    assert "Operate" not in client.get(INBOX).content.decode()


def test_a_deactivated_reviewer_is_out_at_once(waiting: Approval, bob: Any) -> None:
    client = browse(bob)
    bob.is_active = False
    bob.save()
    assert client.get(INBOX).status_code == 302
    assert client.get(page_of(waiting)).status_code == 302


def test_signing_in_and_out(waiting: Approval, bob: Any) -> None:
    bob.set_password("correct horse")
    bob.save()
    client = Client()
    response = client.post("/review/login/", {"username": "bob", "password": "wrong"})
    assert "Please enter a correct" in response.content.decode()
    response = client.post("/review/login/", {"username": "bob", "password": "correct horse"}, follow=True)
    assert response.redirect_chain[-1][0] == INBOX
    assert client.get("/review/logout/").status_code == 405
    assert "You are signed out" in client.post("/review/logout/").content.decode()


@pytest.mark.parametrize("there", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_signing_in_leads_nowhere_else(there: str, bob: Any) -> None:
    bob.set_password("correct horse")
    bob.save()
    response = Client().post("/review/login/", {"username": "bob", "password": "correct horse", "next": there})
    assert response["Location"] == "/review/"
