"""Review links: opening one decides nothing, changes nothing, and tells an outsider nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client

from hitl import decisions
from hitl.models import Approval, Decision, ReviewLink
from hitl.notifications import issue_link
from tests.rows import nothing_written


@pytest.fixture
def address(waiting: Approval, bob: Any) -> str:
    """The path of the link in bob's mail."""
    return urlsplit(issue_link(waiting, bob.pk)).path


def page_of(approval: Approval) -> str:
    return f"/review/hitl/approval/{approval.pk}/"


def opened(address: str, who: Any) -> Any:
    """What this person sees in the end."""
    client = Client()
    client.force_login(who)
    return client.get(address, follow=True)


def quiet(response: Any) -> None:
    assert response["Referrer-Policy"] == "no-referrer"
    assert "no-store" in response["Cache-Control"]
    assert response["X-Robots-Tag"] == "noindex"


def test_only_the_hash_of_a_token_is_kept(address: str) -> None:
    token = address.removeprefix("/r/").strip("/")
    assert token.startswith("hitlr_")
    assert len(token) == 49
    assert token not in str(ReviewLink.objects.values().get())


@pytest.mark.parametrize("method", ["get", "head"])
def test_a_scanner_that_opens_it_many_times_changes_no_row_of_any_table(
    method: str, address: str, waiting: Approval
) -> None:
    client = Client()
    with nothing_written():
        for _ in range(20):
            getattr(client, method)(address)
            getattr(client, method)(address, follow=True)
            getattr(client, method)("/r/")
            getattr(Client(), method)(page_of(waiting))


def test_a_scanner_that_shares_the_session_with_head_does_not_count_as_a_look(address: str, bob: Any) -> None:
    client = Client()
    client.force_login(bob)
    with nothing_written():
        for _ in range(20):
            assert client.head(address).status_code == 302
            assert client.head("/r/").status_code == 302


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "options"])
@pytest.mark.parametrize("signed_in", [True, False])
def test_nothing_but_get_and_head_is_answered(
    method: str, signed_in: bool, address: str, waiting: Approval, bob: Any
) -> None:
    client = Client()
    if signed_in:
        client.force_login(bob)
    with nothing_written():
        for path in (address, "/r/"):
            assert getattr(client, method)(path, {"verdict": "approve", "digest": waiting.digest}).status_code == 405


def test_the_token_leaves_the_address(address: str) -> None:
    client = Client()
    response = client.get(address)
    assert (response.status_code, response["Location"]) == (302, "/r/")
    quiet(response)
    cookie = response.cookies["hitl_link"]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"], cookie["max-age"]) == (True, "Lax", "/r/", 1800)
    assert list(response.cookies) == ["hitl_link"]


def test_the_cookie_goes_over_https_only_where_there_is_https(address: str) -> None:
    assert Client().get(address, secure=True).cookies["hitl_link"]["secure"] is True


def test_an_anonymous_visitor_signs_in_and_then_arrives(address: str, waiting: Approval, bob: Any) -> None:
    bob.set_password("correct horse")
    bob.save()
    client = Client()
    response = client.get(address, follow=True)
    login, status = response.redirect_chain[-1]
    assert (login, status) == ("/review/login/?next=%2Fr%2F", 302)
    assert address.strip("/") not in response.content.decode()
    response = client.post(login, {"username": "bob", "password": "correct horse", "next": "/r/"}, follow=True)
    assert [path for path, _ in response.redirect_chain] == ["/r/", page_of(waiting)]
    assert "Refund 250 to order A-17" in response.content.decode()


def test_its_person_is_led_to_the_request_and_the_first_look_is_remembered(
    address: str, waiting: Approval, bob: Any, pass_time: Any
) -> None:
    response = opened(address, bob)
    assert response.redirect_chain[-1] == (page_of(waiting), 302)
    first = ReviewLink.objects.get().first_used_at
    assert first is not None
    pass_time(timedelta(hours=1))
    opened(address, bob)
    assert ReviewLink.objects.get().first_used_at == first
    assert Approval.objects.get(pk=waiting.pk).status == "pending"


def test_who_gets_a_forwarded_link_decides_as_themselves(address: str, waiting: Approval, carol: Any) -> None:
    client = Client()
    client.force_login(carol)
    response = client.get(address, follow=True)
    assert response.redirect_chain[-1][0] == page_of(waiting)
    assert ReviewLink.objects.get().first_used_at is None
    body = {"verdict": "approve", "digest": waiting.digest, "revision": 1, "comment": "", "arg-amount": "250"}
    assert client.post(page_of(waiting) + "decide/", body).status_code == 302
    assert Decision.objects.get().actor == carol


def test_an_outsider_with_the_link_sees_nothing(address: str, waiting: Approval, mallory: Any) -> None:
    with nothing_written_but_a_session(mallory) as client:
        response = client.get(address, follow=True)
    assert response.status_code == 403
    quiet(response)
    text = response.content.decode()
    assert "This request is not yours to see" in text
    assert "A-17" not in text
    assert "Money leaves" not in text


@pytest.mark.parametrize(
    "token",
    ["hitlr_nonsense", "x", "hitlr_", "%E2%98%83", "a%0D%0Ab", "a;b", "a%22b", "%00", "x" * 1000, "..", "hitl_x_y"],
)
def test_a_token_that_never_was_leads_nowhere(token: str, waiting: Approval, bob: Any) -> None:
    with nothing_written_but_a_session(bob) as client:
        response = client.get(f"/r/{token}/")
        assert (response.status_code, response["Location"]) == (302, "/r/")
        assert str(response.cookies["hitl_link"]).isascii()
        response = client.get("/r/")
    assert response.status_code == 404
    quiet(response)
    assert "This link leads nowhere" in response.content.decode()


def test_a_cut_off_token_leads_nowhere(address: str, bob: Any) -> None:
    response = opened(address[:-2] + "/", bob)
    assert response.status_code == 404
    assert "This link leads nowhere" in response.content.decode()


def test_a_tampered_cookie_leads_nowhere(address: str, bob: Any) -> None:
    client = Client()
    client.force_login(bob)
    client.get(address)
    client.cookies["hitl_link"] = client.cookies["hitl_link"].value[:-1] + "x"
    assert client.get("/r/").status_code == 404


def test_the_cookie_is_good_for_half_an_hour(address: str, bob: Any) -> None:
    import time_machine

    client = Client()
    client.force_login(bob)
    client.get(address)
    from django.utils import timezone

    with time_machine.travel(timezone.now() + timedelta(minutes=31)):
        assert client.get("/r/").status_code == 404


def test_without_any_link_there_is_nothing_to_open(bob: Any) -> None:
    assert opened("/r/", bob).status_code == 404


def test_an_old_link_says_that_the_request_still_waits(
    refund: Any, alice: Any, bob: Any, work: Any, pass_time: Any, settings: Any
) -> None:
    settings.HITL_LINK_LIFETIME = timedelta(hours=1)
    run = refund.start(requester=alice)
    work()
    approval = Approval.objects.get(run=run)
    address = urlsplit(issue_link(approval, bob.pk)).path
    pass_time(timedelta(hours=2))
    response = opened(address, bob)
    assert response.status_code == 200
    quiet(response)
    assert "This link is old" in response.content.decode()
    assert page_of(approval) in response.content.decode()


def test_a_decided_request_shows_its_outcome(address: str, waiting: Approval, bob: Any, carol: Any) -> None:
    decisions.decide(waiting, actor=carol, verdict="approve", digest=waiting.digest)
    response = opened(address, bob)
    assert response.redirect_chain[-1][0] == page_of(waiting)
    assert "<b>Approved</b>" in response.content.decode()
    assert "Submit decision" not in response.content.decode()


def test_an_expired_request_shows_its_outcome_however_old_the_link(
    address: str, waiting: Approval, bob: Any, pass_time: Any
) -> None:
    pass_time(timedelta(days=5))
    decisions.expire(waiting)
    response = opened(address, bob)
    assert response.redirect_chain[-1][0] == page_of(waiting)
    assert "<b>Expired</b>" in response.content.decode()


def test_a_superseded_request_leads_to_the_newest_revision(address: str, waiting: Approval, bob: Any) -> None:
    fields = {f.attname: getattr(waiting, f.attname) for f in Approval._meta.concrete_fields if f.name != "id"}
    Approval.objects.filter(pk=waiting.pk).update(status="superseded", decided_at=waiting.opened_at)
    newest = Approval.objects.create(**{**fields, "revision": 2, "supersedes_id": waiting.pk})
    newest.assignments.create(user=bob)
    response = opened(address, bob)
    assert response.status_code == 200
    assert "There is a newer revision" in response.content.decode()
    assert page_of(newest) in response.content.decode()
    quiet(response)


def nothing_written_but_a_session(who: Any) -> Any:
    """A signed-in client, and the promise that its visit writes nothing."""
    from contextlib import contextmanager

    @contextmanager
    def check() -> Any:
        client = Client()
        client.force_login(who)
        with nothing_written():
            yield client

    return check()


def test_who_guesses_is_told_nothing_any_more_and_nobody_else_is_hindered(address: str, bob: Any, carol: Any) -> None:
    client = Client()
    client.force_login(carol)
    for number in range(20):
        client.get(f"/r/hitlr_{number:043d}/")
        assert client.get("/r/").status_code == 404
    client.get(address)
    assert client.get("/r/").status_code == 429
    assert opened(address, bob).status_code == 200
