"""The inbox: each person's own, in the order in which it is due, at a constant price."""

from __future__ import annotations

import html
import re
from base64 import urlsafe_b64encode
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from hitl import clock, decisions
from hitl.models import Approval, Assignment
from tests.admin.conftest import INBOX, browse, decide, page_of
from tests.conftest import _user
from tests.rows import nothing_written


def listed(who: Any, **query: Any) -> list[str]:
    """The ids on the page, in their order."""
    response = browse(who).get(INBOX, query)
    assert response.status_code == 200
    return rows_of(response.content.decode())


def rows_of(text: str) -> list[str]:
    """The ids of the rows of a page."""
    return re.findall(r'class="go" href="/review/hitl/approval/([0-9a-f-]{36})/"', text)


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


@pytest.mark.parametrize("after", ["0", "-1", "x" * 9999, "\0", "AAAA", "MjAyNi0wMS0wMSB4", "MDAwMS0wMS0wMSBh"])
def test_a_page_that_is_not_there_is_the_first_one(after: str, waiting: Approval, bob: Any) -> None:
    assert listed(bob, after=after) == [str(waiting.pk)]
    assert listed(bob, view="all", after=after) == [str(waiting.pk)]


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-01-01"])
def test_a_cursor_of_another_time_does_no_harm(at: str, waiting: Approval, bob: Any) -> None:
    after = urlsafe_b64encode(f"{at} {waiting.pk}".encode()).decode()
    for view in ("me", "claimed", "all"):
        assert browse(bob).get(INBOX, {"view": view, "after": after}).status_code == 200


@pytest.mark.parametrize(
    ("view", "words"),
    [
        ("me", "Nothing waits for you"),
        ("claimed", "What you claim stays here"),
        ("escalated", "Requests that others did not decide in time"),
        ("delegated", "Requests that somebody handed over to you"),
        ("asked", "Requests of runs you start appear here"),
        ("decided", "What you decide is kept here"),
        ("all", "You see what you asked for"),
    ],
)
def test_an_empty_view_says_why(view: str, words: str, mallory: Any) -> None:
    assert words in browse(mallory).get(INBOX, {"view": view}).content.decode()


def test_what_is_due_soonest_comes_first(make: Any, bob: Any) -> None:
    hours = {"late": 9, "middle": 4, "soon": 1}
    made = {name: make(timeout=timedelta(hours=number)) for name, number in hours.items()}
    assert listed(bob) == [str(made[name].pk) for name in ("soon", "middle", "late")]


def test_a_row_says_what_matters(waiting: Approval, bob: Any) -> None:
    text = browse(bob).get(INBOX).content.decode()
    for words in (
        '<b class="">3 h 59 min</b>',
        f'refused at <time datetime="{waiting.expires_at.isoformat()}">{waiting.expires_at:%H:%M}'
        if waiting.expires_at.date() == clock.now().date()
        else "refused at ",
        '<span class="chip medium">Medium</span>',
        f'<a class="primary" href="{page_of(waiting)}">Review next</a>',
        "Refund 250 to order A-17",
        "Money leaves at once · cannot be undone · Refund an order",
        "alice",
        "0 of 1 approval<",
        "1 request ",
    ):
        assert words in text


def test_hostile_words_of_an_agent_are_text(make: Any, bob: Any) -> None:
    make(title="<script>alert(1)</script>\u202e", impact='"><img src=x>')
    text = browse(bob).get(INBOX).content.decode()
    assert "<script>" not in text
    assert "<img" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;<span" in text


def pages(who: Any, view: str) -> list[list[str]]:
    """The ids of every page of a view, walked by its own links."""
    client, address, found = browse(who), f"{INBOX}?view={view}", []
    while address:
        text = client.get(address).content.decode()
        found.append(rows_of(text))
        link = re.search(r'href="([^"]*)">Next ›', text)
        address = INBOX + html.unescape(link[1]) if link else ""
    return found


@pytest.mark.parametrize("view", ["me", "all", "escalated"])
def test_many_requests_are_spread_over_pages(view: str, refund: Any, alice: Any, bob: Any, work: Any) -> None:
    for _ in range(51):
        refund.start(requester=alice)
    work()
    Assignment.objects.update(source="escalation")
    # Of the same deadline, so that the id has to tell them apart.
    same = Approval.objects.order_by("pk")[0].expires_at
    Approval.objects.update(expires_at=same)
    Assignment.objects.update(due_at=same)
    first, second = pages(bob, view)
    assert (len(first), len(second), len({*first, *second})) == (50, 1, 51)
    assert "51 requests" in browse(bob).get(INBOX, {"view": view}).content.decode()


def test_the_page_after_the_last_one_says_so(waiting: Approval, bob: Any) -> None:
    after = urlsafe_b64encode(f"{waiting.expires_at.isoformat()} {waiting.pk}".encode()).decode()
    assert "That was all" in browse(bob).get(INBOX, {"after": after}).content.decode()


def test_the_price_does_not_depend_on_the_number_of_rows(
    refund: Any, alice: Any, bob: Any, carol: Any, work: Any
) -> None:
    client, prices = browse(bob), {}
    views = ("me", "claimed", "escalated", "delegated", "asked", "decided", "all")
    for view in views:
        client.get(INBOX, {"view": view})
    for number in (10, 190):
        for _ in range(number):
            refund.start(requester=alice)
        work()
        held = {"claimed_by": bob, "claimed_until": clock.now() + timedelta(minutes=15)}
        Approval.objects.update(**held)
        Assignment.objects.update(source="escalation")
        for view in views:
            with CaptureQueriesContext(connection) as queries:
                text = client.get(INBOX, {"view": view}).content.decode()
            prices.setdefault(view, []).append(len(queries))
            assert view in ("delegated", "asked", "decided") or text.count("claimed by bob") == min(50, number)
    assert {view: len(set(price)) for view, price in prices.items()} == dict.fromkeys(views, 1)
    assert max(max(price) for price in prices.values()) <= 12


def test_each_act_brings_a_request_to_its_view(make: Any, alice: Any, bob: Any, carol: Any, root: Any) -> None:
    dave = _user("dave")
    approval = make()
    assert [listed(bob, view=view) for view in ("claimed", "escalated", "delegated")] == [[], [], []]
    decisions.claim(approval, actor=bob)
    assert listed(bob, view="claimed") == [str(approval.pk)]
    decisions.delegate(approval, actor=bob, to=dave)
    assert listed(dave, view="delegated") == listed(dave) == [str(approval.pk)]
    assert (listed(dave, view="claimed"), listed(dave, view="escalated")) == ([], [])
    erin = _user("erin")
    decisions.assign(approval, actor=root, to=erin, reason="bob is away")
    assert listed(erin, view="escalated") == listed(erin) == [str(approval.pk)]


def test_a_row_says_how_far_it_is(make: Any, bob: Any, carol: Any, root: Any) -> None:
    stages = [{"reviewers": ["group:finance"], "approvals": 2}, {"reviewers": ["user:root"]}]
    approval = make(stages=stages)
    decide(browse(carol), approval)
    decisions.claim(approval, actor=bob)
    text = browse(bob).get(INBOX).content.decode()
    assert "Stage 1 of 2 · 1 of 2<" in text
    assert "claimed by bob" in text
    Approval.objects.update(unsatisfiable=True)
    assert "too few people left" in browse(bob).get(INBOX).content.decode()


def test_looking_changes_nothing(waiting: Approval, bob: Any) -> None:
    client = browse(bob)
    with nothing_written():
        for view in ("me", "claimed", "escalated", "delegated", "asked", "decided", "all"):
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
