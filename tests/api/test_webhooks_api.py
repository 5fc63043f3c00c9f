"""Webhooks over the API: operators set them up and look after them, agents name a callback."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from hitl import notifications
from hitl.models import Approval, Notification, WebhookEndpoint
from tests.api.conftest import Api, problem
from tests.outside import conftest as outside
from tests.outside.conftest import Agent

URL = "https://example.com/hook"
agents, agent, policies = outside.agents, outside.agent, outside.policies


@pytest.fixture
def made(as_olga: Api) -> dict[str, Any]:
    """A webhook that olga set up."""
    answer = as_olga.post("webhooks/", {"url": URL, "kinds": ["approved"], "topics": ["refunds"]})
    assert answer.status_code == 201, answer.content
    return dict(answer.json())


def test_it_is_set_up_and_its_secret_is_shown_once(as_olga: Api, made: dict[str, Any]) -> None:
    secret = made.pop("secret")
    assert secret.startswith("whsec_")
    assert made["secrets"] == [{"begins": secret[:10], "until": None}]
    assert (made["url"], made["kinds"], made["topics"]) == (URL, ["approved"], ["refunds"])
    assert as_olga.get(f"webhooks/{made['id']}/").json() == made
    assert as_olga.get("webhooks/").json()["results"] == [made]


def test_a_new_secret_stands_beside_the_old_one(as_olga: Api, made: dict[str, Any]) -> None:
    fresh = as_olga.post(f"webhooks/{made['id']}/rotate/", {}).json()
    assert fresh["secret"] != made["secret"]
    assert [one["begins"] for one in fresh["secrets"]] == [fresh["secret"][:10], made["secret"][:10]]
    assert [one["until"] is None for one in fresh["secrets"]] == [True, False]


def test_off_and_on(as_olga: Api, made: dict[str, Any]) -> None:
    for verb, off in (("disable", True), ("disable", True), ("enable", False)):
        answer = as_olga.post(f"webhooks/{made['id']}/{verb}/", {})
        assert (answer.status_code, answer.json()["disabled_at"] is not None) == (200, off)


def test_deliveries_are_listed_and_sent_again(as_olga: Api, made: dict[str, Any]) -> None:
    where = f"webhooks/{made['id']}"
    sent = as_olga.post(f"{where}/test/", {})
    assert (sent.status_code, sent.json()["type"]) == (202, "hitl.test")
    Notification.objects.update(status="dead", attempts=10, last_error="Undelivered: it answered 500")
    (row,) = as_olga.get(f"{where}/deliveries/", status="dead").json()["results"]
    assert (row["id"], row["attempts"], row["last_error"]) == (sent.json()["id"], 10, "Undelivered: it answered 500")
    assert as_olga.get(f"{where}/deliveries/", status="sent").json()["results"] == []
    assert as_olga.post(f"{where}/deliveries/replay/", {}).json() == {"count": 1}
    assert as_olga.post(f"{where}/deliveries/replay/", {}).json() == {"count": 0}
    assert Notification.objects.get().status == "pending"
    Notification.objects.update(status="sent")
    assert as_olga.post(f"{where}/deliveries/replay/", {"delivery": row["id"]}).json() == {"count": 1}
    problem(as_olga.post(f"{where}/deliveries/replay/", {"delivery": str(uuid.uuid4())}), 404, "not_found")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"url": "http://example.com/"},
        {"url": "https://127.0.0.1/"},
        {"url": "https://user@example.com/"},
        {"url": URL, "kinds": ["dead"]},
        {"url": URL, "topics": "refunds"},
        {"url": URL, "secret": "mine"},
    ],
)
def test_what_cannot_be_a_webhook_is_refused(body: Any, as_olga: Api) -> None:
    assert as_olga.post("webhooks/", body).status_code == 400
    assert not WebhookEndpoint.objects.exists()


def test_operators_alone(as_bob: Api, agent: Agent, made: dict[str, Any]) -> None:
    for who in (as_bob, agent.api):
        for path in ("webhooks/", f"webhooks/{made['id']}/", f"webhooks/{made['id']}/deliveries/"):
            assert problem(who.get(path), 403, "not_allowed")["reason"] == "not_operator"
        for verb in ("rotate", "disable", "enable", "test", "deliveries/replay"):
            problem(who.post(f"webhooks/{made['id']}/{verb}/", {}), 403, "not_allowed")
        problem(who.post("webhooks/", {"url": URL}), 403, "not_allowed")
    assert not Notification.objects.exists()


def test_what_is_not_there_is_not_found(as_olga: Api, db: None) -> None:
    problem(as_olga.get(f"webhooks/{uuid.uuid4()}/"), 404, "not_found")


# -- callbacks ----------------------------------------------------------------------------------------


def test_an_agent_names_where_it_wants_to_hear_of_the_end(agent: Agent) -> None:
    seen = agent.ask(callback_url=URL)
    assert seen["callback_secret"] == notifications.callback_secret(agent.row)
    assert Approval.objects.get().callback_url == URL
    assert "callback_secret" not in agent.see(seen)
    assert agent.ask()["callback_secret"] is None


def test_a_question_has_a_callback_as_well(agent: Agent) -> None:
    assert agent.question(callback_url=URL)["callback_secret"].startswith("whsec_")


@pytest.mark.parametrize("url", ["http://example.com/", "https://169.254.169.254/", "https://x:1/", "nowhere"])
def test_a_callback_goes_to_the_public_internet_alone(url: str, agent: Agent) -> None:
    problem(agent.api.post("approvals/", agent.body(callback_url=url)), 400, "bad_input")
    assert not Approval.objects.exists()


def test_the_next_revision_keeps_the_callback(agent: Agent, bob: Any) -> None:
    from hitl import decisions

    seen = agent.ask(callback_url=URL)
    row = outside.row_of(seen)
    decisions.decide(row, actor=bob, verdict="request_revision", digest=row.digest, comment="less")
    assert agent.act(seen, "revise", {"action": outside.ACTION}).status_code == 201
    assert set(Approval.objects.values_list("callback_url", flat=True)) == {URL}
