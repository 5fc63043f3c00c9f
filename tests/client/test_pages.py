"""The pages about the client, the API and external workers: what they show is what happens."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hitl.client import Client, Task, Worker, errors
from tests.serving import Product

HOWTO = Path(__file__).resolve().parents[2] / "docs" / "howto"
Decides = Callable[..., Any]
pytestmark = pytest.mark.timeout(600)  # the first one makes the product, which takes its time on a busy machine


def blocks(page: str, kind: str, before: str = "<!-- fragment -->\n") -> list[str]:
    text = (HOWTO / page).read_text()
    return re.findall(rf"^{before}```{kind}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def values(text: str) -> list[Any]:
    """The JSON documents that stand one after the other."""
    found, decoder = [], json.JSONDecoder()
    while text := text.strip():
        value, end = decoder.raw_decode(text)
        found.append(value)
        text = text[end:]
    return found


# -- call-the-api.md ----------------------------------------------------------------------------------


def test_the_walk_with_curl_ends_with_what_was_approved(
    product: Product, key: str, client: Client, bob: Decides
) -> None:
    steps = blocks("call-the-api.md", "sh", "<!-- walk -->\n")
    assert len(steps) == 5
    decided = bob("Refund 900 to A-17", "edit", args={"order": "A-17", "amount": 90})
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(steps)],
        env={**os.environ, "HITL_URL": product.url, "HITL_API_KEY": key},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    decided.result()
    asked, outcome, grant, run, question = values(done.stdout)
    assert (asked["status"], asked["outcome"], len(asked["digest"])) == ("pending", None, 64)
    assert (outcome["approved"], outcome["args"]["amount"], outcome["verdict"]) == (True, 90, "edit")
    assert (grant["status"], grant["args"]) == ("approved", {"order": "A-17", "amount": 90})
    assert grant["report_by"]
    assert run["status"] == "succeeded"
    assert (question["status"], question["kind"]) == ("pending", "question")
    client.cancel(question["id"])


# -- python-client.md ---------------------------------------------------------------------------------


@pytest.fixture
def configured(product: Product, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HITL_URL", product.url)
    monkeypatch.setenv("HITL_API_KEY", key)


@pytest.mark.usefixtures("configured")
def test_the_client_page_does_what_it_says(bob: Decides, product: Product, capsys: pytest.CaptureFixture[str]) -> None:
    gated, again, durable, stepwise, question = blocks("python-client.md", "python")
    names: dict[str, Any] = {}

    def run(block: str) -> str:
        exec(compile(block, "python-client.md", "exec"), names)
        return capsys.readouterr().out.strip()

    decided = [bob("Refund", "edit", args={"order": "A-17", "amount": 90})]
    assert run(gated) == "paid 90 for A-17"
    decided[0].result()

    decided = [bob("Refund")]
    run(again)
    decided[0].result()
    with pytest.raises(errors.AlreadyConsumed):
        run(again)

    assert run(durable).startswith("waits at http")
    waits = next(seen for seen in product.waiting() if seen["title"] == "Pay")
    product.decide(waits["id"])
    assert run(durable) == "paid 900"

    decided = [bob("Refund 900 to A-17")]
    assert run(stepwise) == ""
    assert names["paid"] == 900
    decided[0].result()

    decided = [bob("Which region?", "respond", response="us")]
    run(question)
    assert names["region"] == "us"
    decided[0].result()
    names["client"].close()


def test_every_error_is_on_the_page() -> None:
    shown = set(re.findall(r"`(\w+)`", (HOWTO / "python-client.md").read_text()))
    known = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)}
    assert known - {"NotApproved"} <= shown


# -- external-workers.md ------------------------------------------------------------------------------


@pytest.fixture
def page_worker(configured: None) -> Worker:
    """The worker as the page makes it."""
    [block] = blocks("external-workers.md", "python")
    names: dict[str, Any] = {}
    exec(compile(block, "external-workers.md", "exec"), names)
    worker: Worker = names["worker"]
    return worker


def film(client: Client, worker: Worker, frames: int, meanwhile: Callable[[str], None]) -> Any:
    """A run of the page's workflow, worked on until it has ended."""
    run = client.start_run("film", {"frames": frames})
    stop = threading.Event()
    at_work = threading.Thread(target=worker.run, args=(stop,))
    at_work.start()
    try:
        meanwhile(run.id)
        return run.wait(timeout=120)
    finally:
        stop.set()
        at_work.join()
        worker.wire.http.close()


def test_the_worker_page_asks_waits_and_goes_on(client: Client, page_worker: Worker, bob: Decides) -> None:
    frames = 1000 + uuid.uuid4().int % 1000
    asked = bob(f"Render {frames} frames", "edit", args={"frames": 24})
    answered = bob("Which look?", "respond", response="warm")

    def meanwhile(run: str) -> None:
        client.signal(run, "sound", {"volume": 7})
        asked.result()
        answered.result()

    run = film(client, page_worker, frames, meanwhile)
    made = {"frames": 24, "look": "warm", "sound": {"volume": 7}, "seed": 42}
    assert (run.status, made in run.output.values() or run.output == {"published": made}) == ("succeeded", True)


def test_the_worker_page_takes_a_no(client: Client, page_worker: Worker, bob: Decides) -> None:
    frames = 2000 + uuid.uuid4().int % 1000
    asked = bob(f"Render {frames} frames", "reject", comment="too dear")
    run = film(client, page_worker, frames, lambda run: asked.result())
    assert run.status == "succeeded"
    assert "too dear" in json.dumps(run.output)


def test_the_worker_page_fails_for_good(client: Client, page_worker: Worker) -> None:
    run = film(client, page_worker, 9000, lambda run: None)
    assert run.status == "failed"
    assert "no disk" in run.data["failure_text"]


def test_a_step_is_taken_over_from_a_worker_that_was_too_slow(client: Client) -> None:
    run = client.start_run("film", {"frames": 1})
    held = client.wire.run(client.calls.post("steps/claim/", {"queues": ["gpu"], "lease": 5}, wait=20))
    assert held["run"] == run.id
    done: list[str] = []

    def render(task: Task) -> str:
        done.append(task.run_id)
        return "by another"

    worker = client.worker(["gpu"], {"render": render})
    assert any(worker.run_once(wait=10) for _ in range(12))
    assert done == [run.id]
    late = {"token": held["token"], "output": "late"}
    with pytest.raises(errors.LeaseLost):
        client.wire.run(client.calls.post(f"steps/{held['step']}/complete/", late))
    assert worker.run_once(wait=0) is False
    assert "by another" in json.dumps(run.wait(timeout=60).output)
