"""Claude Agent SDK: what Claude wants to do is put to a person in the product before it happens.

Two ways, which go together: `can_use_tool` asks and waits, at most for a while; `hooks(defer=True)` asks and lets the
process end, so that the session is resumed when it is decided. Closed on doubt: whatever is not a yes, an error
included, denies the call. One yes lets one call through, once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any, cast

from claude_agent_sdk import HookMatcher, PermissionResultAllow, PermissionResultDeny, ToolPermissionContext
from claude_agent_sdk.types import HookEvent, PermissionResult

from hitl.client import AlreadyConsumed, Grant, Request, StillPending
from hitl.client.adapters.common import Asking, acall, in_words, key, notice
from hitl.client.adapters.taking import AnyClient, report, sentence, take

QUESTIONS = "AskUserQuestion"
_HOOK_LIMIT = 45.0  # below the 60 s after which the command line no longer waits for a hook
_NOBODY = frozenset({"expired", "cancelled", "revoked"})
_OPEN = (
    "Nobody has decided about this call yet. It was not run, and it was not refused: the request is still open at "
    "{url}. Stop here. When you are resumed, make exactly the same call again to go on from the decision."
)
_ALONE = (
    "Nobody has decided about this call, and it was not run. Stop here. When you are resumed, make this call again, "
    "alone in its turn: only then can it wait for a person."
)
_USED = (
    "This exact call was approved before, and that approval is used up: it was not run again. If it has to happen once "
    "more, make the call again, and a person will be asked again."
)
_FAILED = "This call could not be put to a person ({why}). It was not run. Do not try to get around this."
_log = logging.getLogger("hitl.client")


@dataclass(frozen=True)
class _Call:
    """One tool call. `place` says which one it is, the same for whoever makes it again in this session."""

    tool: str
    input: dict[str, Any]
    use: str
    agent: str
    place: str


@dataclass(frozen=True)
class _Verdict:
    """What becomes of a call: `input` if it goes ahead, else words for the model; `stop` ends the session's turn."""

    input: dict[str, Any] | None = None
    message: str = ""
    stop: bool = False


class Approvals:
    """The product as the one who permits Claude's tools. `policy` and `options` are those of `client.request_approval`.

    `session` names the conversation and must be the same when it is resumed: by it, the tool and its input a call made
    again finds its own request. `wait` is how many seconds `can_use_tool` waits before it denies and leaves the request
    open. `actions` holds options by tool name. `patience` is how long to wait for a cool-off to end. `known` remembers
    which request is whose. The product does so for a day: give one that outlives the process where people take longer.
    """

    def __init__(
        self,
        client: AnyClient,
        *,
        session: str,
        policy: str = "",
        wait: float = 240.0,
        patience: float = 30.0,
        actions: dict[str, dict[str, Any]] | None = None,
        known: MutableMapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        if not session:
            raise ValueError("session must name the conversation")
        self.client, self.session, self.wait, self.patience = client, session, wait, patience
        said = {"policy": policy, "context": {"session": session}} | options
        self._asking = Asking(said, actions or {})
        self.known: MutableMapping[str, str] = {} if known is None else known
        self._rounds: dict[str, int] = {}  # how often a call's request was used up, as far as this process knows
        self._asked: dict[str, str] = {}  # tool use → its request
        self._grants: dict[str, Grant] = {}  # tool use → what is to be reported
        self._open: dict[str, Request] = {}

    @property
    def pending(self) -> tuple[Request, ...]:
        """The requests this process left open: deferred, or not decided within `wait`."""
        return tuple(self._open.values())

    # -- what the SDK calls -----------------------------------------------------------------------------

    async def can_use_tool(self, tool: str, input: dict[str, Any], context: ToolPermissionContext) -> PermissionResult:
        """Ask, wait at most `wait` seconds, and allow with exactly the approved input or deny with the reason.

        The turn is interrupted when nobody decided: within `wait` (the request stays open), in time, or at all.
        """
        try:
            verdict = await self._permit(self._call(tool, input, context.tool_use_id, context.agent_id))
        except Exception as error:
            verdict = _failed(error)
        if verdict.input is None:
            return PermissionResultDeny(message=verdict.message, interrupt=verdict.stop)
        return PermissionResultAllow(updated_input=verdict.input)

    def hooks(self, *, matcher: str | None = None, defer: bool = False) -> dict[HookEvent, list[HookMatcher]]:
        """Hooks for `ClaudeAgentOptions`: they report what the tools did and tell Claude of edits.

        With `defer` every call that `matcher` names is asked about at once and deferred until it is decided: the run
        ends with `deferred_tool_use`, and resuming the session goes on from the decision. Several calls in one turn
        cannot be deferred; Claude Code then asks `can_use_tool`, so give both.
        """
        found: dict[HookEvent, list[HookMatcher]] = {
            "PostToolUse": [HookMatcher(hooks=[cast(Any, self._after)])],
            "PostToolUseFailure": [HookMatcher(hooks=[cast(Any, self._after)])],
        }
        if defer:
            before = HookMatcher(matcher=matcher, hooks=[cast(Any, self._before)], on_failure="block")
            found["PreToolUse"] = [before]
        return found

    async def _before(self, input: dict[str, Any], use: str | None, _context: Any) -> dict[str, Any]:
        try:
            async with asyncio.timeout(_HOOK_LIMIT):
                call = self._call(input["tool_name"], input["tool_input"], use, input.get("agent_id"))
                verdict = await self._deferred(call)
        except Exception as error:
            verdict = _failed(error)
        said: dict[str, Any] = {"hookEventName": "PreToolUse"}
        if verdict is None:
            said |= {"permissionDecision": "defer"}
        elif verdict.input is None:
            said |= {"permissionDecision": "deny", "permissionDecisionReason": verdict.message}
        else:
            said |= {"permissionDecision": "allow", "updatedInput": verdict.input}
        return {"hookSpecificOutput": said}

    async def _after(self, input: dict[str, Any], use: str | None, _context: Any) -> dict[str, Any]:
        grant = self._grants.pop(use or "", None)
        if grant is None or not grant.token:
            return {}
        event = input["hook_event_name"]
        error = str(input.get("error") or "failed") if event == "PostToolUseFailure" else ""
        await report(self.client, grant.request.id, grant.token, output=input.get("tool_response"), error=error)
        if not (grant.outcome.edited or grant.outcome.comment):
            return {}
        return {"hookSpecificOutput": {"hookEventName": event, "additionalContext": notice(grant.outcome)}}

    # -- asking and taking ------------------------------------------------------------------------------

    def _call(self, tool: str, input: dict[str, Any], use: str | None, agent: str | None) -> _Call:
        return _Call(tool, input, use or "", agent or "", key("claude", self.session, agent or "", tool, input))

    async def _permit(self, call: _Call) -> _Verdict:
        while True:
            request = await self._request(call)
            try:
                request = await acall(self.client.wait, request.id, timeout=self.wait)
            except StillPending:
                return await self._give_up(call, request)
            if not (request.data.get("taken_at") and request.status in _NOBODY):
                return await self._take(call, request)
            self._asked.pop(call.use, None)  # that nobody decided was told already: this time a person is asked anew
            self._next_round(call)

    async def _give_up(self, call: _Call, request: Request) -> _Verdict:
        """Deny a call nobody decided in time. Its request stays open for the same call in the resumed session, unless
        it was to be deferred: then it would be deferred by an id of its own, and this request would be nobody's."""
        if call.use in self._asked:
            self._open.pop(request.id, None)
            await acall(self.client.cancel, request.id, "several tools were called at once, which cannot be deferred")
            return _Verdict(message=_ALONE, stop=True)
        self._open[request.id] = request
        return _Verdict(message=_OPEN.format(url=request.review_url), stop=True)

    async def _deferred(self, call: _Call) -> _Verdict | None:
        """What becomes of the call, None as long as nobody decided. The tool use is the same when the session is
        resumed, so that it finds its request whatever else was called with the same input."""
        if call.use not in self._asked:
            self._asked[call.use] = (await self._ask(call, key(call.place, call.use))).id
        request: Request = await acall(self.client.get, self._asked[call.use])
        if request.pending:
            self._open[request.id] = request
            return None
        return await self._take(call, request)

    async def _request(self, call: _Call) -> Request:
        if call.use in self._asked:
            return cast(Request, await acall(self.client.get, self._asked[call.use]))
        return await self._ask(call, key(call.place, self._rounds.get(call.place, 0)))

    def _next_round(self, call: _Call) -> None:
        """From now on the same call is a new one, and a person is asked again."""
        self._rounds[call.place] = self._rounds.get(call.place, 0) + 1

    def _spent(self, call: _Call, request: Request) -> None:
        """Bind the tool use to its request for good, so that the very same one is never taken for a new call."""
        if call.use not in self._asked:
            self._asked |= {call.use: request.id} if call.use else {}
            self._next_round(call)

    async def _ask(self, call: _Call, idempotency_key: str) -> Request:
        """Ask about the call. What is said of it depends on the call alone, so that asking again is asking once."""
        if idempotency_key in self.known:
            return cast(Request, await acall(self.client.get, self.known[idempotency_key]))
        if call.tool == QUESTIONS:
            question, schema = _question(call.input)
            options = self._asking.question(call.tool, schema=schema, idempotency_key=idempotency_key)
            request: Request = await acall(self.client.ask_question, question, **options)
        else:
            options = self._asking.approval(call.tool, call.input, idempotency_key=idempotency_key)
            request = await acall(self.client.request_approval, call.tool, call.input, **options)
        self.known[idempotency_key] = request.id
        return request

    async def _take(self, call: _Call, request: Request) -> _Verdict:
        self._open.pop(request.id, None)
        try:
            grant = await take(self.client, request.id, patience=self.patience)
        except AlreadyConsumed:
            return self._taken_before(call, request)
        outcome = grant.outcome
        if outcome.status == "answered" and call.tool == QUESTIONS:
            self._spent(call, request)
            return _answered(call.input, outcome.response)
        if outcome.approved and grant.token and outcome.args is not None:
            self._spent(call, request)
            self._grants[call.use] = grant
            return _Verdict(input=outcome.args)
        if outcome.status in _NOBODY:
            self._spent(call, request)
        return _Verdict(message=notice(outcome), stop=outcome.status in _NOBODY)

    def _taken_before(self, call: _Call, request: Request) -> _Verdict:
        """A no stays a no for this session; a yes was for one call."""
        outcome = request.outcome
        if outcome is not None and outcome.status in ("rejected", "revision_requested"):
            return _Verdict(message=notice(outcome))
        self._spent(call, request)
        return _Verdict(message=_USED)


def _failed(error: Exception) -> _Verdict:
    _log.warning("a call was denied, since it could not be put to a person: %s", sentence(error))
    return _Verdict(message=_FAILED.format(why=sentence(error)))


def _question(input: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Claude's questions as one question and the JSON Schema of its answer: one field for each."""
    asked, fields = list(input["questions"]), {}
    for number, one in enumerate(asked, 1):
        labels = [option["label"] for option in one.get("options") or []]
        choice: dict[str, Any] = {"type": "string", "enum": labels} if labels else {"type": "string", "minLength": 1}
        many = {"type": "array", "items": choice, "minItems": 1, "uniqueItems": True}
        fields[f"answer_{number}"] = {"title": one["question"], **(many if one.get("multiSelect") else choice)}
    told = [line for one in asked for line in (one["question"], *_described(one.get("options") or []))]
    schema = {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}
    return "\n".join(told), schema


def _described(options: list[dict[str, Any]]) -> list[str]:
    return [f"- {option['label']}: {option['description']}" for option in options if option.get("description")]


def _answered(input: dict[str, Any], response: Any) -> _Verdict:
    """The questions with their answers, as the tool returns them to Claude. An incomplete answer is none."""
    given = response if isinstance(response, dict) else {}
    answers = {}
    for number, one in enumerate(input["questions"], 1):
        said = given.get(f"answer_{number}")
        if said in (None, "", []):
            return _Verdict(message="The questions were not answered. Go on without, and do not guess.")
        answers[one["question"]] = ", ".join(said) if isinstance(said, list) else in_words(said)
    return _Verdict(input={**input, "answers": answers})
