"""What every benchmark needs: servers, workers, CPU times, and the machine's own floor."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests import servers

RESULTS = Path(__file__).parent / "results"
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass
class Bench:
    """Running servers, and the processes whose CPU counts."""

    postgres: servers.Postgres
    redis: servers.Redis
    env: dict[str, str]
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def worker(self, *queues: str, concurrency: int = 2, pool: str = "prefork") -> subprocess.Popen[bytes]:
        """A real Celery worker, as production runs it."""
        command = [sys.executable, "-m", "celery", "-A", "project", "worker", "-Q", ",".join(queues), "-P", pool]
        command += ["-c", str(concurrency), "--without-gossip", "--without-mingle", "-l", "WARNING"]
        process = subprocess.Popen(command, env={**os.environ, **self.env}, start_new_session=True)
        self.workers.append(process)
        return process

    def cpu(self) -> dict[str, float]:
        """CPU seconds so far: workers, client (this process), PostgreSQL, Redis."""
        pid_file = self.postgres.data / "postmaster.pid"
        assert self.redis.process is not None
        return {
            "worker": sum(_tree(worker.pid) for worker in self.workers),
            "client": sum(os.times()[:2]),
            "postgres": _tree(int(pid_file.read_text().split()[0])),
            "redis": _tree(self.redis.process.pid),
        }


@contextmanager
def bench(**extra: str) -> Iterator[Bench]:
    """PostgreSQL and Redis of our own, migrated, with Django set up in this process."""
    with (
        tempfile.TemporaryDirectory(prefix="hitl-bench-") as folder,
        servers.postgres() as pg,
        servers.redis() as redis,
    ):
        env = {
            "DATABASE_URL": pg.url,
            "REDIS_URL": redis.url,
            "SECRET_KEY": "only-for-benchmarks",
            "HITL_DATA_DIR": folder,
            "HITL_WORKFLOW_APPS": "benchmarks",
            "HITL_LOG_LEVEL": "ERROR",
            "DJANGO_SETTINGS_MODULE": "project.settings",
            "PYTHONPATH": os.getcwd(),
            **extra,
        }
        os.environ.update(env)
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0)
        machine = Bench(pg, redis, env)
        try:
            yield machine
        finally:
            for worker in machine.workers:
                worker.terminate()
            for worker in machine.workers:
                worker.wait(30)


def floor(machine: Bench) -> dict[str, float]:
    """What the machine can do at all: commits a second with 1 and 8 connections, and a Redis round trip."""
    import psycopg
    import redis

    def insert(seconds: float, counts: list[int]) -> None:
        with psycopg.connect(machine.postgres.url, autocommit=True) as db:
            until, n = time.monotonic() + seconds, 0
            while time.monotonic() < until:
                db.execute("INSERT INTO bench_floor (x) VALUES (%s)", ["x" * 1000])
                n += 1
            counts.append(n)

    with psycopg.connect(machine.postgres.url, autocommit=True) as db:
        db.execute("CREATE TABLE IF NOT EXISTS bench_floor (id bigserial PRIMARY KEY, x text)")
    rates = {}
    for connections in (1, 8):
        counts: list[int] = []
        threads = [threading.Thread(target=insert, args=(1.5, counts)) for _ in range(connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        rates[f"commits/s, {connections} connection{'s' * (connections > 1)}"] = sum(counts) / 1.5
    client = redis.Redis(port=machine.redis.port)
    trips = []
    for _ in range(500):
        start = time.perf_counter()
        client.ping()
        trips.append((time.perf_counter() - start) * 1000)
    client.close()
    return {**rates, "Redis round trip ms, p50": statistics.median(trips)}


def percentiles(values: list[float]) -> dict[str, float]:
    """p50, p95 and p99."""
    ordered = sorted(values)
    return {f"p{p}": ordered[min(len(ordered) - 1, int(len(ordered) * p / 100))] for p in (50, 95, 99)}


def report(name: str, rows: dict[str, Any]) -> None:
    """Print a table and keep it as JSON."""
    width = max(len(key) for key in rows)
    print(f"\n{name}  ({platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()})")
    for key, value in rows.items():
        print(f"  {key:<{width}}  {value:,.2f}" if isinstance(value, float) else f"  {key:<{width}}  {value}")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps({**rows, "taken_at": time.time()}, indent=2))


def _tree(pid: int) -> float:
    """CPU seconds of a process and all its descendants, living or reaped."""
    children: dict[int, list[int]] = {}
    times: dict[int, float] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            parts = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(parts[1]), []).append(int(entry.name))
        times[int(entry.name)] = sum(map(int, parts[11:15])) / _TICK
    # utime and stime of the process itself, cutime and cstime of children that were reaped
    total, todo = 0.0, [pid]
    while todo:
        current = todo.pop()
        total += times.get(current, 0.0)
        todo += children.get(current, [])
    return total
