"""Under a plain web server `?wait=` is a short wait in the request's thread, for a few at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.test import RequestFactory
from rest_framework.request import Request

from hitl.api.waits import wait_until
from hitl.exceptions import BadInput
from tests.waiting.serving import until

LONG = timedelta(seconds=30)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as threads:
        yield threads


def asking(wait: str) -> Request:
    """A request with this wait."""
    return Request(RequestFactory().get("/", {"wait": wait}))


def held(pool: ThreadPoolExecutor, count: int, go: threading.Event) -> list[Future[None]]:
    """So many who wait, in threads, until `go`."""
    waiting = threading.Semaphore(0)

    def over() -> bool:
        waiting.release()
        return go.is_set()

    def wait() -> None:
        wait_until(asking("60"), over)
        connection.close()

    found = [pool.submit(wait) for _ in range(count)]
    for _ in range(count):
        assert waiting.acquire(timeout=30)
    return found


def test_a_thread_waits_for_the_decision(
    serve: Any, pool: ThreadPoolExecutor, token: str, asked: Any, says: Any
) -> None:
    path = f"approvals/{asked.pk}/?wait=50"
    with serve(plain=True, settings="tests.waiting.settings") as web:
        answer = pool.submit(web.get, path, token)
        until(lambda: web.begun(path), "the wait to begin")
        says(asked)
        assert answer.result(20).json()["status"] == "approved"


def test_a_thread_waits_no_longer_than_it_may_and_says_what_is_no_wait(serve: Any, token: str, asked: Any) -> None:
    path = f"approvals/{asked.pk}/"
    with serve(plain=True) as web:
        found = web.get(f"{path}?wait=50", token)
        assert (found.status_code, found.json()["status"]) == (200, "pending")
        refused = web.get(f"{path}?wait=61", token)
        assert (refused.status_code, refused.json()["code"]) == (400, "bad_input")


@pytest.mark.parametrize("wait", ["61", "-1", "soon", "nan", "inf"])
def test_a_wait_that_is_none_is_refused(db: None, wait: str) -> None:
    with pytest.raises(BadInput, match="0 to 60"):
        wait_until(asking(wait), lambda: True)


def test_no_more_than_four_threads_wait(transactional_db: None, pool: ThreadPoolExecutor, settings: Any) -> None:
    settings.HITL_WSGI_WAIT = LONG
    go = threading.Event()
    waiting = held(pool, 4, go)
    looked: list[bool] = []
    wait_until(asking("60"), lambda: bool(looked.append(True)))
    assert looked == []
    assert not any(one.done() for one in waiting)
    go.set()
    for one in waiting:
        one.result(30)
    wait_until(asking("60"), lambda: looked.append(True) or True)
    assert looked == [True]


def test_a_place_is_given_back_when_the_look_fails(transactional_db: None) -> None:
    def fail() -> bool:
        raise ValueError("no database")

    for _ in range(5):
        with pytest.raises(ValueError, match="no database"):
            wait_until(asking("60"), fail)
    looked: list[bool] = []
    wait_until(asking("60"), lambda: looked.append(True) or True)
    assert looked == [True]


@pytest.mark.parametrize("wait", ["", "0"])
def test_without_a_wait_nothing_is_looked_at(transactional_db: None, wait: str) -> None:
    looked: list[bool] = []
    wait_until(asking(wait), lambda: looked.append(True) or True)
    assert looked == []


def test_inside_a_transaction_nobody_waits(db: None) -> None:
    assert connection.in_atomic_block
    looked: list[bool] = []
    wait_until(asking("60"), lambda: looked.append(True) or True)
    assert looked == []


def test_the_default_is_short() -> None:
    from hitl.conf import conf

    assert not hasattr(django_settings, "HITL_WSGI_WAIT")
    assert timedelta(seconds=2) == conf.WSGI_WAIT
