"""Pydantic AI: a run stops in one process, people decide in the product, and another process goes on, once."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pydantic_ai import DeferredToolRequests

from hitl.client import Client
from hitl.client.adapters.pydantic_ai import Approvals
from tests.adapters.conftest import Programs
from tests.adapters.programs.pydantic_agent import make
from tests.adapters.steps import eventually
from tests.serving import Product

AGENT = "pydantic_agent.py"
DECISIONS: dict[str, dict[str, Any]] = {
    "approve": {},
    "edit": {"args": {"order": "edit", "amount": 90}, "comment": "90 is enough"},
    "reject": {"comment": "not this month"},
}


@pytest.fixture(scope="session")
def fates(
    programs: Programs, served: Product, api_key: str, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """Four runs stop in one process, get four fates, and go on in another; what became of each."""
    folder = tmp_path_factory.mktemp("pydantic-ai")
    names = [*DECISIONS, "hasty:expire"]
    paused = programs.run(AGENT, "start", *names, FOLDER=str(folder))
    ids = [result["pending"][0] for result in paused]
    for id, (verdict, said) in zip(ids, DECISIONS.items(), strict=False):
        served.decide(id, "bob", verdict, **said)
    with Client(served.url, api_key) as client:
        client.wait(ids[-1], timeout=60)
        resumed = programs.run(AGENT, "resume", *ids, FOLDER=str(folder))
        runs = [client.run(client.get(id).data["run"]) for id in ids]
    found = {
        name.rpartition(":")[2]: {"id": id, "paused": before, **after, "run": run}
        for name, id, before, after, run in zip(names, ids, paused, resumed, runs, strict=True)
    }
    return {**found, "effects": (folder / "effects").read_text().splitlines()}


# -- what people say reaches the run ------------------------------------------------------------------


def test_a_stopped_run_says_who_decides_and_runs_nothing(fates: Any) -> None:
    paused = fates["approve"]["paused"]

    assert not paused["done"]
    assert paused["pending"][0] in paused["urls"][0]


def test_an_approved_call_runs_once_as_it_was_asked(fates: Any) -> None:
    assert fates["approve"]["done"]
    assert fates["effects"].count("approve 900") == 1
    assert fates["approve"]["said"] == "paid 900"
    assert (fates["approve"]["run"].status, fates["approve"]["run"].output) == ("succeeded", "paid 900")


def test_an_edited_call_runs_once_with_the_edit_and_the_model_hears_of_it(fates: Any) -> None:
    assert [line for line in fates["effects"] if line.startswith("edit")] == ["edit 90"]
    assert "do not call it again with the original ones" in fates["edit"]["said"]
    assert "90 is enough" in fates["edit"]["said"]
    assert fates["edit"]["said"].endswith("paid 90")
    assert fates["edit"]["run"].output == "paid 90"


def test_a_refused_call_does_not_run_and_the_model_hears_why_and_not_to_try_again(fates: Any) -> None:
    assert not [line for line in fates["effects"] if line.startswith("reject")]
    assert "not this month" in fates["reject"]["said"]
    assert "Do not try this again" in fates["reject"]["said"]


def test_silence_runs_nothing_and_is_not_told_as_a_persons_no(fates: Any) -> None:
    assert not [line for line in fates["effects"] if line.startswith("expire")]
    assert "Nobody decided in time. This is not a person's no" in fates["expire"]["said"]
    assert fates["expire"]["outcomes"] == ["expired"]


def test_a_person_answers_a_question(client: Client, served: Product) -> None:
    approvals = Approvals(client, policy="refunds")
    (asked,) = approvals.run_sync(make(), "ask").pending
    assert (asked.kind, asked.data["question"]) == ("question", "Which region?")
    served.decide(asked.id, "bob", "respond", response="eu")

    assert approvals.resume_sync(make(), asked.id).output == "eu"


def test_a_question_nobody_answered_is_a_failed_call_and_no_answer(client: Client) -> None:
    approvals = Approvals(client, policy="hasty")
    (asked,) = approvals.run_sync(make(), "ask").pending
    client.wait(asked.id, timeout=60)

    after = approvals.resume_sync(make(), asked.id)

    assert "Nobody decided in time" in after.output
    returned = [part for message in after.run.new_messages() for part in message.parts if hasattr(part, "outcome")]
    assert [part.outcome for part in returned] == ["failed"]


def test_a_turn_goes_on_when_all_of_it_is_decided_each_call_as_it_was(
    client: Client, served: Product, effects: Any
) -> None:
    approvals = Approvals(client, policy="refunds")
    first, second, question = approvals.run_sync(make(), "two").pending
    served.decide(first.id, "bob", "edit", args={"order": "A1", "amount": 90})
    served.decide(second.id, "bob", "reject", comment="not that one")
    assert [request.id for request in approvals.resume_sync(make(), first.id).pending] == [question.id]
    assert effects() == []
    served.decide(question.id, "bob", "respond", response="eu")

    after = approvals.resume_sync(make(), second.id)

    assert effects() == ["A1 90"]
    edited, looked_up, refused, answered = after.output.split(" || ")
    assert edited.endswith("paid 90")
    assert looked_up == "A1 was delivered"
    assert "not that one" in refused
    assert answered == "eu"


# -- exactly once -------------------------------------------------------------------------------------


def test_two_resumes_at_once_run_the_tool_once(
    programs: Programs, served: Product, tmp_path: Path, effects: Any
) -> None:
    (paused,) = programs.run(AGENT, "start", "approve", FOLDER=str(tmp_path))
    (id,) = paused["pending"]
    served.decide(id, "bob", "approve")

    results = programs.at_once(AGENT, ("resume", id), ("resume", id), FOLDER=str(tmp_path))

    assert effects() == ["approve 900"]
    assert sorted((result["done"], len(result["outcomes"])) for (result,) in results) == [(False, 0), (True, 1)]


def test_a_resume_that_is_replayed_does_nothing(client: Client, served: Product, effects: Any) -> None:
    approvals = Approvals(client, policy="refunds")
    (asked,) = approvals.run_sync(make(), "approve").pending
    served.decide(asked.id, "bob", "approve")
    assert approvals.resume_sync(make(), asked.id).done

    again = approvals.resume_sync(make(), asked.id)

    assert (again.done, again.pending, again.outcomes) == (False, (), ())
    assert effects() == ["approve 900"]


def test_two_turns_of_a_run_are_asked_apart_though_the_model_repeats_its_call_id(
    client: Client, served: Product, effects: Any
) -> None:
    approvals = Approvals(client, policy="refunds")
    (first,) = approvals.run_sync(make(), "again").pending
    served.decide(first.id, "bob", "approve")

    (second,) = approvals.resume_sync(make(), first.id).pending

    assert second.id != first.id
    served.decide(second.id, "bob", "reject", comment="once is enough")
    assert "once is enough" in approvals.resume_sync(make(), second.id).output
    assert effects() == ["again 900"]


def test_asking_again_for_the_same_result_asks_once(client: Client) -> None:
    approvals = Approvals(client, policy="refunds")
    run = asyncio.run(make(output_type=[str, DeferredToolRequests]).run("two"))

    first = asyncio.run(approvals.ask(run))
    again = asyncio.run(Approvals(client, policy="two-eyes").ask(run))

    assert [request.id for request in again] == [request.id for request in first]


def test_a_process_that_died_in_the_tool_leaves_it_uncertain_and_nobody_runs_it_again(
    programs: Programs, served: Product, client: Client, tmp_path: Path, effects: Any
) -> None:
    approvals = Approvals(client, policy="refunds", report_within=2)
    (asked,) = approvals.run_sync(make(), "dies").pending
    served.decide(asked.id, "bob", "approve")
    died = programs.start(AGENT, "resume", asked.id, FOLDER=str(tmp_path))
    died.communicate(timeout=120)
    assert died.returncode == -9

    late = approvals.resume_sync(make(), asked.id)

    assert not late.done
    assert effects() == ["dies 900"]
    eventually(lambda: "uncertain" in [step["status"] for step in client.run(asked.data["run"]).data["steps"]])
