"""An agent of the OpenAI Agents SDK with a scripted model: `run SCENE…` starts runs, `resume ID…` goes on with them.

A scene is `kind-name`, or `policy/kind-name`; `name` is the order it is about. The tools write a line to the file
`EFFECTS` each time they run. Prints what became of each run, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from typing import Any

from agents import Agent, RunContextWrapper, function_tool, set_tracing_disabled
from agents.testing import ModelStep, ScriptedModel, assistant_message, function_call
from agents.testing.model import ModelCall

from hitl.client import AsyncClient, Client, ClientError
from hitl.client.adapters.openai_agents import Approvals, Result

set_tracing_disabled(True)


def effect(line: str) -> None:
    """One line, written at once, so that two processes never mix theirs."""
    file = os.open(os.environ["EFFECTS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{line}\n".encode())
    os.close(file)


def call(name: str, call_id: str, **args: Any) -> Any:
    """A tool call of the model."""
    return function_call(name, json.dumps(args), call_id=call_id)


def calls(kind: str, name: str) -> list[Any]:
    """What the model does first in a scene of this kind."""
    if kind == "ask":
        return [call("ask_human", "c1", question=f"Which region for {name}?", options=["eu", "us"])]
    if kind == "native":
        return [call("close_ticket", "c1", ticket=name)]
    if kind == "large":
        name = random.Random(1).randbytes(150_000).hex()
    first = call("refund", "c1", order=name, amount=90 if kind == "small" else 900)
    return [first, call("refund", "c2", order=f"{name}-2", amount=500)] if kind == "two" else [first]


def turn(seen: ModelCall) -> list[Any]:
    """The model: it makes the scene's calls, then says what came of them. It remembers nothing itself."""
    outputs = [item["output"] for item in seen.input if item.get("type") == "function_call_output"]
    kind, _, name = next(item["content"] for item in seen.input if item.get("role") == "user").partition("-")
    if not outputs:
        return calls(kind, name)
    if kind == "twice" and len(outputs) < 2:
        return [call("refund", "c2", order=f"{name}-2", amount=500)]
    return [assistant_message(json.dumps(outputs))]


def desk(client: Client | AsyncClient, policy: str = "refunds") -> tuple[Approvals, Agent[Any]]:
    """The same agent in every process."""
    approvals = Approvals(client, policy=policy)

    @approvals.gated(title="Refund {amount} on {order}", impact="Money leaves", when=lambda args: args["amount"] > 100)
    def refund(ctx: RunContextWrapper[Any], order: str, amount: int) -> str:
        """Give money back."""
        effect(f"refund {order} {amount}")
        if order.startswith("broken"):
            raise RuntimeError("the bank is closed")
        return f"refunded {amount} on {order} for {ctx.context['tenant']}"

    @function_tool(needs_approval=True)
    def close_ticket(ticket: str) -> str:
        """Close a ticket."""
        effect(f"close {ticket}")
        return f"closed {ticket}"

    model = ScriptedModel([ModelStep.respond(turn) for _ in range(4)])
    return approvals, Agent(name="desk", model=model, tools=[refund, close_ticket, approvals.ask_human()])


def told(result: Result) -> dict[str, Any]:
    """The result as the test reads it."""
    return {
        "done": result.done,
        "outputs": json.loads(result.output) if result.done else None,
        "pending": [request.id for request in result.pending],
        "urls": result.review_urls,
        "id": result.id,
        "already": result.already,
        "note": result.note,
    }


async def act(client: Client | AsyncClient, verb: str, word: str) -> dict[str, Any]:
    """One run or one resume."""
    try:
        if verb == "resume":
            approvals, agent = desk(client)
            return told(await approvals.resume(agent, word))
        policy, _, scene = word.rpartition("/")
        approvals, agent = desk(client, policy or "refunds")
        return told(await approvals.run(agent, scene, context={"tenant": "acme"}))
    except ClientError as error:
        return {"error": str(error), "code": error.code}


async def main(verb: str, words: list[str]) -> None:
    """One process."""
    async with AsyncClient() as client:
        if os.environ.get("HOLD"):
            print("ready", flush=True)
            sys.stdin.readline()
        print(json.dumps([await act(client, verb, word) for word in words]))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2:]))
