"""LangGraph: a thread pauses in one process, people decide in the product, and another process goes on, once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hitl.client import Client, ClientError
from hitl.client.adapters.langgraph import Bridge, ThreadWaits, Unanswered
from tests.adapters.conftest import Programs
from tests.adapters.steps import begin, eventually, thread
from tests.serving import Product

AGENT = "langgraph_agent.py"
SHAPES = ["batched", "per_call", "classic"]
DECISIONS: dict[str, dict[str, Any]] = {
    "approve": {},
    "edit": {"args": {"order": "edit", "amount": 90}, "comment": "90 is enough"},
    "reject": {"comment": "not this month"},
}


@pytest.fixture(scope="session")
def turn(
    programs: Programs, served: Product, api_key: str, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], dict[str, Any]]:
    """For a shape: four threads pause in one process, get four fates, and go on in another; what became of each."""
    known: dict[str, dict[str, Any]] = {}

    def play(shape: str) -> dict[str, Any]:
        folder = tmp_path_factory.mktemp(shape)
        env = {"FOLDER": str(folder)}
        names = [*DECISIONS, "hasty:expire"]
        paused = programs.run(AGENT, shape, "start", *names, **env)
        ids = [result["pending"][0] for result in paused]
        for id, (verdict, said) in zip(ids, DECISIONS.items(), strict=False):
            served.decide(id, "bob", verdict, **said)
        with Client(served.url, api_key) as client:
            client.wait(ids[-1], timeout=60)
            resumed = programs.run(AGENT, shape, "resume", *ids[:-1], f"hasty:{ids[-1]}", **env)
            runs = [client.run(client.get(id).data["run"]) for id in ids]
        found = {
            name.rpartition(":")[2]: {"id": id, "paused": before, **after, "run": run}
            for name, id, before, after, run in zip(names, ids, paused, resumed, runs, strict=True)
        }
        return {**found, "effects": (folder / "effects").read_text().splitlines()}

    def once(shape: str) -> dict[str, Any]:
        if shape not in known:
            known[shape] = play(shape)
        return known[shape]

    return once


# -- what people say reaches the graph, in every shape ------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
def test_a_paused_thread_says_who_decides_and_runs_nothing(turn: Any, shape: str) -> None:
    paused = turn(shape)["approve"]["paused"]

    assert not paused["done"]
    assert paused["pending"][0] in paused["urls"][0]


@pytest.mark.parametrize("shape", SHAPES)
def test_an_approved_call_runs_once_as_it_was_asked(turn: Any, shape: str) -> None:
    after = turn(shape)

    assert after["approve"]["done"]
    assert after["effects"].count("approve 900") == 1
    assert "paid 900" in after["approve"]["said"]
    assert (after["approve"]["run"].status, after["approve"]["run"].output) == ("succeeded", "paid 900")


@pytest.mark.parametrize("shape", SHAPES)
def test_an_edited_call_runs_once_with_the_edit_as_a_number(turn: Any, shape: str) -> None:
    after = turn(shape)

    assert [line for line in after["effects"] if line.startswith("edit")] == ["edit 90"]
    assert after["edit"]["run"].status == "succeeded"


@pytest.mark.parametrize("shape", ["batched", "per_call"])
def test_the_model_hears_of_an_edit(turn: Any, shape: str) -> None:
    said = turn(shape)["edit"]["said"]

    assert "Do not re-issue your original call" in said
    assert '"amount": 90' in said


@pytest.mark.parametrize("shape", SHAPES)
def test_a_refused_call_does_not_run_and_the_model_hears_why_and_not_to_try_again(turn: Any, shape: str) -> None:
    after = turn(shape)

    assert not [line for line in after["effects"] if line.startswith("reject")]
    assert "not this month" in after["reject"]["said"]
    assert "Do not try this again" in after["reject"]["said"]
    assert after["reject"]["outcomes"] == ["rejected"]


@pytest.mark.parametrize("shape", SHAPES)
def test_silence_runs_nothing_and_is_not_told_as_a_persons_no(turn: Any, shape: str) -> None:
    after = turn(shape)

    assert not [line for line in after["effects"] if line.startswith("expire")]
    assert "Nobody decided in time. This is not a person's no" in after["expire"]["said"]
    assert after["expire"]["outcomes"] == ["expired"]


@pytest.mark.parametrize("shape", ["batched", "per_call"])
def test_a_person_answers_in_a_tools_place(graphs: Any, client: Client, served: Product, shape: str) -> None:
    paused = begin(Bridge(graphs(shape), client, policy="refunds"), "ask")
    (asked,) = paused.pending
    assert (asked.kind, asked.data["question"]) == ("question", "Which region?")
    served.decide(asked.id, "bob", "respond", response="eu")

    after = Bridge(graphs(shape), client, policy="refunds").resume(asked.id)

    assert after.value["messages"][-1].content == "eu"


def test_plain_values_are_questions_and_their_nodes_get_the_answers(
    graphs: Any, client: Client, served: Product, effects: Any
) -> None:
    paused = begin(Bridge(graphs("plain"), client, policy="refunds"), "go")
    asked = {request.data["question"]: request for request in paused.pending}
    assert asked["Which size?"].data["response_schema"]["enum"] == ["s", "l"]
    served.decide(asked["Which region?"].id, "bob", "respond", response="eu")
    bridge = Bridge(graphs("plain"), client, policy="refunds")
    assert len(bridge.resume(asked["Which region?"].id).pending) == 1
    served.decide(asked["Which size?"].id, "bob", "respond", response="l")

    assert bridge.resume(asked["Which region?"].id).done
    assert sorted(effects()) == ["region eu", "size l"]


def test_a_question_nobody_answered_never_reaches_its_node_as_an_answer(
    graphs: Any, client: Client, effects: Any
) -> None:
    bridge = Bridge(graphs("plain"), client, policy="hasty")
    paused = begin(bridge, "go")
    client.wait(paused.pending[0].id, timeout=60)

    with pytest.raises(Unanswered) as silence:
        bridge.resume(paused.pending[0].id)

    assert silence.value.outcome.status == "expired"
    assert effects() == []
    assert client.get(paused.pending[0].id).data["taken_at"] is None
    told = Bridge(graphs("plain"), client, policy="hasty", unanswered=lambda outcome: {"none": outcome.status})
    assert told.resume(paused.pending[0].id).done
    assert sorted(effects()) == ["region {'none': 'expired'}", "size {'none': 'expired'}"]


# -- exactly once -------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
def test_two_resumes_at_once_run_the_tool_once(
    programs: Programs, served: Product, tmp_path: Path, effects: Any, shape: str
) -> None:
    (paused,) = programs.run(AGENT, shape, "start", "approve", FOLDER=str(tmp_path))
    (id,) = paused["pending"]
    served.decide(id, "bob", "approve")

    results = programs.at_once(AGENT, (shape, "resume", id), (shape, "resume", id), FOLDER=str(tmp_path))

    assert effects() == ["approve 900"]
    assert sorted(len(result["outcomes"]) for (result,) in results) == [0, 1]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_resume_that_is_replayed_does_nothing(
    graphs: Any, client: Client, served: Product, effects: Any, shape: str
) -> None:
    (asked,) = begin(Bridge(graphs(shape), client, policy="refunds"), "approve").pending
    served.decide(asked.id, "bob", "approve")
    first = Bridge(graphs(shape), client, policy="refunds").resume(asked.id)

    again = Bridge(graphs(shape), client, policy="refunds").resume(asked.id)

    assert effects() == ["approve 900"]
    assert again.done
    assert again.outcomes == ()
    assert again.value["messages"][-1].content == first.value["messages"][-1].content


def test_who_comes_while_another_process_works_gets_the_thread_as_it_stands(
    graphs: Any, client: Client, served: Product, effects: Any
) -> None:
    (asked,) = begin(Bridge(graphs("batched"), client, policy="refunds"), "approve").pending
    served.decide(asked.id, "bob", "approve")
    client.consume(asked.id)

    late = Bridge(graphs("batched"), client, policy="refunds").resume(asked.id)

    assert (late.done, late.pending, late.outcomes) == (False, (), ())
    assert effects() == []


def test_asking_again_asks_once(graphs: Any, client: Client, served: Product) -> None:
    first = begin(Bridge(graphs("per_call"), client, policy="refunds"), "two")

    again = Bridge(graphs("per_call"), client, policy="refunds").resume(thread("two"))

    assert [request.id for request in again.pending] == [request.id for request in first.pending]
    assert len(first.pending) == 2


def test_what_was_asked_stands_when_the_bridge_is_set_up_in_another_way(
    graphs: Any, client: Client, served: Product, effects: Any
) -> None:
    (asked,) = begin(Bridge(graphs("batched"), client, policy="refunds"), "approve").pending
    changed = Bridge(graphs("batched"), client, policy="two-eyes", risk="high")

    assert [request.id for request in changed.resume(thread("approve")).pending] == [asked.id]
    served.decide(asked.id, "bob", "approve")
    assert changed.resume(thread("approve")).done
    assert effects() == ["approve 900"]


def test_a_thread_that_waits_takes_no_new_input(graphs: Any, client: Client) -> None:
    bridge = Bridge(graphs("batched"), client, policy="refunds")
    first = begin(bridge, "approve")

    with pytest.raises(ThreadWaits) as waits:
        begin(bridge, "approve")

    assert [request.id for request in waits.value.result.pending] == [request.id for request in first.pending]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_process_that_died_in_the_tool_leaves_it_uncertain_and_a_person_frees_the_thread(
    programs: Programs, served: Product, client: Client, tmp_path: Path, effects: Any, graphs: Any, shape: str
) -> None:
    (asked,) = begin(Bridge(graphs(shape), client, policy="refunds", report_within=2), "dies").pending
    served.decide(asked.id, "bob", "approve")
    died = programs.start(AGENT, shape, "resume", asked.id, FOLDER=str(tmp_path))
    died.communicate(timeout=120)
    assert died.returncode == -9

    bridge = Bridge(graphs(shape), client, policy="refunds")
    late = bridge.resume(asked.id)

    assert (late.done, late.outcomes) == (False, ())
    assert effects() == ["dies 900"]
    eventually(lambda: "uncertain" in [step["status"] for step in client.run(asked.data["run"]).data["steps"]])
    freed = bridge.give_up(thread("dies"), reason="A person looked: it was paid once.")
    assert freed.done
    assert "it was paid once" in freed.value["messages"][-1].content
    assert effects() == ["dies 900"]


def test_a_thread_that_has_ended_has_nothing_to_give_up(graphs: Any, client: Client) -> None:
    bridge = Bridge(graphs("batched"), client, policy="refunds")

    with pytest.raises(ClientError, match="no tool of this thread was cut off"):
        bridge.give_up(thread("never"), reason="impatience")


def test_nothing_is_given_up_that_a_resume_can_still_do(graphs: Any, client: Client, served: Product) -> None:
    bridge = Bridge(graphs("batched"), client, policy="refunds")
    (asked,) = begin(bridge, "approve").pending
    served.decide(asked.id, "bob", "approve")

    with pytest.raises(ClientError, match="resume it"):
        bridge.give_up(thread("approve"), reason="impatience")

    assert bridge.resume(asked.id).done
