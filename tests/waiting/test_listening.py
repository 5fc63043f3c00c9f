"""A client that listens (`Accept: text/event-stream`) is told of every change, until there will be no more."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from tests.waiting.serving import Server, until

LISTEN = "text/event-stream"


class Heard:
    """What came over one connection so far."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.status = 0
        self.headers: Any = {}
        self.done = threading.Event()

    @property
    def events(self) -> list[tuple[str, Any]]:
        """Name and data of each event."""
        names = [line.removeprefix("event: ") for line in self.lines if line.startswith("event: ")]
        data = [json.loads(line.removeprefix("data: ")) for line in self.lines if line.startswith("data: ")]
        return list(zip(names, data, strict=False))


@contextmanager
def listening(door: Server, path: str, token: str, **headers: str) -> Iterator[Heard]:
    """Listen in a thread until the block is left; the connection is cut then."""
    heard = Heard()
    client = door.client(token, accept=LISTEN, **headers)

    def run() -> None:
        try:
            with client.stream("GET", f"/api/v1/{path}") as answer:
                heard.status, heard.headers = answer.status_code, answer.headers
                for line in answer.iter_lines():
                    heard.lines.append(line)
        except httpx.HTTPError:
            pass
        heard.done.set()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        until(lambda: heard.status, "an answer")
        yield heard
    finally:
        client.close()
        thread.join(30)


def test_a_listener_is_told_the_status_and_every_change_until_the_end(
    door: Server, token: str, asked: Any, says: Any
) -> None:
    with listening(door, f"approvals/{asked.pk}/", token) as heard:
        until(lambda: len(heard.events) == 1, "the first event")
        says(asked)
        assert heard.done.wait(20)
    assert heard.headers["content-type"].startswith(LISTEN)
    assert [(name, data.get("status")) for name, data in heard.events] == [
        ("approval", "pending"),
        ("approval", "approved"),
        ("end", None),
    ]


def test_a_listener_of_a_run_hears_it_wait_go_on_and_end(
    door: Server, token: str, asked: Any, says: Any, work: Any
) -> None:
    with listening(door, f"runs/{asked.run_id}/", token) as heard:
        until(lambda: len(heard.events) == 1, "the first event")
        says(asked)
        work()
        assert heard.done.wait(20)
    statuses = [data.get("status") for _, data in heard.events]
    assert (statuses[0], statuses[-2:]) == ("waiting", ["succeeded", None])
    assert heard.events[-1][0] == "end"


def test_output_comes_as_it_is_made_and_ends_with_the_run(door: Server, token: str, telling: Any, go: Any) -> None:
    with listening(door, f"runs/{telling.pk}/stream/", token) as heard:
        go(1)
        until(lambda: len(heard.events) == 1, "the first piece")
        go(2)
        assert heard.done.wait(20)
    assert [data.get("chunk") for _, data in heard.events] == ["piece 1", "piece 2", None]
    assert [name for name, _ in heard.events] == ["chunk", "chunk", "end"]


def test_who_comes_again_with_the_last_number_gets_the_rest(door: Server, token: str, telling: Any, go: Any) -> None:
    go(1)
    path = f"runs/{telling.pk}/stream/"
    first = door.get(path, token).json()["after"]
    go(2)
    with listening(door, path, token, last_event_id=str(first)) as heard:
        assert heard.done.wait(20)
    assert [data.get("chunk") for _, data in heard.events] == ["piece 2", None]
    assert [line for line in heard.lines if line.startswith("id: ")] == [f"id: {first + 1}"]


def test_whoever_may_not_listen_gets_a_plain_answer(door: Server, token: str, asked: Any) -> None:
    refused = door.get(f"approvals/{asked.pk}/", "hitl_abc_def", accept=LISTEN)
    assert (refused.status_code, refused.headers["content-type"]) == (401, "application/problem+json")
    nothing = door.get("runs/00000000-0000-0000-0000-000000000000/stream/", token, accept=LISTEN)
    assert (nothing.status_code, nothing.json()["code"]) == (404, "unknown_run")


def test_a_listener_that_hangs_up_is_forgotten(door: Server, token: str, asked: Any, says: Any) -> None:
    path = f"approvals/{asked.pk}/"
    with listening(door, path, token) as heard:
        until(lambda: heard.events, "the first event")
    asked_so_far = door.asked(path)
    says(asked)
    assert door.get(f"{path}?wait=5", token).json()["status"] == "approved"
    assert door.asked(path) == asked_so_far + 1


def test_what_cannot_be_listened_to_is_djangos_own(door: Server, token: str) -> None:
    assert door.get("runs/", token, accept=LISTEN).status_code == 406
