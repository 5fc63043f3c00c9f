"""The product as the approver of agents."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.messages import ModelMessage
from pydantic_ai.tools import DeferredToolRequests

from hitl.client.adapters.common import Asking, is_open, undecided
from hitl.client.adapters.pydantic_ai.capability import Inline, Reporting
from hitl.client.adapters.pydantic_ai.turns import KEPT, Desk, Taken, Waiting, history
from hitl.client.errors import Invalid, StillPending
from hitl.client.values import Outcome, Request


@dataclass(frozen=True)
class Result:
    """Where a run stands: ended with `output`, or waiting for the people asked in `pending`.

    `run` is Pydantic AI's own result; `outcomes` is what this call acted on. A result that is neither done nor pending
    means that another process took these answers, and that nothing was done here.
    """

    output: Any = None
    pending: tuple[Request, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    run: Any = field(default=None, repr=False)
    done: bool = False

    @property
    def review_urls(self) -> list[str]:
        """Where people decide."""
        return [request.review_url for request in self.pending]


class Approvals:
    """Asks people about the calls that an agent defers, and answers it with what they said.

    `policy` and `options` are said with every request (as `request_approval` has them), `actions` over them for single
    tools: `{"refund": {"impact": "Money leaves"}}`. `wait` is how many seconds a run waits for people within `inline`
    (None: until they decided). `context` makes of the messages what reviewers are shown. With `keep_history=False` the
    messages stay with you, and `resume` wants them. `client` is a Client or an AsyncClient.
    """

    def __init__(
        self,
        client: Any,
        *,
        policy: str = "",
        wait: float | None = None,
        actions: Mapping[str, Mapping[str, Any]] | None = None,
        context: Callable[[Sequence[ModelMessage]], Any] | None = None,
        keep_history: bool = True,
        **options: Any,
    ) -> None:
        asking = Asking({"policy": policy, **options} if policy else options, actions or {})
        self.desk = Desk(client, asking, context)
        self.wait, self.keep_history = wait, keep_history

    def inline(self) -> AbstractCapability[Any]:
        """A capability for `Agent(capabilities=[…])`: the run waits for people, and goes on with what they said.

        When `wait` is over the calls come out of the run as DeferredToolRequests; `ask` finds what was asked, and
        `resume` then wants the messages.
        """
        return Inline(self.desk, self.wait)

    async def run(self, agent: Any, prompt: Any = None, **options: Any) -> Result:
        """Run the agent until it ends or waits for people. `options` are those of `agent.run`."""
        return await self._advance(agent, {"user_prompt": prompt, **options})

    def run_sync(self, agent: Any, prompt: Any = None, **options: Any) -> Result:
        """As run, blocking; with a Client."""
        return asyncio.run(self.run(agent, prompt, **options))

    async def resume(
        self,
        agent: Any,
        of: Request | str,
        *,
        message_history: Sequence[ModelMessage] | None = None,
        calls: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Result:
        """Go on if every call of the turn is decided; otherwise say what is pending. Waits for nobody.

        `of` is a request of the turn, or its id. Exactly one caller takes the answers and runs the agent; for every
        other one the result is neither done nor pending. `calls` answers, by call id, what waited for a program of
        yours. What the agent raises is raised after it was reported.
        """
        requests = await self.desk.turn(of)
        if any(is_open(request) for request in requests):
            return Result(pending=undecided(requests))
        messages = message_history or history(requests[0])
        if not messages:
            raise Invalid("the messages were not kept with these requests: give message_history", "invalid")
        missing = set(requests[0].data["resume_data"].get("others") or ()) - set(calls or ())
        if missing:
            raise Invalid(f"these calls wait for a program of yours, so give calls=: {sorted(missing)}", "invalid")
        taken = await self.desk.take(requests)
        if taken is None:
            return Result()
        taken.results.calls.update(calls or {})
        return await self._advance(agent, {"message_history": messages, **options}, taken)

    def resume_sync(self, agent: Any, of: Request | str, **options: Any) -> Result:
        """As resume, blocking; with a Client."""
        return asyncio.run(self.resume(agent, of, **options))

    async def ask(self, result: Any) -> list[Request]:
        """Ask for what the result of `agent.run` waits for; asking again asks nothing new.

        Raises Invalid when it waits for nothing, and when the messages are more than the product keeps (256 KiB).
        """
        if not isinstance(result.output, DeferredToolRequests):
            raise Invalid("this run waits for nothing", "invalid")
        waiting = Waiting(result.run_id, result.all_messages(), result.output)
        return await self.desk.ask(waiting, keep=self.keep_history)

    async def take(self, of: Request | str) -> Taken | None:
        """The answers of a turn, once: for your own `agent.run`. None for whoever comes second.

        Give that run `capabilities=[approvals.inline()]`, which reports what the tools did and tells the model of
        edits. Raises StillPending.
        """
        requests = await self.desk.turn(of)
        for request in requests:
            if is_open(request):
                raise StillPending(request.id)
        return await self.desk.take(requests)

    async def _advance(self, agent: Any, options: dict[str, Any], taken: Taken | None = None) -> Result:
        """Run, ask, and go on as long as everything is decided at once, as a policy may."""
        outcomes: list[Outcome] = []
        options.setdefault("output_type", _deferring(agent.output_type))
        options["capabilities"] = [*(options.get("capabilities") or ()), Reporting(self.desk)]
        while True:
            if taken is not None:
                outcomes += [grant.outcome for grant in taken.grants]
                options["deferred_tool_results"] = taken.results
            try:
                run = await agent.run(**options)
            finally:
                await self._report_unused(taken)
            if not isinstance(run.output, DeferredToolRequests):
                return Result(run.output, (), tuple(outcomes), run, done=True)
            asked = await self.ask(run)
            waits = any(is_open(request) for request in asked)
            taken = None if waits else await self.desk.take(asked)
            if taken is None:
                return Result(run.output, undecided(asked), tuple(outcomes), run)
            options |= {"message_history": run.all_messages(), "user_prompt": None}

    async def _report_unused(self, taken: Taken | None) -> None:
        """What was approved and never entered its tool did not happen. What was entered has been reported, or is
        uncertain."""
        for left in (kept.get(KEPT) for kept in (taken.results.metadata if taken else {}).values()):
            if left is not None:
                await self.desk.report(left["id"], left["token"], error="not run: the run ended without this call")


def _deferring(output_type: Any) -> Any:
    """The agent's own output, or calls that wait."""
    types = list(output_type) if isinstance(output_type, list | tuple) else [output_type]
    return output_type if DeferredToolRequests in types else [*types, DeferredToolRequests]
