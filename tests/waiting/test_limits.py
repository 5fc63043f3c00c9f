"""What the door holds is bounded, and it lets go of everybody when it stops."""

from __future__ import annotations

import signal
from typing import Any

import httpx
import pytest

from tests.waiting.serving import Server, until


def test_who_has_taken_half_of_the_places_is_told_to_come_again(serve: Any, token: str, asked: Any, says: Any) -> None:
    with serve(settings="tests.waiting.settings") as door:
        path = f"approvals/{asked.pk}/?wait=50"
        answers = [door.soon(path, token) for _ in range(2)]
        refused = door.get(path, token)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.json()["code"] == "unavailable"
        assert door.get(f"approvals/{asked.pk}/", token).status_code == 200
        assert door.get(path, "hitl_another_key").status_code == 401, "others have a place"
        says(asked)
        assert {answer.result(20).json()["status"] for answer in answers} == {"approved"}
        assert door.get(path, token).status_code == 200


def test_places_of_those_who_hung_up_are_free(serve: Any, token: str, asked: Any) -> None:
    with serve(settings="tests.waiting.settings") as door:
        path = f"/api/v1/approvals/{asked.pk}/?wait=50"
        for _ in range(2):
            with door.client(token) as client, pytest.raises(httpx.ReadTimeout):
                client.get(path, timeout=0.5)
        until(lambda: door.get(f"approvals/{asked.pk}/?wait=0.1", token).status_code == 200, "a free place")


def test_a_door_that_stops_answers_everybody(serve: Any, token: str, asked: Any) -> None:
    with serve() as door:
        answers = [door.soon(f"approvals/{asked.pk}/?wait=50", token) for _ in range(3)]
        assert door.stop() in (0, -signal.SIGTERM)  # uvicorn ends by the signal that it was sent
        found = [answer.result(20) for answer in answers]
    assert [(answer.status_code, answer.json()["status"]) for answer in found] == [(200, "pending")] * 3


@pytest.mark.parametrize("wait", ["", "0", "0.0"])
def test_a_wait_of_nothing_is_none(door: Server, token: str, asked: Any, wait: str) -> None:
    found = door.get(f"approvals/{asked.pk}/?wait={wait}", token)
    assert (found.status_code, found.json()["status"]) == (200, "pending")


@pytest.mark.parametrize("wait", ["61", "-1", "soon", "nan", "inf", "1e9"])
def test_a_wait_that_is_none_is_refused(door: Server, token: str, asked: Any, wait: str) -> None:
    found = door.get(f"approvals/{asked.pk}/?wait={wait}", token)
    assert (found.status_code, found.json()["code"]) == (400, "bad_input")
