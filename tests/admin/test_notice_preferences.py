"""How messages reach a person is theirs to choose, with their preferences; what waits for them always comes."""

from __future__ import annotations

from datetime import time
from typing import Any

import pytest

from hitl.models import Preference, Profile
from tests.admin.conftest import browse, post
from tests.rows import nothing_written

PAGE = "/review/preferences/"


def kinds(user: Any) -> dict[str, str]:
    return dict(Preference.objects.filter(user=user).values_list("kind", "mode"))


def test_kinds_quiet_hours_and_digest_are_kept_and_shown_again(bob: Any, carol: Any) -> None:
    client = browse(bob)
    chosen = {"digest": "hourly", "quiet_from": "22:00", "quiet_until": "07:00", "kind_comment": "off"}
    assert post(client, PAGE, chosen | {"kind_requested": "digest"}).status_code == 302
    profile = Profile.objects.get()
    assert (profile.user, profile.digest) == (bob, "hourly")
    assert (profile.quiet_from, profile.quiet_until) == (time(22), time(7))
    assert kinds(bob) == {"comment": "off", "requested": "digest"}
    assert kinds(carol) == {}
    text = client.get(PAGE).content.decode()
    assert 'value="22:00"' in text
    assert '<option value="off" selected>' in text


def test_as_usual_leaves_no_row(bob: Any) -> None:
    Preference.objects.create(user=bob, kind="comment", mode="off")
    post(browse(bob), PAGE, {"kind_comment": ""})
    assert kinds(bob) == {}


@pytest.mark.parametrize("kind", ["requested", "revision", "stage", "escalated"])
def test_what_waits_for_a_decision_cannot_be_turned_off(kind: str, bob: Any) -> None:
    client = browse(bob)
    with nothing_written():
        response = post(client, PAGE, {f"kind_{kind}": "off"})
    assert response.status_code == 422
    assert "not one of the available choices" in response.content.decode()


@pytest.mark.parametrize(
    "ends", [{"quiet_from": "22:00"}, {"quiet_until": "07:00"}, {"quiet_from": "07:00", "quiet_until": "07:00"}]
)
def test_quiet_hours_have_two_ends(ends: dict[str, str], bob: Any) -> None:
    client = browse(bob)
    with nothing_written():
        response = post(client, PAGE, ends)
    assert response.status_code == 422
    assert "Give both, and not the same" in response.content.decode()


def test_operators_may_mute_what_only_they_are_told_and_others_do_not_see_it(bob: Any, root: Any) -> None:
    words = "Nobody knows whether a step happened"
    assert words not in browse(bob).get(PAGE).content.decode()
    client = browse(root)
    assert words in client.get(PAGE).content.decode()
    post(client, PAGE, {"kind_uncertain": "off"})
    assert kinds(root) == {"uncertain": "off"}
    post(browse(bob), PAGE, {"kind_uncertain": "off"})
    assert kinds(bob) == {}
