"""The bridge: it runs a graph, asks for what it pauses at, and goes on once."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from langgraph.types import Command

from hitl.client.adapters.common import (
    Asking,
    Do,
    Flow,
    arun,
    check_size,
    find_batch,
    is_open,
    reportable,
    run,
    undecided,
)
from hitl.client.adapters.langgraph.results import Result, ThreadWaits
from hitl.client.adapters.langgraph.turns import ADAPTER, Reader, Turn, cut_off, latest, schemas, tool_messages, value
from hitl.client.errors import AlreadyConsumed, ClientError, Conflict, Invalid, StillPending
from hitl.client.values import Grant, Outcome, Request

_log = logging.getLogger("hitl.client")
_LONGEST_COOL_OFF = 300.0  # seconds


class Bridge:
    """A compiled graph with a checkpointer whose interrupts people decide in the product.

    `policy` and `options` are said with every request (`reviewers`, `timeout`, `risk`, … as `request_approval` has
    them), `actions` over them for single tools: `{"refund": {"impact": "Money leaves"}}`. `tools` give the forms
    of reviewers their types. `context` makes of the thread's values what reviewers are shown.
    `unanswered` is what the node of a plain value gets when nobody answered: a value, or a function of the outcome.

    `client` is a Client; with an AsyncClient only the methods that are awaited work.
    """

    def __init__(
        self,
        graph: Any,
        client: Any,
        *,
        policy: str = "",
        actions: Mapping[str, Mapping[str, Any]] | None = None,
        tools: Sequence[Any] = (),
        context: Callable[[Any], Any] | None = None,
        unanswered: Any = None,
        **options: Any,
    ) -> None:
        self.graph, self.client = graph, client
        asking = Asking({"policy": policy, **options} if policy else options, actions or {})
        self.reader = Reader(asking, schemas(tools), context, unanswered)

    # -- the calls: blocking, and awaited ---------------------------------------------------------------

    def invoke(self, input: Any, config: Mapping[str, Any], **options: Any) -> Result:
        """Run the graph and ask for whatever it pauses at. Asking again asks nothing new.

        Raises ThreadWaits for input to a thread that waits: LangGraph would drop what it waits for. `options` go to the
        graph's `invoke`; checkpoints are written before a step begins (`durability="sync"`) unless they say otherwise.
        """
        return run(self._invoke(input, config, options))

    async def ainvoke(self, input: Any, config: Mapping[str, Any], **options: Any) -> Result:
        """As invoke, with the graph's `ainvoke`."""
        return await arun(self._invoke(input, config, options))

    def resume(self, of: Any, config: Mapping[str, Any] | None = None, **options: Any) -> Result:
        """Go on if everything the turn waits for is decided; otherwise say what is pending. Waits for nobody.

        `of` is a request, its id, or the thread's config; `config` is added to the config of a request's thread.
        Exactly one caller takes the answers and runs the graph; every other one gets the thread as it stands. What the
        graph raises is raised after it was reported. Raises Unanswered before anything is taken.
        """
        return run(self._resume(of, config, options))

    async def aresume(self, of: Any, config: Mapping[str, Any] | None = None, **options: Any) -> Result:
        """As resume, with the graph's `ainvoke`."""
        return await arun(self._resume(of, config, options))

    def run_until_done(
        self, input: Any, config: Mapping[str, Any], *, timeout: float | None = None, **options: Any
    ) -> Result:
        """invoke, and wait and resume as often as it takes. StillPending after `timeout` seconds: resume later."""
        return run(self._until_done(input, config, timeout, options))

    async def arun_until_done(
        self, input: Any, config: Mapping[str, Any], *, timeout: float | None = None, **options: Any
    ) -> Result:
        """As run_until_done, awaited."""
        return await arun(self._until_done(input, config, timeout, options))

    def give_up(self, config: Mapping[str, Any], *, reason: str, **options: Any) -> Result:
        """Free a thread whose process died after it took the answers: the model is told `reason`, and goes on.

        Of the tools that were cut off, none runs. Find out first that the process is dead and what it did. Raises
        ClientError while nobody took the answers (then `resume` is the way on) and where no tool was cut off, and
        Unanswered for a question without `unanswered`.
        """
        return run(self._give_up(config, reason, options))

    # -- the flow ---------------------------------------------------------------------------------------

    def _invoke(self, input: Any, config: Mapping[str, Any], options: dict[str, Any]) -> Flow[Result]:
        turn = yield from self._turn(config)
        if turn.shapes:
            result = yield from self._settle(config, options)
            if input is None:
                return result
            raise ThreadWaits(result)
        output = yield self._run(input, config, options)
        return (yield from self._settle(config, options, output))

    def _resume(self, of: Any, config: Mapping[str, Any] | None, options: dict[str, Any]) -> Flow[Result]:
        if isinstance(of, Mapping):
            return (yield from self._settle(of, options))
        request: Request = of if isinstance(of, Request) else (yield Do(self.client.get, (of,)))
        kept = request.data.get("resume_data")
        if not isinstance(kept, dict) or kept.get("adapter") != ADAPTER:
            raise Invalid(f"request {request.id} was not asked by a LangGraph bridge with this key", "invalid")
        added = dict(config or {})
        added["configurable"] = {**added.get("configurable", {}), "thread_id": kept["thread"]}
        return (yield from self._settle(added, options))

    def _until_done(
        self, input: Any, config: Mapping[str, Any], timeout: float | None, options: dict[str, Any]
    ) -> Flow[Result]:
        ends = None if timeout is None else time.monotonic() + timeout
        result = yield from self._invoke(input, config, options)
        while result.pending:
            left = None if ends is None else max(0.0, ends - time.monotonic())
            if left == 0.0:
                raise StillPending(result.pending[0].id)
            yield Do(self.client.wait, (result.pending[0].id, left))
            result = yield from self._settle(config, options)
        return result

    def _settle(self, config: Mapping[str, Any], options: dict[str, Any], output: Any = None) -> Flow[Result]:
        """Ask for what the thread waits at, and go on as long as everything is decided."""
        acted: list[Outcome] = []
        while True:
            turn = yield from self._turn(config)
            seen = turn.values if output is None else value(output)
            requests = yield from self._ask(turn)
            if not requests or any(is_open(request) for request in requests):
                return Result(seen, undecided(requests), tuple(acted), turn.done)
            turn.answers(
                [request.outcome for request in requests if request.outcome]
            )  # raises before anything is taken
            grants = yield from self._take(requests)
            if grants is None:
                return Result(seen, (), tuple(acted))
            acted.extend(grant.outcome for grant in grants)
            output = yield from self._go_on(turn, grants, config, options)

    def _turn(self, config: Mapping[str, Any]) -> Flow[Turn]:
        return self.reader.turn((yield self._graph("get_state", latest(config))))

    def _ask(self, turn: Turn) -> Flow[list[Request]]:
        """The turn's requests as they stand, asked for where they are not yet."""
        asked: list[Request] = []
        for position, (interrupt, at, part) in enumerate(turn.parts):
            named = self.reader.words(turn, part) | turn.batch_of(position, interrupt, at)
            check_size(named["resume_data"], "the ids of this thread are too long")
            try:
                if part.is_question:
                    request = yield Do(self.client.ask_question, (part.question,), named)
                else:
                    request = yield Do(self.client.request_approval, (part.name, part.args), named)
            except Conflict as error:
                if error.code != "idempotency_conflict":
                    raise
                # Asked before, by a bridge with other options: what was asked stands.
                return (yield from find_batch(self.client, turn.batch, len(turn.parts)))
            # An answer that is replayed is as old as the question.
            asked.append((yield Do(self.client.get, (request.id,))))
        if any(request.status == "superseded" for request in asked):  # an edit that others must agree to is a revision
            return (yield from find_batch(self.client, turn.batch, len(turn.parts)))
        return asked

    def _take(self, requests: Sequence[Request]) -> Flow[list[Grant] | None]:
        """The answers of a turn, or None when another process has them."""
        grants: list[Grant] = []
        for request in requests:
            try:
                grants.append((yield from self._consume(request)))
            except Exception as error:
                for grant in grants:
                    yield from self._report(grant, error="not run: another answer of its turn could not be taken")
                if isinstance(error, AlreadyConsumed):
                    return None
                raise
        return grants

    def _consume(self, request: Request) -> Flow[Grant]:
        until = time.monotonic() + _LONGEST_COOL_OFF
        while True:
            try:
                grant: Grant = yield Do(self.client.consume, (request,))
                return grant
            except Conflict as error:
                if error.code != "too_early" or time.monotonic() > until:
                    raise
                yield Do(time.sleep, (0.5,), other=asyncio.sleep)  # a cool-off: somebody may still take it back

    def _go_on(
        self, turn: Turn, grants: Sequence[Grant], config: Mapping[str, Any], options: dict[str, Any]
    ) -> Flow[Any]:
        answers = turn.answers([grant.outcome for grant in grants])
        try:
            output = yield self._run(Command(resume=answers), config, options)
        except Exception as error:
            yield from self._report_all(turn, grants, config, failed=f"the graph raised {error!r}")
            raise
        yield from self._report_all(turn, grants, config)
        return output

    def _report_all(
        self, turn: Turn, grants: Sequence[Grant], config: Mapping[str, Any], failed: str = ""
    ) -> Flow[None]:
        """Say what came of every approved action: its tool's message where the thread has one."""
        state = yield self._graph("get_state", latest(config))
        messages = tool_messages(state.values)
        for grant, (_, _, part) in zip(grants, turn.parts, strict=True):
            message = messages.get(part.call_id)
            if not part.runs(grant.outcome):
                yield from self._report(grant, error="not run: this tool takes no such edit")
            elif message is None:
                yield from self._report(grant, **({"error": failed} if failed else {"output": None}))
            else:
                told = "error" if message.status == "error" else "output"
                yield from self._report(grant, **{told: message.content})

    def _report(self, grant: Grant, **said: Any) -> Flow[None]:
        if grant.token is None:
            return
        told = {"error": str(said["error"])[:2000]} if "error" in said else {"output": reportable(said["output"])}
        try:
            yield Do(self.client.report, (grant.id, grant.token), told)
        except ClientError as failed:  # unreported it is uncertain in the product, and people look at it
            _log.warning("the result of %s was not taken: %s", grant.id, failed)

    def _give_up(self, config: Mapping[str, Any], reason: str, options: dict[str, Any]) -> Flow[Result]:
        state = yield self._graph("get_state", latest(config))
        turn = self.reader.turn(state)
        if turn.shapes:
            output = yield from self._refuse(turn, config, reason, options)
        else:
            yield self._graph("update_state", latest(config), {"messages": cut_off(state, reason)}, state.next[0])
            output = yield self._run(None, config, options)
        return (yield from self._settle(config, options, output))

    def _refuse(self, turn: Turn, config: Mapping[str, Any], reason: str, options: dict[str, Any]) -> Flow[Any]:
        requests = yield from self._ask(turn)
        if not (requests[0].data.get("taken_at") or requests[0].data.get("consumed_at")):
            raise ClientError("nobody took the answers of this turn: resume it")
        for request in requests[1:]:
            try:
                yield from self._report((yield from self._consume(request)), error=f"not run: {reason}")
            except AlreadyConsumed:
                continue
        refused = Outcome("cancelled", None, False, "", None, (), "", None, (), "cancel", reason)
        answers = turn.answers([refused] * len(requests))
        return (yield self._run(Command(resume=answers), config, options))

    def _run(self, input: Any, config: Mapping[str, Any], options: dict[str, Any]) -> Do:
        # By default LangGraph writes checkpoints behind the step's back, and a process that dies in a tool leaves a
        # thread that looks as if it had ended.
        return self._graph("invoke", input, latest(config), **{"durability": "sync", **options})

    def _graph(self, name: str, *args: Any, **named: Any) -> Do:
        return Do(getattr(self.graph, name), args, named, getattr(self.graph, f"a{name}"))
