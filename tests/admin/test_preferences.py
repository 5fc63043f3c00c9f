"""Preferences: each person's own, kept, and refused in words where they make no sense."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from hitl.models import Delegation, Profile
from tests.admin.conftest import browse, post
from tests.conftest import _user
from tests.rows import nothing_written

PAGE = "/review/preferences/"
CHOSEN = {"time_zone": "Asia/Kolkata", "language": "de", "theme": "dark"}


def test_whoever_has_no_profile_has_the_defaults(bob: Any) -> None:
    client = browse(bob)
    with nothing_written():
        text = client.get(PAGE).content.decode()
    assert "As this site has it (UTC)" in text
    assert re.search(r'name="single_keys"[^>]*checked', text)
    assert "data-single-keys" not in text


def test_what_is_chosen_is_kept_and_said_in_the_chosen_language(bob: Any, carol: Any) -> None:
    client = browse(bob)
    response = post(client, PAGE, CHOSEN)
    assert (response.status_code, response["Location"]) == (302, PAGE)
    profile = Profile.objects.get()
    assert (profile.user, profile.time_zone, profile.language) == (bob, "Asia/Kolkata", "de")
    assert (profile.theme, profile.single_keys) == ("dark", False)
    text = client.get(PAGE).content.decode()
    assert '<html lang="de" data-theme="dark" data-single-keys="off">' in text
    assert "Ihre Einstellungen sind gespeichert." in text
    assert '<option value="Asia/Kolkata" selected>' in text
    assert '<html lang="en">' in browse(carol).get(PAGE).content.decode()


def test_choosing_again_changes_the_same_row(bob: Any) -> None:
    client = browse(bob)
    post(client, PAGE, CHOSEN)
    post(client, PAGE, {"time_zone": "", "language": "", "theme": "", "single_keys": "on"})
    profile = Profile.objects.get()
    assert (profile.time_zone, profile.language, profile.theme, profile.single_keys) == ("", "", "", True)


@pytest.mark.parametrize("wrong", [{"time_zone": "Mars/Olympus"}, {"language": "xx"}, {"theme": "pink"}])
def test_what_cannot_be_is_refused_and_the_rest_stays_chosen(wrong: dict[str, str], bob: Any) -> None:
    client = browse(bob)
    with nothing_written():
        response = post(client, PAGE, CHOSEN | wrong)
    assert response.status_code == 422
    text = response.content.decode()
    assert re.search(r'class="error" id="error-\w+">[^<]*not one of the available choices', text)
    for value in (CHOSEN | wrong).values():
        assert (f'<option value="{value}" selected>' in text) is (value not in wrong.values())


def test_the_page_needs_a_sign_in_and_a_token(client: Any, bob: Any) -> None:
    assert client.get(PAGE)["Location"].startswith("/review/login/")
    signed_in = browse(bob)
    with nothing_written():
        assert signed_in.post(PAGE, CHOSEN).status_code == 403


def test_times_are_read_in_the_readers_time_zone(bob: Any) -> None:
    Profile.objects.create(user=bob, time_zone="Asia/Kolkata")
    _user("dave")
    client = browse(bob)
    assert "Asia/Kolkata" in client.get("/review/delegations/").content.decode()
    post(client, "/review/delegations/", {"to": "dave", "ends_at": "2999-01-02T05:30"})
    assert Delegation.objects.get().ends_at == datetime.fromisoformat("2999-01-02T00:00+00:00")
    assert "2 Jan 2999 05:30" in client.get("/review/delegations/").content.decode()


@pytest.mark.parametrize("wrong", [{"theme": "pink"}, {"digest": "weekly"}, {"quiet_from": "22:00"}])
def test_the_database_refuses_a_profile_that_makes_no_sense(wrong: dict[str, str], bob: Any) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Profile.objects.create(user=bob, **wrong)
