"""External steps that wait: for signals, for a time, for people; let go, and taken up again by name."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

import hitl
from hitl import Workflow, engine
from hitl.models import Approval, Run, Step
from tests.api.conftest import problem
from tests.outside.conftest import Agent
from tests.rows import nothing_written

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("whole_house")]
PAY = {"type": "pay", "args": {"amount": 9}, "title": "Pay 9", "impact": "Money leaves"}
PARKED = {"parked": True, "value": None}


def asked(run: Any) -> Approval:
    return Approval.objects.pending().get(run=run)


def told(answer: Any) -> Any:
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_a_signal_wakes_the_step(agent: Agent, render: Any) -> None:
    """Who comes back says the same again, and is answered."""
    run = render()
    task, go = agent.claim(), {"kind": "signal", "name": "go", "timeout": 600}
    assert told(agent.work(task, "wait", **go)) == PARKED
    problem(agent.work(task, "complete"), 409, "lease_lost")
    assert agent.claim() is None
    hitl.signal(run.pk, "go", {"scene": 2}, sender=hitl.SYSTEM)
    task = agent.claim()
    assert (task["attempt"], task["answers"]) == (1, {"go": {"timeout": False, "payload": {"scene": 2}}})
    assert told(agent.work(task, "wait", **go)) == {"parked": False, "value": {"scene": 2}}
    agent.work(task, "complete")


def test_a_signal_that_lies_there_is_taken_at_once(agent: Agent, render: Any) -> None:
    run = render()
    hitl.signal(run.pk, "go", 1, sender=hitl.SYSTEM)
    task = agent.claim()
    assert told(agent.work(task, "wait", kind="signal", name="go")) == {"parked": False, "value": 1}
    assert agent.work(task, "complete").status_code == 200


def test_a_signal_that_never_comes_looks_like_no_answer(agent: Agent, render: Any, pass_time: Any) -> None:
    render()
    task, go = agent.claim(), {"kind": "signal", "name": "go", "timeout": 60}
    agent.work(task, "wait", **go)
    pass_time(timedelta(seconds=61))
    engine.sweep()
    task = agent.claim()
    assert task["answers"] == {"go": {"timeout": True}}
    answer = agent.work(task, "wait", **go)
    assert (answer.status_code, answer.json()["code"]) == (400, "signal_timeout")
    assert agent.work(task, "complete").status_code == 200


def test_a_sleep_ends_by_itself(agent: Agent, render: Any, pass_time: Any) -> None:
    run = render()
    task, nap = agent.claim(), {"kind": "sleep", "name": "nap", "seconds": 60}
    assert told(agent.work(task, "wait", **nap)) == PARKED
    assert Run.objects.get(pk=run.pk).status == "waiting"
    pass_time(timedelta(seconds=61))
    engine.sweep()
    task = agent.claim()
    assert told(agent.work(task, "wait", **nap)) == {"parked": False, "value": None}
    agent.work(task, "complete")


def test_people_are_asked_and_their_answer_is_kept_by_name(agent: Agent, render: Any, say: Any) -> None:
    run = render()
    task, which = agent.claim(), {"name": "which", "question": "Which?", "policy": "refunds", "options": ["a", "b"]}
    assert told(agent.work(task, "ask", **which)) == PARKED
    say(asked(run), "respond", response="b")
    task = agent.claim()
    assert task["answers"] == {"which": {"status": "answered", "response": "b"}}
    assert told(agent.work(task, "ask", **which)) == {"parked": False, "value": "b"}
    assert Approval.objects.count() == 1
    agent.work(task, "complete")


@pytest.mark.parametrize("verdict", ["approve", "edit", "reject"])
def test_people_decide_and_the_decision_is_kept_by_name(verdict: str, agent: Agent, render: Any, say: Any) -> None:
    run = render()
    task, pay = agent.claim(), {"name": "pay", "policy": "refunds", "action": PAY}
    assert told(agent.work(task, "approve", **pay)) == PARKED
    say(asked(run), verdict, comment="so", **({"args": {"amount": 5}} if verdict == "edit" else {}))
    task = agent.claim()
    args = {"approve": {"amount": 9}, "edit": {"amount": 5}, "reject": None}[verdict]
    value = {
        "status": "rejected" if verdict == "reject" else "approved", "approved": verdict != "reject", "type": "pay",
        "args": args, "comment": "so", "decided_by": ["bob"], "revision": 1,
    }  # fmt: skip
    assert task["answers"] == {"pay": value}
    assert task["action"] is None, "that is what a gate before the step let through"
    assert told(agent.work(task, "approve", **pay)) == {"parked": False, "value": value}
    agent.work(task, "complete")


def test_the_grant_of_a_worker_s_own_request_is_used_by_coming_back(
    agent: Agent, render: Any, say: Any, bob: Any
) -> None:
    run = render()
    agent.work(agent.claim(), "approve", name="pay", policy="refunds", action=PAY)
    row = asked(run)
    say(row)
    problem(agent.act(row, "consume"), 404, "unknown_approval")
    task = agent.claim()
    row.refresh_from_db()
    assert (str(row.consumed_by_id), agent.claim()) == (task["step"], None)
    agent.work(task, "complete")


def test_an_answer_of_another_turn_is_not_this_ones(agent: Agent, alice: Any, say: Any) -> None:
    """Each turn of a loop asks anew: the yes of the last one pays nothing twice."""
    flow = Workflow("agent")
    flow.agent_loop("think", None, external=True, queue="gpu")
    run = flow.start(requester=alice)
    pay = {"name": "pay", "policy": "refunds", "action": PAY}
    for turn in range(3):
        task = agent.claim()
        assert (task["iteration"], task["answers"]) == (turn, {})
        assert told(agent.work(task, "approve", **pay)) == PARKED
        say(asked(run), comment=f"turn {turn}")
        task = agent.claim()
        assert {name: value["comment"] for name, value in task["answers"].items()} == {"pay": f"turn {turn}"}
        assert told(agent.work(task, "approve", **pay))["value"]["comment"] == f"turn {turn}"
        assert agent.work(task, "continue", state=turn).status_code == 200


def test_nobody_s_answer_is_told_as_such(agent: Agent, render: Any, pass_time: Any) -> None:
    render()
    which = {"name": "which", "question": "Which?", "policy": "refunds"}
    agent.work(agent.claim(), "ask", **which)
    pass_time(timedelta(hours=5))
    engine.sweep()
    task = agent.claim()
    assert task["answers"] == {"which": {"status": "expired", "response": None}}
    answer = agent.work(task, "ask", **which)
    assert (answer.status_code, answer.json()["code"]) == (400, "answer_timeout")
    agent.work(task, "complete")


def test_what_was_kept_is_there_after_the_worker_died(agent: Agent, render: Any, pass_time: Any) -> None:
    """The first result stored under a name is everybody's."""
    render(backoff=timedelta(milliseconds=10))
    task = agent.claim(lease=10)
    assert told(agent.work(task, "checkpoint", data={"frame": 3})) == {"checkpoint": {"frame": 3}}
    assert told(agent.work(task, "results", name="upload", value=1)) == {"value": 1}
    assert told(agent.work(task, "results", name="upload", value=2)) == {"value": 1}
    agent.work(task, "heartbeat", lease=10)
    pass_time(timedelta(seconds=12))
    engine.sweep()
    pass_time(timedelta(seconds=1))
    task = agent.claim()
    assert (task["attempt"], task["checkpoint"], task["results"]) == (2, {"frame": 3}, {"upload": 1})
    assert told(agent.work(task, "results", name="upload", value=3)) == {"value": 1}
    agent.work(task, "complete")


def test_output_is_streamed_and_a_named_piece_once(agent: Agent, render: Any) -> None:
    run = render()
    task = agent.claim()
    for chunk, name in (("a", ""), ("b", "second"), ("never", "second"), (None, ""), ({"c": 1}, "")):
        assert told(agent.work(task, "stream", chunk=chunk, name=name)) == {"kept": True}
    assert told(agent.work(task, "event", key="stage", value=[1])) == {"kept": True}
    agent.work(task, "complete")
    chunks = [row.chunk for row in Step.objects.get(run=run).chunks.order_by("seq")]
    assert (chunks, hitl.get_event(run.pk, "stage")) == (["a", "b", None, {"c": 1}], [1])


@pytest.mark.parametrize(
    ("verb", "said"),
    [
        ("wait", {"kind": "sleep", "name": "n"}),
        ("wait", {"kind": "sleep", "name": "n", "seconds": 0}),
        ("wait", {"kind": "sleep", "name": "n", "seconds": 1e300}),
        ("wait", {"kind": "signal", "name": ""}),
        ("wait", {"kind": "signal", "name": "n" * 181}),
        ("wait", {"kind": "signal", "name": "n", "timeout": 1e300}),
        ("wait", {"kind": "signal", "name": "\0"}),
        ("wait", {"kind": "run", "name": "n"}),
        ("ask", {"name": "q", "question": "?"}),
        ("ask", {"name": "q", "question": "?", "policy": "nope"}),
        ("ask", {"name": "", "question": "?", "policy": "refunds"}),
        ("ask", {"name": "q", "question": "?", "policy": "refunds", "on_timeout": "approve"}),
        ("approve", {"name": "a", "policy": "refunds"}),
        ("approve", {"name": "a", "policy": "refunds", "action": {**PAY, "args_schema": {}}}),
        ("approve", {"name": "a", "policy": "refunds", "action": {**PAY, "args": {"x": "y" * 70_000}}}),
        ("approve", {"name": "a", "policy": "refunds", "action": PAY, "reviewers": ["group:finance"]}),
        ("approve", {"name": "a", "action": PAY, "reviewers": ["group:finance"]}),
        ("results", {"name": "n"}),
        ("results", {"name": "n" * 181, "value": 1}),
        ("stream", {"name": "n"}),
        ("event", {"key": "", "value": 1}),
        ("complete", {"output": "\ud800"}),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_wrong_leaves_the_step_where_it_is(verb: str, said: Any, agent: Agent, render: Any) -> None:
    render()
    task = agent.claim()
    with nothing_written():
        answer = agent.work(task, verb, **said)
        assert 400 <= answer.status_code < 500, answer.content
        problem(answer, answer.status_code, answer.json()["code"])
    assert agent.work(task, "complete").status_code == 200


def test_a_key_asks_in_a_step_by_its_own_policies(agents: Any, render: Any) -> None:
    """Not by those of whoever started the run."""
    run, agent = render(), agents(policies=["refunds"])
    task = agent.claim()
    refused = problem(agent.work(task, "approve", name="pay", policy="two-eyes", action=PAY), 403, "not_allowed")
    assert refused["reason"] == "policy_not_listed"
    assert told(agent.work(task, "approve", name="pay", action=PAY, risk="low")) == PARKED
    assert asked(run).risk == "medium"


def test_after_a_revision_the_same_name_asks_again(agent: Agent, render: Any, say: Any) -> None:
    """Which turn of the name a call is about is said by who calls: they alone know what they have read."""
    run = render()
    task = agent.claim()
    pay = {"name": "pay", "policy": "refunds", "action": PAY}
    assert told(agent.work(task, "approve", **pay)) == PARKED
    say(asked(run), verdict="request_revision", comment="only 5")
    task = agent.claim()
    assert told(agent.work(task, "approve", **pay))["value"]["comment"] == "only 5"
    less = {**pay, "turn": 2, "action": {**PAY, "args": {"amount": 5}}}
    assert told(agent.work(task, "approve", **less)) == PARKED
    assert (asked(run).revision, asked(run).args) == (2, {"amount": 5})
    say(asked(run))
    task = agent.claim()
    value = told(agent.work(task, "approve", **less))["value"]
    assert (value["status"], value["args"]) == ("approved", {"amount": 5})
    problem(agent.work(task, "approve", **{**pay, "turn": 3}), 400, "duplicate_name")
    agent.work(task, "complete")
