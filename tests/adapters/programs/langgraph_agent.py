"""A LangGraph agent with a scripted model, over threads in a SQLite file: `SHAPE start THREAD…`, `SHAPE resume ID…`.

`FOLDER` holds its threads, and the file `effects` gets a line each time a tool runs. Prints a list of JSON results.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import sys
from typing import Annotated, Any, TypedDict

from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AnyMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import interrupt

from hitl.client import Client
from hitl.client.adapters.langgraph import Bridge, Result

FOLDER = os.environ.get("FOLDER", ".")


def effect(line: str) -> None:
    """One line, written at once, so that two processes never mix theirs."""
    file = os.open(os.path.join(FOLDER, "effects"), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{line}\n".encode())
    os.close(file)


def refund(order: str, amount: int) -> str:
    """Pay an order back."""
    effect(f"{order} {amount!r}")
    if order == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if order == "broken":
        raise RuntimeError("the bank is closed")
    return f"paid {amount}"


def look_up(order: str) -> str:
    """Look an order up."""
    return f"{order} was delivered"


def ask_person(question: str) -> str:
    """Ask a person."""
    raise AssertionError("a person answers this")


def call(id: str, name: str, **args: Any) -> dict[str, Any]:
    """A tool call of the model."""
    return {"id": id, "name": name, "args": args}


SCENES = {
    "approve": [call("c1", "refund", order="approve", amount=900)],
    "edit": [call("c1", "refund", order="edit", amount=900)],
    "reject": [call("c1", "refund", order="reject", amount=900)],
    "expire": [call("c1", "refund", order="expire", amount=900)],
    "two": [
        call("c1", "refund", order="A1", amount=900),
        call("c2", "look_up", order="A1"),
        call("c3", "refund", order="B2", amount=500),
    ],
    "ask": [call("c1", "ask_person", question="Which region?")],
    "dies": [call("c1", "refund", order="dies", amount=900)],
    "broken": [call("c1", "refund", order="broken", amount=900)],
}


class Scripted(BaseChatModel):
    """Calls the tools of the scene that the user names, and then repeats what it was told."""

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Any, **options: Any) -> Any:
        return self

    def _generate(self, messages: list[Any], stop: Any = None, run_manager: Any = None, **options: Any) -> ChatResult:
        told = [str(message.content) for message in messages if isinstance(message, ToolMessage)]
        first = not any(isinstance(message, AIMessage) for message in messages)
        calls = SCENES[str(messages[-1].content)] if first else []
        message = AIMessage("" if first else " || ".join(told), tool_calls=calls)
        return ChatResult(generations=[ChatGeneration(message=message)])


def middleware(saver: Any, mode: Any) -> Any:
    """LangChain's own agent with its middleware."""
    asked = {"refund": True, "ask_person": {"allowed_decisions": ["respond"]}}
    gate = HumanInTheLoopMiddleware(asked, interrupt_mode=mode)
    return create_agent(Scripted(), [refund, look_up, ask_person], middleware=[gate], checkpointer=saver)


class State(TypedDict):
    """Of the graphs written by hand."""

    messages: Annotated[list[AnyMessage], add_messages]


def classic(saver: Any) -> Any:
    """A node that asks for its tool call in the form that inboxes know, and acts on the response."""

    def model(state: State) -> Any:
        return {"messages": [Scripted().invoke(state["messages"])]}

    def tools(state: State) -> Any:
        asked = state["messages"][-1].tool_calls[0]  # type: ignore[union-attr]
        config = {"allow_accept": True, "allow_edit": True, "allow_respond": True, "allow_ignore": False}
        request = {"action_request": {"action": asked["name"], "args": asked["args"]}, "config": config}
        response = interrupt([{**request, "description": "The agent wants to pay"}])[0]
        if response["type"] == "response":
            return {"messages": [ToolMessage(f"not run: {response['args']}", tool_call_id=asked["id"])]}
        args = response["args"]["args"] if response["type"] == "edit" else asked["args"]
        return {"messages": [ToolMessage(refund(**args), tool_call_id=asked["id"])]}

    graph = StateGraph(State)
    graph.add_node("model", model)
    graph.add_node("tools", tools)
    graph.add_node("say", model)
    graph.add_edge(START, "model")
    graph.add_edge("model", "tools")
    graph.add_edge("tools", "say")
    return graph.compile(checkpointer=saver)


def plain(saver: Any) -> Any:
    """Two nodes side by side that ask questions: a text, and one with options."""

    def region(state: State) -> Any:
        answer = interrupt("Which region?")
        effect(f"region {answer}")
        return {"messages": [("ai", f"region {answer}")]}

    def size(state: State) -> Any:
        answer = interrupt({"question": "Which size?", "options": ["s", "l"]})
        effect(f"size {answer}")
        return {"messages": [("ai", f"size {answer}")]}

    graph = StateGraph(State)
    graph.add_node("region", region)
    graph.add_node("size", size)
    graph.add_edge(START, "region")
    graph.add_edge(START, "size")
    return graph.compile(checkpointer=saver)


def make(shape: str, saver: Any) -> Any:
    """The graph that pauses in this shape."""
    return (
        middleware(saver, shape)
        if shape in ("batched", "per_call")
        else {"classic": classic, "plain": plain}[shape](saver)
    )


def told(result: Result) -> dict[str, Any]:
    """A result as JSON."""
    messages = result.value.get("messages") or []
    return {
        "done": result.done,
        "pending": [request.id for request in result.pending],
        "urls": result.review_urls,
        "outcomes": [outcome.status for outcome in result.outcomes],
        "said": str(messages[-1].content) if messages else "",
    }


def main(shape: str, act: str, *names: str) -> None:
    """Do one thing with one or several threads or requests; `POLICY:NAME` asks by another policy than refunds."""
    connection = sqlite3.connect(os.path.join(FOLDER, "threads.sqlite3"), check_same_thread=False)
    graph = make(shape, SqliteSaver(connection))
    with Client() as client:
        if os.environ.get("HOLD"):
            print("ready", flush=True)
            sys.stdin.readline()
        results = []
        for policy, _, name in (word.rpartition(":") for word in names):
            bridge = Bridge(graph, client, policy=policy or "refunds")
            config = {"configurable": {"thread_id": name}}
            if act == "start":
                results.append(bridge.invoke({"messages": [("user", name.partition("-")[0])]}, config))
            elif act == "resume":
                results.append(bridge.resume(name))
            else:
                results.append(bridge.give_up(config, reason="A person looked: it was paid once."))
        print(json.dumps([told(result) for result in results]))
    connection.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
