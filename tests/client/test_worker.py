"""The worker's loop: what a handler gets, what is told of it, and how it stops."""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from hitl.client import Continue, Fail, Task, Worker, errors
from tests.client.fake import Fake, answer, problem

EMPTY = answer(204)
STEP = {
    "step": "s1", "run": "run1", "workflow": "render", "name": "draw", "attempt": 2, "iteration": 1, "revision": 1,
    "token": "t1", "lease_expires_at": "2026-01-01T00:00:00Z", "idempotency_key": "k1", "input": {"n": 3},
    "previous": "before", "args": None, "instructions": "", "checkpoint": {"at": 1}, "results": {"a": 1},
    "answers": {}, "action": {"type": "refund", "args": {"amount": 90}},
}  # fmt: skip


def works(
    handler: Callable[[Task], Any],
    *,
    answers: dict[str, httpx.Response] | None = None,
    name: str = "draw",
) -> list[tuple[str, Any]]:
    """Claim one step and do it; what the product was told, without the heartbeats. `answers` by verb."""
    told = {"continue": answer(200, {}), "complete": answer(200, {}), "fail": answer(200, {}), **(answers or {})}

    def product(asked: httpx.Request) -> httpx.Response:
        verb = asked.url.path.split("/")[-2]
        return answer(200, STEP) if verb == "claim" else told.get(verb) or answer(200, {"value": None})

    fake = Fake([product])
    assert worker(fake, {name: handler}).run_once()
    said = [(one.url.path.split("/")[-2], json.loads(one.content)) for one in fake.seen[1:]]
    assert {sent.pop("token") for _, sent in said} <= {"t1"}
    return said


def worker(fake: Fake, handlers: dict[str, Any], lease: int = 60) -> Worker:
    return fake.client(retries=0).worker(["gpu"], handlers, lease=lease)


def test_what_a_handler_returns_is_the_steps_output() -> None:
    seen: list[Any] = []

    def draw(task: Task) -> Any:
        seen.append((task.input, task.previous, task.checkpoint, task.attempt, task.iteration, task.idempotency_key))
        return {"pixels": task.input["n"] ** 2}

    assert works(draw) == [("complete", {"output": {"pixels": 9}})]
    assert seen == [({"n": 3}, "before", {"at": 1}, 2, 1, "k1")]


def test_a_handler_is_found_by_workflow_and_step_too() -> None:
    assert works(lambda task: 1, name="render.draw") == [("complete", {"output": 1})]


@pytest.mark.parametrize(
    ("returned", "told"),
    [
        (Continue({"at": 2}), ("continue", {"state": {"at": 2}})),
        (Fail("no disk"), ("fail", {"code": "failed", "why": "no disk", "retry": True})),
        (
            Fail("bad input", code="bad", retry=False, after=5),
            ("fail", {"code": "bad", "why": "bad input", "retry": False, "after": 5}),
        ),
    ],
    ids=["continue", "fail", "fail for good"],
)
def test_a_handler_may_go_on_later_or_fail(returned: Any, told: Any) -> None:
    assert works(lambda task: returned) == [told]


def test_what_a_handler_raises_fails_the_step() -> None:
    def boom(task: Task) -> None:
        raise ZeroDivisionError("division")

    def fails(task: Task) -> None:
        raise Fail("no disk", retry=False)

    assert works(boom) == [("fail", {"code": "error", "why": "ZeroDivisionError: division", "retry": True})]
    assert works(fails) == [("fail", {"code": "failed", "why": "no disk", "retry": False})]


def test_a_step_without_a_handler_is_given_back_as_failed() -> None:
    assert works(lambda task: 1, name="other")[0][1]["code"] == "no_handler"


def test_an_output_that_is_not_json_fails_for_good() -> None:
    ((verb, told),) = works(lambda task: object())
    assert (verb, told["code"], told["retry"]) == ("fail", "invalid_output", False)


def test_an_output_that_the_product_does_not_take_fails_for_good() -> None:
    said = works(lambda task: "x", answers={"complete": problem(413, "too_large")})
    assert [(verb, told.get("retry")) for verb, told in said] == [("complete", None), ("fail", False)]


# -- once, checkpoint, stream -------------------------------------------------------------------------


def test_what_was_done_once_is_not_done_again() -> None:
    ran: list[str] = []

    def draw(task: Task) -> Any:
        return [task.once("a", ran.append, "a"), task.once("b", ran.append, "b"), task.once("b", ran.append, "b")]

    said = works(draw, answers={"results": answer(200, {"value": "the first one stored"})})
    assert said == [
        ("results", {"name": "b", "value": None}),
        ("complete", {"output": [1, "the first one stored", "the first one stored"]}),
    ]
    assert ran == ["b"]


def test_a_handler_keeps_its_own_data_and_streams() -> None:
    def draw(task: Task) -> Any:
        task.save({"at": 5})
        task.stream("piece", name="p1")
        task.stream("more")
        return task.checkpoint

    assert works(draw) == [
        ("checkpoint", {"data": {"at": 5}}),
        ("stream", {"chunk": "piece", "name": "p1"}),
        ("stream", {"chunk": "more"}),
        ("complete", {"output": {"at": 5}}),
    ]


# -- waits --------------------------------------------------------------------------------------------

WAITS: list[tuple[Callable[[Task], Any], str, dict[str, Any]]] = [
    (
        lambda task: task.wait_signal("paid", timeout=3600),
        "wait",
        {"kind": "signal", "name": "paid", "timeout": 3600},
    ),
    (lambda task: task.sleep("paid", 5), "wait", {"kind": "sleep", "name": "paid", "seconds": 5}),
    (
        lambda task: task.ask("paid", "Was it paid?", options=["yes", "no"], policy="desk"),
        "ask",
        {"name": "paid", "question": "Was it paid?", "options": ["yes", "no"], "policy": "desk"},
    ),
    (
        lambda task: task.approve("paid", "refund", {"a": 1}, title="Refund", impact="Money leaves", policy="desk"),
        "approve",
        {
            "name": "paid",
            "action": {
                "type": "refund",
                "args": {"a": 1},
                "title": "Refund",
                "impact": "Money leaves",
                "reversible": False,
            },
            "policy": "desk",
        },
    ),
]


@pytest.mark.parametrize(("wait", "verb", "told"), WAITS, ids=["signal", "sleep", "ask", "approve"])
def test_a_wait_leaves_the_handler_and_tells_nothing_more(
    wait: Callable[[Task], Any], verb: str, told: dict[str, Any]
) -> None:
    after: list[str] = []

    def draw(task: Task) -> None:
        try:
            wait(task)
        except Exception:
            after.append("caught")
        after.append("went on")

    assert works(draw, answers={verb: answer(200, {"parked": True})}) == [(verb, told)]
    assert after == []


@pytest.mark.parametrize(("wait", "verb", "told"), WAITS[:3], ids=["signal", "sleep", "ask"])
def test_an_answer_that_is_there_is_returned(wait: Callable[[Task], Any], verb: str, told: dict[str, Any]) -> None:
    value = None if told.get("kind") == "sleep" else "yes"
    asked = works(wait, answers={verb: answer(200, {"parked": False, "value": value})})
    assert asked == [(verb, told), ("complete", {"output": value})]


@pytest.mark.parametrize("code", ["signal_timeout", "answer_timeout"])
def test_a_wait_that_nobody_ended_in_time_is_no_answer(code: str) -> None:
    def draw(task: Task) -> str:
        try:
            return str(task.wait_signal("paid"))
        except errors.Expired:
            return "nobody came"

    assert works(draw, answers={"wait": problem(400, code)})[-1] == ("complete", {"output": "nobody came"})


def test_an_approval_inside_a_step_comes_with_what_may_run() -> None:
    seen: list[Any] = []
    told = {
        "status": "approved",
        "approved": True,
        "type": "refund",
        "args": {"a": 2},
        "comment": "",
        "decided_by": ["bob"],
    }

    def draw(task: Task) -> None:
        seen.append(task.approve("paid", "refund", {"a": 1}, title="Refund", impact="Money leaves"))

    works(draw, answers={"approve": answer(200, {"parked": False, "value": told})})
    assert (seen[0].approved, seen[0].args, seen[0].action_type, seen[0].by) == (True, {"a": 2}, "refund", ("bob",))


def test_a_handler_that_catches_the_pause_is_not_believed(caplog: pytest.LogCaptureFixture) -> None:
    def draw(task: Task) -> str:
        try:
            task.sleep("a", 5)
        except BaseException:
            return "done"
        return "never"

    assert [verb for verb, _ in works(draw, answers={"wait": answer(200, {"parked": True})})] == ["wait"]
    assert "caught the pause" in caplog.text


# -- leases -------------------------------------------------------------------------------------------


def test_a_lost_lease_ends_quietly(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "hitl.client.worker")
    went: list[str] = []

    def draw(task: Task) -> None:
        task.save(1)
        went.append("on")

    assert [verb for verb, _ in works(draw, answers={"checkpoint": problem(409, "lease_lost")})] == ["checkpoint"]
    assert went == []
    assert [record.levelno for record in caplog.records if record.name == "hitl.client.worker"] == [logging.INFO]


def test_a_thread_keeps_the_lease_while_the_handler_works() -> None:
    beats, enough = [], threading.Event()

    def product(asked: httpx.Request) -> httpx.Response:
        if asked.url.path.endswith("/heartbeat/"):
            beats.append(json.loads(asked.content))
            if len(beats) == 2:
                enough.set()
        return answer(200, STEP if "claim" in asked.url.path else {})

    fake = Fake([product])
    one = worker(fake, {"draw": lambda task: enough.wait(30)}, lease=1)
    one.run_once()
    assert enough.is_set()
    assert beats[0] == {"token": "t1", "lease": 1}
    assert json.loads(fake.seen[-1].content) == {"token": "t1", "output": True}


def test_a_lease_that_a_heartbeat_finds_lost_tells_the_handler() -> None:
    def product(asked: httpx.Request) -> httpx.Response:
        if asked.url.path.endswith("/heartbeat/"):
            return problem(409, "lease_lost")
        return answer(200, STEP if "claim" in asked.url.path else {})

    lost: list[bool] = []

    def draw(task: Task) -> None:
        waited = threading.Event()
        for _ in range(300):
            if task.lost or waited.wait(0.1):
                break
        lost.append(task.lost)

    fake = Fake([product])
    worker(fake, {"draw": draw}, lease=1).run_once()
    assert lost == [True]
    assert not fake.seen[-1].url.path.endswith("/complete/")


# -- the loop -----------------------------------------------------------------------------------------


def test_nothing_to_do_is_no_step() -> None:
    fake = Fake([EMPTY])
    assert worker(fake, {}).run_once() is False
    assert json.loads(fake.seen[0].content) == {"queues": ["gpu"], "lease": 60}
    assert fake.seen[0].url.params["wait"] == "20"


def test_the_loop_outlives_trouble_and_ends_when_it_is_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hitl.client.worker._AFTER_TROUBLE", 0.01)
    stop = threading.Event()
    done: list[str] = []

    def draw(task: Task) -> None:
        done.append(task.id)
        stop.set()

    fake = Fake([httpx.ConnectError("gone"), answer(503), EMPTY, answer(200, STEP), answer(200, {})])
    worker(fake, {"draw": draw}).run(stop)
    assert done == ["s1"]
    assert fake.said()[-1] == "POST /steps/s1/complete/"


def test_a_key_that_may_not_work_ends_the_loop() -> None:
    with pytest.raises(errors.NotAllowed):
        worker(Fake([problem(403, "not_allowed")]), {}).run()


def test_sigterm_ends_the_loop_after_the_step_in_hand() -> None:
    before = signal.getsignal(signal.SIGTERM)
    fake = Fake([answer(200, STEP), answer(200, {})])
    worker(fake, {"draw": lambda task: os.kill(os.getpid(), signal.SIGTERM)}).run()
    assert fake.said() == ["POST /steps/claim/", "POST /steps/s1/complete/"]
    assert signal.getsignal(signal.SIGTERM) is before
