"""Workflows that wait in every way there is, each effect under its idempotency key in the provider's books."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from hitl import Action, Approve, Complete, Continue, Human, Plan, Signal, Timer, Workflow
from tests.crash.flow import ledger

HOUR = timedelta(hours=1)
PEOPLE: dict[str, Any] = {"reviewers": ["user:bob"]}


def effect(ctx: Any, name: str) -> str:
    """Something the provider does once a key; what it did is remembered."""

    def call() -> str:
        with (ledger() / "calls").open("a") as calls:
            calls.write(ctx.idempotency_key(name) + "\n")
        return f"{name} done"

    return str(ctx.once(name, call))


def doing(name: str) -> Action:
    """An action to ask about."""
    return Action({"what": name}, type="do", title=f"Do {name}", impact="It is done")


def once(flow: Workflow) -> None:
    """Effects one after another in one handler, with a checkpoint, a stream and an event."""

    @flow.step
    def act(ctx: Any) -> Any:
        done = [effect(ctx, name) for name in ("a", "b", "c")]
        ctx.checkpoint(done)
        ctx.put_stream("told", name="told")
        ctx.set_event("done", done)
        return done


def signal(flow: Workflow) -> None:
    """Waits for data."""

    @flow.step
    def act(ctx: Any) -> Any:
        return [effect(ctx, "a"), ctx.wait_for_signal("go"), effect(ctx, "b")]


def sleep(flow: Workflow) -> None:
    """Lets time pass, also between steps."""

    @flow.step
    def act(ctx: Any) -> Any:
        before = effect(ctx, "a")
        ctx.sleep("night", HOUR)
        return [before, effect(ctx, "b")]

    flow.sleep("pause", HOUR, after="act")
    flow.step(lambda ctx: [*ctx.results["act"], effect(ctx, "c")], name="end", after="pause")


def wait_any(flow: Workflow) -> None:
    """Waits for the first of several: people, a signal, the time."""

    @flow.step
    def act(ctx: Any) -> Any:
        first = ctx.wait_any("one", Signal("never"), Approve(doing("one"), **PEOPLE), Timer(24 * HOUR))
        effect(ctx, "a")
        second = ctx.wait_any("two", Signal("go"), Timer(24 * HOUR))
        third = ctx.wait_any("three", Signal("never"), Timer(HOUR))
        effect(ctx, "b")
        return [first.kind, second.kind, second.value, third.kind]


def ask(flow: Workflow) -> None:
    """Asks a question and for an approval inside a handler."""

    @flow.step
    def act(ctx: Any) -> Any:
        said = ctx.ask("which", "Which one?", **PEOPLE)
        effect(ctx, "a")
        sure = ctx.approve("sure", doing(said), **PEOPLE)
        return [said, sure.approved, effect(ctx, "b")]


def gate(flow: Workflow) -> None:
    """A protected step behind its gate."""
    flow.step(lambda ctx: doing(effect(ctx, "a")), name="draft")
    flow.approval("review", after="draft", **PEOPLE)
    flow.step(lambda ctx: [ctx.action.what, effect(ctx, "b")], name="act", after="review")


def loop(flow: Workflow) -> None:
    """An agent's turns, one of which waits."""

    def turn(ctx: Any) -> Any:
        seen = [*(ctx.load_checkpoint() or []), effect(ctx, "turn")]
        if ctx.iteration == 1:
            seen.append(ctx.wait_for_signal("go"))
        return Complete(seen) if ctx.iteration == 3 else Continue(seen)

    flow.agent_loop("agent", turn, max_iterations=5)


def planner(flow: Workflow) -> None:
    """A plan becomes steps, some at once, some one after another."""
    flow.handler("do")(lambda ctx: [ctx.args, effect(ctx, "do")])
    wanted = [{"name": f"s{n}", "handler": "do", "args": n, "after": ["s0"] if n > 1 else []} for n in range(4)]
    flow.planner("plan", handler=lambda ctx: Plan(wanted), ungated="a test", allowed=["do"])
    flow.step(lambda ctx: [ctx.results["plan"], effect(ctx, "end")], name="end", after="plan")


def ladder(flow: Workflow) -> None:
    """Climbs from an agent to a senior one to people."""

    def senior(ctx: Any) -> Any:
        return {"text": effect(ctx, "senior"), "confidence": 0.2}

    def junior(ctx: Any) -> Any:
        return {"text": effect(ctx, "junior"), "confidence": 0.1}

    flow.step(junior, name="answer", escalation=[senior, Human("people", **PEOPLE)])
    flow.step(lambda ctx: [ctx.results["answer"], effect(ctx, "end")], name="end", after="answer")


def child(flow: Workflow) -> None:
    """Waits for a run of another workflow, which waits itself."""
    inner = Workflow(f"{flow.name}-inner")
    signal(inner)
    flow.run_workflow("inner", inner)
    flow.step(lambda ctx: [ctx.results["inner"], effect(ctx, "end")], name="end", after="inner")


def failure(flow: Workflow) -> None:
    """A refused gate goes back to the start once."""
    from hitl import Restart

    flow.step(lambda ctx: doing(effect(ctx, "a") + ctx.instructions), name="draft")
    flow.approval("review", after="draft", reviewers=["user:bob"])
    flow.step(lambda ctx: [ctx.action.what, effect(ctx, "b")], name="act", after="review")
    flow.on_failure("review", lambda ctx: Restart("draft", " again"))


WAITS: list[Callable[[Workflow], None]] = [
    once, signal, sleep, wait_any, ask, gate, loop, planner, ladder, child, failure,
]  # fmt: skip
