"""The tools a model is given. Their docstrings and the `next` of every answer are read by the model: they are its
instructions, so they say what to do and what not to do."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal

import anyio
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field

from hitl.client import AsyncClient, errors
from hitl.client.mcp import words
from hitl.client.sync import KEY, URL

Risk = Literal["low", "medium", "high", "critical"]
Id = Annotated[str, Field(description="The id of the request.")]
Description = Annotated[str, Field(description="Why you want this, for the person who decides.")]
More = Annotated[dict[str, Any] | None, Field(description="Facts that help to decide, as JSON.")]
Policy = Annotated[
    str, Field(description="Who is asked: the name of a policy. Leave it empty unless you were told one.")
]
Timeout = Annotated[str | None, Field(description="How long people have, such as 30m or 4h.")]
Once = Annotated[
    str,
    Field(
        description="A name of your own for this request, such as a ticket number. When you are not sure that an "
        "earlier call arrived, call again with the same name and the same words: nobody is asked twice.",
        max_length=200,
    ),
]

# Approved, and not to be run just now: everything else that stands in the way shows in the request's status.
_LATER = ("too_early", "frozen")
# Many clients give a tool 60 seconds: the wait and the answer must both fit.
_LONGEST, _ANSWER = 50.0, 8.0


class Desk:
    """The tools of one `hitl-mcp`. Each call goes to hitl with the key of whoever called."""

    def __init__(self, url: str, *, key: str | None) -> None:
        """`key` is used for callers who bring none; None means that everybody brings their own."""
        self.url = url
        self._key = key

    def tools(self) -> list[Callable[..., Any]]:
        """All of them, in the order in which they are used."""
        used: list[Callable[..., Any]] = [self.request_approval, self.ask_human, self.await_approval]
        return [*used, self.take_answer, self.report_result, self.revise_request, self.cancel_request]

    async def request_approval(
        self,
        ctx: Context[Any, Any],
        action: Annotated[str, Field(description="The name of what you want to do, such as refund or send_mail.")],
        args: Annotated[dict[str, Any], Field(description="Exactly the arguments you would run it with, all of them.")],
        title: Annotated[str, Field(description="One line that says what will happen, such as: Refund 900 to A1.")],
        impact: Annotated[str, Field(description="What it changes in the world, in one sentence.")],
        description: Description = "",
        context: More = None,
        policy: Policy = "",
        risk: Annotated[Risk | None, Field(description="How dangerous it is, if more than usual.")] = None,
        reversible: Annotated[bool, Field(description="True only if it can be undone completely.")] = False,
        timeout: Timeout = None,
        once: Once = "",
    ) -> dict[str, Any]:
        """Ask a person to approve an action BEFORE you do it. This does not wait: while the status is "pending", call
        await_approval with the id, again and again. Never do the action before take_answer has given you its arguments
        and a token. A person may change the arguments: only what take_answer returns may be run."""
        async with self._client(ctx) as client:
            request = await client.request_approval(
                action,
                args,
                title=title,
                impact=impact,
                description=description,
                context=context,
                policy=policy,
                risk=risk,
                reversible=reversible,
                timeout=timeout,
                idempotency_key=once or None,
            )
        return words.told(request)

    async def ask_human(
        self,
        ctx: Context[Any, Any],
        question: Annotated[str, Field(description="The question, complete in itself.")],
        options: Annotated[list[str] | None, Field(description="The possible answers, if they can be listed.")] = None,
        answer_schema: Annotated[
            dict[str, Any] | None, Field(description="A JSON Schema of the answer; not together with options.")
        ] = None,
        description: Description = "",
        context: More = None,
        policy: Policy = "",
        timeout: Timeout = None,
        once: Once = "",
    ) -> dict[str, Any]:
        """Ask a person a question when you need to know something only people know. This does not wait: while the
        status is "pending", call await_approval with the id; then take_answer gives you the answer. Do not make up an
        answer. An answer is no approval: use request_approval for anything that needs one."""
        async with self._client(ctx) as client:
            request = await client.ask_question(
                question,
                options=options,
                schema=answer_schema,
                description=description,
                context=context,
                policy=policy,
                timeout=timeout,
                idempotency_key=once or None,
            )
        return words.told(request)

    async def await_approval(
        self,
        ctx: Context[Any, Any],
        id: Id,
        seconds: Annotated[float, Field(description="How long to wait: at most 50, also when more is said.")] = 45,
    ) -> dict[str, Any]:
        """Wait, at most 50 seconds, for a person to decide a request or to answer a question. While the status is
        "pending" call this again with the same id: people may need hours. Pending is not a yes; do nothing of what you
        asked for. Then do what `next` says."""
        wait = min(max(seconds, 0.0), _LONGEST)
        async with self._client(ctx) as client:
            try:
                with anyio.fail_after(wait + _ANSWER):
                    request = await client.wait(id, timeout=wait)
            except errors.StillPending:
                request = await client.get(id)
            except TimeoutError:
                raise errors.Unavailable("hitl did not answer in time") from None
        return words.told(request)

    async def take_answer(self, ctx: Context[Any, Any], id: Id) -> dict[str, Any]:
        """Take what came of a request, ONCE, right before you act on it. Approved: run the action now, one time, with
        exactly the `args` that this returns (a person may have changed them), then call report_result with the token.
        Anything else: there is no token and nothing may be run. A second call is told that it was taken already: then
        do not act."""
        async with self._client(ctx) as client:
            try:
                grant = await client.consume(id)
            except (errors.NotDecided, errors.BatchOpen):
                return words.told(await client.get(id))
            except errors.AlreadyConsumed:
                return words.taken_already(id)
            except errors.Conflict as error:
                return words.not_yet(id, error) if error.code in _LATER else words.told(await client.get(id))
        return words.taken(id, grant)

    async def report_result(
        self,
        ctx: Context[Any, Any],
        id: Id,
        token: Annotated[str, Field(description="The token from take_answer.")],
        ok: Annotated[bool, Field(description="Whether the action succeeded.")] = True,
        output: Annotated[Any, Field(description="What came of it, as JSON, when it succeeded.")] = None,
        error: Annotated[str, Field(description="What went wrong, when it failed.")] = "",
    ) -> dict[str, Any]:
        """Report what came of an action after you ran it, right away, whether it worked or not. If you do not report
        in time, people have to find out by hand what happened."""
        told = {"output": output} if ok else {"error": error or "the agent gave no reason"}
        async with self._client(ctx) as client:
            try:
                await client.report(id, token, **told)
            except errors.LeaseLost:
                return words.not_recorded(id)
        return words.recorded(id)

    async def revise_request(
        self,
        ctx: Context[Any, Any],
        id: Id,
        args: Annotated[dict[str, Any], Field(description="The new arguments, all of them.")],
        description: Annotated[str, Field(description="What you changed, and why.")] = "",
    ) -> dict[str, Any]:
        """Propose a request again after its status became "revision_requested", changed as the person told you to.
        Returns the new request with a new id, to be awaited like the first. Not for requests that were rejected."""
        async with self._client(ctx) as client:
            request = await client.revise(id, args=args, description=description)
        return words.told(request)

    async def cancel_request(
        self,
        ctx: Context[Any, Any],
        id: Id,
        reason: Annotated[str, Field(description="Why nobody needs to decide it any more.")] = "",
    ) -> dict[str, Any]:
        """Take back a pending request that is no longer needed, so that people are not kept busy with it."""
        async with self._client(ctx) as client:
            await client.cancel(id, reason)
            return words.told(await client.get(id))

    @asynccontextmanager
    async def _client(self, ctx: Context[Any, Any]) -> AsyncIterator[AsyncClient]:
        """A client with the caller's key; raises ToolError, in words for the model, for what hitl does not do."""
        key = bearer(ctx.headers) or self._key
        if key is None:
            raise ToolError(words.NO_KEY)
        try:
            async with AsyncClient(self.url, key, timeout=_ANSWER, retries=2) as client:
                yield client
        except errors.ClientError as error:
            raise ToolError(words.trouble(error)) from None


def bearer(headers: Mapping[str, str] | None) -> str | None:
    """The key a caller brought, or None; over stdio there are no headers."""
    kind, _, key = (headers or {}).get("authorization", "").partition(" ")
    return key.strip() or None if kind.lower() == "bearer" else None


def configured() -> tuple[str, str | None]:
    """`HITL_URL` and `HITL_API_KEY`; an empty text or None where they are not set."""
    return os.environ.get(URL, "").rstrip("/"), os.environ.get(KEY) or None
