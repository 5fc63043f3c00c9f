"""What somebody with fresh eyes tried, and what holds now."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from hitl import Workflow, engine
from hitl.longpoll.waits import Event
from hitl.models import Approval, sql
from tests.api.conftest import Api, problem
from tests.outside.conftest import ACTION, Agent, row_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("whole_house")]
START = {"workflow": "test-refund", "input": {"order_id": "A"}}


def approved_by(user: Any, row: Approval) -> Any:
    return Api(user=user).post(f"approvals/{row.pk}/decisions/", {"verdict": "approve", "digest": row.digest})


def test_who_owns_a_worker_does_not_approve_what_it_asks(agents: Any, render: Any, bob: Any) -> None:
    worker = agents("bobs-worker", owner=bob)
    render()
    task = worker.claim()
    assert worker.work(task, "approve", name="a", policy="refunds", action=ACTION).json()["parked"]
    row = Approval.objects.get(step=task["step"])
    assert problem(approved_by(bob, row), 403, "not_allowed")["reason"] == "own_request"


def test_who_owns_a_worker_does_not_approve_what_it_proposed(
    agents: Any, finance: Any, alice: Any, bob: Any, work: Any
) -> None:
    flow = Workflow("film-proposed")
    flow.step(name="propose", external=True, queue="gpu")
    flow.approval("ok", reviewers=["group:finance"], after="propose")
    flow.step(lambda ctx: 1, name="act", after="ok")
    flow.start(requester=alice)
    worker = agents("bobs-worker", owner=bob)
    task = worker.claim()
    assert worker.work(task, "complete", action=ACTION).status_code == 200
    work()
    row = Approval.objects.get(run=task["run"])
    assert problem(approved_by(bob, row), 403, "not_allowed")["reason"] == "own_request"


def test_a_frozen_worker_claims_nothing(agents: Any, render: Any, root: Any) -> None:
    worker = agents("worker")
    render()
    engine.freeze(f"key:{worker.row.pk}", actor=root, reason="stolen")
    assert worker.claim() is None
    engine.unfreeze(f"key:{worker.row.pk}", actor=root)
    assert worker.work(worker.claim(), "complete").status_code == 200


def test_an_operators_freeze_is_not_lifted_by_the_agent_that_froze_first(agents: Any, refund: Any, root: Any) -> None:
    agent = agents()
    run = agent.api.post("runs/", START).json()["id"]
    assert agent.api.post(f"runs/{run}/freeze/", {}).status_code == 200
    engine.freeze(f"run:{run}", actor=root, reason="incident")
    problem(agent.api.post(f"runs/{run}/unfreeze/", {}), 403, "not_allowed")
    assert sql.is_frozen([f"run:{run}"])


def test_a_frozen_run_is_not_forked_by_its_agent(agents: Any, refund: Any, root: Any) -> None:
    agent = agents()
    run = agent.api.post("runs/", START).json()["id"]
    engine.freeze(f"run:{run}", actor=root, reason="incident")
    problem(agent.api.post(f"runs/{run}/fork/", {"step": "draft"}), 409, "frozen")


@pytest.mark.parametrize("written", [str.upper, lambda pk: pk.replace("-", "")])
def test_a_run_is_frozen_however_its_id_is_written(agents: Any, refund: Any, root: Any, written: Any) -> None:
    run = agents().api.post("runs/", START).json()["id"]
    engine.freeze(f"run:{written(run)}", actor=root)
    assert sql.is_frozen([f"run:{uuid.UUID(run)}"])


def test_the_key_of_somebody_deactivated_is_of_no_use(agents: Any, bob: Any) -> None:
    agent = agents("bobs", owner=bob)
    bob.is_active = False
    bob.save(update_fields=["is_active"])
    assert agent.api.get("approvals/").status_code == 401


def test_only_those_who_said_no_are_named_with_a_no(agent: Agent, say: Any, bob: Any, carol: Any) -> None:
    seen = agent.ask(policy="two-eyes")
    say(seen, "approve", by=bob)
    say(seen, "reject", by=carol, comment="no")
    assert agent.see(seen)["outcome"]["by"] == ["carol"]


def test_taking_again_leaves_no_lines(agent: Agent, say: Any) -> None:
    seen = agent.ask()
    say(seen)
    agent.take(seen)
    run = row_of(seen).run
    before = run.audit_seq
    for _ in range(5):
        problem(agent.act(seen, "consume"), 409, "already_consumed")
    run.refresh_from_db()
    assert run.audit_seq == before


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ({"level": "verify", "phrase": "y"}, "phrase"),
        ({"timeout": 0.001}, "timeout"),
        ({"report_within": 0.001}, "report_within"),
    ],
)
def test_what_would_make_a_check_none_is_refused(agent: Agent, said: dict[str, Any], word: str) -> None:
    assert word in problem(agent.api.post("approvals/", agent.body(**said)), 400, "bad_input")["detail"]


def test_an_agent_does_not_let_whom_it_names_confirm_alone(agents: Any, alice: Any) -> None:
    agent = agents("own", scopes=["approvals:request", "approvals:reviewers"])
    body = agent.body(policy=..., reviewers=["requester"], on_behalf_of="alice")
    problem(agent.api.post("approvals/", body), 400, "bad_input")


def test_a_name_that_no_event_has_is_not_looked_for() -> None:
    kwargs = {"pk": uuid.uuid4(), "key": "a\0b"}
    assert (Event(kwargs, {}, None).topics, len(Event({**kwargs, "key": "ab"}, {}, None).topics)) == ((), 1)
