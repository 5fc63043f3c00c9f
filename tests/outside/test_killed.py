"""A worker outside that is killed in the middle of its step, over real HTTP: another finishes, once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import serving
from tests.serving import ROOT, Product

_FLOW = """
from datetime import timedelta
from hitl import Action, Workflow

flow = Workflow("film")
draft = flow.step(lambda ctx: Action({"n": 1}, type="cut", title="Cut", impact="Gone"), name="draft")
ask = flow.approval("ask", after=draft, policy="refunds")
flow.step(name="render", external=True, queue="gpu", after=ask, backoff=timedelta(milliseconds=100))
"""
_WORKER = """
import json, sys, time, urllib.request

url, key = sys.argv[1:]

def call(path, body):
    headers = {"Authorization": "Bearer " + key, "Content-Type": "application/json"}
    request = urllib.request.Request(url + "/api/v1/" + path, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        text = answer.read()
    return json.loads(text) if text else None

task = None
while task is None:
    task = call("steps/claim/?wait=2", {"queues": ["gpu"], "lease": 5})
step = "steps/" + task["step"]
call(step + "/checkpoint/", {"token": task["token"], "data": {"frame": 3}})
call(step + "/results/", {"token": task["token"], "name": "upload", "value": "first"})
print(json.dumps(task), flush=True)
while True:
    time.sleep(1)
    call(step + "/heartbeat/", {"token": task["token"], "lease": 5})
"""


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """The product with a workflow of ours, whose last step is a program's."""
    folder = tmp_path_factory.mktemp("product")
    code = folder / "code"
    (code / "films").mkdir(parents=True)
    (code / "films" / "__init__.py").touch()
    (code / "films" / "workflows.py").write_text(_FLOW)
    (code / "film_settings.py").write_text(
        "from project.settings import *\nINSTALLED_APPS = [*INSTALLED_APPS, 'films']\n"
    )
    env = {"PYTHONPATH": f"{code}{os.pathsep}{ROOT}", "DJANGO_SETTINGS_MODULE": "film_settings"}
    (folder / "data").mkdir()
    with serving.product(folder / "data", env=env) as running:
        yield running


def until(look: Any) -> Any:
    """What `look` finds, as soon as it finds something."""
    for _ in range(600):
        found = look()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"{look} found nothing")


@pytest.mark.sqlite
def test_a_worker_killed_in_the_middle(product: Product) -> None:
    """Its lease ends, another one finishes with what it kept, its own outcome is refused with a code, on record."""
    key, other = product.key(), product.key(agent="other")
    status, run = product.call("POST", "runs/", {"workflow": "film", "input": None}, key=key)
    assert status == 201, run
    (seen,) = until(lambda: [one for one in product.waiting() if one["run"] == run["id"]])
    product.decide(seen["id"], verdict="edit", args={"n": 2})
    command = [sys.executable, "-c", _WORKER, product.url, key]
    worker = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert worker.stdout is not None
    task = json.loads(worker.stdout.readline())
    assert (task["action"], task["attempt"]) == ({"type": "cut", "args": {"n": 2}}, 1)
    assert product.call("POST", "steps/claim/", {"queues": ["gpu"]}, key=other) == (204, None)
    worker.kill()
    assert worker.wait(30) == -9
    worker.stdout.close()
    again = until(lambda: product.call("POST", "steps/claim/?wait=2", {"queues": ["gpu"]}, key=other)[1])
    assert (again["step"], again["attempt"], again["action"]) == (task["step"], 2, task["action"])
    assert (again["checkpoint"], again["results"]) == ({"frame": 3}, {"upload": "first"})
    assert (again["idempotency_key"], again["token"] != task["token"]) == (task["idempotency_key"], True)
    zombie = {"token": task["token"], "output": "zombie"}
    status, refused = product.call("POST", f"steps/{task['step']}/complete/", zombie, key=key)
    assert (status, refused["code"]) == (409, "lease_lost")
    status, done = product.call(
        "POST", f"steps/{task['step']}/complete/", {"token": again["token"], "output": "film"}, key=other
    )
    assert (status, done) == (200, {"status": "succeeded", "run_status": "succeeded"})
    status, refused = product.call("POST", f"steps/{task['step']}/complete/", zombie, key=key)
    assert (status, refused["code"]) == (409, "lease_lost")
    status, ended = product.call("GET", f"runs/{run['id']}/", key=key)
    assert (status, ended["status"], ended["output"]) == (200, "succeeded", "film")
    recorded = [
        name for (name,) in product.sql("SELECT action FROM hitl_auditrecord WHERE stream = ?", f"run:{run['id']}")
    ]
    assert [recorded.count(f"hitl.{name}") for name in ("grant.consumed", "step.rescued", "step.refused")] == [1, 1, 2]
    assert product.manage("hitl", "doctor", "--deep")


@pytest.mark.sqlite
def test_the_product_killed_while_an_answer_is_taken(product: Product, tmp_path: Path) -> None:
    """The server dies and comes back: what was taken stays taken, and the report still counts."""
    key = product.key()
    action = {"type": "refund", "args": {"amount": 1}, "title": "Refund", "impact": "Money leaves"}
    status, seen = product.call("POST", "approvals/", {"policy": "refunds", "action": action}, key=key)
    assert status == 201, seen
    product.decide(seen["id"])
    once = {"Idempotency-Key": "resume-1"}
    status, taken = product.call("POST", f"approvals/{seen['id']}/consume/", {}, key=key, **once)
    assert (status, taken["outcome"]["approved"]) == (200, True)
    product.stop(9)
    product.start()
    assert product.call("POST", f"approvals/{seen['id']}/consume/", {}, key=key, **once) == (200, taken)
    status, refused = product.call("POST", f"approvals/{seen['id']}/consume/", {}, key=key)
    assert (status, refused["code"]) == (409, "already_consumed")
    report = {"token": taken["token"], "output": {"paid": 1}}
    status, run = product.call("POST", f"approvals/{seen['id']}/result/", report, key=key)
    assert (status, run["status"], run["output"]) == (200, "succeeded", {"paid": 1})
