"""Many clients that wait: each holds one `GET /approvals/{id}/?wait=60` at the waiting door while a person decides one
request after the other.

    uv run --group bench --extra server python -m benchmarks.long_poll [--waiters 1000] [--rate 50]

Prints, by decision, the milliseconds from the call of `decide` to the client's last byte, and what the door's process
has of threads, database connections and memory with nobody waiting, and with all of them. The person is a process of
its own; the clients are plain sockets.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.machine import Bench, _tree, bench, floor, report
from tests.servers import free_port, wait_for_port

_IDLE = 5.0
_LATE = 1000.0


def main() -> None:
    """Measure; or, called by itself with `--decide`, be the person."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--waiters", type=int, default=1000)
    options.add_argument("--rate", type=float, default=50, help="decisions a second")
    options.add_argument("--decide", action="store_true", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.decide:
        _decide(given.rate)
        return
    with bench(HITL_API_RATE="1000000/min") as machine:
        rows: dict[str, Any] = dict(floor(machine))
        token, ids = _requests(given.waiters)
        port = free_port()
        door = _door(machine, port)
        try:
            rows |= asyncio.run(_measure(machine, door, port, token, ids, given.rate))
        finally:
            door.terminate()
            rows["the door stops after s"] = _timed(lambda: door.wait(30))
        report("long_poll", rows)


def _requests(count: int) -> tuple[str, list[str]]:
    """A key, and so many requests of it that the reviewer may decide."""
    from django.contrib.auth import get_user_model
    from django.contrib.auth.models import Group

    from hitl import Action
    from hitl.definition.gates import gate_spec
    from hitl.engine import outside
    from hitl.models import Approval
    from hitl.policies import create_key
    from tests.crowd import multiply

    users, group = get_user_model().objects, Group.objects.create(name="reviewers")
    asks = users.create_user("asks")
    users.create_user("reviewer").groups.add(group)
    scopes = ["approvals:request", "approvals:read", "approvals:reviewers"]
    key, token = create_key("bench", owner=asks, scopes=scopes, actor=asks)
    action = Action({"text": "x" * 1000}, type="send", title="Send a kilobyte", impact="It is sent")
    first = outside.ask(action, gate_spec("this request", reviewers=["group:reviewers"]), actor=key)
    multiply(first, count - 1, group=group)
    return token, [str(pk) for pk in Approval.objects.pending().values_list("pk", flat=True)]


def _door(machine: Bench, port: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "uvicorn", "hitl.longpoll:app", "--port", str(port), "--no-access-log"]
    env = {**os.environ, **machine.env, "PGAPPNAME": "hitl-waiting", "HITL_LOG_LEVEL": "ERROR"}
    door = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for_port(port)
    return door


async def _measure(
    machine: Bench, door: subprocess.Popen[bytes], port: int, token: str, ids: list[str], rate: float
) -> dict[str, Any]:
    rows: dict[str, Any] = {}
    await asyncio.gather(*(_get(port, token, ids[0], wait=0) for _ in range(8)))  # every thread has a connection
    rows |= _footprint("nobody waits", door)
    begun = time.monotonic()
    waiting = {pk: asyncio.create_task(_wait(port, token, pk)) for pk in ids}
    rows["all are let in after s"] = await _all_in(door, begun)
    rows |= _footprint(f"{len(ids)} wait", door)
    rows |= await _idle(machine, door, len(ids))
    before = _tree(door.pid)
    person = _person(ids, rate)
    answers = {pk: await task for pk, task in waiting.items()}
    rows["CPU ms of the door an answer"] = (_tree(door.pid) - before) * 1000 / len(ids)
    told, _ = await asyncio.to_thread(person.communicate)
    decided = {pk: at for pk, at in map(json.loads, told.decode().splitlines())}
    assert all(answer["status"] == "approved" for answer, _ in answers.values())
    late = sorted((at - decided[pk]) / 1e6 for pk, (_, at) in answers.items())
    return rows | _latencies(late, rate)


def _latencies(late: list[float], rate: float) -> dict[str, Any]:
    found: dict[str, Any] = {"decisions a second": rate, "answered": len(late)}
    found |= {f"decision to answer ms, p{p}": late[min(len(late) - 1, len(late) * p // 100)] for p in (50, 95, 99)}
    found["decision to answer ms, max"] = late[-1]
    found["answered later than 1 s"] = sum(value > _LATE for value in late)
    return found


async def _wait(port: int, token: str, pk: str) -> tuple[dict[str, Any], int]:
    """The answer that is not pending, as clients wait for it: again and again."""
    while True:
        answer, at = await _get(port, token, pk, wait=60)
        if answer["status"] != "pending":
            return answer, at


async def _get(port: int, token: str, pk: str, *, wait: int) -> tuple[dict[str, Any], int]:
    """The request as it was answered, and when its last byte was here."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        f"GET /api/v1/approvals/{pk}/?wait={wait} HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {token}\r\nConnection: close\r\n\r\n".encode()
    )
    answer = await reader.read(-1)
    at = time.monotonic_ns()
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b" 200 " in head.splitlines()[0], head
    return json.loads(body), at


async def _all_in(door: subprocess.Popen[bytes], begun: float) -> float:
    """Until the door is quiet: everybody was asked for once, and waits."""
    before, quiet = _tree(door.pid), begun
    while time.monotonic() - quiet < 1:
        await asyncio.sleep(0.1)
        now = _tree(door.pid)
        if now - before > 0.03:
            before, quiet = now, time.monotonic()
    return quiet - begun


async def _idle(machine: Bench, door: subprocess.Popen[bytes], count: int) -> dict[str, float]:
    """What waiting costs while nothing happens, as parts of one core."""
    postmaster = int((machine.postgres.data / "postmaster.pid").read_text().split()[0])
    before = _tree(door.pid), _tree(postmaster)
    await asyncio.sleep(_IDLE)
    after = _tree(door.pid), _tree(postmaster)
    names = (f"{count} wait: CPU % of the door", f"{count} wait: CPU % of PostgreSQL")
    return {name: (b - a) / _IDLE * 100 for name, a, b in zip(names, before, after, strict=True)}


def _person(ids: list[str], rate: float) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "benchmarks.long_poll", "--decide", "--rate", str(rate)]
    person = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert person.stdin is not None
    person.stdin.write("\n".join(ids).encode())
    person.stdin.close()
    person.stdin = None
    return person


def _decide(rate: float) -> None:
    """The person: decides what stands on standard input, at a steady rate, and prints when each was called."""
    import django

    django.setup()
    from django.contrib.auth import get_user_model

    from hitl import decisions
    from hitl.models import Approval

    reviewer = get_user_model().objects.get(username="reviewer")
    ids = sys.stdin.read().split()
    digest = Approval.objects.get(pk=ids[0]).digest
    start, times = time.monotonic(), []
    for n, pk in enumerate(ids):
        time.sleep(max(0.0, start + n / rate - time.monotonic()))
        times.append((pk, time.monotonic_ns()))
        decisions.decide(pk, actor=reviewer, verdict="approve", digest=digest)
    print("\n".join(json.dumps(entry) for entry in times))


def _footprint(name: str, door: subprocess.Popen[bytes]) -> dict[str, Any]:
    import psycopg

    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{door.pid}/status").read_text().splitlines() if ":" in line
    )
    with psycopg.connect(os.environ["DATABASE_URL"]) as db:
        row = db.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'hitl-waiting'").fetchone()
    return {
        f"{name}: threads": int(status["Threads"]),
        f"{name}: database connections": row[0] if row else 0,
        f"{name}: memory MB": int(status["VmRSS"].split()[0]) / 1024,
    }


def _timed(act: Any) -> float:
    begun = time.monotonic()
    act()
    return time.monotonic() - begun


if __name__ == "__main__":
    main()
