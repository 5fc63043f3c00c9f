"""The tools of the OpenAI Agents adapter: each runs only with what a person decided about that very call."""

from __future__ import annotations

import base64
import inspect
import json
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any, cast

from agents import FunctionTool, UserError, function_tool
from agents.tool import default_tool_error_function
from agents.tool_context import ToolContext

from hitl.client import Grant
from hitl.client.adapters.common import notice

Words = str | Callable[[dict[str, Any]], str] | None
When = Callable[[dict[str, Any]], bool] | None
Reporter = Callable[..., Awaitable[None]]

_ELSEWHERE = "This call was not run here: its approval was already taken elsewhere. Do not try again."
_AS_IT_IS = "This call was not run: a person changed its arguments, and this tool cannot take them. Do not try again."


@dataclass(frozen=True)
class Gate:
    """How the calls of one tool are asked about. Without a `tool` of ours it is native: the SDK runs it as the model
    called it, so nothing of it may be edited."""

    tool: FunctionTool | None = None
    title: Words = None
    impact: Words = None
    question: bool = False
    options: dict[str, Any] = field(default_factory=dict)

    def words(self, args: dict[str, Any]) -> dict[str, str]:
        """The author's title and impact of one call, for people; what is missing the adapter says itself."""
        about = (self.tool.description if self.tool else "").strip().split("\n", 1)[0]
        found = {"title": _say(self.title, args), "impact": _say(self.impact, args) or about}
        return {name: text for name, text in found.items() if text}


def _say(words: Words, args: dict[str, Any]) -> str:
    try:
        return words.format(**args) if isinstance(words, str) else words(args) if words else ""
    except Exception:  # the model left an argument out: people are asked all the same
        return ""


def make(
    function: Callable[..., Any], *, when: When, options: dict[str, Any], context_key: str, report: Reporter
) -> FunctionTool:
    """A tool that runs with the arguments approved for its call, and refuses to run without an approval.

    What was decided is taken from the run's context and given out once; `report` is told what came of it.
    """
    errors: dict[str, Exception] = {}
    explain = options.pop("failure_error_function", default_tool_error_function)

    async def remember(ctx: Any, error: Exception) -> str:
        errors[ctx.tool_call_id] = error
        told = explain(ctx, error)
        return cast(str, await told if inspect.isawaitable(told) else told)

    async def needed(_ctx: Any, args: dict[str, Any], _call_id: str) -> bool:
        return applies(when, args)

    async def invoke(ctx: ToolContext[Any], raw: str) -> Any:
        decided = ctx.context.get(context_key) if isinstance(ctx.context, dict) else None
        granted = decided.pop(ctx.tool_call_id, None) if isinstance(decided, dict) else None
        if granted is None and when is not None and not applies(when, json.loads(raw or "{}")):
            return await inner.on_invoke_tool(ctx, raw)
        if granted is None:
            raise UserError(f"{inner.name} was called without an approval of the product, and was not run")
        return granted["answer"] if "answer" in granted else await run(ctx, granted)

    async def run(ctx: ToolContext[Any], granted: dict[str, Any]) -> Any:
        ctx.tool_arguments = json.dumps(granted["args"])
        try:
            output = await inner.on_invoke_tool(ctx, ctx.tool_arguments)
        except Exception as error:
            await report(granted, failed=error)
            raise
        await report(granted, output=output, failed=errors.pop(ctx.tool_call_id, None))
        return told(granted["notice"], output)

    inner = function_tool(function, failure_error_function=None if explain is None else remember, **options)
    return replace(inner, on_invoke_tool=invoke, needs_approval=needed)


def applies(when: When, args: dict[str, Any]) -> bool:
    """Whether a call needs a yes. Doubt is a yes to that: an error in the author's `when` asks a person."""
    try:
        return True if when is None else bool(when(args))
    except Exception:
        return True


def told(notice: str, output: Any) -> Any:
    """A tool's output with what the model must know about it."""
    if not notice:
        return output
    if isinstance(output, str):
        return f"{notice}\n\n{output}"
    return json.dumps({"notice": notice, "output": output}, default=str)


def arguments(raw: str | None) -> dict[str, Any]:
    """A call's arguments as people see them; what is no JSON object is shown as it is."""
    try:
        found = json.loads(raw or "{}")
    except ValueError:
        found = raw
    return found if isinstance(found, dict) else {"input": found}


def packed(state: dict[str, Any]) -> str:
    """A state as one text: it repeats itself much, and is deeper than the product lets JSON be."""
    return base64.b64encode(zlib.compress(json.dumps(state).encode(), 9)).decode()


def unpacked(text: str) -> dict[str, Any]:
    """The state that was packed."""
    return cast(dict[str, Any], json.loads(zlib.decompress(base64.b64decode(text))))


def verdict(gate: Gate, grant: Grant | None) -> dict[str, Any] | str:
    """What the tool gets, or, as a text, why it does not run. Only a person's yes or answer gives it anything."""
    if grant is None:
        return _ELSEWHERE
    outcome = grant.outcome
    if gate.question:
        answered = outcome.status == "answered" and outcome.response not in (None, "")
        return {"answer": outcome.response} if answered else notice(outcome)
    if not (outcome.approved and grant.token):
        return notice(outcome)
    if outcome.edited and not gate.tool:
        return _AS_IT_IS
    said = notice(outcome) if outcome.edited or outcome.comment else ""
    return {"id": grant.request.id, "token": grant.token, "args": grant.args, "notice": said}
