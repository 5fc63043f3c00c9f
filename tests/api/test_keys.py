"""Keys: what a program comes in with, how it is kept, and when it stops opening doors."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group

from hitl import audit, clock
from hitl.exceptions import BadInput
from hitl.models import ApiKey
from hitl.policies import SCOPES, authenticate, create_key, revoke_key
from tests.api.conftest import Api, problem
from tests.rows import nothing_written


def test_only_the_hash_of_a_secret_is_kept(agent_key: Any) -> None:
    key, token = agent_key
    kind, prefix, secret = token.split("_", 2)
    assert (kind, prefix) == ("hitl", key.prefix)
    assert len(secret) == 43
    row = ApiKey.objects.values().get(pk=key.pk)
    assert bytes(row["secret_hash"]) == hashlib.sha256(secret.encode()).digest()
    assert secret not in str(row)


def test_creating_and_revoking_a_key_is_on_record_without_the_secret(agent_key: Any, alice: Any) -> None:
    key, token = agent_key
    revoke_key(key, actor=alice)
    revoke_key(key, actor=alice)
    records = audit.records_of(f"key:{key.pk}")
    assert [record.action for record in records] == ["hitl.key.created", "hitl.key.revoked"]
    assert all(token.split("_", 2)[2].encode() not in bytes(record.body) for record in records)
    assert audit.verify().code == 0


@pytest.mark.parametrize("scopes", [[], ["runs:start", "decide"], ["approvals:decide"], ["*"]])
def test_a_key_has_known_scopes_only(scopes: list[str], alice: Any) -> None:
    with nothing_written(), pytest.raises(BadInput):
        create_key("bot", owner=alice, scopes=scopes, actor=alice)


@pytest.mark.parametrize("agent", ["", "   ", "x" * 101, "nul\0"])
def test_the_name_of_an_agent_fits_into_the_audit(agent: str, alice: Any) -> None:
    with nothing_written(), pytest.raises(BadInput):
        create_key(agent, owner=alice, scopes=["runs:read"], actor=alice)


def test_a_team_may_own_a_key(alice: Any, finance: Group) -> None:
    key, token = create_key("team-bot", owner=finance, scopes=["runs:read"], actor=alice)
    assert (key.owner_group, key.owner_user) == (finance, None)
    assert authenticate(token) == key


def test_there_is_no_scope_that_decides() -> None:
    assert not [scope for scope in SCOPES if "decide" in scope or "decision" in scope]


def test_a_key_opens_the_door(bot: Api) -> None:
    assert bot.get("runs/").status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        lambda token: token[:-1] + ("A" if token[-1] != "A" else "B"),
        lambda token: token + "x",
        lambda token: token.rsplit("_", 1)[0] + "_",
        lambda token: token.replace("hitl_", "hitl-"),
        lambda token: token.removeprefix("hitl_"),
        lambda token: "hitl_000000000000_" + token.split("_", 2)[2],
        lambda token: "hitl__" + token.split("_", 2)[2],
        lambda token: "hitl_\xe9\xe8_x",
        lambda token: "",
        lambda token: token.upper(),
    ],
)
def test_a_wrong_secret_is_refused(change: Any, agent_key: Any) -> None:
    bot = Api(token="x")
    bot.headers["Authorization"] = f"Bearer {change(agent_key[1])}"
    with nothing_written():
        response = bot.get("runs/")
    problem(response, 401, "authentication_failed")
    assert response["WWW-Authenticate"] == 'Bearer realm="hitl"'


def test_a_revoked_key_is_refused_at_once(bot: Api, agent_key: Any, alice: Any) -> None:
    assert bot.get("runs/").status_code == 200
    revoke_key(agent_key[0], actor=alice)
    with nothing_written():
        problem(bot.get("runs/"), 401, "authentication_failed")


def test_an_expired_key_is_refused(alice: Any, pass_time: Any) -> None:
    until = clock.now() + timedelta(hours=1)
    _, token = create_key("bot", owner=alice, scopes=["runs:read"], actor=alice, expires_at=until)
    assert Api(token=token).get("runs/").status_code == 200
    pass_time(timedelta(hours=1, seconds=1))
    problem(Api(token=token).get("runs/"), 401, "authentication_failed")


@pytest.mark.parametrize(
    ("scope", "method", "path"),
    [
        ("runs:read", "post", "runs/"),
        ("runs:start", "get", "runs/"),
        ("runs:start", "get", "runs/01a1f863-9e38-7d5f-9cba-8408e9377f0d/"),
        ("runs:read", "post", "runs/01a1f863-9e38-7d5f-9cba-8408e9377f0d/signals/go/"),
        ("runs:read", "get", "approvals/"),
        ("runs:read", "get", "approvals/01a1f863-9e38-7d5f-9cba-8408e9377f0d/"),
        ("runs:read", "post", "approvals/01a1f863-9e38-7d5f-9cba-8408e9377f0d/decisions/"),
    ],
)
def test_a_missing_scope_is_refused(scope: str, method: str, path: str, alice: Any) -> None:
    bot = Api(token=create_key("bot", owner=alice, scopes=[scope], actor=alice)[1])
    with nothing_written_but_the_keys_last_use():
        body = problem(getattr(bot, method)(path), 403, "permission_denied")
    assert body["detail"] == "This key lacks the scope for that."


def test_a_key_remembers_when_it_was_last_used_once_a_minute(bot: Api, agent_key: Any, pass_time: Any) -> None:
    key = agent_key[0]
    assert key.last_used_at is None
    bot.get("runs/")
    first = ApiKey.objects.get(pk=key.pk).last_used_at
    assert abs(first - clock.now()) < timedelta(seconds=30)
    bot.get("runs/")
    assert ApiKey.objects.get(pk=key.pk).last_used_at == first
    pass_time(timedelta(minutes=2))
    bot.get("runs/")
    assert ApiKey.objects.get(pk=key.pk).last_used_at > first


def test_a_person_who_was_deactivated_is_nobody(as_bob: Api, bob: Any) -> None:
    assert as_bob.get("approvals/").status_code == 200
    bob.is_active = False
    bob.save(update_fields=["is_active"])
    problem(as_bob.get("approvals/"), 401, "not_authenticated")


def nothing_written_but_the_keys_last_use() -> Any:
    from contextlib import contextmanager

    from tests.rows import snapshot

    @contextmanager
    def check() -> Any:
        before = snapshot(proof=False)
        yield
        assert snapshot(proof=False) == before

    return check()
