"""The poller looks for everybody at once, and goes on whatever a look comes to."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import pytest

from hitl.longpoll.poller import CLOSING, Poller

Look = Callable[[Iterable[Any]], dict[Any, Any]]


def run(work: Awaitable[Any]) -> Any:
    """The outcome of some asyncio code, with a patience."""

    async def bounded() -> Any:
        return await asyncio.wait_for(work, 30)

    return asyncio.run(bounded())


async def wakes(poller: Poller, topic: Any, known: Any) -> Any:
    with poller.waiting([topic], lambda value: value != known) as future:
        return await future


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hitl.longpoll.poller.EVERY", 0.01)


def test_one_look_serves_all_who_wait() -> None:
    asked: list[list[Any]] = []

    def look(topics: Iterable[Any]) -> dict[Any, Any]:
        asked.append(sorted(topics))
        return {("run", n): "new" if len(asked) > 3 else "old" for n in (1, 2)}

    async def main() -> None:
        poller = Poller(look)
        found = await asyncio.gather(*(wakes(poller, ("run", n), "old") for n in (1, 2, 2)))
        assert found == ["new"] * 3
        assert asked[-1] == [("run", 1), ("run", 2)]
        poller.close()

    run(main())


def test_a_look_that_fails_is_logged_once_and_repeated(caplog: pytest.LogCaptureFixture) -> None:
    looks = iter([OSError("gone")] * 3 + [{("run", 1): "new"}])

    def look(topics: Iterable[Any]) -> dict[Any, Any]:
        found = next(looks)
        if isinstance(found, Exception):
            raise found
        return found

    async def main() -> None:
        poller = Poller(look)
        assert await wakes(poller, ("run", 1), "old") == "new"
        assert poller.failures == 0
        poller.close()

    with caplog.at_level(logging.WARNING):
        run(main())
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
    assert "gone" in caplog.records[0].message


def test_looks_that_fail_come_ever_more_slowly(caplog: pytest.LogCaptureFixture) -> None:
    poller = Poller(lambda topics: {})
    pauses = []
    for poller.failures in range(12):
        pauses.append(poller._pause())
    assert pauses == sorted(pauses)
    assert pauses[0] < pauses[3] < pauses[-1] <= 5


def test_a_step_is_offered_to_the_first_and_later_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hitl.longpoll.poller._OFFER_AGAIN", 0.2)

    async def main() -> None:
        poller = Poller(lambda topics: {("queue", "gpu"): ("step-1",)})
        tasks = [asyncio.create_task(wakes(poller, ("queue", "gpu"), None)) for _ in range(3)]
        assert await tasks[0] == "step-1"
        assert not tasks[1].done()
        assert await tasks[1] == "step-1"
        assert not tasks[2].done()
        poller.close()
        assert await tasks[2] is CLOSING

    run(main())


def test_who_comes_when_it_is_closing_is_let_go_at_once() -> None:
    async def main() -> None:
        poller = Poller(lambda topics: {})
        poller.close()
        assert await wakes(poller, ("run", 1), None) is CLOSING

    run(main())


def test_nobody_is_remembered_who_has_left() -> None:
    async def main() -> None:
        poller = Poller(lambda topics: {})
        with poller.waiting([("run", 1), ("run", 2)], lambda value: True):
            assert len(poller._waiters) == 2
        assert not poller._waiters
        poller.close()

    run(main())


def test_where_nobody_waits_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hitl.longpoll.poller._IDLE", 3)
    looked: list[Any] = []

    async def main() -> None:
        poller = Poller(lambda topics: looked.append(topics) or {("run", 1): "new"})
        for _ in range(2):
            assert await wakes(poller, ("run", 1), "old") == "new"
            task = poller._task
            assert task is not None
            await task
            assert poller._task is None
        assert len(looked) == 2

    run(main())


def test_it_does_not_rest_while_somebody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who comes during the last look of an idle poller finds it at work, and must not be forgotten."""
    monkeypatch.setattr("hitl.longpoll.poller._IDLE", 0)
    looks = 0

    def look(topics: Iterable[Any]) -> dict[Any, Any]:
        nonlocal looks
        looks += 1
        return {("run", 1): "new" if looks > 3 else "old"}

    async def main() -> None:
        poller = Poller(look)
        assert await wakes(poller, ("run", 1), "old") == "new"
        poller.close()

    run(main())
