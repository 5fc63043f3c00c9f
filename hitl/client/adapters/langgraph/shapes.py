"""The forms an interrupt comes in: what people are asked about it, and the answer its node expects.

Sources: `langgraph.types.Interrupt`; `langgraph.prebuilt.interrupt` for the classic form, which inboxes answer with a
list; `langchain.agents.middleware.human_in_the_loop` for the two forms of LangChain's middleware.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from hitl.client.adapters.common import in_words, notice
from hitl.client.errors import ClientError
from hitl.client.values import Outcome

_NO_ANSWER = object()


class Unanswered(ClientError):
    """A question ended without an answer, and a node that waits for a plain value cannot be told so. Nothing was taken.
    `outcome` says what happened; `unanswered=` of the bridge says what such a node gets."""

    code = "unanswered"

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(f"a question ended without an answer: {notice(outcome)}")
        self.outcome = outcome


@dataclass(frozen=True)
class Part:
    """One thing of an interrupt that a person decides: an action with `args`, or a question.

    `allowed` is what its node takes, in LangChain's words: approve, edit, reject, respond; and ignore. `schema` is that
    of the arguments, `answers` that of a question's answer.
    """

    name: str
    args: dict[str, Any]
    allowed: frozenset[str]
    text: str = ""
    call_id: str = ""
    schema: dict[str, Any] | None = None
    answers: dict[str, Any] | None = None
    options: tuple[Any, ...] | None = None
    context: Any = None
    same_action: bool = False

    @property
    def is_question(self) -> bool:
        """Whether the node takes no yes: then a person answers in the tool's place."""
        return not self.allowed & {"approve", "edit"}

    @property
    def question(self) -> str:
        """What a person is asked: what the model wrote in the tool's place, or what its node says."""
        asked = self.args.get("question")
        return asked if isinstance(asked, str) and asked.strip() else self.text or f"{self.name}: what is the answer?"

    def runs(self, outcome: Outcome) -> str:
        """`approve` or `edit` when this outcome lets the action run, else an empty text. In doubt it does not run."""
        if not outcome.approved or outcome.args is None:
            return ""
        same_type = outcome.action_type in ("", self.name)
        if same_type and outcome.args == self.args and "approve" in self.allowed:
            return "approve"
        return "edit" if "edit" in self.allowed and (same_type or not self.same_action) else ""

    def action(self, outcome: Outcome) -> tuple[str, dict[str, Any]]:
        """What runs: the type and exactly the approved arguments."""
        return outcome.action_type or self.name, dict(outcome.args or {})


class Shape(Protocol):
    """One interrupt's form."""

    @property
    def parts(self) -> Sequence[Part]:
        """What people are asked, in order."""

    def answer(self, outcomes: Sequence[Outcome]) -> Any:
        """The value its node gets for the outcomes of its parts, by position. Never None and never empty."""


@dataclass(frozen=True)
class Batched:
    """HITLRequest: all gated calls of a turn in one interrupt, answered by position."""

    parts: Sequence[Part]

    def answer(self, outcomes: Sequence[Outcome]) -> Any:
        """HITLResponse."""
        return {"decisions": [_decision(part, outcome) for part, outcome in zip(self.parts, outcomes, strict=True)]}


@dataclass(frozen=True)
class PerCall:
    """ToolApprovalRequest: one gated call in one interrupt."""

    parts: Sequence[Part]

    def answer(self, outcomes: Sequence[Outcome]) -> Any:
        """One Decision."""
        (outcome,) = outcomes
        return _decision(self.parts[0], outcome)


@dataclass(frozen=True)
class Classic:
    """HumanInterrupt, alone or several in a list."""

    parts: Sequence[Part]

    def answer(self, outcomes: Sequence[Outcome]) -> Any:
        """A list of HumanResponse, also for one, as inboxes send it."""
        return [_response(part, outcome) for part, outcome in zip(self.parts, outcomes, strict=True)]


@dataclass(frozen=True)
class Plain:
    """Any other value: a question whose answer the node gets as it is."""

    parts: Sequence[Part]
    unanswered: Any = field(default=_NO_ANSWER)

    def answer(self, outcomes: Sequence[Outcome]) -> Any:
        """The person's answer, or what the bridge was told to send in its place; raises Unanswered without that."""
        (outcome,) = outcomes
        if outcome.status == "answered" and outcome.response is not None:
            return outcome.response
        told = self.unanswered(outcome) if callable(self.unanswered) else self.unanswered
        if told is _NO_ANSWER or told is None:
            raise Unanswered(outcome)
        return told


def _decision(part: Part, outcome: Outcome) -> dict[str, Any]:
    runs = part.runs(outcome)
    if runs == "approve":
        return {"type": "approve"}
    if runs == "edit":
        name, args = part.action(outcome)
        return {"type": "edit", "edited_action": {"name": name, "args": args}}
    if _answered(outcome) and "respond" in part.allowed:
        return {"type": "respond", "message": in_words(outcome.response)}
    return {"type": "reject" if "reject" in part.allowed else "respond", "message": notice(outcome)}


def _response(part: Part, outcome: Outcome) -> dict[str, Any]:
    runs = part.runs(outcome)
    if runs == "approve":
        return {"type": "accept", "args": None}
    if runs == "edit":
        name, args = part.action(outcome)
        return {"type": "edit", "args": {"action": name, "args": args}}
    if "respond" not in part.allowed:
        return {"type": "ignore", "args": None}
    return {"type": "response", "args": in_words(outcome.response) if _answered(outcome) else notice(outcome)}


def _answered(outcome: Outcome) -> bool:
    return outcome.status == "answered" and outcome.response is not None


# -- reading ----------------------------------------------------------------------------------------


def read(interrupt: Any, *, schemas: Mapping[str, Any], calls: Sequence[Mapping[str, Any]], unanswered: Any) -> Shape:
    """The form of an interrupt. `schemas` are the arguments' JSON Schemas by tool, `calls` the model's last tool calls.

    Raises ClientError for a tool that takes no form of refusal: what nobody can refuse is not asked about.
    """
    value = interrupt.value
    if isinstance(value, dict) and {"action_requests", "review_configs"} <= value.keys():
        return Batched(_checked(_batched(value, schemas, calls)))
    if isinstance(value, dict) and value.get("type") == "tool_approval":
        return PerCall(_checked([_per_call(value, interrupt.response_schema, schemas)]))
    several = value if isinstance(value, list | tuple) else [value]
    if several and all(isinstance(one, dict) and {"action_request", "config"} <= one.keys() for one in several):
        return Classic(_checked([_classic(one, schemas, calls) for one in several]))
    return Plain([_plain(value, interrupt.response_schema)], _NO_ANSWER if unanswered is None else unanswered)


def _checked(parts: list[Part]) -> list[Part]:
    for part in parts:
        if not part.allowed & {"reject", "respond", "ignore"}:
            raise ClientError(f"{part.name} allows neither reject nor respond, so that a refusal could not be told")
    return parts


def _batched(value: dict[str, Any], schemas: Mapping[str, Any], calls: Sequence[Mapping[str, Any]]) -> list[Part]:
    left = list(calls)
    return [
        Part(
            name=request["name"],
            args=dict(request["args"]),
            allowed=frozenset(config["allowed_decisions"]),
            text=request.get("description") or "",
            call_id=_call_id(left, request["name"], request["args"]),
            schema=schemas.get(request["name"]),
        )
        for request, config in zip(value["action_requests"], value["review_configs"], strict=True)
    ]


def _per_call(value: dict[str, Any], answers: Any, schemas: Mapping[str, Any]) -> Part:
    shown = answers if isinstance(answers, dict) else {}
    defs = shown.get("$defs") or {}
    decisions = [schema for name, schema in defs.items() if name.endswith("Decision")] or [shown]
    types = [schema.get("properties", {}).get("type", {}).get("const") for schema in decisions]
    return Part(
        name=value["name"],
        args=dict(value["args"]),
        # Without a schema of answers nothing is known to be refused but an edit, which then is not offered.
        allowed=frozenset(filter(None, types)) or frozenset({"approve", "reject"}),
        text=value.get("description") or "",
        call_id=value.get("tool_call_id") or "",
        schema=schemas.get(value["name"]) or _edited_args(defs),
        same_action=True,
    )


def _edited_args(defs: dict[str, Any]) -> dict[str, Any] | None:
    """The schema of a tool's arguments, as the schema of its edits has it; whole, since forms are made of it."""
    edited = defs.get("EditedAction", {}).get("properties", {}).get("args")
    if not edited:
        return None
    named = str(edited.get("$ref", "")).rpartition("/")[2]
    others = {name: schema for name, schema in defs.items() if not name.endswith(("Decision", "EditedAction"))}
    found = dict(others.pop(named, edited))
    return {**found, "$defs": others} if others else found


def _classic(value: dict[str, Any], schemas: Mapping[str, Any], calls: Sequence[Mapping[str, Any]]) -> Part:
    request, config = value["action_request"], value["config"]
    words = {"approve": "allow_accept", "edit": "allow_edit", "respond": "allow_respond", "ignore": "allow_ignore"}
    return Part(
        name=request["action"],
        args=dict(request["args"]),
        allowed=frozenset(word for word, flag in words.items() if config.get(flag)),
        text=value.get("description") or "",
        call_id=_call_id(list(calls), request["action"], request["args"]),
        schema=schemas.get(request["action"]),
    )


def _plain(value: Any, answers: Any) -> Part:
    said = value if isinstance(value, dict) else {}
    text = value if isinstance(value, str) else said.get("question")
    options = said.get("options")
    return Part(
        name="",
        args={},
        allowed=frozenset({"respond"}),
        text=text if isinstance(text, str) and text.strip() else "The agent asks for an answer.",
        answers=answers if isinstance(answers, dict) else said.get("schema"),
        options=tuple(options) if isinstance(options, list | tuple) and answers is None else None,
        context=None if isinstance(value, str) else value,
    )


def _call_id(left: list[Mapping[str, Any]], name: str, args: Any) -> str:
    """The model's call this is about; each call is found once. Empty when there is none: the output is then unknown."""
    for call in left:
        if call.get("name") == name and call.get("args") == args:
            left.remove(call)
            return str(call.get("id") or "")
    return ""
