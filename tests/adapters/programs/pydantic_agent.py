"""A Pydantic AI agent with a scripted model: `start SCENE…` runs it until it waits, `resume ID…` goes on.

The file `effects` in `FOLDER` gets a line each time a tool runs. Prints a list of JSON results.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

from pydantic_ai import Agent, CallDeferred
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models.function import AgentInfo, FunctionModel

from hitl.client import Client
from hitl.client.adapters.pydantic_ai import Approvals, Result

FOLDER = os.environ.get("FOLDER", ".")


def effect(line: str) -> None:
    """One line, written at once, so that two processes never mix theirs."""
    file = os.open(os.path.join(FOLDER, "effects"), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{line}\n".encode())
    os.close(file)


def call(id: str, name: str, **args: Any) -> ToolCallPart:
    """A tool call of the model."""
    return ToolCallPart(name, args, tool_call_id=id)


SCENES = {
    **{name: [call("c1", "refund", order=name, amount=900)] for name in ("approve", "edit", "reject", "expire")},
    **{name: [call("c1", "refund", order=name, amount=900)] for name in ("dies", "broken")},
    "ask": [call("c1", "ask_person", question="Which region?")],
    "job": [call("c1", "refund", order="job", amount=900), call("c2", "long_job", job="index")],
    "two": [
        call("c1", "refund", order="A1", amount=900),
        call("c2", "look_up", order="A1"),
        call("c3", "refund", order="B2", amount=500),
        call("c4", "ask_person", question="Which region?"),
    ],
    # A careless model gives the same call id again, in another turn of the same run.
    "again": [call("c1", "refund", order="again", amount=900)],
}


def script(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    """Calls the tools of the scene that the user names, and then repeats what it was told."""
    parts = [part for message in messages if isinstance(message, ModelRequest) for part in message.parts]
    scene = next(str(part.content) for part in parts if isinstance(part, UserPromptPart))
    turns = sum(isinstance(message, ModelResponse) for message in messages)
    if turns < (2 if scene == "again" else 1):
        return ModelResponse(list(SCENES[scene]))
    told = [str(part.content) for part in parts if isinstance(part, ToolReturnPart)]
    return ModelResponse([TextPart(" || ".join(told))])


def make(**options: Any) -> Agent[None, Any]:
    """The agent, made anew as after a restart."""
    agent: Agent[None, Any] = Agent(FunctionModel(script), **options)

    @agent.tool_plain(requires_approval=True)
    def refund(order: str, amount: int) -> str:
        """Pay an order back."""
        effect(f"{order} {amount!r}")
        if order == "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        if order == "broken":
            raise RuntimeError("the bank is closed")
        return f"paid {amount}"

    @agent.tool_plain
    def look_up(order: str) -> str:
        """Look an order up."""
        return f"{order} was delivered"

    @agent.tool_plain
    def ask_person(question: str) -> str:
        """Ask a person."""
        raise CallDeferred(kind="question")

    @agent.tool_plain
    def long_job(job: str) -> str:
        """Done by a program elsewhere."""
        raise CallDeferred

    return agent


def told(result: Result) -> dict[str, Any]:
    """A result as JSON."""
    return {
        "done": result.done,
        "pending": [request.id for request in result.pending],
        "urls": result.review_urls,
        "outcomes": [outcome.status for outcome in result.outcomes],
        "said": result.output if result.done else "",
    }


def main(act: str, *names: str) -> None:
    """Do one thing with one or several runs; `POLICY:SCENE` asks by another policy than refunds."""
    with Client() as client:
        if os.environ.get("HOLD"):
            print("ready", flush=True)
            sys.stdin.readline()
        results = []
        for policy, _, name in (word.rpartition(":") for word in names):
            approvals = Approvals(client, policy=policy or "refunds")
            step = approvals.run_sync if act == "start" else approvals.resume_sync
            results.append(told(step(make(), name)))
        print(json.dumps(results))


if __name__ == "__main__":
    main(*sys.argv[1:])
