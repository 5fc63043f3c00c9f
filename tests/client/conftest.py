"""Time that passes at once, and the real product with people who decide."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from hitl.client import Client
from tests import serving
from tests.serving import Product


class _With:
    """A module with some of its functions replaced, for those who are given this one."""

    def __init__(self, module: Any, **others: Any) -> None:
        self._module = module
        vars(self).update(others)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses the client made; the clock moves on by them and nobody waits."""
    pauses: list[float] = []
    real = time.monotonic

    def sleep(seconds: float) -> None:
        pauses.append(seconds)

    async def asleep(seconds: float, result: Any = None) -> Any:
        pauses.append(seconds)
        return result

    # Of these modules alone: other threads of the process sleep and look at the clock as well.
    monkeypatch.setattr("hitl.client.transport.time", _With(time, sleep=sleep))
    monkeypatch.setattr("hitl.client.transport.asyncio.sleep", asleep)
    monkeypatch.setattr("hitl.client.calls.time", _With(time, monotonic=lambda: real() + sum(pauses)))
    return pauses


@pytest.fixture(scope="session")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """The real thing, in a process of its own."""
    with serving.product(tmp_path_factory.mktemp("product"), env={"HITL_WORKFLOW_APPS": "tests.client"}) as running:
        yield running


@pytest.fixture(scope="session")
def key(product: Product) -> str:
    """A key that may do everything a key can but name reviewers."""
    return product.key()


@pytest.fixture
def client(product: Product, key: str) -> Iterator[Client]:
    with Client(product.url, key) as made:
        yield made


@pytest.fixture
def bob(product: Product) -> Iterator[Callable[..., Future[Any]]]:
    """Bob decides what comes under this title, as soon as it comes: the tests wait in the meantime."""
    with ThreadPoolExecutor(4) as people:

        def decide(title: str, verdict: str = "approve", **said: Any) -> Future[Any]:
            return people.submit(_decide, product, title, verdict, said)

        yield decide


def _decide(product: Product, title: str, verdict: str, said: dict[str, Any]) -> Any:
    for _ in range(300):
        for seen in product.waiting():
            if seen["title"] == title:
                return product.decide(seen["id"], "bob", verdict, **said)
        time.sleep(0.1)
    raise AssertionError(f"nobody asked for {title!r}")
