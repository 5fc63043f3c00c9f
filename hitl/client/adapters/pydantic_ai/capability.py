"""What is hung into a run: it waits for people where that is wanted, and reports what approved calls did."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.messages import ToolReturn
from pydantic_ai.tools import DeferredToolRequests, DeferredToolResults, RunContext

from hitl.client.adapters.common import acall
from hitl.client.adapters.pydantic_ai.turns import KEPT, Desk, Waiting
from hitl.client.adapters.taking import sentence
from hitl.client.errors import StillPending

if TYPE_CHECKING:
    from pydantic_ai.capabilities.abstract import WrapToolExecuteHandler


@dataclass
class Reporting(AbstractCapability[Any]):
    """Reports what each approved call returned or raised, and tells the model of a reviewer's edit."""

    desk: Desk

    @classmethod
    def get_serialization_name(cls) -> str | None:
        """It holds a client, so that it is never written down."""
        return None

    async def wrap_tool_execute(
        self, ctx: RunContext[Any], *, call: Any, tool_def: Any, args: Any, handler: WrapToolExecuteHandler
    ) -> Any:
        """Run the tool; with a grant, say what came of it. Cancelled half-way, nothing is said: that is uncertain."""
        grant = (ctx.tool_call_metadata or {}).pop(KEPT, None)
        if grant is None:
            return await handler(args)
        try:
            result = await handler(args)
        except Exception as error:
            await self.desk.report(grant["id"], grant["token"], error=sentence(error))
            raise
        output = result.return_value if isinstance(result, ToolReturn) else result
        await self.desk.report(grant["id"], grant["token"], output=output)
        return _told(result, grant["notice"]) if grant["notice"] else result


@dataclass
class Inline(Reporting):
    """Waits for people during the run, at most `wait` seconds; None: until they decided."""

    wait: float | None = None

    async def handle_deferred_tool_calls(
        self, ctx: RunContext[Any], *, requests: DeferredToolRequests
    ) -> DeferredToolResults | None:
        """The answers of people, or None where they did not come in time or another process has them."""
        waiting = Waiting(str(ctx.run_id), ctx.messages, requests)
        if not waiting.calls:
            return None
        ends = None if self.wait is None else time.monotonic() + self.wait
        asked = await self.desk.ask(waiting, keep=False)
        try:
            # Their batch is released as a whole, so that whoever waits for one of them waits for all.
            left = None if ends is None else max(0.0, ends - time.monotonic())
            await acall(self.desk.client.wait, asked[0].id, left)
        except StillPending:
            return None
        taken = await self.desk.take(asked)
        return None if taken is None else taken.results


def _told(result: Any, notice: str) -> Any:
    """The result with the notice before it, or beside it where it is no text."""
    if isinstance(result, str):
        return f"{notice}\n\n{result}"
    if not isinstance(result, ToolReturn):
        return ToolReturn(result, content=notice)
    if result.content is None or isinstance(result.content, str):
        return replace(result, content="\n\n".join(filter(None, [notice, result.content])))
    return replace(result, content=[notice, *result.content])
