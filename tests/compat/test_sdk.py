"""The unmodified clients of HumanLayer and LangSmith, in processes of their own, against the real product."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.serving import Product, product

pytestmark = pytest.mark.timeout(600)
SDK = """
import json, time
from humanlayer import HumanLayer, ResponseOption
from humanlayer.core.models import Escalation, FunctionCallSpec, FunctionCallStatus, HumanContactSpec
from humanlayer.core.protocol import HumanLayerException

hl = HumanLayer(run_id="agent-1", sleep=lambda seconds: time.sleep(0.2))
ran = []

def refund(order: str, amount: int) -> str:
    "Pay money back."
    ran.append(amount)
    return "paid"

def say(**told):
    print(json.dumps({"ran": ran, **told}))
"""


@pytest.fixture(scope="session")
def served() -> Iterator[Product]:
    """The product, started once for all tests of this room."""
    with tempfile.TemporaryDirectory(prefix="hitl-sdk-") as folder, product(Path(folder)) as made:
        yield made


@pytest.fixture(scope="session")
def key(served: Product) -> str:
    """An agent's key with one policy."""
    scopes = ("approvals:request", "approvals:read", "runs:start", "runs:read", "feedback:write")
    return served.key(*scopes, policies=("refunds",))


@pytest.fixture(scope="session")
def hasty_key(served: Product) -> str:
    """A key whose policy gives people two seconds."""
    return served.key("approvals:request", policies=("hasty",), agent="hasty")


class Program:
    """A Python program of somebody else."""

    def __init__(self, code: str, env: dict[str, str]) -> None:
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        command = [sys.executable, "-c", code]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(command, env={**kept, **env}, cwd=tempfile.gettempdir(), **pipes)

    def said(self) -> dict[str, Any]:
        """What it printed last; a failure is a failed test."""
        try:
            out, err = self.process.communicate(timeout=180)
        finally:
            self.process.kill()
        assert self.process.returncode == 0, err
        told: dict[str, Any] = json.loads(out.splitlines()[-1])
        return told


def sdk(served: Product, key: str, code: str) -> Program:
    """A program that uses HumanLayer's SDK, pointed at the product by its two variables."""
    env = {"HUMANLAYER_API_BASE": f"{served.url}/humanlayer/v1", "HUMANLAYER_API_KEY": key}
    return Program(SDK + code, env)


def request(served: Product, title: str) -> str:
    """The id of the request with this title, as soon as it waits for bob."""
    for _ in range(600):
        found = [row["id"] for row in served.waiting("bob") if row["title"] == title]
        if found:
            return str(found[0])
        time.sleep(0.1)
    raise AssertionError(f"{title} never came")


def gated(order: str) -> str:
    """A call of the gated function."""
    return f'say(back=hl.require_approval()(refund)(order="{order}", amount=900))'


def test_an_approved_function_runs_once_with_its_arguments(served: Product, key: str) -> None:
    program = sdk(served, key, gated("A1"))
    id = request(served, 'refund(order="A1", amount=900)')
    served.decide(id, "bob", "approve", comment="fine")
    assert program.said() == {"ran": [900], "back": "paid"}
    found = "select r.status from hitl_run r join hitl_approval a on a.run_id = r.id where a.id = ?"
    assert served.sql(found, id.replace("-", "")) == [("succeeded",)]


def test_a_rejected_function_does_not_run_and_the_reason_comes_back(served: Product, key: str) -> None:
    program = sdk(served, key, gated("A2"))
    served.decide(request(served, 'refund(order="A2", amount=900)'), "bob", "reject", comment="too much")
    told = program.said()
    assert told["ran"] == []
    assert told["back"].startswith("User denied refund with message: ")
    assert "too much" in told["back"]
    assert "Do not try this again" in told["back"]


def test_a_function_approved_with_other_arguments_does_not_run(served: Product, key: str) -> None:
    program = sdk(served, key, gated("A3"))
    id = request(served, 'refund(order="A3", amount=900)')
    served.decide(id, "bob", "edit", args={"order": "A3", "amount": 90})
    told = program.said()
    assert told["ran"] == []
    assert '"amount": 90' in told["back"]


def test_a_function_nobody_decides_ends_without_a_persons_no(served: Product, hasty_key: str) -> None:
    told = sdk(served, hasty_key, gated("A4")).said()
    assert told["ran"] == []
    assert "not a person's no" in told["back"]


def test_a_person_is_asked_as_a_tool(served: Product, key: str) -> None:
    program = sdk(served, key, 'say(back=hl.human_as_tool()("Which region?"))')
    served.decide(request(served, "Which region?"), "bob", "respond", response="the eu one")
    assert program.said()["back"] == "the eu one"


def test_the_options_of_a_contact_come_back_by_name(served: Product, key: str) -> None:
    code = """
options = [ResponseOption(name="eu", title="Europe", prompt_fill="Use eu-west"), ResponseOption(name="us")]
done = hl.fetch_human_response(HumanContactSpec(msg="And now?", subject="Region again", response_options=options))
say(back=done.as_completed(), name=done.contact.status.response_option_name)
"""
    program = sdk(served, key, code)
    served.decide(request(served, "Region again"), "bob", "respond", response="Europe")
    assert program.said() == {"ran": [], "back": "Use eu-west", "name": "eu"}


def test_an_agent_neither_decides_nor_hurries(served: Product, key: str) -> None:
    code = """
refused = []
call = hl.create_function_call(FunctionCallSpec(fn="refund", kwargs={"order": "A5", "amount": 1}), call_id="mine-5")
for act in (
    lambda: hl.respond_to_function_call("mine-5", FunctionCallStatus(approved=True)),
    lambda: hl.escalate_email_function_call("mine-5", Escalation(escalation_msg="now")),
    lambda: hl.get_function_call("mine-6"),
):
    try:
        act()
    except HumanLayerException as error:
        refused.append(str(error)[:3])
status = hl.get_function_call("mine-5").status
say(refused=refused, id=call.call_id, approved=status.approved, asked=status.requested_at is not None)
"""
    told = sdk(served, key, code).said()
    assert told == {"ran": [], "refused": ["403", "409", "404"], "id": "mine-5", "approved": None, "asked": True}


def test_the_async_client_is_answered_too(served: Product, key: str) -> None:
    code = """
import asyncio
from humanlayer import AsyncHumanLayer

async def nap(seconds):
    await asyncio.sleep(0.2)

async def pay(order: str) -> str:
    ran.append(order)
    return "paid"

async def main():
    ahl = AsyncHumanLayer(run_id="agent-1", sleep=nap)
    say(back=await ahl.require_approval()(pay)(order="A6"))

asyncio.run(main())
"""
    program = sdk(served, key, code)
    served.decide(request(served, 'pay(order="A6")'), "bob", "approve")
    assert program.said() == {"ran": ["A6"], "back": "paid"}


LANGSMITH = """
import json, uuid
from langsmith import Client

client = Client(auto_batch_tracing=False)
run = RUN
made = client.create_feedback(run, "helpfulness", score=0.8, comment="right, but slow", session_id=uuid.uuid4())
client.create_feedback(trace_id=run, key="checked", value={"by": "judge"}, session_id=uuid.uuid4())
refused = ""
try:
    client.create_feedback(run, "stars", score=4, session_id=uuid.uuid4(), stop_after_attempt=1)
except Exception as error:
    refused = f"{type(error).__name__} {error}"
print(json.dumps({"refused": refused, "id": str(made.id)}))
"""


def test_langsmiths_feedback_lands_on_the_run(served: Product, key: str) -> None:
    body = {"action": {"type": "refund", "args": {}, "title": "Refund for feedback", "impact": "Money leaves"}}
    status, asked = served.call("POST", "approvals/", body, key=key)
    assert status == 201
    env = {"LANGSMITH_ENDPOINT": f"{served.url}/langsmith", "LANGSMITH_API_KEY": key, "LANGSMITH_TRACING": "false"}
    told = Program(LANGSMITH.replace("RUN", repr(asked["run"])), env).said()
    assert "number from 0 to 1" in told["refused"]
    status, answer = served.call("GET", f"runs/{asked['run']}/feedback/", key=key)
    assert status == 200
    kept = [(row["key"], row["score"], row["value"], row["comment"]) for row in answer["results"]]
    assert kept == [("helpfulness", 0.8, None, "right, but slow"), ("checked", None, {"by": "judge"}, "")]
