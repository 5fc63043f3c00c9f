"""API keys on the screens: operators make and end them, owners end their own, and a secret is seen once."""

from __future__ import annotations

import logging
import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from hitl import clock
from hitl.admin.keys.forms import SCOPE_WORDS
from hitl.models import ApiKey
from hitl.models.audit import AuditRecord
from hitl.policies import SCOPES, apply_policy, authenticate, create_key, revoke_key
from tests.admin.conftest import browse, post
from tests.conftest import _user
from tests.rows import nothing_written, snapshot

LIST, ADD = reverse("admin:hitl_apikey_changelist"), reverse("admin:hitl_apikey_add")
OWN = "/review/keys/"
SECRET = re.compile(r"hitl_[0-9a-f]{12}_[\w-]{43}")
ASKED = {"agent": "robot", "owner": "alice", "scopes": ["runs:start", "runs:read"], "risk": "medium"}


@pytest.fixture
def operator(db: None) -> Any:
    """Staff with the permission to operate and no other."""
    user = _user("olga", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="operate"))
    return user


@pytest.fixture
def viewer(db: None) -> Any:
    """Staff who were given every permission on keys that Django knows, and may not operate."""
    user = _user("vera", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__endswith="_apikey"))
    return user


@pytest.fixture
def usual(bob: Any) -> None:
    """A policy to ask by."""
    apply_policy({"name": "usual", "default": {"stages": [{"reviewers": ["group:finance"]}]}}, actor=bob)


def send(client: Client, **fields: Any) -> Any:
    """Open the form and send it."""
    once = re.search(r'name="once" value="([^"]+)"', client.get(ADD).content.decode())
    assert once is not None
    return post(client, ADD, {**ASKED, "once": once[1], **fields})


def end(who: Any, page: str) -> Any:
    return post(browse(who), page, {})


# -- making -------------------------------------------------------------------------------------------


def test_an_operator_makes_a_key_that_works(operator: Any, alice: Any, usual: None) -> None:
    until = f"{timezone.localtime(clock.now() + timedelta(days=30)):%Y-%m-%dT%H:%M}"
    limits = {"pending": "5", "rate": "90", "risk": "high", "queues": "gpu, cpu ,"}
    response = send(browse(operator), **limits, policies=["usual"], expires_at=until)
    assert response.status_code == 200
    [secret] = set(SECRET.findall(response.content.decode()))
    key = authenticate(secret)
    assert key == ApiKey.objects.get()
    assert (key.agent, key.owner_user, key.owner_group) == ("robot", alice, None)
    assert (key.scopes, key.policies) == (["runs:read", "runs:start"], ["usual"])
    assert key.limits == {"pending": 5, "rate": 90, "risk": "high", "queues": ["gpu", "cpu"]}
    assert f"{timezone.localtime(key.expires_at):%Y-%m-%dT%H:%M}" == until
    record = AuditRecord.objects.get(stream=f"key:{key.pk}")
    assert (record.action, record.actor) == ("hitl.key.created", f"user:{operator.pk}")


def test_a_team_may_own_a_key_and_nothing_is_limited_unless_said(operator: Any, finance: Any) -> None:
    assert send(browse(operator), owner="", team=finance.pk, policies=["*"]).status_code == 200
    key = ApiKey.objects.get()
    assert (key.owner_user, key.owner_group, key.policies, key.limits) == (None, finance, ["*"], {})


def test_the_secret_is_in_that_one_answer_and_nowhere_else(operator: Any, alice: Any, caplog: Any) -> None:
    client = browse(operator)
    with caplog.at_level(logging.DEBUG):
        response = send(client)
    assert "no-store" in response["Cache-Control"]
    secret = SECRET.findall(response.content.decode())[0].rpartition("_")[2]
    key = ApiKey.objects.get()
    pages = [LIST, ADD, reverse("admin:hitl_apikey_change", args=[key.pk]), reverse("admin:index"), "/review/"]
    pages += [reverse("admin:hitl_apikey_history", args=[key.pk]), reverse("admin:hitl_apikey_revoke", args=[key.pk])]
    for page in pages:
        assert secret not in client.get(page, follow=True).content.decode(), page
    assert secret not in caplog.text
    assert secret not in str(snapshot())
    assert all(secret not in str(session.get_decoded()) for session in Session.objects.all())
    assert not any(secret in str(morsel) for morsel in client.cookies.values())
    assert not LogEntry.objects.exists()


def test_sending_the_same_form_twice_makes_one_key(operator: Any, alice: Any) -> None:
    client = browse(operator)
    once = re.search(r'name="once" value="([^"]+)"', client.get(ADD).content.decode())
    assert once is not None
    body = {**ASKED, "once": once[1]}
    assert post(client, ADD, body).status_code == 200
    again = post(client, ADD, body)
    assert (again.status_code, ApiKey.objects.count()) == (422, 1)
    text = again.content.decode()
    assert "was sent before" in text
    assert SECRET.search(text) is None
    fresh = re.search(r'name="once" value="([^"]+)"', text)
    assert fresh is not None
    assert post(client, ADD, {**ASKED, "once": fresh[1]}).status_code == 200
    assert ApiKey.objects.count() == 2


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"agent": ""}, "This field is required"),
        ({"agent": "x" * 101}, "at most 100"),
        ({"owner": ""}, "name one of both"),
        ({"owner": "nobody"}, "nobody who signs in"),
        ({"team": "finance"}, "name one of both"),
        ({"scopes": []}, "This field is required"),
        ({"scopes": ["approvals:decide"]}, "not one of the available choices"),
        ({"policies": ["nonsense"]}, "not one of the available choices"),
        ({"rate": "0"}, "greater than or equal to 1"),
        ({"pending": "many"}, "whole number"),
        ({"risk": "none"}, "not one of the available choices"),
        ({"expires_at": "2020-01-01T00:00"}, "expires in the past"),
        ({"expires_at": "soon"}, "valid date/time"),
    ],
)
def test_a_key_that_cannot_be_is_refused_in_words(
    fields: Any, told: str, operator: Any, alice: Any, finance: Any
) -> None:
    if "team" in fields:
        fields = {"team": finance.pk}
    response = send(browse(operator), **fields)
    assert response.status_code == 422
    assert told in response.content.decode()
    assert not ApiKey.objects.exists()
    assert not AuditRecord.objects.exists()


def test_what_was_typed_stays_after_a_mistake(operator: Any, alice: Any) -> None:
    text = send(browse(operator), owner="", rate="77").content.decode()
    assert 'value="77"' in text
    assert re.search(r'value="runs:start"[^>]* checked', text)


def test_every_scope_is_offered_in_words(operator: Any) -> None:
    text = browse(operator).get(ADD).content.decode()
    assert SCOPE_WORDS.keys() == set(SCOPES)
    assert all(f"{scope}: {words}" in text for scope, words in SCOPE_WORDS.items())


# -- looking ------------------------------------------------------------------------------------------


def test_the_list_tells_how_each_key_stands(operator: Any, alice: Any, finance: Any) -> None:
    used, secret = create_key("used<b>", owner=alice, scopes=["runs:read"], actor=alice)
    late = clock.now() + timedelta(days=1)
    create_key("late", owner=finance, scopes=["runs:read"], actor=alice, expires_at=late)
    ended, _ = create_key("ended", owner=alice, scopes=["runs:read"], actor=alice)
    revoke_key(ended, actor=alice)
    authenticate(secret)
    clock.move(timedelta(days=2))
    text = browse(operator).get(LIST).content.decode()
    found = re.findall(r'field-state">(\w+)<.*?field-key">hitl_(\w+)_…', text, re.S)
    states = {prefix: state for state, prefix in found}
    assert states[used.prefix] == "active"
    assert sorted(states.values()) == ["active", "expired", "revoked"]
    assert "used&lt;b&gt;" in text
    assert "team finance" in text
    assert text.count("Revoke…") == 2


def test_a_key_shows_its_chain(operator: Any, alice: Any, usual: None) -> None:
    key, _ = create_key(
        "robot", owner=alice, scopes=["runs:read"], actor=operator, policies=["usual"], limits={"queues": ["gpu"]}
    )
    revoke_key(key, actor=alice)
    text = browse(operator).get(reverse("admin:hitl_apikey_change", args=[key.pk])).content.decode()
    for told in ("olga created the API key", "alice revoked the API key", "usual", "queues: gpu", "runs:read"):
        assert told in text
    assert 'name="_save"' not in text


# -- ending -------------------------------------------------------------------------------------------


def test_a_key_is_revoked_after_asking(operator: Any, alice: Any) -> None:
    key, secret = create_key("robot", owner=alice, scopes=["runs:read"], actor=alice)
    client, page = browse(operator), reverse("admin:hitl_apikey_revoke", args=[key.pk])
    with nothing_written():
        text = client.get(page).content.decode()
    assert "robot" in text
    assert "cannot be given back" in text
    assert authenticate(secret) is not None
    response = post(client, page, {})
    assert (response.status_code, response["Location"]) == (302, LIST)
    assert authenticate(secret) is None
    assert "lets nobody in any more" in client.get(LIST).content.decode()
    assert AuditRecord.objects.get(action="hitl.key.revoked").actor == f"user:{operator.pk}"
    assert "is revoked already" in client.get(page).content.decode()
    with nothing_written():
        assert post(client, page, {}).status_code == 302


def test_a_key_that_is_not_there_is_not_found(operator: Any) -> None:
    page = reverse("admin:hitl_apikey_revoke", args=["01a1f863-9e38-7d5f-9cba-8408e9377f0d"])
    assert browse(operator).get(page).status_code == 404
    assert end(operator, page).status_code == 404


# -- who may not --------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["viewer", "bob", "alice", "mallory"])
def test_nobody_but_operators_sees_or_makes_keys(who: str, alice: Any, request: Any) -> None:
    key, secret = create_key("robot", owner=alice, scopes=["runs:read"], actor=alice)
    person = request.getfixturevalue(who)
    client = browse(person)
    pages = [LIST, ADD, *(reverse(f"admin:hitl_apikey_{n}", args=[key.pk]) for n in ("change", "revoke", "history"))]
    with nothing_written():
        for page in pages:
            for response in (client.get(page), post(client, page, {**ASKED, "once": "x"})):
                assert response.status_code in (302, 403), page
                assert "robot" not in response.content.decode()
    assert authenticate(secret) is not None
    assert ApiKey.objects.count() == 1


def test_a_form_of_another_site_makes_and_ends_nothing(operator: Any, alice: Any) -> None:
    key, _ = create_key("robot", owner=alice, scopes=["runs:read"], actor=alice)
    client = browse(operator)
    for page in (ADD, reverse("admin:hitl_apikey_revoke", args=[key.pk]), f"{OWN}{key.pk}/revoke/"):
        assert client.post(page, ASKED).status_code == 403
    assert ApiKey.objects.get().revoked_at is None


# -- owners -------------------------------------------------------------------------------------------


def test_an_owner_sees_and_ends_the_keys_they_answer_for(alice: Any, bob: Any, carol: Any, finance: Any) -> None:
    own, secret = create_key("robot<b>", owner=alice, scopes=["runs:start", "approvals:request"], actor=alice)
    team, _ = create_key("team-bot", owner=finance, scopes=["runs:read"], actor=bob)
    text = browse(alice).get(OWN).content.decode()
    assert "robot&lt;b&gt;" in text
    assert "take requests back; start runs." in text
    assert "team-bot" not in text
    assert "team-bot" in browse(bob).get(OWN).content.decode()
    page = f"{OWN}{own.pk}/revoke/"
    assert "cannot be given back" in browse(alice).get(page).content.decode()
    assert authenticate(secret) is not None
    assert end(alice, page)["Location"] == OWN
    assert authenticate(secret) is None
    assert "revoked" in browse(alice).get(OWN).content.decode()
    assert "is revoked already" in browse(alice).get(page).content.decode()
    end(carol, f"{OWN}{team.pk}/revoke/")
    assert AuditRecord.objects.get(stream=f"key:{team.pk}", action="hitl.key.revoked").actor == f"user:{carol.pk}"


def test_the_keys_of_others_are_not_there(alice: Any, mallory: Any) -> None:
    key, secret = create_key("robot", owner=alice, scopes=["runs:read"], actor=alice)
    assert "No agent of yours has a key." in browse(mallory).get(OWN).content.decode()
    client = browse(mallory)
    with nothing_written():
        assert client.get(f"{OWN}{key.pk}/revoke/").status_code == 404
        assert post(client, f"{OWN}{key.pk}/revoke/", {}).status_code == 404
    assert authenticate(secret) is not None


def test_the_owners_page_takes_a_constant_number_of_queries(alice: Any, django_assert_max_num_queries: Any) -> None:
    for number in range(5):
        create_key(f"robot-{number}", owner=alice, scopes=["runs:read"], actor=alice)
    client = browse(alice)
    with django_assert_max_num_queries(6):
        assert client.get(OWN).status_code == 200
