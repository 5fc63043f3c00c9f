"""Whatever is posted, the answer is one of ours: never a 5xx, never a row without a reason."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission
from hypothesis import HealthCheck, given, strategies
from hypothesis import settings as hypothesis

from hitl.api import throttles
from hitl.models import Approval, Decision, Run, Signal
from tests.api.conftest import Api, problem
from tests.rows import nothing_written

PATHS = (
    "runs/",
    "runs/{run}/signals/go/",
    "runs/{run}/feedback/",
    "approvals/{approval}/decisions/",
    "approvals/{approval}/extend/",
    "approvals/bulk/",
    "delegations/",
)


@pytest.fixture(autouse=True)
def _bob_may_start(bob: Any) -> None:
    """So that a body is looked at."""
    bob.user_permissions.add(Permission.objects.get(codename="add_run", content_type__app_label="hitl"))


BODIES = [
    b"",
    b" ",
    b"\x00",
    b"\xff\xfe",
    b"\xef\xbb\xbf{}",
    b"{",
    b"}",
    b"[",
    b"[]",
    b"[{}]",
    b"null",
    b"true",
    b"0",
    b"-0",
    b"1e400",
    b"NaN",
    b"Infinity",
    b'""',
    b"'x'",
    b"{}x",
    b"{} {}",
    b'{"a":1,"a":2}',
    b'{"":""}',
    b'{"\\u0000":1}',
    b'{"\\ud800":1}',
    b'{"workflow":null}',
    b'{"workflow":"\\u0000"}',
    b'{"workflow":"\\ud800"}',
    b'{"workflow":{"$ne":1}}',
    b'{"workflow":"' + b"x" * 101 + b'"}',
    b'{"workflow":"test-refund","input":"\\u0000"}',
    b'{"workflow":"test-refund","external_id":"\\u0000"}',
    b'{"workflow":"test-refund","external_id":null}',
    b'{"workflow":"test-refund","external_id":' + b"9" * 4000 + b"}",
    b'{"workflow":1}',
    b'{"workflow":1.5}',
    b'{"payload":NaN}',
    b'{"payload":1e999}',
    b'{"payload":' + b"[" * 63 + b"]" * 63 + b"}",
    b'{"payload":' + b"[" * 64 + b"]" * 64 + b"}",
    b'{"payload":' + b"[" * 9999 + b"]" * 9999 + b"}",
    b'{"payload":' + b'{"a":' * 9999 + b"1" + b"}" * 9999 + b"}",
    b'{"payload":"' + b"x" * 1_048_577 + b'"}',
    b'{"payload":' + b"1" * 4301 + b"}",
    b'{"payload":"\\ud83d"}',
    b'{"payloads":1}',
    b'{"verdict":"approve"}',
    b'{"verdict":"approve","digest":""}',
    b'{"verdict":"approve","digest":"\\u00e9"}',
    b'{"verdict":"approve","digest":"x","revision":-1}',
    b'{"verdict":"approve","digest":"x","revision":1e10}',
    b'{"verdict":"approve","digest":"x","revision":1.5}',
    b'{"verdict":"approve","digest":"x","revision":"\xd9\xa1"}',
    b'{"verdict":"approve","digest":"x","revision":true}',
    b'{"verdict":"approve","digest":"x","phrase":1e5}',
    b'{"verdict":"\\u202e","digest":"x"}',
    b'{"verdict":"\\u0000","digest":"x"}',
    b'{"verdict":"' + b"x" * 41 + b'","digest":"x"}',
    b'{"verdict":"edit","digest":"x","args":' + b"[" * 60 + b"]" * 60 + b"}",
    b'{"verdict":"edit","digest":"x","args":{"__class__":1}}',
    b'{"verdict":"reject","digest":"x","comment":"\\u0000"}',
    b'{"verdict":"reject","digest":"x","comment":["a"]}',
    b'{"digest":{"a":1},"verdict":{"b":2}}',
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("raw", BODIES, ids=range(len(BODIES)))
def test_a_nasty_body_is_answered_in_our_words(raw: bytes, path: str, waiting: Approval, as_bob: Api) -> None:
    before = (Run.objects.count(), Decision.objects.count(), Approval.objects.get(pk=waiting.pk).status)
    response = as_bob.post(path.format(run=waiting.run_id, approval=waiting.pk), raw=raw)
    assert response.status_code in (202, 400, 404, 412, 413), response.content
    assert (response.status_code == 202) == (Signal.objects.count() == 1)
    if response.status_code != 202:
        problem(response, response.status_code, response.json()["code"])
    after = (Run.objects.count(), Decision.objects.count(), Approval.objects.get(pk=waiting.pk).status)
    assert after == before


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "\xff"])
@pytest.mark.parametrize("path", PATHS)
def test_another_kind_of_body_is_not_read(kind: str, path: str, waiting: Approval, as_bob: Api) -> None:
    with nothing_written():
        address = f"/api/v1/{path.format(run=waiting.run_id, approval=waiting.pk)}"
        response = as_bob.client.post(address, b"{}", content_type=kind, headers=as_bob.headers)
    assert response.status_code in (400, 415)


json_values = strategies.recursive(
    strategies.none() | strategies.booleans() | strategies.integers() | strategies.floats() | strategies.text(),
    lambda inner: strategies.lists(inner, max_size=3) | strategies.dictionaries(strategies.text(), inner, max_size=3),
    max_leaves=8,
)


@hypothesis(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=strategies.dictionaries(
        strategies.sampled_from(["verdict", "digest", "revision", "comment", "args", "response", "phrase", "x"]),
        json_values,
    )
)
def test_no_decision_that_was_made_up_is_taken(body: Any, waiting: Approval, as_bob: Api) -> None:
    raw = json.dumps(body).encode()
    response = as_bob.post(f"approvals/{waiting.pk}/decisions/", raw=raw)
    assert 400 <= response.status_code < 500
    assert not Decision.objects.exists()


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("runs/", ("PUT", "PATCH", "DELETE")),
        ("runs/{run}/", ("POST", "PUT", "PATCH", "DELETE")),
        ("runs/{run}/signals/go/", ("GET", "PUT", "PATCH", "DELETE")),
        ("approvals/", ("PUT", "PATCH", "DELETE")),
        ("approvals/{approval}/", ("POST", "PUT", "PATCH", "DELETE")),
        ("approvals/{approval}/decisions/", ("GET", "PUT", "PATCH", "DELETE")),
    ],
)
def test_other_methods_are_not_allowed(
    path: str, methods: tuple[str, ...], waiting: Approval, as_bob: Api, agent_key: Any
) -> None:
    address = path.format(run=waiting.run_id, approval=waiting.pk)
    for api in (as_bob, Api(token=agent_key[1])):
        for method in methods:
            response = api.call(method, address)
            problem(response, 405, "method_not_allowed")
            assert method not in response["Allow"].split(", ")
    waiting.refresh_from_db()
    assert waiting.status == "pending"


def test_a_key_may_ask_with_head_what_it_may_get(bot: Api) -> None:
    assert bot.call("HEAD", "runs/").status_code == 200


def test_who_asks_too_often_is_told_when_to_come_back(bot: Api, as_bob: Api, monkeypatch: Any) -> None:
    monkeypatch.setattr(throttles, "rate_of", lambda who: (2, 60))
    assert [bot.get("runs/").status_code for _ in range(2)] == [200, 200]
    response = bot.get("runs/")
    problem(response, 429, "throttled")
    assert 1 <= int(response["Retry-After"]) <= 61
    assert as_bob.get("runs/").status_code == 200, "one principal's haste is not another's"


def test_throttling_is_on_by_default() -> None:
    assert settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"] == {"user": "600/min"}
