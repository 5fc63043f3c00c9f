"""Opinions on runs over the API: kept beside the run, by those who see it, and never a decision."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from hitl import decisions
from hitl.models import Approval, Feedback
from tests.api.conftest import Api, problem
from tests.rows import nothing_written


def give(api: Api, run: Any, **body: Any) -> Any:
    return api.post(f"runs/{run}/feedback/", body)


def test_an_opinion_is_kept_with_who_gave_it(waiting: Approval, as_bob: Api, as_alice: Api, bob: Any) -> None:
    response = give(as_bob, waiting.run_id, key="tone", score=0.5, value={"a": [1]}, comment="too sharp", step="draft")
    body = response.json()
    assert response.status_code == 201
    assert (body["key"], body["score"], body["value"], body["comment"]) == ("tone", 0.5, {"a": [1]}, "too sharp")
    assert (body["step"], body["decision"], body["by"]) == ("draft", None, f"user:{bob.pk}")
    assert as_alice.get(f"runs/{waiting.run_id}/feedback/").json()["results"] == [body]


def test_a_decision_has_opinions_too(waiting: Approval, as_alice: Api, bob: Any, work: Any) -> None:
    decision = decisions.decide(waiting, actor=bob, verdict="approve", digest=waiting.digest).decision
    work()
    body = give(as_alice, waiting.run_id, key="right", score=1, decision=str(decision.pk)).json()
    assert (body["decision"], body["step"]) == (str(decision.pk), None)


def test_a_program_speaks_about_its_own_runs(
    refund: Any, asking_key: Api, bot: Api, waiting: Approval, bob: Any
) -> None:
    run = asking_key.post("runs/", {"workflow": "test-refund"}).json()["id"]
    assert give(asking_key, run, key="cost", value=3).json()["by"].startswith("key:")
    assert [row["value"] for row in asking_key.get(f"runs/{run}/feedback/").json()["results"]] == [3]
    with nothing_written():
        problem(give(asking_key, waiting.run_id, key="cost", value=3), 404, "unknown_run")
        problem(asking_key.get(f"runs/{waiting.run_id}/feedback/"), 404, "unknown_run")
    problem(give(bot, run, key="cost", value=3), 403, "permission_denied")
    assert Feedback.objects.count() == 1


def test_an_outsider_learns_nothing(waiting: Approval, as_mallory: Api, nobody: Api) -> None:
    with nothing_written():
        problem(give(as_mallory, waiting.run_id, key="x", score=1), 404, "unknown_run")
        problem(as_mallory.get(f"runs/{waiting.run_id}/feedback/"), 404, "unknown_run")
        problem(give(as_mallory, uuid.uuid4(), key="x", score=1), 404, "unknown_run")
        problem(give(nobody, waiting.run_id, key="x", score=1), 401, "not_authenticated")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"key": "x"}, 400, "bad_input"),
        ({"key": "x", "score": 1.01}, 400, "bad_input"),
        ({"key": "x", "score": -1}, 400, "bad_input"),
        ({"key": "x", "score": 10**400}, 400, "bad_input"),
        ({"key": "x", "score": True}, 400, "bad_input"),
        ({"key": "x", "score": "1"}, 400, "bad_input"),
        ({"key": "x\n", "score": 1}, 400, "bad_input"),
        ({"key": "x", "score": 1, "step": "nowhere"}, 404, "unknown_step"),
        ({"key": "x", "score": 1, "decision": str(uuid.uuid4())}, 404, "unknown_approval"),
        ({"key": "x", "value": "x" * 10_001}, 413, "too_large"),
        ({"key": "", "score": 1}, 400, "invalid"),
        ({"score": 1}, 400, "invalid"),
        ({"key": "x" * 101, "score": 1}, 400, "invalid"),
        ({"key": "x", "score": 1, "decision": "x"}, 400, "invalid"),
        ({"key": "x", "score": 1, "by": "user:1"}, 400, "invalid"),
        ({"key": "x", "comment": None}, 400, "invalid"),
    ],
)
def test_what_is_no_opinion_is_refused(
    body: dict[str, Any], status: int, code: str, waiting: Approval, as_bob: Api
) -> None:
    with nothing_written():
        problem(give(as_bob, waiting.run_id, **body), status, code)


def test_an_opinion_is_on_one_thing(waiting: Approval, as_bob: Api, bob: Any) -> None:
    decision = decisions.decide(waiting, actor=bob, verdict="approve", digest=waiting.digest).decision
    with nothing_written():
        answer = give(as_bob, waiting.run_id, key="x", score=1, step="draft", decision=str(decision.pk))
        problem(answer, 400, "bad_input")
