"""Going from one request to the next within the view of the inbox one came from."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from hitl.models import Approval
from tests.admin.conftest import INBOX, browse, decide, page_of, post
from tests.plans import statements


@pytest.fixture
def three(make: Any) -> list[Approval]:
    """Three requests, the one due first in front."""
    return [make(timeout=timedelta(hours=hours), risk=risk) for hours, risk in ((1, "low"), (2, "high"), (3, "low"))]


def gone(who: Any, approval: Approval, way: str, query: str = "") -> str:
    response = browse(who).get(f"{page_of(approval)}{way}/{query}")
    assert response.status_code == 302
    return str(response["Location"])


def test_next_and_previous_follow_the_inbox(three: list[Approval], bob: Any) -> None:
    first, second, third = three
    assert gone(bob, first, "next") == page_of(second)
    assert gone(bob, third, "previous") == page_of(second)
    assert gone(bob, third, "next") == page_of(first)
    assert gone(bob, first, "previous") == INBOX


def test_the_place_and_the_view_go_along(three: list[Approval], bob: Any) -> None:
    first, second, third = three
    assert gone(bob, first, "next", "?view=all&n=1&of=3").startswith(INBOX)
    assert gone(bob, first, "next", "?n=1&of=3") == f"{page_of(second)}?n=2&of=3"
    assert gone(bob, third, "previous", "?n=3&of=3") == f"{page_of(second)}?n=2&of=3"
    text = browse(bob).get(f"{page_of(second)}?n=2&of=3").content.decode()
    assert "<span>2 of 3</span>" in text
    assert f'href="{page_of(second)}next/?n=2&amp;of=3"' in text


def test_a_filter_goes_along_and_is_kept(three: list[Approval], bob: Any) -> None:
    first, second, third = three
    assert gone(bob, first, "next", "?risk=low") == f"{page_of(third)}?risk=low"
    assert gone(bob, third, "previous", "?risk=low") == f"{page_of(first)}?risk=low"
    assert gone(bob, second, "next", "?risk=high") == f"{INBOX}?risk=high"
    response = decide(browse(bob), first)
    assert response["Location"] == page_of(first)
    body = {"verdict": "approve", "digest": third.digest, "revision": 1, "comment": ""}
    assert post(browse(bob), f"{page_of(third)}decide/?risk=low&n=2&of=2", body)["Location"] == (
        f"{page_of(third)}?risk=low&n=2&of=2"
    )


@pytest.mark.parametrize(
    "query",
    [
        "?n=0&of=3",
        "?n=4&of=3",
        "?n=x&of=y",
        "?n=-1&of=3",
        "?n=²&of=3",
        "?n=" + "9" * 50,
        "?view=nonsense",
        "?next=//evil",
    ],
)
def test_what_an_address_says_wrongly_is_left_out(query: str, three: list[Approval], bob: Any) -> None:
    first, second, _ = three
    assert gone(bob, first, "next", query) == page_of(second)
    assert browse(bob).get(page_of(first) + query).status_code == 200


def test_when_the_last_is_decided_one_is_led_back(make: Any, bob: Any) -> None:
    approval, client = make(), browse(bob)
    decide(client, approval)
    assert client.get(f"{page_of(approval)}next/")["Location"] == INBOX
    assert "There is no other request here." in client.get(INBOX).content.decode()


def test_neighbours_are_for_those_who_see_the_request_and_change_nothing(
    three: list[Approval], mallory: Any, bob: Any
) -> None:
    for way in ("next", "previous"):
        assert browse(mallory).get(f"{page_of(three[0])}{way}/").status_code == 404
        assert post(browse(bob), f"{page_of(three[0])}{way}/", {}).status_code == 405


def test_going_on_costs_little(three: list[Approval], bob: Any) -> None:
    client = browse(bob)
    client.get(f"{page_of(three[1])}next/")
    for way in ("next", "previous"):
        assert len(statements(lambda way=way: client.get(f"{page_of(three[1])}{way}/?risk=low"))) <= 12
