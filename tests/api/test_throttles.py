"""How often somebody may ask; and that a broken cache keeps nobody out."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from rest_framework.settings import api_settings

from hitl import clock
from hitl.api import throttles
from hitl.policies import create_key
from tests.api.conftest import Api, problem


@pytest.fixture
def slow(alice: Any) -> Api:
    """An agent that may call three times a minute."""
    return Api(token=create_key("slow", owner=alice, scopes=["runs:read"], limits={"rate": 3}, actor=alice)[1])


@pytest.fixture
def general(monkeypatch: Any) -> None:
    """Everybody else may call five times an hour."""
    monkeypatch.setitem(api_settings.DEFAULT_THROTTLE_RATES, "user", "5/hour")


def statuses(api: Api, count: int, path: str = "runs/") -> list[int]:
    return [api.get(path).status_code for _ in range(count)]


def test_a_keys_own_rate_counts_for_it_and_for_nobody_else(slow: Api, bot: Api, as_bob: Api, general: None) -> None:
    assert statuses(slow, 4) == [200, 200, 200, 429]
    assert statuses(bot, 6) == [200] * 5 + [429]
    assert statuses(as_bob, 6) == [200] * 5 + [429]


def test_who_was_told_to_wait_comes_back_when_it_said(slow: Api, pass_time: Any) -> None:
    statuses(slow, 3)
    pass_time(timedelta(seconds=20))
    response = slow.get("runs/")
    assert problem(response, 429, "throttled")["detail"]
    wait = int(response["Retry-After"])
    assert 30 <= wait <= 41
    pass_time(timedelta(seconds=wait))
    assert statuses(slow, 4) == [200, 200, 200, 429]


def test_calls_that_are_refused_by_scope_are_not_counted(slow: Api) -> None:
    assert statuses(slow, 5, "approvals/") == [403] * 5
    assert statuses(slow, 3) == [200] * 3


def test_every_kind_of_call_is_counted_together(slow: Api) -> None:
    paths = ("runs/", "workflows/", "runs/01a1f863-9e38-7d5f-9cba-8408e9377f0d/", "runs/")
    assert [slow.get(path).status_code for path in paths] == [200, 200, 404, 429]


@pytest.mark.parametrize(
    ("said", "rate"),
    [("600/min", (600, 60)), ("7/s", (7, 1)), ("7/hour", (7, 3600)), ("7/day", (7, 86400)), (None, (600, 60))],
)
def test_the_rate_of_the_settings_is_read(said: Any, rate: Any, bob: Any, monkeypatch: Any) -> None:
    monkeypatch.setitem(api_settings.DEFAULT_THROTTLE_RATES, "user", said)
    assert throttles.rate_of(bob) == rate


def test_a_request_the_waiting_door_asks_again_is_not_counted(slow: Api) -> None:
    again = {throttles.AGAIN: "1"}
    found = [slow.client.get("/api/v1/runs/", headers=slow.headers, **again).status_code for _ in range(5)]
    assert found == [200] * 5
    forged = {**slow.headers, "hitl.again": "1", "hitl-again": "1"}
    found = [slow.client.get("/api/v1/runs/", headers=forged).status_code for _ in range(4)]
    assert found == [200, 200, 200, 429]


# -- wrong keys ---------------------------------------------------------------------------------------


def test_wrong_keys_from_one_address_are_told_to_wait(db: None, bot: Api, monkeypatch: Any) -> None:
    monkeypatch.setattr(throttles, "WRONG_KEYS", (2, 60))
    wrong = Api(token="hitl_0123456789ab_nonsense")
    assert statuses(wrong, 2) == [401, 401]
    response = wrong.get("runs/")
    problem(response, 429, "throttled")
    assert 1 <= int(response["Retry-After"]) <= 61
    elsewhere = wrong.client.get("/api/v1/runs/", headers=wrong.headers, REMOTE_ADDR="192.0.2.7")
    assert elsewhere.status_code == 401
    claimed = {**wrong.headers, "X-Forwarded-For": "198.51.100.9"}
    assert wrong.client.get("/api/v1/runs/", headers=claimed).status_code == 429, "a header is no other address"
    assert statuses(bot, 3) == [200] * 3, "a right key is not kept out by the mistakes of others behind its address"


def test_wrong_keys_are_forgiven_after_a_minute(db: None, monkeypatch: Any, pass_time: Any) -> None:
    monkeypatch.setattr(throttles, "WRONG_KEYS", (1, 60))
    wrong = Api(token="hitl_0123456789ab_nonsense")
    assert statuses(wrong, 2) == [401, 429]
    pass_time(timedelta(seconds=61))
    assert statuses(wrong, 2) == [401, 429]


# -- a broken cache -----------------------------------------------------------------------------------


class Broken:
    """A cache whose server is gone."""

    def __init__(self) -> None:
        self.asked = 0

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **options: Any) -> Any:
            self.asked += 1
            raise ConnectionError("connection refused")

        return call


def test_a_dead_cache_lets_everybody_in_and_says_so_once(slow: Api, as_bob: Api, monkeypatch: Any, caplog: Any) -> None:
    dead = Broken()
    monkeypatch.setattr(throttles, "_trust", throttles._Trust())
    monkeypatch.setattr(throttles, "cache", dead)
    with caplog.at_level(logging.WARNING, "hitl"):
        assert statuses(slow, 5) + statuses(as_bob, 5) == [200] * 10
        assert statuses(Api(token="hitl_0123456789ab_nonsense"), 1) == [401]
    lines = [record.getMessage() for record in caplog.records if record.name == "hitl.api.throttles"]
    assert lines == ["the cache does not count calls (ConnectionError): nobody is throttled for 30 s"]
    assert dead.asked == 1, "a cache that does not answer would hold a web thread each time"


def test_a_cache_that_is_back_counts_again(slow: Api, monkeypatch: Any, pass_time: Any) -> None:
    monkeypatch.setattr(throttles, "_trust", throttles._Trust())
    monkeypatch.setattr(throttles, "cache", Broken())
    assert statuses(slow, 5) == [200] * 5
    monkeypatch.setattr(throttles, "cache", cache)
    pass_time(timedelta(seconds=31))
    assert statuses(slow, 4) == [200, 200, 200, 429]


def test_a_count_that_ends_while_it_is_read_begins_anew(monkeypatch: Any) -> None:
    class Forgetful(dict[str, Any]):
        def get_or_set(self, name: str, value: Any, seconds: int) -> Any:
            return value

        def add(self, name: str, value: Any, seconds: int) -> bool:
            return True

        def incr(self, name: str) -> int:
            raise ValueError(name)

    monkeypatch.setattr(throttles, "cache", Forgetful())
    assert throttles.spend("x", (1, 60)) is None
    assert not throttles._trust.gone


def test_the_clock_of_the_cache_is_not_believed(db: None) -> None:
    assert throttles.spend("x", (1, 60)) is None
    assert throttles.spend("x", (1, 60)) is not None
    clock.move(timedelta(seconds=60))
    assert throttles.spend("x", (1, 60)) is None
