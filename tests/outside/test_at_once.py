"""The same POST twice at once, and many at once that want the same: on connections of their own."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from rest_framework.response import Response

from hitl.api.approvals import views
from hitl.models import Approval, IdempotencyRecord, Result, StreamChunk
from tests.api.conftest import Api, problem
from tests.outside.calls import CALLS, KEPT, World, told

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("whole_house")]


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """What each call answers, on a thread and a connection of its own, let go together."""
    barrier = threading.Barrier(len(calls))

    def one(call: Callable[[], Any]) -> Any:
        try:
            barrier.wait(30)
            return call()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result(60) for future in [pool.submit(one, call) for call in calls]]


def twin(api: Api) -> Api:
    """The same principal on a client of its own."""
    other = Api()
    other.client, other.headers = Client(raise_request_exception=False), dict(api.headers)
    other.client.cookies = api.client.cookies
    return other


@pytest.mark.parametrize("name", KEPT)
def test_both_at_once(name: str, world: World) -> None:
    """The second waits for the first and repeats its answer."""
    api, path, body = CALLS[name](world)
    pair = (twin(api), twin(api))
    answers = at_once(*(lambda one=one: one.post(path, body, key="one") for one in pair))
    assert [answer.status_code // 100 for answer in answers] == [2, 2], [answer.content for answer in answers]
    assert told(answers[0]) == told(answers[1])
    assert sorted("Idempotent-Replayed" in answer for answer in answers) == [False, True]
    assert IdempotencyRecord.objects.count() == 1


def test_while_the_first_takes_too_long(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second is told to come again, and another body that it is another call, when the first is done."""
    monkeypatch.setattr("hitl.api.idempotency._PATIENCE", 200)
    begun, go, real = threading.Event(), threading.Event(), views.ask

    def slowly(request: Any) -> Response:
        answer = real(request)
        begun.set()
        go.wait(30)
        return answer

    monkeypatch.setattr(views, "ask", slowly)

    def first() -> Any:
        try:
            return twin(world.agent.api).post("approvals/", world.agent.body(), key="one")
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(first)
        assert begun.wait(30)
        problem(world.agent.api.post("approvals/", world.agent.body(), key="one"), 409, "in_flight")
        problem(world.agent.api.post("approvals/", world.agent.body(risk="high"), key="one"), 409, "in_flight")
        go.set()
        done = future.result(30)
    assert world.agent.api.post("approvals/", world.agent.body(), key="one").json() == done.json()
    problem(world.agent.api.post("approvals/", world.agent.body(risk="high"), key="one"), 422, "idempotency_conflict")
    assert Approval.objects.count() == 1


def test_when_the_first_fails_the_second_does_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "ask", _once_broken(views.ask))
    pair = [twin(world.agent.api) for _ in range(2)]
    body = world.agent.body()
    answers = at_once(*(lambda one=one: one.post("approvals/", body, key="one") for one in pair))
    assert sorted(answer.status_code for answer in answers) == [201, 500]
    assert Approval.objects.count() == 1
    assert world.agent.api.post("approvals/", body, key="one")["Idempotent-Replayed"] == "true"


def _once_broken(real: Callable[..., Any]) -> Callable[..., Any]:
    turns = itertools.count()

    def ask(request: Any) -> Any:
        answer = real(request)
        if next(turns) == 0:
            raise RuntimeError("the first one falls over")
        return answer

    return ask


def test_two_bulk_calls_in_opposite_orders_do_not_wait_for_each_other(world: World, carol: Any) -> None:
    """With a key both hold all their runs locked to the end: so they take them in the same order."""
    who = [world.bob, Api(user=carol)]
    for turn in range(10):
        asked = [world.agent.ask(policy="two-eyes") for _ in range(4)]
        items = [{"id": seen["id"], "digest": seen["digest"]} for seen in asked]
        bodies = [{"verdict": "approve", "items": order} for order in (items, items[::-1])]
        posts = [partial(twin(api).post, "approvals/bulk/", key=f"turn-{turn}") for api in who]
        answers = at_once(*(partial(post, body) for post, body in zip(posts, bodies, strict=True)))
        assert [answer.status_code for answer in answers] == [200, 200], [answer.content for answer in answers]
        for answer, body in zip(answers, bodies, strict=True):
            results = answer.json()["results"]
            assert [one["id"] for one in results] == [item["id"] for item in body["items"]]
            assert {one["code"] for one in results} <= {"decided", "voted"}
        rows = Approval.objects.filter(pk__in=[item["id"] for item in items])
        assert set(rows.values_list("status", flat=True)) == {"approved"}


def test_one_worker_in_many_threads(world: World) -> None:
    """Each piece has a number of its own, and the first result of a name is everybody's."""
    task = world.task()
    path, token = f"steps/{task['step']}", {"token": task["token"]}
    threads = 8
    pieces = [partial(twin(world.agent.api).post, f"{path}/stream/", {**token, "chunk": n}) for n in range(threads)]
    assert [answer.status_code for answer in at_once(*pieces)] == [200] * threads
    named = {**token, "chunk": "once", "name": "once"}
    for answer in at_once(*(partial(twin(world.agent.api).post, f"{path}/stream/", named) for _ in range(threads))):
        assert answer.status_code == 200, answer.content
    rows = list(StreamChunk.objects.order_by("seq").values_list("seq", "chunk"))
    assert [seq for seq, _ in rows] == list(range(1, threads + 2))
    assert sorted(str(chunk) for _, chunk in rows) == sorted([*(str(n) for n in range(threads)), "once"])
    keeps = [{**token, "name": "upload", "value": n} for n in range(threads)]
    answers = at_once(*(partial(twin(world.agent.api).post, f"{path}/results/", said) for said in keeps))
    values = {answer.json()["value"] for answer in answers}
    assert ([answer.status_code for answer in answers], len(values)) == ([200] * threads, 1)
    assert Result.objects.get(key="once:upload").value in values
    marks = [{**token, "data": n} for n in range(threads)]
    for answer in at_once(*(partial(twin(world.agent.api).post, f"{path}/checkpoint/", said) for said in marks)):
        assert answer.status_code == 200, answer.content
    assert world.agent.work(task, "complete").status_code == 200


def test_a_few_workers_and_many_steps(world: World) -> None:
    """Each step is claimed once, and nobody goes without while there is one."""
    for _ in range(12):
        world.film()
    claims = [partial(twin(world.agent.api).post, "steps/claim/", {"queues": ["gpu"]}) for _ in range(6)]
    taken = [answer.json()["step"] for _ in range(2) for answer in at_once(*claims) if answer.status_code == 200]
    while (task := world.agent.claim()) is not None:
        taken.append(task["step"])
    assert len(taken) == len(set(taken)) == 12
