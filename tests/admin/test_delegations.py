"""Delegations: handing over for a while, seen and ended by the two it is about."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from hitl import clock
from hitl.models import Approval, Delegation
from hitl.policies.delegations import create_delegation
from tests.admin.conftest import INBOX, browse, decide, page_of, post
from tests.conftest import _user
from tests.rows import nothing_written

PAGE = "/review/delegations/"


def typed(days: float) -> str:
    """A time so many days from now, as a browser sends it."""
    return f"{timezone.localtime(clock.now() + timedelta(days=days)):%Y-%m-%dT%H:%M}"


def shown(who: Any) -> tuple[str, str]:
    """Who decides in my place, and in whose place I decide."""
    text = browse(who).get(PAGE).content.decode()
    _, mine, others = re.split(r"<h2>Who decides in my place</h2>|<h2>In whose place I decide</h2>", text)
    return mine, others.split("</section>", 1)[0]


@pytest.fixture
def dave(db: None) -> Any:
    """Nobody has asked him."""
    return _user("dave")


@pytest.fixture
def handed(bob: Any, dave: Any) -> Delegation:
    """Bob handed over to dave for a day."""
    return create_delegation(bob, dave, ends_at=clock.now() + timedelta(days=1), actor=bob, reason="a <holiday>")


def test_handing_over_and_deciding_in_the_place_of_the_other(waiting: Approval, bob: Any, dave: Any) -> None:
    assert browse(dave).get(page_of(waiting)).status_code == 404
    client = browse(bob)
    response = post(client, PAGE, {"to": "dave", "starts_at": "", "ends_at": typed(1), "reason": "a holiday"})
    assert (response.status_code, response["Location"]) == (302, PAGE)
    assert "dave may decide in your place." in client.get(PAGE).content.decode()
    row = Delegation.objects.get()
    assert (row.from_user, row.to_user, row.reason) == (bob, dave, "a holiday")
    assert f"{waiting.pk}" in browse(dave).get(INBOX).content.decode()
    assert "You stand in for bob: you count once." in browse(dave).get(page_of(waiting)).content.decode()
    decide(browse(dave), waiting)
    assert Approval.objects.get(pk=waiting.pk).status == "approved"
    assert "dave for bob · Approve" in browse(bob).get(page_of(waiting)).content.decode()


def test_both_see_it_and_nobody_else(handed: Delegation, bob: Any, dave: Any, carol: Any) -> None:
    mine, others = shown(bob)
    assert "<b>dave</b>" in mine
    assert "in force" in mine
    assert "a &lt;holiday&gt;" in mine
    assert "dave" not in others
    assert "<b>bob</b>" in shown(dave)[1]
    assert "Nobody" in shown(carol)[0]
    assert "Nobody" in shown(carol)[1]


@pytest.mark.parametrize("who", ["bob", "dave"])
def test_either_of_the_two_ends_it(
    who: str, handed: Delegation, waiting: Approval, dave: Any, request: pytest.FixtureRequest
) -> None:
    client = browse(request.getfixturevalue(who))
    assert "End now" in client.get(PAGE).content.decode()
    assert post(client, f"{PAGE}{handed.pk}/revoke/", {}).status_code == 302
    assert "ended early" in client.get(PAGE).content.decode()
    assert "End now" not in client.get(PAGE).content.decode()
    assert browse(dave).get(page_of(waiting)).status_code == 404
    with nothing_written():
        post(client, f"{PAGE}{handed.pk}/revoke/", {})
    assert "had been ended before" in client.get(PAGE).content.decode()


def test_what_is_not_ones_own_is_not_there(handed: Delegation, mallory: Any) -> None:
    client = browse(mallory)
    with nothing_written():
        assert post(client, f"{PAGE}{handed.pk}/revoke/", {}).status_code == 404
        assert post(client, f"{PAGE}999999/revoke/", {}).status_code == 404


def test_only_a_post_with_its_token_changes_anything(handed: Delegation, bob: Any) -> None:
    client, address = browse(bob), f"{PAGE}{handed.pk}/revoke/"
    with nothing_written():
        assert client.get(address).status_code == 405
        assert client.post(address).status_code == 403
        assert client.post(PAGE, {"to": "dave", "ends_at": typed(1)}).status_code == 403
        assert client.put(PAGE, headers={"X-CSRFToken": "c" * 32}).status_code == 405


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"to": ""}, "This field is required."),
        ({"to": "nobody"}, "There is nobody who signs in with this name."),
        ({"to": "bob"}, "A delegation goes from one active person to another."),
        ({"to": "gone"}, "A delegation goes from one active person to another."),
        ({"ends_at": ""}, "This field is required."),
        ({"ends_at": "tomorrow"}, "Enter a valid date/time."),
        ({"ends_at": "2020-01-01T00:00"}, "A delegation ends after it begins, and after now"),
        ({"starts_at": typed(9)}, "A delegation ends after it begins, and after now"),
        ({"reason": "x" * 20_000}, "Reason has 20002 bytes; 10000 are allowed."),
    ],
    ids=range(9),
)
def test_what_is_wrong_is_said_and_nothing_typed_is_lost(fields: Any, words: str, bob: Any, dave: Any) -> None:
    _user("gone", is_active=False)
    body = {"to": "dave", "starts_at": typed(0), "ends_at": typed(2), "reason": "kept <so>"} | fields
    client = browse(bob)
    with nothing_written():
        response = post(client, PAGE, body)
    assert response.status_code == 422
    text = response.content.decode()
    assert re.search(rf'class="error"[^>]*>[^<]*{re.escape(words)}', text)
    for name, value in body.items():
        if value and name != "reason":
            assert f'value="{value}"' in text
    assert ("kept &lt;so&gt;" in text) is (body["reason"] == "kept <so>")


def test_states_follow_the_clock(bob: Any, dave: Any, pass_time: Any) -> None:
    now = clock.now()
    create_delegation(bob, dave, starts_at=now + timedelta(days=1), ends_at=now + timedelta(days=2), actor=bob)
    for days, state in ((0, "to come"), (1.5, "in force"), (1, "over")):
        pass_time(timedelta(days=days))
        assert f">{state}</span>" in shown(bob)[0]
    assert "End now" not in shown(bob)[0]


def test_the_page_is_linked_and_needs_a_sign_in(bob: Any, client: Any) -> None:
    assert f'<a href="{PAGE}"' in browse(bob).get(INBOX).content.decode()
    assert client.get(PAGE)["Location"].startswith("/review/login/")
