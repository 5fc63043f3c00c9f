"""Several threads with a connection each, released by a barrier; bells ring into the void."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from hitl.exceptions import HitlError


class Pair:
    """Two threads with a connection each, let go at the same moment."""

    def __init__(self, count: int = 2) -> None:
        self._pool = ThreadPoolExecutor(count)
        self._barrier = threading.Barrier(count)

    def race(self, *acts: Callable[[], Any]) -> list[Any]:
        """What each act returned, or the HitlError it raised."""

        def run(act: Callable[[], Any]) -> Any:
            self._barrier.wait(30)
            try:
                return act()
            except HitlError as error:
                return error

        futures: list[Future[Any]] = [self._pool.submit(run, act) for act in acts]
        return [future.result(60) for future in futures]

    def close(self) -> None:
        """Close every thread's connection."""
        together = threading.Barrier(self._pool._max_workers)

        def leave() -> None:
            together.wait(30)
            connection.close()

        for future in [self._pool.submit(leave) for _ in range(self._pool._max_workers)]:
            future.result(30)
        self._pool.shutdown()


@pytest.fixture
def pair() -> Iterator[Pair]:
    both = Pair()
    yield both
    both.close()


@pytest.fixture(autouse=True)
def _no_bells(monkeypatch: pytest.MonkeyPatch) -> None:
    from hitl import dispatch

    monkeypatch.setattr(dispatch, "_send", lambda *args: None)
