"""Pydantic AI: runs that wait for people, runs of the caller's own, and what goes wrong."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from pydantic_ai import DeferredToolRequests

from hitl.client import AsyncClient, Client, Invalid, StillPending
from hitl.client.adapters.pydantic_ai import Approvals
from tests.adapters.programs.pydantic_agent import make
from tests.adapters.steps import eventually
from tests.serving import Product

# -- during the run -----------------------------------------------------------------------------------


def test_a_run_waits_for_people_and_goes_on_with_what_they_said(client: Client, served: Product, effects: Any) -> None:
    approvals = Approvals(client, policy="refunds", wait=60, context=lambda messages: "inline")
    agent = make(capabilities=[approvals.inline()])
    said = {"verdict": "edit", "args": {"order": "edit", "amount": 90}}
    bob = threading.Thread(target=_decide_soon, args=(client, served, "inline", said))
    bob.start()

    run = asyncio.run(agent.run("edit"))

    bob.join()
    assert effects() == ["edit 90"]
    assert run.output.endswith("paid 90")
    assert "do not call it again with the original ones" in run.output


def test_a_run_that_waited_in_vain_hands_its_calls_out_and_is_resumed_later(
    client: Client, served: Product, effects: Any
) -> None:
    approvals = Approvals(client, policy="refunds", wait=0)
    agent = make(capabilities=[approvals.inline()], output_type=[str, DeferredToolRequests])
    run = asyncio.run(agent.run("approve"))
    (asked,) = asyncio.run(approvals.ask(run))
    served.decide(asked.id, "bob", "approve")

    with pytest.raises(Invalid, match="give message_history"):
        approvals.resume_sync(agent, asked.id)
    after = approvals.resume_sync(agent, asked.id, message_history=run.all_messages())

    assert after.output == "paid 900"
    assert effects() == ["approve 900"]
    assert client.run(asked.data["run"]).status == "succeeded"


def test_it_works_with_an_async_client_and_five_resumes_at_once(served: Product, api_key: str, effects: Any) -> None:
    async def work() -> Any:
        async with AsyncClient(served.url, api_key) as waiting:
            approvals = Approvals(waiting, policy="refunds")
            (asked,) = (await approvals.run(make(), "approve")).pending
            await asyncio.to_thread(served.decide, asked.id, "bob", "approve")
            return await asyncio.gather(*(approvals.resume(make(), asked.id) for _ in range(5)))

    results = asyncio.run(work())

    assert sum(result.done for result in results) == 1
    assert effects() == ["approve 900"]


def test_answers_are_taken_for_a_run_of_ones_own(client: Client, served: Product, effects: Any) -> None:
    approvals = Approvals(client, policy="refunds")
    (asked,) = approvals.run_sync(make(), "approve").pending
    with pytest.raises(StillPending):
        asyncio.run(approvals.take(asked.id))
    served.decide(asked.id, "bob", "approve")

    taken = asyncio.run(approvals.take(asked.id))
    assert taken is not None
    own = make(capabilities=[approvals.inline()])
    run = asyncio.run(own.run(message_history=taken.message_history, deferred_tool_results=taken.results))

    assert run.output == "paid 900"
    assert client.run(asked.data["run"]).status == "succeeded"
    assert asyncio.run(approvals.take(asked.id)) is None


def test_what_a_policy_lets_pass_runs_at_once(client: Client, effects: Any) -> None:
    after = Approvals(client, policy="open", risk="low").run_sync(make(), "approve")

    assert after.output == "paid 900"
    assert [outcome.via for outcome in after.outcomes] == ["policy"]


# -- what goes wrong ----------------------------------------------------------------------------------


def test_a_tool_that_raises_is_reported_as_failed_and_its_error_is_raised(
    client: Client, served: Product, effects: Any
) -> None:
    approvals = Approvals(client, policy="refunds")
    (asked,) = approvals.run_sync(make(), "broken").pending
    served.decide(asked.id, "bob", "approve")

    with pytest.raises(RuntimeError, match="the bank is closed"):
        approvals.resume_sync(make(), asked.id)

    assert client.wait_run(asked.data["run"], timeout=30).status == "failed"


def test_calls_for_a_program_are_answered_by_the_caller_and_missed_before_anything_is_taken(
    client: Client, served: Product, effects: Any
) -> None:
    approvals = Approvals(client, policy="refunds")
    (asked,) = approvals.run_sync(make(), "job").pending
    served.decide(asked.id, "bob", "approve")

    with pytest.raises(Invalid, match="c2"):
        approvals.resume_sync(make(), asked.id)
    after = approvals.resume_sync(make(), asked.id, calls={"c2": "indexed"})

    assert after.output == "paid 900 || indexed"


def test_a_history_that_is_too_long_is_refused_before_anything_is_asked(client: Client, served: Product) -> None:
    before = len(served.waiting())

    with pytest.raises(Invalid, match="keep_history=False"):
        Approvals(client, policy="refunds").run_sync(make(), "approve", instructions="x" * 300_000)

    assert len(served.waiting()) == before


def test_another_programs_request_resumes_nothing(client: Client) -> None:
    other = client.request_approval("refund", {"amount": 1}, title="t", impact="i", policy="refunds")

    with pytest.raises(Invalid, match="not asked by Approvals"):
        Approvals(client).resume_sync(make(), other.id)


def _decide_soon(client: Client, served: Product, context: str, said: dict[str, Any]) -> None:
    """As a person would: find it in the inbox and decide."""

    def found() -> list[str]:
        return [row["id"] for row in served.waiting() if client.get(row["id"]).data["context"] == context]

    served.decide(eventually(found)[0], "bob", **said)
