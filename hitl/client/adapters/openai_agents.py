"""OpenAI Agents SDK: gated tools ask a person in the product, and the run goes on in whichever process resumes it.

The state of the paused run is kept in the product, with the last request of its turn, where only this API key reads it.
A turn's requests are released together: a state is resumed once, with every answer. Taking that last request is the
lock: whoever takes it resumes the run, everybody else does nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, cast

from agents import Agent, FunctionTool, Runner, RunResult, RunState, UserError
from agents.items import ToolApprovalItem

from hitl.client import AlreadyConsumed, ClientError, Grant, Request
from hitl.client.adapters.common import Asking, acall, arun, check_size, find_batch, is_open, undecided
from hitl.client.adapters.openai_tools import Gate, When, Words, arguments, make, packed, unpacked, verdict
from hitl.client.adapters.taking import AnyClient, report, sentence, take

_ADAPTER = "openai-agents"
_ASK = "Ask a person a question and get the answer. Give options if only some answers make sense."


@dataclass(frozen=True)
class Result:
    """Where a run stands: ended with `output`, or waiting for the people asked in `pending`.

    `id` is what `resume` takes; `run` is the SDK's own result. `already` is true when another process resumed this turn
    before: then nothing was done here, and `note` says so.
    """

    output: Any = None
    pending: tuple[Request, ...] = ()
    id: str = ""
    run: RunResult | None = field(default=None, repr=False)
    already: bool = False
    note: str = ""

    @property
    def done(self) -> bool:
        """Whether the agent gave its final output here."""
        return self.run is not None and not self.pending

    @property
    def review_urls(self) -> list[str]:
        """Where people decide."""
        return [request.review_url for request in self.pending]


class Approvals:
    """The product as the approver of agents. `policy` and `options` are those of `client.request_approval`.

    The run's context is a dict (or None); what people decided travels in it under `context_key`, by call id, and is
    never part of a stored state. Everything but a yes of the product leaves a tool unrun. `patience` is how many
    seconds a resume waits for a cool-off to end.
    """

    def __init__(
        self, client: AnyClient, *, policy: str = "", context_key: str = "hitl", patience: float = 60.0, **options: Any
    ) -> None:
        self.client, self.context_key, self.patience = client, context_key, patience
        self._asking = Asking({"policy": policy} | options)
        self._gates: dict[str, Gate] = {}

    # -- tools ------------------------------------------------------------------------------------------

    def gated(
        self,
        function: Callable[..., Any] | None = None,
        *,
        when: When = None,
        title: Words = None,
        impact: Words = None,
        tool: dict[str, Any] | None = None,
        **options: Any,
    ) -> Any:
        """Make a function a tool that runs once a call is approved, with exactly the approved arguments.

        Put it on the plain function: it makes the FunctionTool (`tool` holds options of `function_tool`). `when` says
        by the arguments which calls need a yes; an error in it means that one does. `title` and `impact` are made of
        the arguments, by a function or as `"Refund {amount}"`. A TypeError for what is a tool already.
        """

        def wrap(plain_function: Callable[..., Any]) -> FunctionTool:
            if isinstance(plain_function, FunctionTool):
                raise TypeError("put gated on the plain function: it makes the tool itself")
            made = self._make(plain_function, when, dict(tool or {}))
            self._gates[made.name] = Gate(made, title, impact, options=options)
            return made

        return wrap if function is None else wrap(function)

    def ask_human(self, *, name: str = "ask_human", description: str = _ASK, **options: Any) -> FunctionTool:
        """A tool whose output is a person's answer: the model gives `question` and, if it likes, `options`."""

        async def ask(question: str, options: list[str] | None = None) -> str:
            raise UserError("an answer comes from a person")

        made = self._make(ask, None, {"name_override": name, "description_override": description})
        self._gates[name] = Gate(made, question=True, options=options)
        return made

    def _make(self, function: Callable[..., Any], when: When, given: dict[str, Any]) -> FunctionTool:
        return make(function, when=when, options=given, context_key=self.context_key, report=self._report)

    async def _report(self, granted: dict[str, Any], *, output: Any = None, failed: Exception | None = None) -> None:
        error = sentence(failed) if failed else ""
        await report(self.client, granted["id"], granted["token"], output=output, error=error)

    # -- runs -------------------------------------------------------------------------------------------

    async def run(
        self, agent: Agent[Any], input: Any, *, context: dict[str, Any] | None = None, **options: Any
    ) -> Result:
        """Run the agent until it ends or waits for people. `options` are those of `Runner.run`.

        A state of more than 256 KiB (compressed) is refused with Invalid, and nobody is asked. If asking fails, what
        was asked already is cancelled.
        """
        held = {**(context or {}), self.context_key: {}}
        return await self._settle(agent, await Runner.run(agent, input, context=held, **options), held, options)

    async def resume(
        self,
        agent: Agent[Any],
        request: Result | Request | str,
        *,
        context: dict[str, Any] | None = None,
        **options: Any,
    ) -> Result:
        """Go on with the turn that `request`, any of its requests, belongs to; in any process, any number of times.

        Still open: returns it as pending and changes nothing. Resumed before, or right now elsewhere: returns `already`
        and does nothing. `context` is laid over what the run's context was. Once taken, the turn is this process's: if
        it dies before the tools reported, what was approved becomes uncertain in the product; a person settles it.
        """
        turn = await self._turn(request if isinstance(request, str) else request.id)
        if any(is_open(one) for one in turn):
            return Result(pending=undecided(turn), id=turn[-1].id)
        held, state = await self._state(agent, turn[-1], context or {})
        try:
            grants = {_kept(turn[-1])["call"]: await take(self.client, turn[-1].id, patience=self.patience)}
        except AlreadyConsumed:
            return Result(id=turn[-1].id, already=True, note="This turn was resumed already. Nothing was done here.")
        try:
            for one in turn[:-1]:
                await self._take_another(one, grants)
            native, unusable = self._decide(state, grants, held[self.context_key])
        except BaseException as error:
            await self._unrun([_held(grant) for grant in grants.values()], sentence(error))
            raise
        try:
            result = await Runner.run(agent, state, **options)
        finally:
            left = [*unusable, *held[self.context_key].values()]
            await self._unrun(left, "the run ended without calling the tool")
        await self._report_native(native, result)
        return await self._settle(agent, result, held, options)

    async def _state(
        self, agent: Agent[Any], anchor: Request, context: dict[str, Any]
    ) -> tuple[dict[str, Any], RunState[Any, Any]]:
        """The context and the state to go on with; what this agent cannot go on with fails before anything is taken."""
        kept = unpacked(_kept(anchor)["state"])
        held = {**(kept["context"].get("context") or {}), **context, self.context_key: {}}
        return held, await RunState.from_json(agent, kept, context_override=held)

    async def _turn(self, id: str) -> list[Request]:
        """The requests of a turn, the last of them the one with the state."""
        found: Request = await acall(self.client.get, id)
        kept = _kept(found)
        if kept.get("adapter") != _ADAPTER:
            raise ClientError(f"{id} was not asked by this adapter with this key", "not_resumable")
        turn = [found]
        if "state" not in kept or kept["position"] > 0:
            turn = await arun(find_batch(self.client, kept["turn"], kept["size"]))
        if "state" not in _kept(turn[-1]):
            raise ClientError(f"the turn of {id} was not asked completely", "not_resumable")
        return turn

    async def _take_another(self, request: Request, grants: dict[str, Grant]) -> None:
        """Take what came of another request of the turn. Its call is refused if somebody has taken it."""
        with suppress(AlreadyConsumed):
            grants[_kept(request)["call"]] = await take(self.client, request.id, patience=self.patience)

    async def _unrun(self, granted: list[dict[str, Any]], why: str) -> None:
        for one in granted:
            if one.get("token"):
                await report(self.client, one["id"], one["token"], error=f"not run: {why}")

    def _decide(
        self, state: RunState[Any, Any], grants: dict[str, Grant], decided: dict[str, dict[str, Any]]
    ) -> tuple[dict[str, dict[str, Any]], list[dict[str, Any]]]:
        """Say to the SDK what people said, and put what the tools need into the context.

        Returns the native calls that run, and the grants that cannot be used.
        """
        native: dict[str, dict[str, Any]] = {}
        unusable = []
        for item in state.get_interruptions():
            call_id = item.call_id or ""
            gate, grant = self._gates.get(item.name or "", Gate()), grants.get(call_id)
            said = verdict(gate, grant)
            if isinstance(said, dict):
                state.approve(item)
                (decided if gate.tool else native)[call_id] = said
                continue
            state.reject(item, rejection_message=said)
            if grant is not None:
                unusable.append(_held(grant))
        return native, unusable

    async def _report_native(self, native: dict[str, dict[str, Any]], result: RunResult) -> None:
        for item in result.new_items:
            raw = getattr(item, "raw_item", None)
            call_id = raw.get("call_id") if isinstance(raw, dict) else None
            if item.type == "tool_call_output_item" and call_id in native:
                await self._report(native.pop(call_id), output=item.output)

    # -- asking -----------------------------------------------------------------------------------------

    async def _settle(
        self, agent: Agent[Any], result: RunResult, held: dict[str, Any], options: dict[str, Any]
    ) -> Result:
        if not result.interruptions:
            return Result(output=result.final_output, run=result)
        held[self.context_key] = {}
        asked = await self._ask(result, result.to_state().to_json(strict_context=True))
        pending = tuple(one for one in asked if one.status == "pending")
        if pending:
            return Result(pending=pending, id=asked[-1].id, run=result)
        return await self.resume(agent, asked[-1].id, context=held, **options)

    async def _ask(self, result: RunResult, state: dict[str, Any]) -> list[Request]:
        """Ask about every call of the turn. The last request holds the state: a turn asked halfway never runs."""
        items, turn = result.interruptions, f"openai-agents:{uuid.uuid4()}"
        same = {"adapter": _ADAPTER, "turn": turn, "size": len(items)}
        kept: list[dict[str, Any]] = [{**same, "position": n, "call": one.call_id} for n, one in enumerate(items)]
        kept[-1]["state"] = packed(state)
        check_size(kept[-1], "The run's state is too large, and nobody was asked: keep less in its history or context")
        batch = {"id": turn, "size": len(items), "release": "all"}
        asked: list[Request] = []
        try:
            for item, data in zip(items, kept, strict=True):
                asked.append(await self._request(item, {"batch": batch, "resume_data": data}))
        except BaseException:
            for one in asked:
                await acall(self.client.cancel, one.id, "the turn could not be asked completely")
            raise
        return asked

    async def _request(self, item: ToolApprovalItem, turn: dict[str, Any]) -> Request:
        name, args = item.name or "tool", arguments(item.arguments)
        gate = self._gates.get(name, Gate())
        said: dict[str, Any] = {"context": {"agent": item.agent.name}, **gate.options, **turn}
        if gate.question:
            said |= {"options": args["options"]} if args.get("options") else {}
            question = str(args.get("question") or "The agent asks for an answer.")
            return cast(Request, await acall(self.client.ask_question, question, **self._asking.question(**said)))
        said.setdefault(*(("args_schema", gate.tool.params_json_schema) if gate.tool else ("editable", [])))
        options = self._asking.approval(name, args, **(gate.words(args) | said))
        return cast(Request, await acall(self.client.request_approval, name, args, **options))


def _kept(request: Request) -> dict[str, Any]:
    found = request.data.get("resume_data")
    return found if isinstance(found, dict) else {}


def _held(grant: Grant) -> dict[str, Any]:
    return {"id": grant.request.id, "token": grant.token}
