"""Gated runs: start → step A (1 KB) → gate → approve from another process → step B → done, everything switched on.

    uv run --group bench python -m benchmarks.gated_runs [--runs 1000] [--clients 16]

Prints runs a second, CPU per run, decide → first line of step B, statements, commits and WAL per run. Delivery of mails
is not counted: its bell rings, and nobody listens on its queue.
"""

from __future__ import annotations

import argparse
import json
import queue
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.machine import Bench, bench, floor, percentiles, report
from tests.servers import free_port


class Listener:
    """Hears the worker's datagrams and hands each to the client that waits for it."""

    def __init__(self, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self._socket.bind(("127.0.0.1", port))
        self._boxes: dict[tuple[str, str], queue.SimpleQueue[dict[str, Any]]] = {}
        self._lock = threading.Lock()
        threading.Thread(target=self._listen, daemon=True).start()

    def wait(self, kind: str, run: str) -> dict[str, Any]:
        """The event of this kind for this run; raises queue.Empty after half a minute."""
        return self._box(kind, run).get(timeout=30)

    def _box(self, kind: str, run: str) -> queue.SimpleQueue[dict[str, Any]]:
        with self._lock:
            return self._boxes.setdefault((kind, run), queue.SimpleQueue())

    def _listen(self) -> None:
        while True:
            event = json.loads(self._socket.recv(2000))
            self._box(event["kind"], event["run"]).put(event)


def main() -> None:
    """Measure under load, then at idle."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, default=1000)
    options.add_argument("--clients", type=int, default=16)
    options.add_argument("--idle", type=int, default=150, help="sequential runs for latency and counts")
    given = options.parse_args()
    port = free_port()
    with bench(HITL_BENCH_PORT=str(port)) as machine:
        listener = Listener(port)
        rows: dict[str, Any] = dict(floor(machine))
        machine.worker("default", "sweep", concurrency=2)
        one = _client(listener)
        for _ in range(60):
            one()  # warm up: imports, prepared statements, caches
        rows |= _idle(machine, one, given.idle)
        rows |= _load(machine, listener, given.runs, given.clients)
        report("gated_runs", rows)


def _client(listener: Listener) -> Any:
    """One gated run through the engine's own functions; returns milliseconds from decide to step B."""
    from django.contrib.auth import get_user_model

    from benchmarks.workflows import gated
    from hitl import decide

    users = get_user_model().objects
    asks, _ = users.get_or_create(username="asks")
    reviewer, _ = users.get_or_create(username="reviewer", defaults={"email": "reviewer@example.com"})

    def one() -> float:
        run = str(gated.start({"n": 1}, requester=asks).pk)
        opened = listener.wait("gate", run)
        before = time.monotonic_ns()
        decide(opened["approval"], actor=reviewer, verdict="approve", digest=opened["digest"])
        return (listener.wait("b", run)["at"] - before) / 1e6

    return one


def _idle(machine: Bench, one: Any, count: int) -> dict[str, Any]:
    _settle()
    before = _database()
    latencies = [one() for _ in range(count)]
    _settle()
    after = _database()
    per = {name: (after[name] - before[name]) / count for name in before}
    return {
        **{f"idle: decide → B ms, {name}": value for name, value in percentiles(latencies).items()},
        "statements per run": per["statements"],
        "commits per run": per["commits"],
        "WAL syncs per run": per["syncs"],
        "WAL bytes per run": per["wal"],
    }


def _load(machine: Bench, listener: Listener, runs: int, clients: int) -> dict[str, Any]:
    cpu = machine.cpu()
    start = time.monotonic()
    with ThreadPoolExecutor(clients) as pool:
        one = _client(listener)
        latencies = list(pool.map(lambda _: one(), range(runs)))
    _settle()
    elapsed = time.monotonic() - start
    used = {name: (value - cpu[name]) / runs * 1000 for name, value in machine.cpu().items()}
    return {
        "runs": runs,
        "clients": clients,
        "runs per second": runs / elapsed,
        **{f"loaded: decide → B ms, {name}": value for name, value in percentiles(latencies).items()},
        "CPU ms per run": sum(used.values()),
        **{f"CPU ms per run, {name}": value for name, value in used.items()},
    }


def _settle() -> None:
    """Wait until every run is stored as succeeded."""
    from hitl.models import Run

    until = time.monotonic() + 60
    while Run.objects.exclude(status="succeeded").exists():
        if time.monotonic() > until:
            raise SystemExit(
                f"not finished: {list(Run.objects.exclude(status='succeeded').values('id', 'status')[:5])}"
            )
        time.sleep(0.005)


# Without transaction control, deferred foreign-key checks (no round trip), beat, sweeps and our own queries here.
_STATEMENTS = """
SELECT coalesce(sum(calls), 0) FROM pg_stat_statements
WHERE query !~* '^(begin|commit|set|rollback|create)' AND query NOT LIKE '%FOR KEY SHARE OF x%'
AND query NOT LIKE '%pg_stat%' AND query !~* 'celery_beat|sweepmark|"hitl_run"."status" = '
"""


def _database() -> dict[str, float]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        cursor.execute(_STATEMENTS)
        statements = float(cursor.fetchone()[0])
        cursor.execute("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()")
        commits = float(cursor.fetchone()[0])
        cursor.execute("SELECT wal_sync, wal_bytes FROM pg_stat_wal")
        syncs, wal = map(float, cursor.fetchone())
    return {"statements": statements, "commits": commits, "syncs": syncs, "wal": wal}


if __name__ == "__main__":
    main()
