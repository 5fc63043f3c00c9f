"""One look for everybody: who waits is a future in a table, and one thread with one connection asks what has moved."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from hitl.longpoll.looks import Topic, look, rest

log = logging.getLogger(__name__)

EVERY = 0.25
CLOSING = object()
_SLOWEST = 5.0
_IDLE = 40  # looks without anybody; then the connection is given back
_OFFER_AGAIN = 2.0


class Waiter:
    """Who waits: woken when the value of one of its topics differs from what it knows."""

    __slots__ = ("differs", "future", "topics")

    def __init__(self, topics: Iterable[Topic], differs: Callable[[Any], bool]) -> None:
        self.topics = tuple(topics)
        self.differs = differs
        self.future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def wake(self, value: Any) -> None:
        """Let it go on with the value; again is fine."""
        if not self.future.done():
            self.future.set_result(value)


class Poller:
    """Looks every 250 ms while somebody waits. A look that fails is logged once and repeated, ever more slowly, until
    one succeeds; whoever waits knows nothing of it."""

    def __init__(self, look: Callable[[Iterable[Topic]], dict[Topic, Any]] = look) -> None:
        self._look = look
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="hitl-poll")
        self._waiters: dict[Topic, dict[Waiter, None]] = {}
        self._offered: dict[Any, float] = {}
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self.failures = 0

    @contextmanager
    def waiting(self, topics: Iterable[Topic], differs: Callable[[Any], bool]) -> Iterator[asyncio.Future[Any]]:
        """A future that ends with the value that differs, or with CLOSING; forgotten when the block is left."""
        waiter = Waiter(topics, differs)
        if self._closing:
            waiter.wake(CLOSING)
        for topic in waiter.topics:
            self._waiters.setdefault(topic, {})[waiter] = None
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())
        try:
            yield waiter.future
        finally:
            self._forget(waiter)

    def close(self) -> None:
        """Wake everybody, now and from now on: the process is about to end."""
        self._closing = True
        for waiters in self._waiters.values():
            for waiter in waiters:
                waiter.wake(CLOSING)

    def _forget(self, waiter: Waiter) -> None:
        for topic in waiter.topics:
            waiters = self._waiters.get(topic, {})
            waiters.pop(waiter, None)
            if not waiters:
                self._waiters.pop(topic, None)

    async def _run(self) -> None:
        idle = 0
        while (self._waiters or idle < _IDLE) and not self._closing:
            idle = 0 if self._waiters else idle + 1
            await asyncio.sleep(EVERY if not self._waiters or await self._once() else self._pause())
        self._task = None
        asyncio.get_running_loop().run_in_executor(self._thread, rest)

    async def _once(self) -> bool:
        try:
            values = await asyncio.get_running_loop().run_in_executor(self._thread, self._look, list(self._waiters))
        except Exception as error:
            self.failures += 1
            if self.failures == 1:
                log.error("cannot look what has moved (%s: %s); trying on", error.__class__.__name__, error)
            return False
        if self.failures:
            log.warning("looking again after %s failures", self.failures)
        self.failures = 0
        for topic, value in values.items():
            self._tell(topic, value)
        return True

    def _pause(self) -> float:
        return min(_SLOWEST, EVERY * 2.0 ** min(self.failures, 10))

    def _tell(self, topic: Topic, value: Any) -> None:
        waiters = self._waiters.get(topic, {})
        if topic[0] == "queue":
            self._offer(waiters, value)
            return
        for waiter in waiters:
            if waiter.differs(value):
                waiter.wake(value)

    def _offer(self, waiters: Iterable[Waiter], steps: Iterable[Any]) -> None:
        """One worker a step, who came first: the others would all ask in vain. A step that is still there later is
        offered to the next."""
        now = asyncio.get_running_loop().time()
        self._offered = {step: until for step, until in self._offered.items() if until > now}
        free = iter([waiter for waiter in waiters if not waiter.future.done()])
        for step in steps:
            if step in self._offered:
                continue
            waiter = next(free, None)
            if waiter is None:
                return
            self._offered[step] = now + _OFFER_AGAIN
            waiter.wake(step)
