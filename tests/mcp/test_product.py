"""An agent that speaks MCP asks in the real product, waits in bounded calls, and acts once."""

from __future__ import annotations

import asyncio

import pytest

from tests.mcp.conftest import Agent, http_server, over_http, over_stdio, play
from tests.serving import Product

TOOLS = {
    "request_approval",
    "ask_human",
    "await_approval",
    "take_answer",
    "report_result",
    "revise_request",
    "cancel_request",
}
pytestmark = pytest.mark.timeout(600)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_approved_taken_once_and_reported(served: Product, key: str, mode: str) -> None:
    async def scene() -> None:
        async with over_stdio(served.url, key, mode=mode) as agent:
            asked = await agent.ask(description="The customer asked for it")
            assert asked["status"] == "pending"
            assert asked["id"] in asked["review_url"]
            assert (await agent.call("await_approval", id=asked["id"], seconds=1))["status"] == "pending"
            assert (await agent.call("take_answer", id=asked["id"]))["status"] == "pending"
            waiting = asyncio.create_task(agent.ended(asked["id"]))
            await asyncio.to_thread(served.decide, asked["id"], "bob", "approve", comment="fine")
            told = await waiting
            assert (told["status"], told["by"], told["comment"]) == ("approved", ["bob"], "fine")
            assert {"args", "token"}.isdisjoint(told)
            await acts_once(agent, asked["id"])
            status, run = await asyncio.to_thread(served.call, "GET", f"approvals/{asked['id']}/", who="bob")
            assert status == 200
            assert served.sql("select status from hitl_run where id = ?", run["run"].replace("-", "")) == [
                ("succeeded",)
            ]

    async def acts_once(agent: Agent, id: str) -> None:
        first, second = await agent.call("take_answer", id=id), await agent.call("take_answer", id=id)
        assert (first["action"], first["args"], first["edited"]) == ("refund", {"order": "A1", "amount": 900}, False)
        assert second["status"] == "already_taken"
        assert {"args", "token"}.isdisjoint(second)
        reported = await agent.call("report_result", id=id, token=first["token"], output={"paid": True})
        assert reported["status"] == "recorded"
        again = await agent.call("report_result", id=id, token=first["token"], output={"paid": True})
        assert again["status"] == "not_recorded"

    play(scene)


def test_an_edit_hands_out_the_changed_arguments(served: Product, key: str) -> None:
    async def scene() -> None:
        async with over_stdio(served.url, key) as agent:
            asked = await agent.ask()
            edited = {"order": "A1", "amount": 90}
            await asyncio.to_thread(served.decide, asked["id"], "bob", "edit", args=edited)
            assert "amount" not in str(await agent.ended(asked["id"]))
            taken = await agent.call("take_answer", id=asked["id"])
            assert (taken["args"], taken["edited"]) == (edited, True)
            assert "do not run what you had proposed" in taken["next"]
            failed = await agent.call("report_result", id=asked["id"], token=taken["token"], ok=False, error="no money")
            assert failed["status"] == "recorded"

    play(scene)


def test_what_two_people_must_agree_on_keeps_its_id_through_an_edit(served: Product, key: str) -> None:
    async def scene() -> None:
        async with over_stdio(served.url, key) as agent:
            asked = await agent.ask(policy="two-eyes")
            edited = {"order": "A1", "amount": 90}
            await asyncio.to_thread(served.decide, asked["id"], "bob", "edit", args=edited)
            now = await agent.call("await_approval", id=asked["id"], seconds=0)
            assert now["status"] == "pending"
            served_reject = asyncio.to_thread(served.decide, now["id"], "carol", "reject", comment="not at all")
            await served_reject
            assert (await agent.ended(asked["id"]))["status"] == "rejected"

    play(scene)


def test_a_refusal_hands_out_nothing_and_says_not_to_try_again(served: Product, key: str) -> None:
    async def scene() -> None:
        async with over_stdio(served.url, key) as agent:
            asked = await agent.ask()
            await asyncio.to_thread(served.decide, asked["id"], "bob", "reject", comment="never")
            told = await agent.ended(asked["id"])
            assert (told["status"], told["comment"]) == ("rejected", "never")
            assert "do not ask for it again" in told["next"]
            taken = await agent.call("take_answer", id=asked["id"])
            assert taken["status"] == "rejected"
            assert {"args", "token"}.isdisjoint(taken)
            assert (await agent.call("take_answer", id=asked["id"]))["status"] == "already_taken"

    play(scene)


def test_time_that_passes_is_no_persons_no(served: Product, key: str) -> None:
    async def scene() -> None:
        async with over_stdio(served.url, key) as agent:
            asked = await agent.ask(policy="hasty")
            told = await agent.ended(asked["id"])
            assert told["status"] == "expired"
            assert "nobody said no" in told["next"]
            assert "token" not in await agent.call("take_answer", id=asked["id"])

    play(scene)


def test_a_question_is_answered_and_the_answer_taken_once(served: Product, key: str) -> None:
    async def scene() -> None:
        async with over_stdio(served.url, key) as agent:
            asked = await agent.call("ask_human", question="Which region?", options=["eu", "us"], policy="refunds")
            await asyncio.to_thread(served.decide, asked["id"], "bob", "respond", response="eu")
            told = await agent.ended(asked["id"])
            assert told["status"] == "answered"
            assert "eu" not in told.values()
            assert "notice" not in told
            assert (await agent.call("take_answer", id=asked["id"]))["answer"] == "eu"
            assert (await agent.call("take_answer", id=asked["id"]))["status"] == "already_taken"

    play(scene)


def test_a_revision_is_proposed_and_approved(served: Product, key: str) -> None:
    async def scene() -> None:
        async with over_stdio(served.url, key) as agent:
            asked = await agent.ask()
            await asyncio.to_thread(served.decide, asked["id"], "bob", "request_revision", comment="split it")
            told = await agent.ended(asked["id"])
            assert (told["status"], told["comment"]) == ("revision_requested", "split it")
            args = {"order": "A1", "amount": 450}
            revised = await agent.call("revise_request", id=asked["id"], args=args, description="half of it")
            assert revised["status"] == "pending"
            assert revised["id"] != asked["id"]
            await asyncio.to_thread(served.decide, revised["id"], "bob", "approve")
            assert (await agent.ended(revised["id"]))["status"] == "approved"
            assert (await agent.call("take_answer", id=revised["id"]))["args"] == args

    play(scene)


def test_what_is_no_longer_needed_is_taken_back(served: Product, key: str) -> None:
    async def scene() -> None:
        async with over_stdio(served.url, key) as agent:
            asked = await agent.ask()
            told = await agent.call("cancel_request", id=asked["id"], reason="the customer called")
            assert told["status"] == "cancelled"
            assert "Do not act" in told["next"]

    play(scene)


def test_the_same_name_asks_nobody_twice(served: Product, key: str) -> None:
    async def scene() -> None:
        async with over_stdio(served.url, key) as agent:
            first, second = await agent.ask(once="ticket-7"), await agent.ask(once="ticket-7")
            assert first["id"] == second["id"]
            assert "idempotency_conflict" in await agent.refused(
                "request_approval", action="refund", args={}, title="x", impact="x", policy="refunds", once="ticket-7"
            )

    play(scene)


def test_what_the_product_refuses_is_told_in_words(served: Product, key: str) -> None:
    async def scene() -> None:
        async with over_stdio(served.url, key) as agent:
            unknown = await agent.refused("ask_human", question="?", policy="nobody-knows")
            assert "nobody-knows" in unknown
            assert "do not act" in unknown
            assert "do not act" in await agent.refused("await_approval", id="0" * 8, seconds=0)
        async with over_stdio(served.url, "hitl_0123456789ab_wrong") as stranger:
            wrong = await stranger.refused("ask_human", question="?", policy="refunds")
            assert "HITL_API_KEY" in wrong
            assert "hitl_0123456789ab" not in wrong

    play(scene)


def test_over_http_each_caller_comes_with_its_own_key(served: Product, key: str, other_key: str) -> None:
    async def scene(address: str) -> None:
        async with over_http(address, key) as agent, over_http(address, other_key, mode="legacy") as other:
            assert {tool.name for tool in (await other.client.list_tools()).tools} == TOOLS
            asked = await agent.ask()
            await asyncio.to_thread(served.decide, asked["id"], "bob", "approve")
            assert (await agent.ended(asked["id"]))["status"] == "approved"
            await other.refused("take_answer", id=asked["id"])
            taken = await agent.call("take_answer", id=asked["id"])
            reported = await agent.call("report_result", id=asked["id"], token=taken["token"], output="paid")
            assert reported["status"] == "recorded"

    with http_server(served.url) as address:
        play(lambda: scene(address))


def test_on_loopback_the_configured_key_is_lent(served: Product, key: str, other_key: str) -> None:
    async def scene(address: str) -> None:
        async with over_http(address) as lent, over_http(address, other_key) as own:
            asked = await lent.ask()
            assert (await lent.call("await_approval", id=asked["id"], seconds=0))["status"] == "pending"
            await own.refused("await_approval", id=asked["id"], seconds=0)

    with http_server(served.url, key=key) as address:
        play(lambda: scene(address))
