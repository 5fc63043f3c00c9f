"""How a call reaches the product: what is tried again, what is raised, and what is never shown."""

from __future__ import annotations

import asyncio
import json
import logging
import pickle
import re
from datetime import timedelta
from typing import Any

import httpx
import pytest

from hitl.client import AsyncClient, Client, errors
from hitl.client.transport import Call, Target
from tests.client.fake import KEY, Fake, Reply, answer, outcome, problem, request

DONE = answer(200, request("approved", outcome=outcome("approve", approved=True)))
BROKEN = httpx.ConnectError("refused")


def asks(client: Client, **options: Any) -> Any:
    return client.request_approval("refund", {"amount": 900}, title="Refund 900", impact="Money leaves", **options)


# -- what is tried again ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "trouble",
    [
        BROKEN,
        httpx.ReadTimeout("slow"),
        httpx.RemoteProtocolError("gone"),
        problem(429, "throttled"),
        answer(502),
        answer(503, {"code": "unavailable"}),
        answer(504),
        problem(409, "in_flight"),
    ],
    ids=str,
)
def test_a_passing_trouble_is_tried_again_with_the_same_key(trouble: Reply, slept: list[float]) -> None:
    fake = Fake([trouble, trouble, answer(201, request())])
    assert asks(fake.client()).id == "r1"
    assert len(fake.seen) == 3
    assert len({one.headers["Idempotency-Key"] for one in fake.seen}) == 1
    assert len({one.content for one in fake.seen}) == 1
    assert len(slept) == 2


@pytest.mark.parametrize(
    ("reply", "kind", "code"),
    [
        (problem(400, "invalid", fields={"title": ["This is required."]}), errors.Invalid, "invalid"),
        (problem(401, "not_authenticated"), errors.NotAllowed, "not_authenticated"),
        (problem(403, "not_allowed", reason="policy_not_listed"), errors.NotAllowed, "not_allowed"),
        (problem(404, "unknown_policy"), errors.NotFound, "unknown_policy"),
        (problem(409, "already_consumed"), errors.AlreadyConsumed, "already_consumed"),
        (problem(409, "not_decided"), errors.NotDecided, "not_decided"),
        (problem(409, "batch_open"), errors.BatchOpen, "batch_open"),
        (problem(409, "lease_lost"), errors.LeaseLost, "lease_lost"),
        (problem(409, "frozen"), errors.Conflict, "frozen"),
        (problem(410, "approval_closed"), errors.Conflict, "approval_closed"),
        (problem(412, "stale_approval"), errors.Conflict, "stale_approval"),
        (problem(413, "too_large"), errors.Invalid, "too_large"),
        (problem(422, "idempotency_conflict"), errors.Conflict, "idempotency_conflict"),
        (problem(422, "invalid_action"), errors.Invalid, "invalid_action"),
        (problem(500, "error"), errors.Unavailable, "error"),
        (answer(418), errors.ClientError, "error"),
        (answer(302, None, Location="https://elsewhere.example.com"), errors.ClientError, "error"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_another_try_cannot_help_is_raised_at_once(
    reply: httpx.Response, kind: type[errors.ClientError], code: str, slept: list[float]
) -> None:
    fake = Fake([reply])
    with pytest.raises(errors.ClientError) as caught:
        asks(fake.client())
    assert (type(caught.value), caught.value.code, caught.value.status) == (kind, code, reply.status_code)
    assert (len(fake.seen), slept) == (1, [])


@pytest.mark.parametrize(("trouble", "kind"), [(BROKEN, errors.Unavailable), (problem(429, "quota"), errors.Throttled)])
def test_after_so_many_tries_it_gives_up(trouble: Reply, kind: type[Exception], slept: list[float]) -> None:
    fake = Fake([trouble])
    with pytest.raises(kind):
        asks(fake.client(retries=2))
    assert (len(fake.seen), len(slept)) == (3, 2)


def test_the_pauses_grow_and_are_never_longer_than_they_may(
    slept: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hitl.client.transport._RANDOM.uniform", lambda low, high: high)
    with pytest.raises(errors.Unavailable):
        asks(Fake([BROKEN]).client(retries=8))
    assert slept == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


@pytest.mark.parametrize("said", ["7", "Fri, 31 Dec 2199 23:59:59 GMT"])
def test_the_time_a_server_asks_for_is_kept(said: str, slept: list[float]) -> None:
    # The server's own clock counts: the one here may be wrong by years.
    dated = answer(429, {"code": "throttled"}, Retry_After=said, Date="Fri, 31 Dec 2199 23:59:52 GMT")
    assert asks(Fake([dated, answer(201, request())]).client()).id == "r1"
    assert 7 <= slept[0] <= 7.25


def test_a_server_that_wants_long_peace_is_not_waited_for(slept: list[float]) -> None:
    with pytest.raises(errors.Throttled) as caught:
        asks(Fake([answer(429, {"code": "throttled"}, Retry_After="3600")]).client())
    assert (caught.value.retry_after, slept) == (3600, [])


@pytest.mark.parametrize("said", ["soon", "-1", "", "Fri, 31 Dec 2199 23:59:59 GMT"])
def test_a_time_that_says_nothing_is_left_to_the_client(said: str, slept: list[float]) -> None:
    assert asks(Fake([answer(429, None, Retry_After=said), answer(201, request())]).client()).id == "r1"
    assert slept[0] <= 0.25


def test_the_callers_key_is_the_one_that_is_sent() -> None:
    fake = Fake([answer(201, request())])
    asks(fake.client(), idempotency_key="order-17")
    assert fake.seen[0].headers["Idempotency-Key"] == "order-17"
    assert "idempotency_key" not in json.loads(fake.seen[0].content)


def test_two_calls_have_two_keys() -> None:
    fake = Fake([answer(201, request())])
    client = fake.client()
    asks(client)
    asks(client)
    assert len({one.headers["Idempotency-Key"] for one in fake.seen}) == 2


def test_every_call_has_a_timeout_and_a_long_poll_a_longer_one() -> None:
    fake = Fake([answer(201, request()), DONE])
    client = fake.client(timeout=5)
    asks(client).wait()
    assert [one.extensions["timeout"]["read"] for one in fake.seen] == [5, 55]


# -- what is said -------------------------------------------------------------------------------------


def test_what_is_asked_has_the_shape_of_the_api() -> None:
    fake = Fake([answer(201, request())])
    asks(
        fake.client(), policy="refunds", reversible=True, timeout=timedelta(hours=4), editable=("/amount",), context={}
    )
    assert fake.seen[0].headers["Authorization"] == f"Bearer {KEY}"
    assert json.loads(fake.seen[0].content) == {
        "kind": "approval",
        "action": {
            "type": "refund",
            "args": {"amount": 900},
            "title": "Refund 900",
            "impact": "Money leaves",
            "reversible": True,
        },
        "policy": "refunds",
        "timeout": 14400,
        "editable": ["/amount"],
        "context": {},
    }


@pytest.mark.parametrize("value", [float("nan"), object(), {1, 2}, "\ud800", timedelta(1)], ids=repr)
def test_what_is_not_json_is_refused_before_anything_is_sent(value: Any) -> None:
    fake = Fake([DONE])
    with pytest.raises(errors.Invalid) as caught:
        fake.client().request_approval("refund", {"amount": value}, title="Refund", impact="Money leaves")
    assert (caught.value.code, fake.seen) == ("not_json", [])


@pytest.mark.parametrize("id", ["", ".", ".."])
def test_an_id_that_would_reach_another_address_is_refused(id: str) -> None:
    fake = Fake([DONE])
    with pytest.raises(errors.Invalid):
        fake.client().get(id)
    assert fake.seen == []


def test_an_id_cannot_leave_its_place() -> None:
    fake = Fake([DONE])
    fake.client().get("../runs/1?x=")
    assert fake.seen[0].url.raw_path == b"/api/v1/approvals/..%2Fruns%2F1%3Fx%3D/"


def test_a_list_goes_on_page_by_page_at_the_callers_own_address() -> None:
    first = {"results": [request()], "next": "http://inside:8000/api/v1/approvals/?cursor=abc%3D&status=pending"}
    fake = Fake([answer(200, first), answer(200, {"results": [request(id="r2")], "next": None})])
    assert [one.id for one in fake.client().requests(status="pending")] == ["r1", "r2"]
    assert [str(one.url) for one in fake.seen] == [
        "https://hitl.example.com/api/v1/approvals/?status=pending",
        "https://hitl.example.com/api/v1/approvals/?status=pending&cursor=abc%3D",
    ]


# -- waiting ------------------------------------------------------------------------------------------


def test_a_server_that_answers_at_once_is_asked_less_and_less_often(slept: list[float]) -> None:
    fake = Fake([*[answer(200, request()) for _ in range(8)], DONE])
    assert fake.client().wait("r1").status == "approved"
    assert [round(pause, 3) for pause in slept] == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0]
    assert {one.url.params["wait"] for one in fake.seen} == {"50.0"}


def test_a_wait_that_is_over_says_that_it_is_still_open(slept: list[float]) -> None:
    with pytest.raises(errors.StillPending) as caught:
        Fake([answer(200, request())]).client().wait("r1", timeout=5)
    assert caught.value.id == "r1"
    assert 4.5 < sum(slept) <= 5


def test_a_decision_is_kept_back_until_its_batch_is_complete(slept: list[float]) -> None:
    closed = {"id": "turn-7", "size": 2, "release": "all", "released": False}
    told = outcome("approve", approved=True)
    fake = Fake(
        [
            answer(200, request("approved", batch=closed)),
            answer(200, request("approved", batch=closed | {"released": True}, outcome=told)),
        ]
    )
    assert fake.client().wait("r1").outcome is not None
    assert len(fake.seen) == 2


def test_a_request_that_another_revision_replaced_has_no_outcome() -> None:
    with pytest.raises(errors.Conflict) as caught:
        Fake([answer(200, request("superseded"))]).client().wait("r1")
    assert caught.value.code == "stale_approval"


@pytest.mark.parametrize(
    "told",
    [{}, {"approved": None}, {"approved": "yes"}, {"verdict": "approve"}, {"approved": 1}],
    ids=str,
)
def test_what_is_missing_or_strange_never_reads_as_a_yes(told: dict[str, Any]) -> None:
    body = {"id": "r1", "status": "approved", "token": "t", "outcome": told}
    grant = Fake([answer(200, body)]).client().consume("r1")
    assert (grant.outcome.approved, grant.token) == (False, None)


def test_an_approval_under_another_status_is_none() -> None:
    body = {"id": "r1", "status": "expired", "token": "t", "outcome": outcome("approve", approved=True)}
    grant = Fake([answer(200, body)]).client().consume("r1")
    assert (grant.outcome.approved, grant.token) == (False, None)
    assert isinstance(grant.outcome.error(), errors.Expired)


# -- both clients -------------------------------------------------------------------------------------


def test_the_async_client_has_every_method_of_the_other() -> None:
    def names(kind: type) -> set[str]:
        return {name for name in dir(kind) if not name.startswith("_")}

    assert names(Client) - names(AsyncClient) == {"worker"}
    assert names(AsyncClient) <= names(Client)


def test_the_async_client_tries_again_and_waits_alike(slept: list[float]) -> None:
    fake = Fake([BROKEN, answer(201, request()), answer(200, request()), DONE])

    async def go() -> Any:
        async with AsyncClient("https://hitl.example.com/", KEY, transport=fake.transport) as client:
            asked = await client.request_approval("refund", {}, title="Refund", impact="Money leaves")
            return await asked.wait()

    assert asyncio.run(go()).approved
    assert fake.said() == ["POST /approvals/", "POST /approvals/", "GET /approvals/r1/", "GET /approvals/r1/"]
    assert len(slept) == 2


# -- where it is, and what is never shown -------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    ["https://a.example.com", "https://a.example.com/", "https://a.example.com/api/v1/", "https://a.example.com/x"],
)
def test_the_address_may_be_written_in_many_ways(url: str) -> None:
    fake = Fake([DONE])
    Client(url, KEY, transport=fake.transport).get("r1")
    assert fake.seen[0].url.path == ("/x" if url.endswith("x") else "") + "/api/v1/approvals/r1/"


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("", KEY),
        (None, KEY),
        ("https://a.example.com", ""),
        ("https://a.example.com", "two\nlines"),
        ("ftp://a.example.com", KEY),
        ("a.example.com", KEY),
        ("https://me:secret@a.example.com", KEY),
    ],
)
def test_a_client_that_cannot_work_is_refused(url: str | None, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HITL_URL", raising=False)
    monkeypatch.delenv("HITL_API_KEY", raising=False)
    with pytest.raises(errors.Invalid) as caught:
        Client(url, key)
    assert caught.value.code == "not_configured"
    assert not [secret for secret in ("secret", "two") if secret in str(caught.value)]


def test_address_and_key_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HITL_URL", "https://env.example.com")
    monkeypatch.setenv("HITL_API_KEY", KEY)
    fake = Fake([DONE])
    Client(transport=fake.transport).get("r1")
    assert fake.seen[0].url.host == "env.example.com"
    assert fake.seen[0].headers["Authorization"] == f"Bearer {KEY}"


def test_the_key_is_in_no_repr_no_log_and_no_error(caplog: pytest.LogCaptureFixture, slept: list[float]) -> None:
    caplog.set_level(logging.DEBUG)
    client = Fake([httpx.LocalProtocolError(f"Illegal header value b'Bearer {KEY}'"), answer(200, request())]).client()
    with pytest.raises(errors.Invalid) as caught:
        client.get("r1")
    seen = client.get("r1")
    shown = [client, client.wire.target, client.wire.http, seen, caught.value, caught.value.details, caplog.text]
    assert [text for text in map(repr, shown) if "geheim" in text] == []
    assert repr(client) == "Client('https://hitl.example.com')"


def test_an_answer_of_somebody_else_is_no_success() -> None:
    html = httpx.Response(200, text="<html>Please log in</html>")
    with pytest.raises(errors.Unavailable):
        Fake([html]).client().get("r1")


def test_errors_cross_processes_whole() -> None:
    for error in (errors.Pending("r1", review_url="https://x"), errors.Rejected("no"), errors.StillPending("r1")):
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), again.__dict__, str(again)) == (type(error), error.__dict__, str(error))


@pytest.mark.parametrize("name", ["Rückerstattung 12", "x" * 300, "line\nbreak", "\ud800"])
def test_any_name_can_be_an_idempotency_key(name: str) -> None:
    sent = Target.checked("http://127.0.0.1", "hitl_a_b", 1).arguments(Call("POST", "approvals/", {}, key=name))
    assert re.fullmatch(r"sha256-[0-9a-f]{64}", sent["headers"]["Idempotency-Key"])
