"""What reviewers do while ever more requests wait: the inbox as a query and as the page itself, with its counts and
facets, other views, a search that finds nothing, a decision, a sweep with nothing due.

    uv run --group bench python -m benchmarks.inbox_scale [--most 100000]

Pending requests are copies of a real one, made by the database; for each that waits there is a decided one beside it.
Prints milliseconds (p50, p95), processor time of client and PostgreSQL, and pages of the database touched, as the
number that waits grows from 100; the last table is each against 100. Pages touched do not depend on the machine's mood.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

from benchmarks.machine import Bench, bench, floor, percentiles, report
from tests.crowd import multiply
from tests.plans import statements

FEWEST = 100
_CALLS = 200
_PAGES = 40
_DECISIONS = 150
_INBOX = "/review/hitl/approval/"


def main() -> None:
    """Measure at each size."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--most", type=int, default=100_000)
    most = options.parse_args().most
    with bench() as machine:
        from hitl import dispatch

        dispatch._send = lambda *args: None
        rows: dict[str, Any] = dict(floor(machine))
        world = _world()
        found: dict[int, dict[str, float]] = {}
        size, have = FEWEST, 0
        while size <= most:
            _fill(world, size - have)
            have = size
            found[size] = _measure(machine, world)
            for name, value in found[size].items():
                rows[f"{size:>9,} waiting: {name}"] = value
            size *= 10
        for name, value in found[max(found)].items():
            rows[f"{max(found):,} against {FEWEST}: {name}"] = value / found[FEWEST][name]
        report("inbox_scale", rows)


def _world() -> dict[str, Any]:
    """One real request, who reviews much, who reviews little, and where copies are decided."""
    from django.contrib.auth import get_user_model
    from django.contrib.auth.models import Group

    from benchmarks.workflows import gated
    from hitl import engine
    from hitl.models import Approval

    many, few = Group.objects.get_or_create(name="reviewers")[0], Group.objects.create(name="few")
    users = get_user_model().objects
    busy, idle, asks = users.create_user("busy"), users.create_user("idle"), users.create_user("asks")
    users.create_user("reviewer")
    busy.groups.add(many)
    idle.groups.add(few)
    run = gated.start({}, requester=asks)
    engine.drain("default")
    original = Approval.objects.get(run=run)
    multiply(original, 100, group=few)
    return {"original": original, "busy": busy, "idle": idle, "many": many}


def _fill(world: dict[str, Any], count: int) -> None:
    from django.db import connection

    multiply(world["original"], count, group=world["many"])
    multiply(world["original"], count, group=world["many"], status="rejected", voter=world["busy"])
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("CHECKPOINT")


def _measure(machine: Bench, world: dict[str, Any]) -> dict[str, float]:
    from hitl import decisions, engine
    from hitl.engine import sweep

    multiply(world["original"], _DECISIONS, group=world["many"])
    fresh = decisions.inbox(world["busy"], limit=_DECISIONS)
    left = iter(fresh)

    def decide() -> None:
        row = next(left)
        decisions.decide(row.pk, actor=world["busy"], verdict="approve", digest=row.digest)

    page = _pages_of(world)
    acts: dict[str, tuple[Callable[[], Any], int]] = {
        "inbox of who is asked all": (lambda: decisions.inbox(world["busy"]), _CALLS),
        "inbox of who is asked 100": (lambda: decisions.inbox(world["idle"]), _CALLS),
        "page of who is asked all": (lambda: page("busy"), _PAGES),
        "page of who is asked 100": (lambda: page("idle"), _PAGES),
        "page, all they may see": (lambda: page("busy", "?view=all"), _PAGES),
        "page, decided by them": (lambda: page("busy", "?view=decided"), _PAGES),
        "page, a filter that fits none": (lambda: page("busy", "?risk=critical"), _PAGES),
        "page, a search that finds none": (lambda: page("busy", "?q=nothing-has-this"), _PAGES),
        "live counts": (lambda: page("busy", path="/review/counts/"), _PAGES),
        "sweep, nothing due": (sweep, _CALLS),
        "decide": (decide, _DECISIONS - 10),
    }
    found = {}
    for name, (act, calls) in acts.items():
        found[f"{name}, pages"] = float(_pages(act))
        found |= {f"{name}, {unit}": value for unit, value in _timed(machine, act, calls).items()}
    engine.drain("default")
    return found


def _pages_of(world: dict[str, Any]) -> Callable[..., Any]:
    """Pages as a browser gets them, by who is signed in."""
    from django.test import Client

    clients = {name: Client(HTTP_HOST="localhost") for name in ("busy", "idle")}
    for name, client in clients.items():
        client.force_login(world[name])

    def page(who: str, query: str = "", path: str = _INBOX) -> Any:
        response = clients[who].get(path + query)
        if response.status_code != 200:
            raise RuntimeError(f"{path}{query} answered {response.status_code}")
        return response

    return page


def _timed(machine: Bench, act: Callable[[], Any], calls: int) -> dict[str, float]:
    for _ in range(5):
        act()
    times, before = [], machine.cpu()
    for _ in range(calls):
        start = time.perf_counter()
        act()
        times.append((time.perf_counter() - start) * 1000)
    after = machine.cpu()
    spent = sum(after[who] - before[who] for who in ("client", "postgres"))
    told = percentiles(times)
    return {"ms p50": told["p50"], "ms p95": told["p95"], "CPU ms": spent * 1000 / calls}


def _pages(act: Callable[[], Any]) -> int:
    """Pages of tables and indexes its reading statements touch, found in memory or not."""
    import json

    from django.db import connection

    total = 0
    for sql, params in statements(act):
        if sql.startswith("SELECT"):
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", params)
                plan = cursor.fetchone()[0]
            plan = (plan if isinstance(plan, list) else json.loads(plan))[0]["Plan"]
            total += plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    return total


if __name__ == "__main__":
    main()
