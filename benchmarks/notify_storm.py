"""A storm of notices: so many are due at once, half of them mails and half webhooks, while people go on deciding.

    uv run --group bench python -m benchmarks.notify_storm [--notices 10000] [--decisions 300]

The processes are those of docker-compose.yml; mails and webhooks go to servers on this machine that take everything.
Prints how fast the storm drains, and what a decision takes without it and beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import time
from datetime import timedelta
from typing import Any

from benchmarks.gated_runs import Listener
from benchmarks.machine import bench, percentiles, report
from tests.servers import free_port


def main() -> None:
    """Measure decisions in calm, then in the storm, then how long it took."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--notices", type=int, default=10_000)
    options.add_argument("--decisions", type=int, default=300, help="decisions in calm, and at least in the storm")
    given = options.parse_args()
    port, smtp, http = free_port(), free_port(), free_port()
    sink = multiprocessing.get_context("spawn").Process(target=take_everything, args=(smtp, http), daemon=True)
    sink.start()
    settings = {"DJANGO_SETTINGS_MODULE": "benchmarks.storm_settings", "EMAIL_URL": f"smtp://127.0.0.1:{smtp}"}
    with bench(HITL_BENCH_PORT=str(port), **settings) as machine:
        listener = Listener(port)
        machine.worker("default", concurrency=2)
        machine.worker("hooks", "notices", concurrency=4, pool="threads")
        machine.worker("sweep", concurrency=1)
        one = _decider(listener)
        for _ in range(60):
            one()  # warm up: imports, prepared statements, caches
        _drained(0)
        calm = [one() for _ in range(given.decisions)]
        _drained(0)
        _storm(given.notices, http)
        cpu, start = machine.cpu(), time.monotonic()
        stormy = [one()]
        while _pending() or len(stormy) < given.decisions:
            stormy.append(one())
        took = _drained(start)
        used = machine.cpu()
        rows: dict[str, Any] = {"notices": given.notices, "seconds until all are delivered": took}
        rows["notices per second"] = given.notices / took
        rows["CPU s of workers"] = used["worker"] - cpu["worker"]
        rows |= _compared(calm, stormy)
        report("notify_storm", rows)
    sink.terminate()


def _decider(listener: Listener) -> Any:
    """One gated run; returns milliseconds of the decision itself, and from it to the next step."""
    from django.contrib.auth import get_user_model

    from benchmarks.workflows import gated
    from hitl import decide

    users = get_user_model().objects
    asks, _ = users.get_or_create(username="asks")
    reviewer, _ = users.get_or_create(username="reviewer", defaults={"email": "reviewer@example.com"})

    def one() -> tuple[float, float]:
        run = str(gated.start({"n": 1}, requester=asks).pk)
        opened = listener.wait("gate", run)
        before = time.monotonic_ns()
        decide(opened["approval"], actor=reviewer, verdict="approve", digest=opened["digest"])
        decided = time.monotonic_ns()
        return (decided - before) / 1e6, (listener.wait("b", run)["at"] - before) / 1e6

    return one


def _storm(many: int, http: int) -> None:
    """So many notices about a request that is approved, all due now."""
    from django.contrib.auth import get_user_model

    from hitl import clock, dispatch
    from hitl.models import Approval, Notification, WebhookEndpoint
    from hitl.notifications.channels.webhook import new_secret

    now = clock.now()
    secrets = [{"secret": new_secret(), "until": None}]
    endpoint = WebhookEndpoint.objects.create(url=f"http://127.0.0.1:{http}/", secrets=secrets, created_at=now)
    approval = Approval.objects.filter(status="approved").first()
    reviewer = get_user_model().objects.get(username="reviewer")
    rows = []
    for number in range(many):
        row = Notification(approval=approval, run=approval.run, kind="approved", dedupe_key=f"storm:{number}")
        row.channel, row.created_at, row.next_attempt_at = ("email", "webhook")[number % 2], now, now
        row.recipient, row.endpoint = (reviewer, None) if row.channel == "email" else (None, endpoint)
        rows.append(row)
    Notification.objects.bulk_create(rows, batch_size=1000)
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(kinds=["approved"], topics=["storm"])
    dispatch.ring_delivery()
    dispatch.ring_hooks()


def _pending() -> int:
    from hitl.models import Notification

    return Notification.objects.filter(dedupe_key__startswith="storm:", status="pending").count()


def _drained(start: float) -> float:
    """Wait until nothing is to be delivered; seconds since then."""
    from hitl import dispatch
    from hitl.models import Notification

    until = time.monotonic() + timedelta(minutes=10).total_seconds()
    while (left := Notification.objects.filter(status="pending").exclude(channel="digest")).exists():
        if time.monotonic() > until:
            raise SystemExit(f"not delivered: {list(left.values()[:3])}")
        dispatch.ring_delivery()  # as the sweep does, which nobody rings here
        dispatch.ring_hooks()
        time.sleep(0.5)
    assert not Notification.objects.filter(status="dead").exists()
    return time.monotonic() - start


def _compared(calm: list[tuple[float, float]], stormy: list[tuple[float, float]]) -> dict[str, Any]:
    found: dict[str, Any] = {"decisions in calm": len(calm), "decisions in the storm": len(stormy)}
    for which, name in enumerate(("decide ms", "decide → B ms")):
        before, beside = (percentiles([pair[which] for pair in pairs]) for pairs in (calm, stormy))
        for p in ("p50", "p99"):
            found |= {f"{name}, {p}, calm": before[p], f"{name}, {p}, storm": beside[p]}
            found[f"{name}, {p}, ratio"] = beside[p] / before[p]
    return found


def take_everything(smtp: int, http: int) -> None:
    """A mail server and a receiver of webhooks that say yes to all, until the process ends."""
    asyncio.run(_take(smtp, http))


async def _take(smtp: int, http: int) -> None:
    await asyncio.start_server(_mail, "127.0.0.1", smtp)
    await (await asyncio.start_server(_hook, "127.0.0.1", http)).serve_forever()


async def _mail(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 sink\r\n")
    while line := (await reader.readline()).upper():
        if line.startswith(b"DATA"):
            writer.write(b"354 go on\r\n")
            while await reader.readline() not in (b".\r\n", b""):
                pass
        writer.write(b"250 fine\r\n" if not line.startswith(b"QUIT") else b"221 bye\r\n")
        if line.startswith(b"QUIT"):
            break
    writer.close()


async def _hook(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    length = 0
    while (line := await reader.readline()) not in (b"\r\n", b""):
        if line.lower().startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    await reader.readexactly(length)
    writer.write(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    writer.close()


if __name__ == "__main__":
    main()
