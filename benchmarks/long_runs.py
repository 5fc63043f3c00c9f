"""Long runs: a loop of 1,000 iterations, a handler entered again with many results, a plan of 100 steps.

    uv run --group bench python -m benchmarks.long_runs [--iterations 1000]

Prints time and statements per iteration at the start and at the end, what a memory of 1, 10 and 100 results adds to
entering a handler again, what `once` costs, and what a plan costs to expand. Everything runs in this process, so that
every statement is counted; no bell is rung.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from benchmarks.machine import bench, floor, report

RESULTS = (1, 10, 100)
PLANS = (10, 100)


@dataclass
class Cost:
    """What something took; CPU is this process's, which others on the machine do not disturb."""

    statements: int
    commits: int
    seconds: float
    cpu: float


def main() -> None:
    """Measure each."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--iterations", type=int, default=1000)
    given = options.parse_args()
    with bench() as machine:
        from hitl import dispatch

        dispatch._send = lambda *args: None
        rows: dict[str, Any] = dict(floor(machine))
        rows |= _loop(given.iterations)
        rows |= _resume()
        rows |= _plans()
        report("long_runs", rows)


def cost(act: Callable[[], Any]) -> Cost:
    """Run it, counting statements (without transaction control) and commits, those of single statements too."""
    from django.db import connection

    seen = [0, 0]

    def count(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        seen[0] += not sql.startswith(("SAVEPOINT", "RELEASE", "ROLLBACK"))
        seen[1] += not connection.in_atomic_block and sql.startswith(("INSERT", "UPDATE", "DELETE", "WITH"))
        return execute(sql, params, many, context)

    commit = connection._commit

    def counted() -> Any:
        seen[1] += 1
        return commit()

    connection._commit = counted
    try:
        with connection.execute_wrapper(count):
            start, cpu = time.perf_counter(), time.process_time()
            act()
            seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    finally:
        connection._commit = commit
    return Cost(seen[0], seen[1], seconds, cpu)


def _loop(iterations: int) -> dict[str, Any]:
    from hitl import SYSTEM, Complete, Continue, Workflow, engine
    from hitl.engine import work
    from hitl.engine.claim import claim
    from hitl.engine.execute import execute

    flow = Workflow("bench-loop")

    def turn(ctx: Any) -> Any:
        seen = ctx.once("think", lambda: ctx.iteration)
        return Complete(seen) if seen == iterations - 1 else Continue({"seen": seen})

    flow.agent_loop("agent", turn, max_iterations=iterations + 1)
    flow.start(requester=SYSTEM)
    engine.sweep()
    following: Any = work.pick("default")[0]
    turns: list[Cost] = []

    def one() -> None:
        nonlocal following
        claimed = claim(following)
        assert claimed is not None
        following = execute(claimed)

    while following is not None:
        turns.append(cost(one))
    assert len(turns) == iterations, len(turns)
    tenth = max(1, iterations // 10)
    first, last = turns[1 : tenth + 1], turns[-tenth - 1 : -1]
    return {
        "loop: iterations": iterations,
        "loop: ms per iteration, first tenth": statistics.median(turn.seconds for turn in first) * 1000,
        "loop: ms per iteration, last tenth": statistics.median(turn.seconds for turn in last) * 1000,
        "loop: CPU ms per iteration, first tenth": statistics.mean(turn.cpu for turn in first) * 1000,
        "loop: CPU ms per iteration, last tenth": statistics.mean(turn.cpu for turn in last) * 1000,
        "loop: last tenth / first tenth": statistics.median(t.seconds for t in last)
        / statistics.median(t.seconds for t in first),
        "loop: statements per iteration, first tenth": statistics.mean(turn.statements for turn in first),
        "loop: statements per iteration, last tenth": statistics.mean(turn.statements for turn in last),
        "loop: commits per iteration, first tenth": statistics.mean(turn.commits for turn in first),
        "loop: commits per iteration, last tenth": statistics.mean(turn.commits for turn in last),
    }


def _resume() -> dict[str, Any]:
    """Entering a handler again: a step that remembers n results against one that remembers none."""
    from hitl import SYSTEM, Workflow, engine, signal

    found: dict[str, Any] = {}
    engine.drain("default")  # a worker's own sweep is not counted below
    costs: dict[int, Cost] = {}
    first: dict[int, Cost] = {}
    for count in (0, *RESULTS):
        flow = Workflow(f"bench-resume-{count}")

        def handler(ctx: Any, count: int = count) -> Any:
            values = [ctx.once(f"r{n}", lambda n=n: n) for n in range(count)]
            ctx.wait_for_signal("go", timeout=timedelta(hours=1))
            return len(values)

        flow.step(handler, name="remember")
        run = flow.start(requester=SYSTEM)
        first[count] = cost(lambda: engine.drain("default"))
        signal(run, "go", sender=SYSTEM)
        costs[count] = cost(lambda: engine.drain("default"))
        run.refresh_from_db()
        assert (run.status, run.output) == ("succeeded", count)
    for count in RESULTS:
        found[f"resume: extra statements with {count} results"] = costs[count].statements - costs[0].statements
        found[f"resume: ms with {count} results"] = costs[count].seconds * 1000
    found["resume: statements in all, none remembered"] = costs[0].statements
    most = RESULTS[-1]
    found["once: statements each"] = (first[most].statements - first[0].statements) / most
    found["once: commits each"] = (first[most].commits - first[0].commits) / most
    return found


def _plans() -> dict[str, Any]:
    """The outcome that turns a plan into steps, by the number of its steps."""
    from hitl import SYSTEM, Plan, Workflow, engine
    from hitl.engine.claim import claim, pick
    from hitl.engine.execute import execute
    from hitl.models import Step

    found: dict[str, Any] = {}
    for size in PLANS:
        flow = Workflow(f"bench-plan-{size}")
        flow.handler("do")(lambda ctx: ctx.args)
        steps = [{"name": f"s{n}", "handler": "do", "args": n} for n in range(size)]
        flow.planner(
            "plan", handler=lambda ctx, steps=steps: Plan(steps), ungated="a benchmark", allowed=["do"], max_steps=size
        )
        run = flow.start(requester=SYSTEM)
        [picked] = pick("default")
        spent = cost(lambda picked=picked: execute(claim(picked)))
        assert Step.objects.filter(run=run, parent__name="plan").count() == size
        found[f"plan of {size}: statements to expand, claim included"] = spent.statements
        found[f"plan of {size}: commits to expand, claim included"] = spent.commits
        found[f"plan of {size}: ms to expand"] = spent.seconds * 1000
        whole = cost(lambda: engine.drain("default"))
        run.refresh_from_db()
        assert run.status == "succeeded"
        found[f"plan of {size}: statements per step to run it"] = whole.statements / size
        found[f"plan of {size}: ms per step to run it"] = whole.seconds * 1000 / size
        found[f"plan of {size}: CPU ms per step to run it"] = whole.cpu * 1000 / size
    return found


if __name__ == "__main__":
    main()
