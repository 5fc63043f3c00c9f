"""What a thread waits for at one moment, and how people are asked about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.utils.function_calling import convert_to_openai_tool

from hitl.client.adapters.common import Asking, jsonable, key
from hitl.client.adapters.langgraph.shapes import Part, Shape, read
from hitl.client.errors import ClientError
from hitl.client.values import Outcome

ADAPTER = "langgraph"


@dataclass(frozen=True)
class Turn:
    """The interrupts a thread waits at, by id. `done`: it waits for nothing and has nothing left to do."""

    thread: str
    checkpoint: str
    values: Any
    shapes: Mapping[str, Shape]
    done: bool

    @property
    def batch(self) -> str:
        """The id under which its requests are released together."""
        return key(ADAPTER, self.thread, self.checkpoint)

    @property
    def parts(self) -> list[tuple[str, int, Part]]:
        """Everything people are asked: interrupt, place in it, and what it is."""
        return [(id, at, part) for id, shape in self.shapes.items() for at, part in enumerate(shape.parts)]

    def answers(self, outcomes: Sequence[Outcome]) -> dict[str, Any]:
        """What to resume with, by interrupt: never empty, never a bare value. Raises Unanswered."""
        left = list(outcomes)
        answers = {id: shape.answer([left.pop(0) for _ in shape.parts]) for id, shape in self.shapes.items()}
        assert answers
        assert not left
        return answers

    def batch_of(self, position: int, interrupt: str, at: int) -> dict[str, Any]:
        """The keywords that make one request a part of this turn, however often it is asked."""
        kept = {"adapter": ADAPTER, "thread": self.thread, "checkpoint": self.checkpoint}
        return {
            "batch": {"id": self.batch, "size": len(self.parts), "release": "all"},
            "resume_data": {**kept, "interrupt": interrupt, "position": position},
            "idempotency_key": key(ADAPTER, self.thread, self.checkpoint, interrupt, at),
        }


@dataclass(frozen=True)
class Reader:
    """How a bridge reads turns and puts them into words."""

    asking: Asking
    schemas: Mapping[str, Any] = field(default_factory=dict)
    context: Callable[[Any], Any] | None = None
    unanswered: Any = None

    def turn(self, state: Any) -> Turn:
        """The turn of a state of the graph. Raises ClientError for a tool that nobody can refuse."""
        where = state.config["configurable"]
        calls = _last_calls(state.values)
        shapes = {
            interrupt.id: read(interrupt, schemas=self.schemas, calls=calls, unanswered=self.unanswered)
            for interrupt in state.interrupts
        }
        done = not state.next and not shapes
        return Turn(str(where["thread_id"]), str(where.get("checkpoint_id", "")), state.values, shapes, done)

    def words(self, turn: Turn, part: Part) -> dict[str, Any]:
        """The keywords that say what is asked."""
        context = self.context(turn.values) if self.context else part.context
        said: dict[str, Any] = {} if context is None else {"context": jsonable(context)}
        if part.is_question:
            return self.asking.question(part.name, **said, schema=part.answers, options=part.options)
        said |= {"description": part.text, "args_schema": part.schema}
        return self.asking.approval(
            part.name, part.args, **said, **({} if "edit" in part.allowed else {"editable": []})
        )


def schemas(tools: Sequence[Any]) -> dict[str, Any]:
    """The JSON Schemas of these tools' arguments, by name."""
    functions = [convert_to_openai_tool(tool)["function"] for tool in tools]
    return {function["name"]: function["parameters"] for function in functions}


def tool_messages(values: Any) -> dict[str, ToolMessage]:
    """What tools said, by call."""
    return {found.tool_call_id: found for found in _messages(values) if isinstance(found, ToolMessage)}


def cut_off(state: Any, reason: str) -> list[ToolMessage]:
    """The tool messages that let an agent go on whose tools were cut off: those that are there, and for the others
    `reason`. Raises ClientError where the thread was not in its tools."""
    there = [message for task in state.tasks for message in _messages(task.result) if isinstance(message, ToolMessage)]
    known = {*tool_messages(state.values), *(message.tool_call_id for message in there)}
    lost = [call for call in _last_calls(state.values) if call["id"] not in known]
    if not lost or len(set(state.next)) != 1:
        raise ClientError("no tool of this thread was cut off: how it goes on is for you to say")
    return there + [ToolMessage(reason, tool_call_id=call["id"], name=call["name"], status="error") for call in lost]


def latest(config: Mapping[str, Any]) -> dict[str, Any]:
    """The thread, not one of its checkpoints: a resume from an old one would fork it."""
    given = dict(config)
    given["configurable"] = {k: v for k, v in given.get("configurable", {}).items() if k != "checkpoint_id"}
    return given


def value(output: Any) -> Any:
    """What a graph returned, without the mark of its pause."""
    found = getattr(output, "value", output)
    return {k: v for k, v in found.items() if k != "__interrupt__"} if isinstance(found, dict) else found


def _messages(values: Any) -> list[Any]:
    found = values.get("messages") if isinstance(values, dict) else getattr(values, "messages", None)
    return list(found or [])


def _last_calls(values: Any) -> list[Any]:
    messages = [message for message in _messages(values) if isinstance(message, AIMessage) and message.tool_calls]
    return list(messages[-1].tool_calls) if messages else []
