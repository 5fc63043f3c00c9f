"""One turn of a run: the calls that wait for people, asked, found again, and taken once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_ai.exceptions import ToolFailed
from pydantic_ai.messages import ModelMessage, ModelMessagesTypeAdapter, ModelResponse, ToolCallPart, ToolReturn
from pydantic_ai.tools import DeferredToolRequests, DeferredToolResults, ToolApproved, ToolDenied

from hitl.client.adapters.common import Asking, acall, arun, check_size, find_batch, jsonable, key, notice
from hitl.client.adapters.taking import report, take
from hitl.client.errors import AlreadyConsumed, Conflict, Invalid
from hitl.client.values import Grant, Outcome, Request

ADAPTER = "pydantic-ai"
KEPT = "hitl"  # where the metadata of a call hold its grant
_LONGEST_COOL_OFF = 300.0  # seconds


@dataclass(frozen=True)
class Waiting:
    """What a run waits for. `step` is which answer of the model: call ids alone may come again."""

    run: str
    messages: Sequence[ModelMessage]
    requests: DeferredToolRequests

    @property
    def calls(self) -> list[tuple[ToolCallPart, bool]]:
        """The calls a person is asked about, and whether each is a question. Others wait for a program of yours."""
        approvals = [(call, False) for call in self.requests.approvals]
        asked = [call for call in self.requests.calls if self.requests.kind(call.tool_call_id) == "question"]
        return approvals + [(call, True) for call in asked]

    @property
    def others(self) -> list[str]:
        """The calls that wait for a program of yours, by id."""
        asked = {call.tool_call_id for call, _ in self.calls}
        return [call.tool_call_id for call in self.requests.calls if call.tool_call_id not in asked]

    @property
    def step(self) -> int:
        """How many answers the model has given."""
        return sum(isinstance(message, ModelResponse) for message in self.messages)

    @property
    def batch(self) -> str:
        """The id under which the requests are released together."""
        return key(ADAPTER, self.run, self.step, [call.tool_call_id for call, _ in self.calls])

    def part_of(self, position: int, *, keep: bool) -> dict[str, Any]:
        """The keywords that make one request a part of this turn. Raises Invalid when the messages are too long."""
        call, question = self.calls[position]
        kept: dict[str, Any] = {"adapter": ADAPTER, "call": call.tool_call_id, "tool": call.tool_name}
        kept |= {"question": question, "position": position}
        if position == 0:
            kept["others"] = self.others
        if keep and position == 0:
            kept["history"] = ModelMessagesTypeAdapter.dump_python(list(self.messages), mode="json")
        check_size(kept, "the messages are too long to be kept: use keep_history=False and give them to resume")
        return {
            "batch": {"id": self.batch, "size": len(self.calls), "release": "all"},
            "resume_data": kept,
            "idempotency_key": key(ADAPTER, self.run, self.step, call.tool_call_id),
        }


@dataclass(frozen=True)
class Taken:
    """The answers to a turn, taken by this caller and by nobody else: `agent.run` wants both of them.

    `message_history` is None where the messages were not kept.
    """

    results: DeferredToolResults
    message_history: list[ModelMessage] | None
    grants: tuple[Grant, ...]


@dataclass(frozen=True)
class Desk:
    """How turns are asked about and taken, over a Client or an AsyncClient."""

    client: Any
    asking: Asking
    context: Callable[[Sequence[ModelMessage]], Any] | None = None

    async def ask(self, waiting: Waiting, *, keep: bool) -> list[Request]:
        """The requests of a turn as they stand, asked for where they are not yet."""
        if not waiting.calls:
            raise Invalid("no person can answer these calls: they wait for a program of yours", "invalid")
        parts = [waiting.part_of(position, keep=keep) for position in range(len(waiting.calls))]
        try:
            asked = [await self._ask_one(waiting, at, part) for at, part in enumerate(parts)]
        except Conflict as error:
            if error.code != "idempotency_conflict":
                raise
            return await self.batch(waiting.batch, len(parts))  # asked before in other words: what was asked stands
        replaced = any(request.status == "superseded" for request in asked)
        return await self.batch(waiting.batch, len(parts)) if replaced else asked

    async def turn(self, of: Any) -> list[Request]:
        """All requests of the turn that a request, or its id, belongs to."""
        request: Request = await acall(self.client.get, of)
        kept = request.data.get("resume_data")
        if not isinstance(kept, dict) or kept.get("adapter") != ADAPTER:
            raise Invalid(f"request {request.id} was not asked by Approvals with this key", "invalid")
        batch = request.data["batch"]
        if batch["size"] == 1 and request.status != "superseded":
            return [request]
        return await self.batch(batch["id"], batch["size"])

    async def batch(self, batch: str, size: int) -> list[Request]:
        """The requests of a batch in order, each in its newest revision."""
        return await arun(find_batch(self.client, batch, size))

    async def take(self, requests: Sequence[Request]) -> Taken | None:
        """The answers of a turn, or None when another process has them."""
        grants: list[Grant] = []
        for request in requests:
            try:
                grants.append(await take(self.client, request.id, patience=_LONGEST_COOL_OFF))
            except Exception as error:
                for grant in grants:
                    await self.report(grant.id, grant.token, error="not run: another answer of its turn was not there")
                if isinstance(error, AlreadyConsumed):
                    return None
                raise
        return Taken(_results(requests, grants), history(requests[0]), tuple(grants))

    async def report(self, id: str, token: str | None, **said: Any) -> None:
        """Say what came of an approved call, if it can be said. Unreported it is uncertain, and people look at it."""
        if token is not None:
            await report(self.client, id, token, **said)

    async def _ask_one(self, waiting: Waiting, position: int, part: dict[str, Any]) -> Request:
        call, question = waiting.calls[position]
        said = waiting.requests.metadata.get(call.tool_call_id) or {}
        context = self.context(waiting.messages) if self.context else said or None
        words: dict[str, Any] = {} if context is None else {"context": jsonable(context)}
        args, name = call.args_as_dict(), call.tool_name
        if question:
            words |= {option: said[option] for option in ("options", "schema") if option in said}
            named = self.asking.question(name, **words) | part
            request = await acall(self.client.ask_question, _question(name, args, said), **named)
        else:
            named = self.asking.approval(name, args, **words) | part
            request = await acall(self.client.request_approval, name, args, **named)
        found: Request = await acall(self.client.get, request.id)  # a replayed answer is as old as the question
        return found


def history(first: Request) -> list[ModelMessage] | None:
    """The messages kept with the first request of a turn, or None."""
    kept = first.data["resume_data"].get("history")
    return None if kept is None else ModelMessagesTypeAdapter.validate_python(kept)


def _question(name: str, args: Mapping[str, Any], said: Mapping[str, Any]) -> str:
    for found in (said.get("question"), args.get("question")):
        if isinstance(found, str) and found.strip():
            return found
    return f"{name}: what is the answer?"


def _results(requests: Sequence[Request], grants: Sequence[Grant]) -> DeferredToolResults:
    """The answers as Pydantic AI has them. Whatever is not a yes or an answer is told as a refusal, in words."""
    results = DeferredToolResults()
    for request, grant in zip(requests, grants, strict=True):
        kept, outcome = request.data["resume_data"], grant.outcome
        call = kept["call"]
        results.answered_by[call] = ", ".join(outcome.by) or outcome.via
        if kept["question"]:
            answered = outcome.status == "answered" and outcome.response is not None
            results.calls[call] = ToolReturn(outcome.response) if answered else ToolFailed(notice(outcome))
        elif _may_run(outcome, kept["tool"]):
            results.approvals[call] = ToolApproved(override_args=dict(outcome.args or {}))
        else:
            results.approvals[call] = ToolDenied(notice(outcome))
        if grant.token is not None:
            told = notice(outcome) if outcome.edited else ""
            results.metadata[call] = {KEPT: {"id": grant.id, "token": grant.token, "notice": told}}
    return results


def _may_run(outcome: Outcome, tool: str) -> bool:
    """Whether this call may run as decided; Pydantic AI cannot run another tool in its place."""
    return outcome.approved and outcome.args is not None and outcome.action_type in ("", tool)
