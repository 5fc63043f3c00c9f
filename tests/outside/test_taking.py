"""Taking what came of a request, once, and saying what came of running it."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest

from hitl import audit, decisions, engine
from hitl.models import Approval, Step
from tests.api.conftest import Api, problem
from tests.outside.conftest import ACTION, Agent, row_of
from tests.rows import nothing_written

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("whole_house")]


def lines(request: Any) -> list[str]:
    return [line.action.removeprefix("hitl.") for line in audit.timeline(f"run:{row_of(request).run_id}")]


def run_of(request: Any) -> tuple[str, str]:
    run = row_of(request).run
    return run.status, run.failure_code


# -- once ---------------------------------------------------------------------------------------------


def test_an_approval_is_used_once_and_reported(agent: Agent, say: Any) -> None:
    seen = agent.ask(resume_data={"thread": 7}, report_within="10m")
    with nothing_written():
        problem(agent.act(seen, "consume"), 409, "not_decided")
        problem(agent.act(seen, "result", {"token": str(uuid.uuid4())}), 409, "not_decided")
    say(seen, comment="fine")
    taken = agent.take(seen)
    assert (taken["id"], taken["status"], taken["resume_data"]) == (seen["id"], "approved", {"thread": 7})
    assert taken["outcome"] == {
        "verdict": "approve", "approved": True, "action_type": "refund", "args": ACTION["args"], "changes": [],
        "comment": "fine", "response": None, "by": ["bob"], "via": "human", "notice": taken["outcome"]["notice"],
    }  # fmt: skip
    row = row_of(seen)
    assert row.consumed_at is not None
    step = Step.objects.get(pk=row.consumed_by_id)
    assert (str(step.lease_token), step.lease_expires_at - row.consumed_at) == (taken["token"], timedelta(minutes=10))
    assert problem(agent.act(seen, "consume"), 409, "already_consumed")["consumed_at"]
    done = agent.act(seen, "result", {"token": taken["token"], "output": {"paid": 900}})
    assert (done.status_code, done.json()["status"], done.json()["output"]) == (200, "succeeded", {"paid": 900})
    problem(agent.act(seen, "consume"), 409, "already_consumed")
    assert lines(seen).count("grant.consumed") == 1


def test_an_error_is_reported_as_one(agent: Agent, say: Any) -> None:
    seen = agent.ask()
    say(seen)
    token = agent.take(seen)["token"]
    with nothing_written():
        problem(agent.act(seen, "result", {"token": token, "ok": False}), 400, "invalid")
        problem(agent.act(seen, "result", {"token": token, "ok": True, "error": "x"}), 400, "invalid")
    done = agent.act(seen, "result", {"token": token, "ok": False, "error": "the bank said no"}).json()
    assert (done["status"], done["failure_code"]) == ("failed", "reported_failed")
    assert "the bank said no" in done["failure_text"]


def test_a_wrong_or_old_token_reports_nothing(agent: Agent, say: Any) -> None:
    """It stands on record, under the name of the program."""
    seen = agent.ask()
    say(seen)
    token = agent.take(seen)["token"]
    for _ in range(2):
        problem(agent.act(seen, "result", {"token": str(uuid.uuid4()), "output": 1}), 409, "lease_lost")
    assert lines(seen).count("step.refused") == 2
    assert agent.act(seen, "result", {"token": token, "output": 1}).status_code == 200
    problem(agent.act(seen, "result", {"token": token, "output": 2}), 409, "lease_lost")
    assert row_of(seen).run.output == 1


@pytest.mark.parametrize(
    ("end", "status"),
    [
        ("reject", "rejected"),
        ("request_revision", "revision_requested"),
        ("cancel", "cancelled"),
        ("expire", "expired"),
        ("revoke", "revoked"),
        ("lapse", "expired"),
        ("cancel the run", "revoked"),
    ],
)
def test_any_other_end_is_taken_once(
    end: str, status: str, agent: Agent, say: Any, bob: Any, alice: Any, pass_time: Any
) -> None:
    """Without a token, and so that of two resumes one acts on it."""
    seen = agent.ask(resume_data="mine")
    if end in ("reject", "request_revision"):
        say(seen, end, comment="because")
    elif end == "cancel":
        agent.act(seen, "cancel")
    elif end == "expire":
        pass_time(timedelta(hours=5))
    else:
        say(seen)
        if end == "revoke":
            decisions.revoke(seen["id"], actor=bob, reason="slip")
        elif end == "lapse":
            pass_time(timedelta(hours=25))
        else:
            engine.cancel(seen["run"], actor=alice)
    taken = agent.take(seen)
    assert (taken["status"], taken["token"], taken["report_by"]) == (status, None, None)
    assert (taken["outcome"]["approved"], taken["outcome"]["args"], taken["resume_data"]) == (False, None, "mine")
    assert problem(agent.act(seen, "consume"), 409, "already_consumed")["taken_at"]
    assert lines(seen).count("approval.taken") == 1
    problem(agent.act(seen, "result", {"token": str(uuid.uuid4())}), 409, "not_decided")
    engine.sweep()


def test_an_answer_is_taken_once(agent: Agent, say: Any) -> None:
    seen = agent.question(options=["eu", "us"])
    say(seen, "respond", response="eu")
    taken = agent.take(seen)
    assert (taken["status"], taken["outcome"]["response"], taken["token"]) == ("answered", "eu", None)
    assert run_of(seen) == ("succeeded", "")
    problem(agent.act(seen, "consume"), 409, "already_consumed")
    problem(agent.act(seen, "result", {"token": str(uuid.uuid4())}), 409, "not_decided")


# -- what the model is told -----------------------------------------------------------------------------


def test_the_words_for_the_model_never_confuse_a_no_with_silence(agent: Agent, say: Any, pass_time: Any) -> None:
    no, silent, late, edited = agent.ask(), agent.ask(), agent.ask(execute_within="1h"), agent.ask()
    say(no, "reject", comment="no receipt")
    say(late)
    say(edited, "edit", args={"amount": 90, "to": "A1"})
    pass_time(timedelta(hours=4, minutes=1))
    engine.sweep()
    words = {name: agent.take(seen)["outcome"] for name, seen in (("no", no), ("silent", silent), ("late", late))}
    assert "no receipt" in words["no"]["notice"]
    assert "not try this again" in words["no"]["notice"]
    assert (words["no"]["verdict"], words["silent"]["verdict"], words["late"]["verdict"]) == ("reject", None, None)
    assert "Nobody decided" in words["silent"]["notice"]
    assert "Nobody decided" not in words["late"]["notice"], "somebody did, and it was not used in time"
    assert "not started in time" in words["late"]["notice"]
    told = agent.take(edited)["outcome"]
    assert (told["verdict"], told["args"]) == ("edit", {"amount": 90, "to": "A1"})
    assert told["changes"] == [{"path": "amount", "from": 900, "to": 90}]
    assert "original" in told["notice"]


# -- revisions --------------------------------------------------------------------------------------------


def test_an_edit_under_a_quorum_is_the_newest_revision_s(
    agent: Agent, say: Any, bob: Any, carol: Any, people: Any
) -> None:
    """The first id goes on meaning the request: it answers about the newest revision, whatever is asked of it."""
    erin = people("erin", "finance")
    seen = agent.ask(policy="two-eyes", resume_data=1)
    say(seen, "edit", args={"amount": 90, "to": "A1"})
    assert row_of(seen).status == "superseded"
    newest = agent.see(seen)
    assert (newest["revision"], newest["status"], newest["supersedes"]) == (2, "pending", seen["id"])
    problem(agent.act(seen, "consume"), 409, "not_decided")
    say(newest, by=carol)
    say(newest, by=erin)
    taken = agent.take(seen)
    assert (taken["id"], taken["resume_data"], taken["outcome"]["args"]["amount"]) == (newest["id"], 1, 90)
    assert taken["outcome"]["changes"] == [{"path": "amount", "from": 900, "to": 90}]
    problem(agent.act(newest, "consume"), 409, "already_consumed")
    assert agent.act(seen, "result", {"token": taken["token"], "output": "ok"}).status_code == 200


def test_a_replaced_request_is_cancelled_by_its_first_id(agent: Agent, say: Any) -> None:
    seen = agent.ask(policy="two-eyes")
    say(seen, "edit", args={"amount": 90, "to": "A1"})
    answer = agent.act(seen, "cancel", {"reason": "changed my mind"})
    assert (answer.status_code, answer.json()["status"], answer.json()["revision"]) == (200, "cancelled", 2)
    assert agent.take(seen)["status"] == "cancelled"


def test_it_is_proposed_again_after_a_revision_was_asked_for(agent: Agent, say: Any) -> None:
    """The agent may take that answer first; the terms stay, the words are new, the old votes count for nothing."""
    terms = {"risk": "high", "timeout": "2h", "editable": ["amount"], "external_id": "A-1", "resume_data": [1]}
    seen = agent.ask(**terms, context="old", report_within=60)
    revised = {"action": {**ACTION, "args": {"total": 5}}, "context": "new"}
    with nothing_written("hitl.act.refused"):
        problem(agent.act(seen, "revise", revised), 409, "already_decided")
    say(seen, "request_revision", comment="in parts")
    assert "in parts" in agent.take(seen)["outcome"]["notice"]
    answer = agent.act(seen, "revise", revised)
    assert answer.status_code == 201, answer.content
    again = answer.json()
    assert answer["Location"].endswith(f"/approvals/{again['id']}/")
    assert (again["revision"], again["supersedes"], again["status"]) == (2, seen["id"], "pending")
    assert (again["risk"], again["editable"], again["external_id"]) == ("high", ["amount"], "A-1")
    assert (again["context"], again["resume_data"], again["report_within"]) == ("new", [1], 60)
    assert again["digest"] != seen["digest"]
    problem(agent.act(seen, "revise", revised), 409, "already_decided")
    say(again)
    assert agent.take(seen)["outcome"]["args"] == {"total": 5}


def test_a_revision_keeps_its_type_and_its_schema(agent: Agent, say: Any) -> None:
    schema = {"type": "object", "properties": {"amount": {"maximum": 1000}}}
    seen = agent.ask(action={"args_schema": schema})
    say(seen, "request_revision", comment="less")
    with nothing_written():
        problem(agent.act(seen, "revise", {"action": {**ACTION, "type": "transfer"}}), 422, "invalid_action")
        problem(agent.act(seen, "revise", {"action": {**ACTION, "args": {"amount": 2000}}}), 422, "invalid_action")
        problem(agent.act(seen, "revise", {"action": {**ACTION, "args_schema": {}}}), 400, "bad_input")
    again = agent.act(seen, "revise", {"action": {**ACTION, "args": {"amount": 5}}}).json()
    assert again["args_schema"] == schema


def test_a_revision_that_never_comes_ends_the_run(agent: Agent, say: Any, pass_time: Any) -> None:
    seen = agent.ask(timeout="2h")
    say(seen, "request_revision", comment="less")
    pass_time(timedelta(hours=1, minutes=59))
    engine.sweep()
    assert run_of(seen) == ("waiting", "")
    pass_time(timedelta(minutes=2))
    engine.sweep()
    assert run_of(seen) == ("failed", "revision_expired")
    problem(agent.act(seen, "revise", {"action": ACTION}), 409, "already_decided")


def test_it_is_revised_a_bounded_number_of_times(agent: Agent, say: Any) -> None:
    newest = agent.ask()
    for amount in range(3):
        say(newest, "request_revision", comment="less")
        newest = agent.act(newest, "revise", {"action": {**ACTION, "args": {"amount": amount, "to": "A1"}}}).json()
    say(newest, "request_revision", comment="less")
    problem(agent.act(newest, "revise", {"action": ACTION}), 409, "already_decided")
    assert run_of(newest) == ("rejected", "max_revisions")


# -- uncertain ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "status"), [("succeeded", "succeeded"), ("failed", "failed"), ("retry", "running")]
)
def test_what_is_never_reported_a_person_resolves(
    outcome: str, status: str, agent: Agent, say: Any, pass_time: Any, operator: Api
) -> None:
    """Nobody knows whether it happened, so it is not tried again by itself; after `retry` the grant holds again."""
    seen = agent.ask(report_within="10m")
    say(seen)
    old = agent.take(seen)["token"]
    pass_time(timedelta(minutes=11))
    engine.sweep()
    step = Step.objects.get(pk=row_of(seen).consumed_by_id)
    assert (step.status, run_of(seen)[0]) == ("uncertain", "waiting")
    problem(agent.act(seen, "consume"), 409, "already_consumed")
    problem(agent.act(seen, "result", {"token": old, "output": 1}), 409, "lease_lost")
    answer = operator.post(f"steps/{step.pk}/resolve/", {"outcome": outcome, "output": {"paid": 1}})
    assert answer.status_code == 200, answer.content
    assert run_of(seen)[0] == status
    if outcome != "retry":
        problem(agent.act(seen, "consume"), 409, "already_consumed")
        return
    fresh = agent.take(seen)
    assert fresh["token"] != old
    problem(agent.act(seen, "consume"), 409, "already_consumed")
    problem(agent.act(seen, "result", {"token": old, "output": 1}), 409, "lease_lost")
    assert agent.act(seen, "result", {"token": fresh["token"], "output": 2}).json()["status"] == "succeeded"
    assert lines(seen).count("grant.consumed") == 1


def test_a_freeze_holds_it_back_and_takes_nothing(agent: Agent, say: Any, root: Any) -> None:
    """Refusals may still be taken: nothing runs by them."""
    yes, no = agent.ask(), agent.ask()
    say(yes)
    say(no, "reject", comment="no")
    for target in ("all", "workflow:hitl.request", f"run:{yes['run']}", f"key:{agent.row.pk}"):
        engine.freeze(target, actor=root)
        problem(agent.act(yes, "consume"), 409, "frozen")
        engine.unfreeze(target, actor=root)
    engine.freeze("all", actor=root)
    assert agent.take(no)["status"] == "rejected"
    engine.unfreeze("all", actor=root)
    assert agent.take(yes)["token"]


def test_its_own_step_is_no_worker_s(agent: Agent, say: Any) -> None:
    """With the token of the report a step could be parked, and its grant be taken a second time."""
    seen = agent.ask()
    say(seen)
    task = {"step": None, "token": agent.take(seen)["token"]}
    task["step"] = str(row_of(seen).consumed_by_id)
    with nothing_written():
        for verb, said in (
            ("wait", {"kind": "sleep", "name": "a", "seconds": 0.001}),
            ("ask", {"name": "a", "question": "?", "policy": "refunds"}),
            ("approve", {"name": "a", "action": ACTION, "policy": "refunds"}),
            ("complete", {}),
            ("fail", {"why": "x"}),
            ("continue", {}),
            ("heartbeat", {}),
        ):
            problem(agent.work(task, verb, **said), 404, "unknown_step")
        problem(agent.api.post("steps/claim/", {"queues": ["hitl.request"]}), 400, "bad_input")


def test_a_request_of_a_workflow_is_used_by_its_own_step(agent: Agent, refund: Any, say: Any, work: Any) -> None:
    run = agent.api.post("runs/", {"workflow": "test-refund", "input": {}}).json()
    work()
    row = Approval.objects.get(run=run["id"])
    say(row)
    with nothing_written():
        problem(agent.act(row, "consume"), 400, "bad_input")
        problem(agent.act(row, "result", {"token": str(uuid.uuid4())}), 409, "not_decided")
        problem(agent.act(row, "revise", {"action": {**ACTION, "type": row.action_type}}), 400, "bad_input")
    work()
    assert len(refund.paid) == 1
