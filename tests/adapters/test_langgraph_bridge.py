"""LangGraph: several calls of a turn, the other ways to call the bridge, and what goes wrong."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langgraph.checkpoint.memory import InMemorySaver

from hitl.client import AsyncClient, Client, ClientError, Invalid, StillPending
from hitl.client.adapters.langgraph import Bridge
from tests.adapters.programs import langgraph_agent
from tests.adapters.steps import begin, eventually, thread
from tests.serving import SCOPES, Product


def gated(**gate: Any) -> Any:
    """An agent whose refund is gated in this way, with threads in memory."""
    refund, saver = langgraph_agent.refund, InMemorySaver()
    return create_agent(
        langgraph_agent.Scripted(), [refund], middleware=[HumanInTheLoopMiddleware(**gate)], checkpointer=saver
    )


# -- several calls of a turn --------------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["batched", "per_call"])
def test_a_turn_goes_on_when_all_of_it_is_decided_each_call_as_it_was(
    graphs: Any, client: Client, served: Product, effects: Any, shape: str
) -> None:
    first, second = begin(Bridge(graphs(shape), client, policy="refunds"), "two").pending
    served.decide(first.id, "bob", "edit", args={"order": "A1", "amount": 90})
    between = Bridge(graphs(shape), client, policy="refunds").resume(first.id)
    assert [request.id for request in between.pending] == [second.id]
    assert effects() == []
    served.decide(second.id, "bob", "reject", comment="not that one")

    after = Bridge(graphs(shape), client, policy="refunds").resume(first.id)

    assert effects() == ["A1 90"]
    said = after.value["messages"][-1].content
    assert "not that one" in said
    assert "A1 was delivered" in said


def test_an_edit_that_others_must_agree_to_runs_as_they_agreed(
    graphs: Callable[[str], Any], served: Product, effects: Any
) -> None:
    key = served.key(*SCOPES, "approvals:reviewers", agent="names-reviewers")
    with Client(served.url, key) as client:
        bridge = Bridge(graphs("batched"), client, reviewers=["group:finance", "group:directors"], approvals=2)
        (asked,) = begin(bridge, "edit").pending
        served.decide(asked.id, "bob", "edit", args={"order": "edit", "amount": 90})
        (revision,) = bridge.resume(asked.id).pending
        assert revision.revision == 2
        served.decide(revision.id, "carol", "approve")
        assert bridge.resume(asked.id).pending
        served.decide(revision.id, "dana", "approve")

        assert bridge.resume(asked.id).done
    assert effects() == ["edit 90"]


# -- the other ways to call it ------------------------------------------------------------------------


def test_what_a_policy_lets_pass_runs_at_once(graphs: Any, client: Client, effects: Any) -> None:
    after = begin(Bridge(graphs("batched"), client, policy="open", risk="low"), "approve")

    assert after.done
    assert [outcome.via for outcome in after.outcomes] == ["policy"]
    assert effects() == ["approve 900"]


def test_run_until_done_waits_for_the_person(graphs: Any, client: Client, served: Product, effects: Any) -> None:
    bridge = Bridge(graphs("per_call"), client, policy="refunds", context=lambda values: "by itself")
    bob = threading.Thread(target=_decide_soon, args=(client, served))
    bob.start()

    after = bridge.run_until_done({"messages": [("user", "approve")]}, thread("approve"), timeout=60)

    bob.join()
    assert after.done
    assert effects() == ["approve 900"]


def test_run_until_done_gives_the_time_back_and_can_be_resumed(graphs: Any, client: Client, served: Product) -> None:
    bridge = Bridge(graphs("batched"), client, policy="refunds")

    with pytest.raises(StillPending) as waits:
        bridge.run_until_done({"messages": [("user", "approve")]}, thread("approve"), timeout=0.5)

    served.decide(waits.value.id, "bob", "approve")
    assert bridge.resume(waits.value.id).done


def test_it_works_in_an_event_loop(served: Product, api_key: str, effects: Any, graphs: Any) -> None:
    async def work() -> Any:
        async with AsyncClient(served.url, api_key) as waiting:
            bridge = Bridge(langgraph_agent.make("batched", InMemorySaver()), waiting, policy="refunds")
            (asked,) = (await bridge.ainvoke({"messages": [("user", "approve")]}, thread("a"))).pending
            await asyncio.to_thread(served.decide, asked.id, "bob", "approve")
            return await asyncio.gather(*(bridge.aresume(asked.id) for _ in range(5)))

    results = asyncio.run(work())

    assert sum(len(result.outcomes) for result in results) == 1
    assert effects() == ["approve 900"]


def test_an_async_client_is_for_the_awaited_methods(served: Product, api_key: str, graphs: Any) -> None:
    bridge = Bridge(
        langgraph_agent.make("batched", InMemorySaver()), AsyncClient(served.url, api_key), policy="refunds"
    )

    with pytest.raises(ClientError, match="AsyncClient"):
        begin(bridge, "approve")


# -- what goes wrong ----------------------------------------------------------------------------------


def test_a_tool_that_raises_is_reported_as_failed_and_its_error_is_raised(
    graphs: Any, client: Client, served: Product, effects: Any
) -> None:
    bridge = Bridge(graphs("batched"), client, policy="refunds")
    (asked,) = begin(bridge, "broken").pending
    served.decide(asked.id, "bob", "approve")

    with pytest.raises(RuntimeError, match="the bank is closed"):
        bridge.resume(asked.id)

    run = client.wait_run(asked.data["run"], timeout=30)
    assert run.status == "failed"
    assert effects() == ["broken 900"]


def test_another_programs_request_resumes_nothing(graphs: Any, client: Client) -> None:
    other = client.request_approval("refund", {"amount": 1}, title="t", impact="i", policy="refunds")

    with pytest.raises(Invalid, match="not asked by a LangGraph bridge"):
        Bridge(graphs("batched"), client, policy="refunds").resume(other.id)


def test_a_tool_that_nobody_could_refuse_is_not_asked_about(client: Client) -> None:
    gate = HumanInTheLoopMiddleware({"refund": {"allowed_decisions": ["approve"]}})
    agent = create_agent(
        langgraph_agent.Scripted(), [langgraph_agent.refund], middleware=[gate], checkpointer=InMemorySaver()
    )

    with pytest.raises(ClientError, match="neither reject nor respond"):
        begin(Bridge(agent, client, policy="refunds"), "approve")


def test_what_may_not_be_edited_is_not_offered_for_editing(client: Client, served: Product) -> None:
    gate = HumanInTheLoopMiddleware({"refund": {"allowed_decisions": ["approve", "reject"]}}, interrupt_mode="per_call")
    agent = create_agent(
        langgraph_agent.Scripted(), [langgraph_agent.refund], middleware=[gate], checkpointer=InMemorySaver()
    )
    (asked,) = begin(Bridge(agent, client, policy="refunds"), "approve").pending

    status, _ = served.call(
        "POST",
        f"approvals/{asked.id}/decisions/",
        {"verdict": "edit", "digest": asked.digest, "args": {"order": "approve", "amount": 1}},
        who="bob",
    )

    assert status == 400


def test_tools_give_the_reviewers_form_its_types(client: Client) -> None:
    bridge = Bridge(gated(interrupt_on={"refund": True}), client, policy="refunds", tools=[langgraph_agent.refund])

    (asked,) = begin(bridge, "approve").pending

    assert asked.data["args_schema"]["properties"]["amount"]["type"] == "integer"


def _decide_soon(client: Client, served: Product) -> None:
    """As a person would: find it in the inbox and say yes."""

    def found() -> list[str]:
        return [row["id"] for row in served.waiting() if client.get(row["id"]).data["context"] == "by itself"]

    served.decide(eventually(found)[0], "bob", "approve")
