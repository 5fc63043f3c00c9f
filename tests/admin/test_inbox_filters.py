"""The address of the inbox is the saved view: search, filters with their counts, columns, and counts that stay true."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext

from hitl import clock, decisions
from hitl.admin.inbox import asked, facets, views
from hitl.decisions.inbox import Desk, view, visible
from hitl.models import Approval, Assignment
from hitl.policies import create_key
from hitl.policies.delegations import create_delegation
from tests.admin.conftest import INBOX, browse, decide, page_of, post
from tests.admin.test_inbox import listed, rows_of
from tests.conftest import _user
from tests.rows import nothing_written

COUNTS = "/review/counts/"
VIEWS = ("me", "claimed", "escalated", "delegated", "asked", "decided", "all")


def text_of(who: Any, **query: Any) -> str:
    """The page."""
    return str(browse(who).get(INBOX, query).content.decode())


def counted(text: str, name: str) -> dict[str, str]:
    """The values of one filter with their counts, as its menu shows them."""
    menu = re.search(rf"<summary[^>]*>{name}: .*?</details>", text, re.S)
    assert menu is not None
    pairs = re.findall(r'<a href="[^"]*"[^>]*>([^<]+) <span class="count">([^<]*)</span>', menu[0])
    return {html.unescape(words): count for words, count in pairs}


@pytest.fixture
def mixed(make: Any) -> dict[str, Approval]:
    """Requests that differ in everything one can filter by."""
    made = {
        "soon": make({"n": 1}, title="Soon", risk="low", timeout=timedelta(minutes=10)),
        "later": make(
            {"n": 2}, title="Later", risk="medium", timeout=timedelta(hours=30), type="send", target="ann@b.c"
        ),
        "far": make({"secret": 'say "cheese"'}, title="Far", risk="high", timeout=timedelta(days=20)),
    }
    late = make({"n": 4}, title="Late", risk="medium")
    past = clock.now() - timedelta(minutes=1)
    Approval.objects.filter(pk=late.pk).update(expires_at=past, opened_at=past - timedelta(hours=4))
    Assignment.objects.filter(approval=late).update(due_at=past)
    return made | {"late": late}


def names(mixed: dict[str, Approval], ids: list[str]) -> list[str]:
    by_id = {str(row.pk): name for name, row in mixed.items()}
    return [by_id[one] for one in ids]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["late", "soon", "later", "far"]),
        ({"risk": "medium"}, ["late", "later"]),
        ({"risk": "critical"}, []),
        ({"due": "overdue"}, ["late"]),
        ({"due": "hour"}, ["soon"]),
        ({"due": "week"}, ["soon", "later"]),
        ({"type": "send"}, ["later"]),
        ({"risk": "medium", "due": "week"}, ["later"]),
        ({"q": "LATE"}, ["late", "later"]),
        ({"q": "ann@b.c"}, ["later"]),
        ({"q": 'say "cheese"'}, ["far"]),
        ({"q": "alice"}, ["late", "soon", "later", "far"]),
        ({"q": "100%"}, []),
        ({"q": "late", "risk": "high"}, []),
        ({"risk": "nonsense", "due": "x", "status": "\0", "after": "??"}, ["late", "soon", "later", "far"]),
        ({"workflow": "no\0thing"}, []),
        ({"q": "  "}, ["late", "soon", "later", "far"]),
    ],
)
def test_an_address_says_what_is_listed(query: Any, found: list[str], mixed: Any, bob: Any) -> None:
    assert names(mixed, listed(bob, **query)) == found
    assert sorted(names(mixed, listed(bob, view="all", **query))) == sorted(found)


def test_a_request_is_found_by_its_id_and_its_runs(mixed: Any, bob: Any) -> None:
    far = mixed["far"]
    assert listed(bob, q=str(far.pk)) == listed(bob, q=str(far.run_id)) == [str(far.pk)]
    assert listed(bob, workflow=far.run.workflow.name) == [str(far.pk)]


def test_what_one_may_not_see_is_not_found(mixed: Any, mallory: Any) -> None:
    for name in VIEWS:
        assert listed(mallory, view=name, q=str(mixed["far"].pk)) == []


def test_each_filter_counts_what_it_would_leave(mixed: Any, bob: Any) -> None:
    text = text_of(bob)
    assert counted(text, "Risk") == {"Critical": "0", "High": "1", "Medium": "2", "Low": "1"}
    due = counted(text, "Due")
    assert (due["Overdue"], due["Within an hour"], due["Within a week"]) == ("1", "1", "2")
    assert counted(text, "Action") == {"do": "3", "send": "1"}
    narrowed = text_of(bob, type="send")
    assert counted(narrowed, "Risk") == {"Critical": "0", "High": "0", "Medium": "1", "Low": "0"}
    assert counted(narrowed, "Action") == {"do": "3", "send": "1"}
    assert 'class="on">Action: <b>send</b>' in narrowed


def test_closed_requests_are_filtered_by_how_they_ended(mixed: Any, alice: Any, bob: Any) -> None:
    decide(browse(bob), mixed["soon"])
    text = text_of(alice, view="asked")
    assert counted(text, "Status")["Approved"] == "1"
    assert counted(text, "Decided")["By people"] == "1"
    for query in ({"status": "approved"}, {"via": "human"}):
        assert names(mixed, listed(alice, view="asked", **query)) == ["soon"]
    assert "Status: " not in text_of(bob)


def test_the_title_counts_and_says_what_is_urgent(mixed: Any, bob: Any) -> None:
    text = text_of(bob)
    assert "4 requests · 1 due within 15 minutes" in text
    assert "<title>(4) Awaiting you · hitl</title>" in text
    assert "1 request " in text_of(bob, due="overdue")


def test_more_than_the_bound_is_told_with_a_plus(mixed: Any, bob: Any, monkeypatch: Any) -> None:
    for module in (facets, views):
        monkeypatch.setattr(module, "MOST", 2)
    text = text_of(bob)
    assert "2+ requests" in text
    assert 'data-view="me">2+<' in text
    assert counted(text, "Risk")["Medium"] == "1+"


def test_a_search_stops_where_it_says_and_goes_on(mixed: Any, bob: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(views, "_SCAN", 2)
    for name in ("me", "all"):
        text, found, pages = text_of(bob, view=name, q="far"), [], 0
        while text and pages < 9:
            found += names(mixed, rows_of(text))
            link = re.search(r'href="([^"]*)">Search beyond these 2', text)
            text = browse(bob).get(INBOX + html.unescape(link[1])).content.decode() if link else ""
            pages += 1
        assert (found, pages) == (["far"], 3)


@pytest.mark.parametrize("cols", ["from,state,age,why", "state", "-", "nonsense"])
def test_columns_are_chosen_in_the_address(cols: str, mixed: Any, bob: Any) -> None:
    decisions.claim(mixed["soon"], actor=bob)
    text = text_of(bob, cols=cols)
    for name, words in (("from", "Agent, workflow, run"), ("state", "State"), ("age", "Age"), ("why", "Why you")):
        assert (f'<th scope="col">{words}</th>' in text) == (name in cols.split(","))
    assert text.count("claimed by bob") == 1


def test_on_wide_screens_age_and_reason_come_by_themselves(mixed: Any, bob: Any) -> None:
    assert '<th scope="col" class="wide">Why you</th>' in text_of(bob)


def test_a_row_says_why_it_is_asked_of_me(make: Any, bob: Any, carol: Any, root: Any) -> None:
    dave, erin, fred = _user("dave"), _user("erin"), _user("fred")
    group = make()
    create_delegation(carol, erin, ends_at=clock.now() + timedelta(hours=1), actor=carol)
    said = {}
    for who in (bob, erin):
        said[who.username] = text_of(who, cols="why")
    decisions.delegate(group, actor=bob, to=dave)
    decisions.assign(group, actor=root, to=fred, reason="bob is away")
    make(reviewers=["user:bob"], title="Named")
    assert ">group finance<" in said["bob"]
    assert ">stands in for group finance<" in said["erin"]
    assert ">stands in for bob<" in text_of(dave, cols="why")
    assert ">assigned by an operator<" in text_of(fred, cols="why")
    assert ">by name<" in text_of(bob, cols="why", q="Named")


def test_of_one_deadline_the_riskier_comes_first(make: Any, bob: Any) -> None:
    rows = [make(risk=risk) for risk in ("low", "critical", "medium", "high")]
    at = clock.now() + timedelta(hours=3)
    Approval.objects.update(expires_at=at)
    Assignment.objects.update(due_at=at)
    assert listed(bob) == [str(rows[number].pk) for number in (1, 3, 2, 0)]


def test_a_link_keeps_the_rest_of_the_address(mixed: Any, bob: Any) -> None:
    text = text_of(bob, view="all", q="a", risk="low", cols="age")
    links = [html.unescape(one) for one in re.findall(r'href="(\?[^"]*)"', text)]
    assert "?view=all&q=a&risk=high&cols=age" in links
    assert "?view=all&q=a&cols=age" in links  # any risk
    assert "?view=all&cols=age" in links  # cleared
    assert "?cols=age" in links  # another view
    assert '<input type="hidden" name="risk" value="low">' in text


def test_hostile_words_in_an_address_are_text(bob: Any) -> None:
    text = text_of(bob, q='"><script>alert(1)</script>', workflow="<img src=x>", type="'\"><b>")
    assert "<script>alert" not in text
    assert "<img" not in text


def test_nothing_to_do_says_why(waiting: Approval, bob: Any, mallory: Any) -> None:
    nobody = text_of(mallory)
    assert "you review nothing so far" in nobody
    decide(browse(bob), waiting)
    done = text_of(bob)
    assert "All that you are asked is decided" in done
    assert "<dt>Your groups</dt><dd>finance</dd>" in done
    assert "<dt>Asked in</dt><dd>Refund an order</dd>" in done


def test_before_the_first_request_it_says_so(bob: Any) -> None:
    assert "No workflow and no agent has asked anybody anything yet" in text_of(bob)


def test_nothing_that_fits_leads_back_to_all(waiting: Approval, bob: Any) -> None:
    text = text_of(bob, risk="critical", cols="age")
    assert "Nothing here fits" in text
    assert '<a href="?cols=age">Clear the search and the filters</a>' in text


# -- the views on every door agree, and their walks find what the rule of one row says ---------------------------


def test_the_views_find_what_the_rules_say(
    make: Any, alice: Any, bob: Any, carol: Any, root: Any, mallory: Any, people: Any
) -> None:
    dave, erin = _user("dave"), _user("erin")
    rows = [make(title=f"Number {number}") for number in range(6)]
    rows += [make(requester=bob), make(reviewers=["user:carol"]), make(reviewers=["user:root"], requester=carol)]
    key, _secret = create_key("bot", owner=mallory, scopes=["runs:start"], actor=mallory)
    Approval.objects.filter(pk=rows[0].pk).update(agent_key=key)
    Approval.objects.filter(pk=rows[1].pk).update(on_behalf_of=mallory, edited_by=erin)
    Approval.objects.filter(pk=rows[8].pk).update(supersedes=rows[7].pk)
    create_delegation(bob, erin, ends_at=clock.now() + timedelta(hours=1), actor=bob)
    decisions.claim(rows[2], actor=bob)
    decisions.delegate(rows[3], actor=bob, to=dave)
    decisions.assign(rows[4], actor=root, to=mallory, reason="bob is away")
    decide(browse(carol), rows[5])
    for who in (alice, bob, carol, dave, erin, mallory, root):
        for name in VIEWS[1:]:
            assert listed(who, view=name) == [str(pk) for pk in view(name, who).values_list("pk", flat=True)], name
        assert set(listed(who)) <= {str(pk) for pk in visible(who).values_list("pk", flat=True)}


# -- live counts and the act of a row -----------------------------------------------------------------------------


def test_counts_are_those_of_the_tabs(mixed: Any, bob: Any, alice: Any) -> None:
    decisions.claim(mixed["soon"], actor=bob)
    counts = browse(bob).get(COUNTS).json()["counts"]
    assert counts == {"me": "4", "claimed": "1", "escalated": "", "delegated": "", "asked": ""}
    tabs = dict(re.findall(r'data-view="(\w+)">([^<]*)<', text_of(bob)))
    assert tabs == counts
    assert browse(alice).get(COUNTS).json()["counts"]["asked"] == "4"


@pytest.mark.parametrize(
    ("seen", "words"),
    [("4", ""), ("3", "1 new, show"), ("1", "3 new, show"), ("9", ""), ("x", ""), ("²", ""), ("", "")],
)
def test_what_is_new_is_told_in_words(seen: str, words: str, mixed: Any, bob: Any) -> None:
    assert browse(bob).get(COUNTS, {"seen": seen}).json()["new"] == words


def test_counting_costs_little_and_writes_nothing(mixed: Any, bob: Any, django_user_model: Any) -> None:
    client = browse(bob)
    with nothing_written(), CaptureQueriesContext(connection) as queries:
        assert client.get(COUNTS).status_code == 200
    # Who is signed in (their session, account and preferences), whose places they take, and the counts.
    assert len(queries) <= 5
    assert client.post(COUNTS).status_code in (403, 405)


def test_claiming_a_row_stays_on_the_list(waiting: Approval, bob: Any) -> None:
    text = text_of(bob, risk="medium")
    assert f'form="claim" formaction="/review/claim/{waiting.pk}/"' in text
    [back] = re.findall(r'name="back" value="([^"]*)"', text)
    response = post(browse(bob), f"/review/claim/{waiting.pk}/", {"back": html.unescape(back)})
    assert response["Location"] == f"{INBOX}?risk=medium"
    assert Approval.objects.get().claimed_by == bob
    assert "claim/" not in text_of(bob)
    assert listed(bob, view="claimed") == [str(waiting.pk)]


def test_a_claim_that_is_refused_says_why(waiting: Approval, bob: Any, carol: Any, mallory: Any) -> None:
    decisions.claim(waiting, actor=carol)
    response = browse(bob).post(
        f"/review/claim/{waiting.pk}/", {"csrfmiddlewaretoken": "c" * 32, "back": "https://evil.example"}, follow=True
    )
    assert response.redirect_chain[-1][0].startswith(INBOX)
    assert "Not claimed: " in response.content.decode()
    assert post(browse(mallory), f"/review/claim/{waiting.pk}/", {}).status_code == 404
    assert browse(bob).post(f"/review/claim/{waiting.pk}/").status_code == 403
    assert Approval.objects.get().claimed_by == carol


def test_keys_are_listed_on_the_page(waiting: Approval, bob: Any) -> None:
    text = text_of(bob)
    assert 'data-keys="j:down k:up o:open x:pick c:claim /:search ?:help"' in text
    assert '<dialog id="keys"' in text
    assert page_of(waiting) in text


# -- the price ------------------------------------------------------------------------------------------------------

_QUERIES = [
    {},
    {"q": "refund"},
    {"q": "nothing-has-this"},
    {"risk": "medium", "due": "week", "workflow": "x", "agent": "y", "type": "z"},
    {"status": "pending", "via": "human"},
    {"cols": "from,state,age,why"},
]


@pytest.mark.parametrize("name", VIEWS)
def test_the_price_of_any_address_is_the_same_at_few_and_at_many(
    name: str, refund: Any, alice: Any, bob: Any, carol: Any, work: Any, monkeypatch: Any
) -> None:
    create_delegation(carol, bob, ends_at=clock.now() + timedelta(hours=1), actor=carol)
    client, prices = browse(bob), []
    for number in (5, 60):
        for _ in range(number):
            refund.start(requester=alice)
        work()
        Assignment.objects.update(source="escalation")
        prices.append([price(client, {**query, "view": name}) for query in _QUERIES])
    assert prices[0] == prices[1]
    assert max(prices[0]) <= 12


def price(client: Any, query: dict[str, Any]) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert client.get(INBOX, query).status_code == 200
    return len(queries)


def test_a_desk_of_nobody_is_empty(bob: Any) -> None:
    bob.pk = 10**9
    desk = Desk(bob)
    assert [list(desk.page(name, limit=5)) for name in VIEWS] == [[]] * len(VIEWS)
    assert asked.Asked().address() == "?"
    assert not Group.objects.filter(name="nobody").exists()
