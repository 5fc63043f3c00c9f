"""What the tests of waiting share: the door as a process of its own, keys, and requests that wait."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from tests.waiting.serving import Server, serving


def database_url() -> str:
    """The database of this test, for another process."""
    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    return f"{os.environ['DATABASE_URL'].rpartition('/')[0]}/{name}"


@pytest.fixture(scope="session")
def process(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One process for all tests that leave it as it was."""
    with serving(tmp_path_factory.mktemp("waiting"), database_url()) as server:
        yield server


@pytest.fixture
def door(transactional_db: None, process: Server) -> Server:
    """The waiting door as a process."""
    assert process.process.poll() is None
    return process


@pytest.fixture
def serve(transactional_db: None, tmp_path: Path) -> Callable[..., Any]:
    """A door of one's own, with some variables set."""
    return lambda **more: serving(tmp_path, database_url(), **more)


@pytest.fixture
def key(transactional_db: None, alice: Any) -> tuple[Any, str]:
    """Alice's agent and its token."""
    from hitl.policies import create_key

    scopes = ["runs:start", "runs:read", "approvals:read", "approvals:request", "approvals:reviewers", "steps:work"]
    return create_key("refund-bot", owner=alice, scopes=scopes, actor=alice)


@pytest.fixture
def token(key: tuple[Any, str]) -> str:
    return key[1]


@pytest.fixture
def asked(refund: Any, key: tuple[Any, str], bob: Any, work: Any) -> Any:
    """A request of the agent that bob has to decide."""
    from hitl.models import Approval

    run = refund.start({"order_id": "A-17"}, requester=key[0])
    work()
    return Approval.objects.get(run=run)


@pytest.fixture
def says(bob: Any) -> Callable[..., Any]:
    """What bob says, by the real verb."""
    from hitl import decisions

    def say(approval: Any, verdict: str = "approve", **more: Any) -> Any:
        return decisions.decide(approval.pk, actor=bob, verdict=verdict, digest=approval.digest, **more)

    return say


@pytest.fixture
def telling(key: tuple[Any, str], work: Any) -> Any:
    """A run of the agent that tells the world something at each of two signals."""
    from hitl import Workflow
    from hitl.models import Run

    flow = Workflow("test-telling")

    @flow.step
    def tell(ctx: Any) -> str:
        for name in ("first", "second"):
            n = ctx.wait_for_signal(name)
            ctx.once(f"event-{name}", lambda n=n: ctx.set_event("progress", n))
            ctx.once(f"piece-{name}", lambda n=n: ctx.put_stream(f"piece {n}"))
        return "told"

    run = flow.start({}, requester=key[0])
    work()
    return Run.objects.get(pk=run.pk)


@pytest.fixture
def go(telling: Any, alice: Any, work: Any) -> Callable[[int], None]:
    """Let it tell the next."""
    from hitl import engine

    def send(n: int) -> None:
        engine.signal(telling, ("first", "second")[n - 1], n, sender=alice)
        work()

    return send
