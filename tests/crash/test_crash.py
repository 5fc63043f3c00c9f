"""kill -9 at every place that matters: the run ends as if nothing had happened, and the provider saw one key."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import redis

from hitl import audit, decisions, engine
from hitl.models import Approval, Notification, Run, Step

pytestmark = [pytest.mark.postgres, pytest.mark.redis]

POINTS = [
    "in_handler",
    "before_outcome",
    "before_commit",
    "after_commit",
    "before_bell",
    "after_bell",
    "after_claim",
    "before_result",
    "after_result",
    "after_send",
]


def start(requester: Any) -> Run:
    return engine.start("crash-refund", requester=requester)


def asked(run: Run) -> Any:
    return lambda: Approval.objects.filter(run=run, status="pending").first()


def succeeded(run: Run) -> Any:
    return lambda: Run.objects.filter(pk=run.pk, status="succeeded").first()


def approve(approval: Approval, actor: Any) -> None:
    decisions.decide(approval, actor=actor, verdict="approve", digest=approval.digest)


def finished_well(shop: Any, run: Run) -> None:
    assert Run.objects.get(pk=run.pk).output == {"charged": 250}
    assert shop.once_a_key(), shop.calls
    assert audit.verify(run.pk).code == 0
    approval = Approval.objects.get(run=run)
    assert approval.consumed_by is not None
    actions = [line.action for line in audit.timeline(run.stream)]
    for action in ("hitl.run.started", "hitl.approval.requested", "hitl.approval.approved", "hitl.grant.consumed"):
        assert actions.count(action) == 1
    assert actions[-1] == "hitl.run.succeeded"


def test_killed_while_a_step_runs(shop: Any, alice: Any, bob: Any, until: Any) -> None:
    (shop.books / "hold").touch()
    worker = shop.worker()
    shop.beat()
    run = start(alice)
    until((shop.books / "drafting-1").exists, "step A to run")
    shop.kill(worker)
    (shop.books / "hold").unlink()
    shop.worker()
    approve(until(asked(run), "the request"), bob)
    until(succeeded(run), "the end")
    assert Step.objects.get(run=run, name="draft").attempt == 2
    finished_well(shop, run)


def test_killed_while_the_run_waits(shop: Any, alice: Any, bob: Any, until: Any) -> None:
    worker = shop.worker()
    beat = shop.beat()
    run = start(alice)
    approval = until(asked(run), "the request")
    shop.kill(worker)
    shop.kill(beat)
    approve(approval, bob)  # nobody hears the bell
    shop.worker()
    shop.beat()
    until(succeeded(run), "the end")
    finished_well(shop, run)


@pytest.mark.parametrize("point", POINTS)
def test_killed_at(point: str, shop: Any, alice: Any, bob: Any, until: Any) -> None:
    died = shop.books / "died"
    shop.worker(HITL_CRASHPOINT=point, HITL_CRASHPOINT_FILE=str(died))
    shop.beat()
    run = start(alice)
    approval = until(asked(run), "the request")
    if point == "after_send":  # a notice that is not sent before the decision is never sent
        until(died.exists, "the crash after sending")
    approve(approval, bob)
    until(succeeded(run), "the end")
    until(died.exists, f"the crash at {point}")
    finished_well(shop, run)


def test_a_mail_after_a_crash_is_sent_at_most_once_more(shop: Any, alice: Any, bob: Any, until: Any) -> None:
    died = shop.books / "died"
    shop.worker(HITL_CRASHPOINT="after_send", HITL_CRASHPOINT_FILE=str(died), HITL_DATA_DIR=str(shop.books))
    run = start(alice)
    until(asked(run), "the request")
    until(died.exists, "the crash after sending")
    mail = Notification.objects.get(recipient=bob)
    assert (mail.status, mail.attempts) == ("pending", 1)  # the ledger says that it was tried
    assert len(list((shop.books / "mail").iterdir())) == 1
    Notification.objects.filter(pk=mail.pk).update(next_attempt_at=mail.created_at)  # its five minutes are over
    engine.sweep()
    until(lambda: Notification.objects.filter(pk=mail.pk, status="sent").exists(), "the second try")
    mail.refresh_from_db()
    assert mail.attempts == 2
    assert len(list((shop.books / "mail").iterdir())) == 2


def test_an_emptied_broker_loses_nothing(shop: Any, alice: Any, bob: Any, until: Any) -> None:
    worker = shop.worker()
    waiting = start(alice)
    approval = until(asked(waiting), "the request")
    shop.kill(worker)
    ready = start(alice)
    approve(approval, bob)
    broker = redis.Redis.from_url(os.environ["REDIS_URL"])
    broker.flushall()
    shop.worker()
    for _ in range(2):  # within two sweeps
        engine.sweep()
    until(succeeded(waiting), "the decided run")
    approve(until(asked(ready), "the other request"), bob)
    until(succeeded(ready), "the other run")
    broker.close()
    finished_well_each(shop, waiting, ready)


def finished_well_each(shop: Any, *runs: Run) -> None:
    assert len(shop.calls) == len(set(shop.calls)) == len(runs)
    for run in runs:
        assert audit.verify(run.pk).code == 0


def test_a_parked_run_holds_nothing(shop: Any, alice: Any, bob: Any, until: Any) -> None:
    shop.worker()
    run = start(alice)
    until(asked(run), "the request")
    assert not Step.objects.filter(run=run, status__in=["ready", "running"]).exists()
    assert not Step.objects.filter(run=run).exclude(lease_token=None).exists()
    broker = redis.Redis.from_url(os.environ["REDIS_URL"])

    def quiet() -> bool:
        queued = [key for key in broker.keys("*") if broker.type(key) == b"list" and broker.llen(key)]
        return not queued and not broker.exists("hitl:unacked")

    until(quiet, "an empty broker")
    broker.close()


def test_a_consumed_grant_survives_postgresql_stopping_at_once(tmp_path: Path) -> None:
    """On a server of its own: consumed, then stopped as if the power went, then started again."""
    import subprocess
    import sys

    from tests import servers

    script = Path(__file__).with_name("consume.py")
    with servers.postgres() as postgres:
        env = {**os.environ, "DATABASE_URL": postgres.url, "HITL_TEST_LEDGER": str(tmp_path)}
        run = [sys.executable, str(script)]
        cwd = Path(__file__).parents[2]
        told = subprocess.run([*run, "consume"], env=env, cwd=cwd, check=True, capture_output=True, text=True)
        assert told.stdout.strip().endswith("consumed")
        postgres.stop("immediate")
        postgres.start()
        told = subprocess.run([*run, "look"], env=env, cwd=cwd, check=True, capture_output=True, text=True)
        assert told.stdout.strip().endswith("consumed approved pay running verified")
