"""The example `llm_agent` against a local server that speaks the chat-completions protocol, with scripted answers."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from hitl.models import Result, Step
from hitl.models.audit import AuditRecord
from project.examples import chat_completions, world
from tests.journeys.conftest import Person, ended, steps

KEY = "sk-only-for-this-test"
HANG = "hang"


class Server(ThreadingHTTPServer):
    """Answers from a script: a message, a status, or `HANG` until the test is over. Keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: list[Any] = []
        self.asked: list[dict[str, Any]] = []
        self.keys: set[str | None] = set()
        self.over = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1/chat/completions"


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Server

    def do_POST(self) -> None:
        self.server.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.server.keys.add(self.headers["Authorization"])
        answer = self.server.script.pop(0)
        if answer == HANG:
            self.server.over.wait(20)
            self.close_connection = True
            return
        status, body = answer if isinstance(answer, tuple) else (200, {"choices": [{"index": 0, "message": answer}]})
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        if status == 302:
            self.send_header("Location", self.server.url)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing to the terminal."""


def call(name: str, arguments: Any, number: str = "c1") -> dict[str, Any]:
    """A message that wants one tool."""
    words = arguments if isinstance(arguments, str) else json.dumps(arguments)
    function = {"name": name, "arguments": words}
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": number, "type": "function", "function": function}],
    }


def answer(text: str) -> dict[str, Any]:
    """A message that ends the conversation."""
    return {"role": "assistant", "content": text}


MAIL = call("send_mail", {"to": "kim@example.com", "text": "Your parcel is lost."}, "c2")


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """The endpoint, and the environment that leads to it."""
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    for name, value in (("URL", server.url), ("KEY", KEY), ("MODEL", "small")):
        monkeypatch.setenv(f"HITL_EXAMPLE_LLM_{name}", value)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    yield server
    server.over.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def waiting(model: Server, asker: Person, helper: Person) -> Any:
    """A run whose model has looked something up and wants to send a mail."""
    model.script = [call("look_up", {"order_id": "A-1"}), MAIL]
    return asker.start("llm-agent", {"task": "What about order A-1?"})


def told(server: Server) -> dict[str, Any]:
    """What the model was told last of a tool."""
    content: dict[str, Any] = json.loads(server.asked[-1]["messages"][-1]["content"])
    return content


def test_a_tool_call_is_approved_and_runs_as_proposed(waiting: Any, model: Server, helper: Person) -> None:
    assert world.deeds() == []
    shown = helper.asked(waiting)
    assert shown["action"]["type"] == "send_mail"
    assert shown["action"]["args"] == {"to": "kim@example.com", "text": "Your parcel is lost."}
    model.script = [answer("I told the customer.")]
    helper.say(waiting)
    assert ended(waiting) == "I told the customer."
    assert world.deeds() == [{"did": "mail", "to": "kim@example.com", "text": "Your parcel is lost."}]
    assert told(model)["did"] == "mail"
    assert [message["role"] for message in model.asked[-1]["messages"]] == [
        "system", "user", "assistant", "tool", "assistant", "tool",
    ]  # fmt: skip
    assert (model.asked[0]["model"], model.keys) == ("small", {f"Bearer {KEY}"})
    assert len(model.asked) == 3  # nobody was asked twice for what was remembered


def test_what_people_change_in_a_tool_call_is_what_runs_and_what_the_model_learns(
    waiting: Any, model: Server, helper: Person
) -> None:
    model.script = [answer("Done.")]
    helper.say(waiting, "edit", args={"to": "kim@example.com", "text": "We look for your parcel."})
    ended(waiting)
    assert [deed["text"] for deed in world.deeds()] == ["We look for your parcel."]
    assert told(model)["text"] == "We look for your parcel."


def test_a_refused_tool_call_goes_back_to_the_model_in_the_reviewers_words(
    waiting: Any, model: Server, helper: Person
) -> None:
    model.script = [answer("Then not.")]
    helper.say(waiting, "reject", comment="call her instead")
    assert ended(waiting) == "Then not."
    assert told(model) == {"refused": "call her instead"}
    assert world.deeds() == []


def test_a_tool_call_nobody_decides_is_not_done(waiting: Any, model: Server, later: Any) -> None:
    model.script = [answer("Nobody answered.")]
    later(hours=9)
    assert ended(waiting) == "Nobody answered."
    assert (told(model), world.deeds()) == ({"refused": "expired"}, [])


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (call("drop_tables", {}), "there are only the tools"),
        (call("send_mail", {"to": "x"}), "1 arguments are wrong"),
        (call("send_mail", {"to": "x", "text": "y", "bcc": "z"}), "1 arguments are wrong"),
        (call("send_mail", "{not json"), "1 arguments are wrong"),
    ],
)
def test_a_wrong_tool_call_is_told_to_the_model_and_to_nobody_else(
    wanted: Any, words: str, model: Server, asker: Person, helper: Person
) -> None:
    model.script = [wanted, answer("Sorry.")]
    run = asker.start("llm-agent", {"task": "x"})
    assert ended(run) == "Sorry."
    assert words in told(model)["error"]
    assert (world.deeds(), helper.inbox()) == ([], [])


@pytest.mark.parametrize("first", [(500, {}), (429, {}), (200, b"<html>busy"), (200, {"choices": []})])
def test_a_broken_answer_is_asked_for_again(first: Any, model: Server, asker: Person, later: Any) -> None:
    model.script = [first, answer("Now it works.")]
    run = asker.start("llm-agent", {"task": "x"})
    assert (steps(run)["think"], len(model.asked)) == ("ready", 1)
    later(seconds=10)
    assert ended(run) == "Now it works."
    assert len(model.asked) == 2


def test_a_hanging_answer_is_cut_and_asked_for_again(
    model: Server, asker: Person, later: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat_completions, "TIMEOUT", 0.3)
    model.script = [HANG, answer("At last.")]
    run = asker.start("llm-agent", {"task": "x"})
    assert Step.objects.get(run=run).attempt == 2
    later(seconds=10)
    assert ended(run) == "At last."


def test_an_endpoint_that_stays_away_fails_the_run(model: Server, asker: Person, later: Any) -> None:
    model.script = [(503, {})] * 4
    run = asker.start("llm-agent", {"task": "x"})
    for _ in range(3):
        later(seconds=10)
    ended(run, "failed", "step_failed")
    assert len(model.asked) == 4


@pytest.mark.parametrize("status", [302, 401])
def test_a_refusal_of_the_endpoint_is_final_and_the_key_goes_nowhere_else(
    status: int, model: Server, asker: Person
) -> None:
    model.script = [(status, {})]
    run = asker.start("llm-agent", {"task": "x"})
    ended(run, "failed", "step_failed")
    assert len(model.asked) == 1


def test_without_an_address_the_run_says_what_to_set(asker: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HITL_EXAMPLE_LLM_URL", raising=False)
    run = asker.start("llm-agent", {"task": "x"})
    ended(run, "failed", "step_failed")
    run.refresh_from_db()
    assert "set HITL_EXAMPLE_LLM_URL" in run.failure_text


def test_the_key_is_nowhere_but_in_the_request(
    waiting: Any, model: Server, helper: Person, later: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        model.script = [(500, {}), (401, {})]
        helper.say(waiting)
        later(seconds=10)
    ended(waiting, "failed", "step_failed")
    waiting.refresh_from_db()
    kept = [str(row) for model_ in (Result, Step) for row in model_.objects.values()]
    kept += [bytes(body).decode() for body in AuditRecord.objects.values_list("body", flat=True)]
    assert not [text for text in (*kept, caplog.text, waiting.failure_text) if KEY in text]
    assert KEY in str(model.keys)
