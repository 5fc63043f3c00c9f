"""A worker outside waits for a step of its queues; each step goes to one of those who wait."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.waiting.serving import Server

CLAIM = "steps/claim/"


@pytest.fixture
def order(key: Any) -> Callable[..., Any]:
    """A run with one step for workers outside."""
    from hitl import Workflow

    flow = Workflow("test-render")
    flow.step(name="render", external=True, queue="gpu")

    return lambda n=0: flow.start({"n": n}, requester=key[0])


def test_a_worker_that_waits_gets_the_step_when_it_is_ready(door: Server, token: str, order: Any) -> None:
    before = door.asked(CLAIM)
    answer = door.soon_post(f"{CLAIM}?wait=50", token, {"queues": ["cpu", "gpu"]})
    run = order()
    found = answer.result(20)
    assert (found.status_code, found.json()["run"], found.json()["name"]) == (200, str(run.pk), "render")
    assert door.asked(CLAIM) == before + 2


def test_there_is_nothing_when_the_time_is_up(door: Server, token: str, order: Any) -> None:
    order()
    assert door.post(f"{CLAIM}?wait=0.6", token, {"queues": ["cpu"]}).status_code == 204


def test_what_is_ready_is_given_at_once(door: Server, token: str, order: Any) -> None:
    order()
    before = door.asked(CLAIM)
    assert door.post(f"{CLAIM}?wait=50", token, {"queues": ["gpu"]}).status_code == 200
    assert door.asked(CLAIM) == before + 1


def test_each_step_is_offered_to_one_of_those_who_wait(door: Server, token: str, order: Any) -> None:
    before = door.asked(CLAIM)
    workers = [door.soon_post(f"{CLAIM}?wait=50", token, {"queues": ["gpu"]}, asked=1) for _ in range(6)]
    for n in (1, 2):
        order(n)
        assert any(answer.result(20) for answer in workers[n - 1 : n])
    assert not any(answer.done() for answer in workers[2:])
    assert door.asked(CLAIM) == before + 8
    for n in range(4):
        order(n)
    taken = {answer.result(20).json()["step"] for answer in workers}
    assert len(taken) == 6


def test_a_claim_under_a_key_waits_and_is_repeated_with_its_answer(door: Server, token: str, order: Any) -> None:
    body = {"queues": ["gpu"]}
    with door.client(token, idempotency_key="claim-1") as client:
        assert client.post(f"/api/v1/{CLAIM}?wait=0.5", json=body).status_code == 204
        order()
        found = client.post(f"/api/v1/{CLAIM}?wait=20", json=body)
    assert found.status_code == 200


def test_a_worker_without_the_scope_does_not_wait(door: Server, alice: Any) -> None:
    from hitl.policies import create_key

    _, token = create_key("reader", owner=alice, scopes=["runs:read"], actor=alice)
    assert door.post(f"{CLAIM}?wait=50", token, {"queues": ["gpu"]}).status_code == 403
    assert door.post(f"{CLAIM}?wait=50", "", {"queues": ["gpu"]}).status_code in (401, 403)


def test_a_body_that_is_wrong_is_refused_at_once(door: Server, token: str) -> None:
    for body in ({"queues": "gpu"}, {"queues": []}, [], {"queues": ["x" * 80_000]}):
        assert door.post(f"{CLAIM}?wait=50", token, body).status_code == 400
