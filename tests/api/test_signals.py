"""Signals over the API: accepted once, refused when the run has ended."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from hitl import Workflow, engine
from hitl.models import Run, Signal
from tests.api.conftest import Api, problem
from tests.rows import nothing_written, snapshot


@pytest.fixture
def listening(bot: Api, work: Any) -> str:
    """A run of the agent's own that waits for the signal `go`."""
    flow = Workflow("listening")

    @flow.step
    def wait(ctx: Any) -> Any:
        return ctx.wait_for_signal("go")

    run: str = bot.post("runs/", {"workflow": "listening"}).json()["id"]
    work()
    return run


def test_a_signal_is_accepted_and_wakes_the_run(listening: str, bot: Api, agent_key: Any, work: Any) -> None:
    response = bot.post(f"runs/{listening}/signals/go/", {"payload": {"n": 1}})
    assert (response.status_code, response.json()) == (202, {"run": listening, "name": "go", "late": False})
    row = Signal.objects.get()
    assert (row.payload, row.sender, row.sender_kind) == ({"n": 1}, f"key:{agent_key[0].pk}", "key")
    work()
    assert bot.get(f"runs/{listening}/").json()["status"] == "succeeded"


def test_a_signal_needs_no_payload(listening: str, bot: Api) -> None:
    assert bot.post(f"runs/{listening}/signals/go/", {}).status_code == 202
    assert Signal.objects.get().payload is None


def test_a_signal_without_a_body_is_one_without_a_payload(listening: str, bot: Api) -> None:
    assert bot.post(f"runs/{listening}/signals/go/", raw=b"").status_code == 202


def test_the_same_key_counts_once(listening: str, bot: Api) -> None:
    first = bot.post(f"runs/{listening}/signals/other/", {"payload": 1}, key="k")
    before = snapshot(proof=False)
    again = bot.post(f"runs/{listening}/signals/other/", {"payload": 1}, key="k")
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json() == first.json()
    assert snapshot(proof=False) == before
    assert Signal.objects.count() == 1


@pytest.mark.parametrize("key", ["", "x" * 201])
def test_an_idempotency_key_has_a_length(key: str, listening: str, bot: Api) -> None:
    problem(bot.post(f"runs/{listening}/signals/go/", {}, key=key), 400, "bad_input")
    assert not Signal.objects.exists()


def test_a_run_that_has_ended_takes_no_signal(listening: str, bot: Api, root: Any) -> None:
    engine.cancel(listening, actor=root)
    with nothing_written("hitl.signal.refused"):
        body = problem(bot.post(f"runs/{listening}/signals/go/", {}), 409, "run_ended")
    assert body["current_status"] == "cancelled"
    assert not Signal.objects.exists()


def test_an_unknown_run_takes_no_signal(bot: Api) -> None:
    before = snapshot(proof=False)
    problem(bot.post(f"runs/{uuid.uuid4()}/signals/go/", {}), 404, "unknown_run")
    assert snapshot(proof=False) == before


def test_somebody_elses_run_takes_no_signal(listening: str, as_mallory: Api) -> None:
    with nothing_written():
        problem(as_mallory.post(f"runs/{listening}/signals/go/", {}), 404, "unknown_run")


@pytest.mark.parametrize("name", ["x" * 181, "nul%00"])
def test_a_name_that_cannot_be_is_refused(name: str, listening: str, bot: Api) -> None:
    before = snapshot(proof=False)
    assert bot.post(f"runs/{listening}/signals/{name}/", {}).status_code == 400
    assert snapshot(proof=False) == before


def test_an_unknown_field_is_refused(listening: str, bot: Api) -> None:
    assert list(problem(bot.post(f"runs/{listening}/signals/go/", {"paylod": 1}), 400, "invalid")["fields"]) == [
        "paylod"
    ]
    assert Run.objects.get(pk=listening).status == "waiting"
