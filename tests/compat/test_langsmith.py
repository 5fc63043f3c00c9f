"""LangSmith's feedback: what fits becomes feedback on a run, what does not is refused with its name."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from hitl import engine
from hitl.models import Feedback, Run
from hitl.policies import authenticate, create_key
from tests.compat.conftest import Compat

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("whole_house")]


@pytest.fixture
def program(token: str) -> Compat:
    """The agent, with its key where LangSmith's client puts it."""
    return Compat(token, header="x-api-key", prefix="")


@pytest.fixture
def run(token: str, refund: Any) -> Run:
    """A run that the agent started."""
    return engine.start("test-refund", {"order_id": "A-17", "amount": 40}, requester=authenticate(token))


def feedback(run: Any, **said: Any) -> dict[str, Any]:
    """Feedback as LangSmith's client sends it."""
    source = {"type": "api", "metadata": {}}
    at = "2026-03-01T12:00:00+00:00"
    body = {"id": str(uuid.uuid4()), "created_at": at, "modified_at": at, "run_id": str(run), "key": "helpfulness"}
    return {**body, "feedback_source": source, "extend_trace_retention": True, **said}


def test_the_info_asks_the_client_to_send_each_by_itself(program: Compat, agent: Compat) -> None:
    for who in (program, agent):
        response = who.get("langsmith/info")
        assert response.status_code == 200
        assert response.json() == {"version": "", "batch_ingest_config": {"use_multipart_endpoint": False}}


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ({"score": 0.8, "comment": "right, but slow"}, (0.8, None, "right, but slow")),
        ({"score": True}, (1.0, None, "")),
        ({"score": 0}, (0.0, None, "")),
        ({"value": {"label": "good"}}, (None, {"label": "good"}, "")),
        ({"score": 1, "correction": None, "trace_id": str(uuid.uuid4())}, (1.0, None, "")),
    ],
)
def test_what_fits_is_kept_with_who_said_it(program: Compat, run: Run, said: dict[str, Any], kept: tuple[Any]) -> None:
    response = program.post("langsmith/feedback", feedback(run.pk, **said))
    assert response.status_code == 201, response.content
    row = Feedback.objects.get()
    assert (row.score, row.value, row.comment) == kept
    assert (row.run_id, row.key, row.by) == (run.pk, "helpfulness", run.principal)
    assert response.json()["id"] == str(row.pk)


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"score": 1.5}, "score"),
        ({"score": -1}, "score"),
        ({"score": "good"}, "score"),
        ({"score": 1, "correction": {"output": "b"}}, "correction"),
        ({"score": 1, "extra": {"a": 1}}, "extra"),
        ({"score": 1, "error": True}, "error"),
        ({"score": 1, "feedback_config": {"type": "continuous"}}, "feedback_config"),
        ({"score": 1, "comparative_experiment_id": str(uuid.uuid4())}, "comparative_experiment_id"),
        ({"score": 1, "feedback_source": {"type": "model", "metadata": {"model": "m"}}}, "feedback_source"),
        ({"score": 1, "run_id": None}, "run_id"),
        ({"score": 1, "key": "k" * 101}, "key"),
    ],
)
def test_what_would_be_lost_is_refused_by_name(program: Compat, run: Run, said: dict[str, Any], field: str) -> None:
    response = program.post("langsmith/feedback", feedback(run.pk, **said))
    assert (response.status_code, response.json()["code"]) == (400, "invalid")
    assert field in response.json()["fields"]
    assert not Feedback.objects.exists()


def test_feedback_that_says_nothing_is_refused(program: Compat, run: Run) -> None:
    response = program.post("langsmith/feedback", feedback(run.pk))
    assert (response.status_code, response.json()["code"]) == (400, "bad_input")


def test_feedback_that_is_sent_again_is_kept_once(program: Compat, run: Run) -> None:
    body = feedback(run.pk, score=1)
    first, second = program.post("langsmith/feedback", body), program.post("langsmith/feedback", body)
    assert first.json() == second.json()
    other = program.post("langsmith/feedback", {**body, "score": 0})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_conflict")
    assert program.post("langsmith/feedback", {**body, "id": None}).status_code == 201
    assert Feedback.objects.count() == 2


def test_a_run_one_cannot_see_is_not_there(program: Compat, run: Run, alice: Any) -> None:
    other = Compat(create_key("other", owner=alice, scopes=["feedback:write"], actor=alice)[1])
    for who, target in ((other, run.pk), (program, uuid.uuid4())):
        assert who.post("langsmith/feedback", feedback(target, score=1)).status_code == 404
    assert not Feedback.objects.exists()


@pytest.mark.parametrize("secret", ["", "hitl_x_y", "lsv2_pt_0123"])
def test_without_a_key_of_ours_nothing_is_said(run: Run, secret: str) -> None:
    stranger = Compat(secret, header="x-api-key", prefix="")
    assert stranger.get("langsmith/info").status_code == 401
    assert stranger.post("langsmith/feedback", feedback(run.pk, score=1)).status_code == 401
    assert not Feedback.objects.exists()
