"""What the OpenAI Agents adapter refuses, without a process of its own: nothing runs on doubt."""

from __future__ import annotations

import asyncio

import pytest
from agents import Agent, FunctionTool, Runner, UserError, function_tool
from agents.testing import ScriptedModel, function_call

from hitl.client import Client, ClientError
from hitl.client.adapters.openai_agents import Approvals
from tests.adapters.programs import openai_agent

# Whichever test is first starts the product.
pytestmark = pytest.mark.timeout(600)


def test_a_request_of_something_else_is_not_resumed(client: Client) -> None:
    approvals, agent = openai_agent.desk(client)
    asked = client.ask_question("Anything?", policy="refunds")
    with pytest.raises(ClientError, match="was not asked by this adapter"):
        asyncio.run(approvals.resume(agent, asked.id))


def test_a_yes_that_is_not_the_products_runs_nothing(client: Client) -> None:
    ran: list[int] = []
    approvals = Approvals(client, policy="refunds")

    @approvals.gated
    def pay(amount: int) -> str:
        """Pay."""
        ran.append(amount)
        return "paid"

    agent = Agent(name="a", model=ScriptedModel([[function_call("pay", '{"amount": 1}', call_id="c")]]), tools=[pay])

    async def approve_it_myself() -> None:
        state = (await Runner.run(agent, "go")).to_state()
        state.approve(state.get_interruptions()[0])
        await Runner.run(agent, state)

    with pytest.raises(UserError, match="without an approval"):
        asyncio.run(approve_it_myself())
    assert ran == []


def test_doubt_about_when_asks_a_person(client: Client) -> None:
    approvals = Approvals(client, policy="refunds")
    made = approvals.gated(_pay, when=lambda args: args["missing"] > 1)
    assert isinstance(made, FunctionTool)
    assert callable(made.needs_approval)
    assert asyncio.run(made.needs_approval(None, {"amount": 1}, "c")) is True  # type: ignore[arg-type]


def test_a_tool_cannot_be_gated_twice(client: Client) -> None:
    with pytest.raises(TypeError, match="plain function"):
        Approvals(client).gated(function_tool(_pay))


def _pay(amount: int) -> str:
    """Pay."""
    return f"paid {amount}"
