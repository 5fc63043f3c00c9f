"""External steps: claimed by queue, fenced by a token, given back when their worker is silent."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

import hitl
from hitl import Action, Workflow, audit, embedded, engine
from hitl.engine.outside import has_work
from hitl.models import Approval, Run, Step, StreamChunk
from tests.api.conftest import Api, problem
from tests.outside.conftest import Agent
from tests.rows import nothing_written

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("whole_house")]
VERBS: dict[str, dict[str, Any]] = {
    "heartbeat": {},
    "checkpoint": {"data": 1},
    "stream": {"chunk": 1},
    "event": {"key": "k", "value": 1},
    "results": {"name": "x", "value": 1},
    "wait": {"kind": "sleep", "name": "s", "seconds": 5},
    "ask": {"name": "q", "question": "?", "policy": "refunds"},
    "approve": {"name": "a", "policy": "refunds", "action": {"type": "t", "args": {}, "title": "T", "impact": "I"}},
    "complete": {"output": 1},
    "fail": {"why": "x"},
}
ENDS = ("complete", "fail")
SOON = timedelta(milliseconds=10)


def step_of(run: Any, name: str = "render") -> Step:
    return Step.objects.filter(run=run, name=name).latest("revision")


def lines(run: Any) -> list[tuple[str, str]]:
    return [
        (line.action.removeprefix("hitl."), line.actor) for line in audit.timeline(f"run:{getattr(run, 'pk', run)}")
    ]


# -- one step -----------------------------------------------------------------------------------------


def test_a_step_is_claimed_with_all_a_handler_knows(agent: Agent, render: Any) -> None:
    run = render(input={"film": 7})
    task = agent.claim()
    step = step_of(run)
    assert {name: task[name] for name in ("step", "run", "workflow", "name", "input")} == {
        "step": str(step.pk), "run": str(run.pk), "workflow": "film-0", "name": "render", "input": {"film": 7},
    }  # fmt: skip
    assert (task["attempt"], task["iteration"], task["revision"], task["previous"]) == (1, 0, 1, {"film": 7})
    assert (task["checkpoint"], task["results"], task["answers"], task["action"]) == (None, {}, {}, None)
    assert (task["token"], task["idempotency_key"]) == (str(step.lease_token), f"{step.pk}:0")
    assert agent.claim() is None
    done = agent.work(task, "complete", output={"frames": 24})
    assert (done.status_code, done.json()) == (200, {"status": "succeeded", "run_status": "succeeded"})
    assert Run.objects.get(pk=run.pk).output == {"frames": 24}
    assert ("step.succeeded", "robot") in lines(run)


def test_no_bell_is_rung_for_what_no_worker_of_ours_looks_at(
    agent: Agent, alice: Any, rung: list[str], django_capture_on_commit_callbacks: Any
) -> None:
    """Nor does our own worker listen there."""
    flow = Workflow("film")
    draft = flow.step(lambda ctx: 1, name="draft")
    middle = flow.step(name="render", external=True, queue="gpu", after=draft)
    flow.step(lambda ctx: ctx.previous, name="publish", after=middle)
    with django_capture_on_commit_callbacks(execute=True):
        run = flow.start(requester=alice)
        assert engine.drain("default") == 1
        assert step_of(run).status == "ready"
        engine.sweep()
    assert set(rung) == {"default"}
    rung.clear()
    assert {"gpu", "external:gpu"} & set(embedded.queues()) == set()
    with django_capture_on_commit_callbacks(execute=True):
        engine.sweep()
        assert rung == []
        agent.work(agent.claim(), "complete", output="film")
    assert rung == ["default"]
    engine.drain("default")
    assert Run.objects.get(pk=run.pk).output == "film"


def test_a_queue_of_the_same_name_is_another_one(agent: Agent, alice: Any, work: Any) -> None:
    """What our workers run on the queue gpu is nothing for programs outside, and the other way round."""
    flow = Workflow("film")
    flow.step(lambda ctx: "ours", name="ours", queue="gpu")
    flow.step(name="theirs", external=True, queue="gpu")
    flow.start(requester=alice)
    assert agent.claim("gpu")["name"] == "theirs"
    assert agent.claim("gpu") is None
    assert work("gpu") == 1


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"queues": []}, "invalid"),
        ({}, "invalid"),
        ({"queues": [f"q{n}" for n in range(21)]}, "invalid"),
        ({"queues": "gpu"}, "invalid"),
        ({"queues": ["hitl.request"]}, "bad_input"),
        ({"queues": ["gpu", "hitl.request"]}, "bad_input"),
        ({"queues": ["gpu"], "lease": 1}, "bad_input"),
        ({"queues": ["gpu"], "lease": 3601}, "bad_input"),
        ({"queues": ["gpu"], "lease": -1}, "bad_input"),
        ({"queues": ["gpu"], "lease": 1e300}, "bad_input"),
        ({"queues": ["gpu"], "lease": 1e18}, "bad_input"),
        ({"queues": ["gpu"], "lease": "long"}, "invalid"),
        ({"queues": ["gpu"], "lease": None, "leas": 5}, "invalid"),
    ],
)
def test_a_wrong_claim_claims_nothing(body: Any, code: str, agent: Agent, render: Any) -> None:
    run = render()
    problem(agent.api.post("steps/claim/", body), 400, code)
    assert step_of(run).status == "ready"


def test_a_key_works_on_its_queues_only(agents: Callable[..., Agent], render: Any) -> None:
    render()
    cpu, none = agents("cpu", limits={"queues": ["cpu"]}), agents("none", limits={"queues": []})
    for agent, queues in ((cpu, ["gpu"]), (cpu, ["cpu", "gpu"]), (none, ["gpu"])):
        told = problem(agent.api.post("steps/claim/", {"queues": queues}), 403, "not_allowed")
        assert told["reason"] == "queue_not_listed"
    assert cpu.claim("cpu") is None
    problem(
        agents("asks", scopes=["approvals:request"]).api.post("steps/claim/", {"queues": ["gpu"]}),
        403,
        "permission_denied",
    )
    assert agents("gpu", limits={"queues": ["gpu"]}).claim()


def test_a_person_claims_nothing(render: Any, operator: Api) -> None:
    run = render()
    told = problem(operator.post("steps/claim/", {"queues": ["gpu"]}), 403, "not_allowed")
    assert (told["reason"], step_of(run).status) == ("only_agents", "ready")


# -- the lease -----------------------------------------------------------------------------------------


def test_a_heartbeat_keeps_the_step(agent: Agent, render: Any, pass_time: Any) -> None:
    run = render()
    task = agent.claim(lease=30)
    for _ in range(3):
        pass_time(timedelta(seconds=25))
        engine.sweep()
        assert agent.work(task, "heartbeat", lease=30).status_code == 200
    assert step_of(run).attempt == 1
    for lease in (1, 3601, 1e300):
        problem(agent.work(task, "heartbeat", lease=lease), 400, "bad_input")


@pytest.mark.parametrize("verb", VERBS)
def test_who_was_silent_too_long_is_refused_everything(
    verb: str, agent: Agent, agents: Callable[..., Agent], render: Any, pass_time: Any
) -> None:
    """Its outcome stands on record as refused; somebody else finishes."""
    run, other = render(backoff=SOON), agents("other")
    zombie = agent.claim(lease=10)
    pass_time(timedelta(seconds=11))
    engine.sweep()
    pass_time(timedelta(seconds=1))
    task = other.claim()
    assert (task["step"], task["attempt"], task["token"] != zombie["token"]) == (zombie["step"], 2, True)
    problem(agent.work(zombie, verb, **VERBS[verb]), 409, "lease_lost")
    assert lines(run).count(("step.refused", "robot")) == (verb in ENDS)
    assert not StreamChunk.objects.exists()
    assert other.work(task, "complete", output="whole").json()["run_status"] == "succeeded"
    problem(agent.work(zombie, verb, **VERBS[verb]), 409, "lease_lost")
    assert Run.objects.get(pk=run.pk).output == "whole"


@pytest.mark.parametrize("verb", VERBS)
def test_without_the_token_nothing_is_done(verb: str, agent: Agent, render: Any, work: Any) -> None:
    run = render()
    task = agent.claim()
    problem(agent.work({**task, "token": str(uuid.uuid4())}, verb, **VERBS[verb]), 409, "lease_lost")
    problem(agent.work({**task, "token": "x"}, verb, **VERBS[verb]), 400, "invalid")
    problem(agent.work({**task, "step": str(uuid.uuid4())}, verb, **VERBS[verb]), 404, "unknown_step")
    assert step_of(run).status == "running"


def test_a_step_of_ours_is_no_business_of_programs(agent: Agent, alice: Any) -> None:
    """Also not with its token."""
    from hitl.engine.claim import claim, pick

    flow = Workflow("ours")
    flow.step(lambda ctx: 1, name="a")
    flow.start(requester=alice)
    claimed = claim(pick("default")[0])
    assert claimed is not None
    task = {"step": str(claimed.step.pk), "token": str(claimed.step.lease_token)}
    with nothing_written():
        problem(agent.work(task, "complete", output=1), 404, "unknown_step")


def test_attempts_run_out(agent: Agent, render: Any, pass_time: Any) -> None:
    run = render(max_attempts=2, backoff=SOON)
    for _ in range(2):
        assert agent.claim(lease=10) is not None
        pass_time(timedelta(seconds=12))
        engine.sweep()
        pass_time(timedelta(seconds=1))
    assert (Run.objects.get(pk=run.pk).status, step_of(run).failure_code) == ("failed", "worker_lost")


def test_what_may_not_repeat_is_uncertain(agent: Agent, render: Any, pass_time: Any, operator: Api) -> None:
    run = render(repeatable=False)
    agent.claim(lease=10)
    pass_time(timedelta(seconds=12))
    engine.sweep()
    assert step_of(run).status == "uncertain"
    assert agent.claim() is None
    assert operator.post(f"steps/{step_of(run).pk}/resolve/", {"outcome": "retry"}).status_code == 200
    again = agent.claim()
    assert agent.work(again, "complete").json()["run_status"] == "succeeded"


# -- outcomes ---------------------------------------------------------------------------------------------


def test_what_fails_is_tried_again_after_a_while(agent: Agent, render: Any, pass_time: Any) -> None:
    run = render(max_attempts=3)
    assert agent.work(agent.claim(), "fail", code="oom", why="no memory", after=600).json() == {
        "status": "ready", "run_status": "running",
    }  # fmt: skip
    assert agent.claim() is None
    assert not has_work(["external:gpu"], actor=agent.row)
    pass_time(timedelta(seconds=601))
    task = agent.claim()
    assert task["attempt"] == 2
    done = agent.work(task, "fail", code="oom", why="still none", retry=False)
    assert done.json() == {"status": "failed", "run_status": "failed"}
    assert (step_of(run).failure_code, Run.objects.get(pk=run.pk).failure_code) == ("oom", "oom")


@pytest.mark.parametrize(
    "said",
    [
        {"why": ""},
        {},
        {"why": "x", "code": "Bad Code"},
        {"why": "x", "after": -1},
        {"why": "x", "after": 1e9},
        {"why": "\0"},
    ],
)
def test_a_wrong_failure_is_none(said: Any, agent: Agent, render: Any) -> None:
    run = render()
    answer = agent.work(agent.claim(), "fail", **said)
    assert (answer.status_code, answer.json()["code"] in ("invalid", "not_json")) == (400, True), answer.content
    assert step_of(run).status == "running"


def test_a_loop_goes_on_and_has_its_limit(agent: Agent, alice: Any) -> None:
    flow = Workflow("agent")
    flow.agent_loop("think", None, external=True, queue="gpu", max_iterations=3)
    run = flow.start({"task": 1}, requester=alice)
    task: Any = None
    for turn in range(3):
        zombie = {**(task or {}), "token": str(uuid.uuid4())}
        task = agent.claim()
        zombie |= {"step": task["step"]}
        problem(agent.work(zombie, "continue", state={"turn": 9}), 409, "lease_lost")
        assert (task["iteration"], task["checkpoint"]) == (turn, None if turn == 0 else {"turn": turn - 1})
        answer = agent.work(task, "continue", state={"turn": turn})
        assert answer.status_code == 200, answer.content
    assert (Run.objects.get(pk=run.pk).status, step_of(run, "think").failure_code) == ("failed", "max_iterations")


def test_what_is_no_loop_does_not_go_on(agent: Agent, render: Any) -> None:
    render()
    task = agent.claim()
    problem(agent.work(task, "continue", state={}), 400, "bad_input")
    assert agent.work(task, "complete").status_code == 200


@pytest.mark.parametrize("who", ["run", "freeze"])
def test_what_is_stopped_while_it_is_held(who: str, agent: Agent, render: Any, root: Any, alice: Any) -> None:
    """A cancel takes the step away; a freeze lets it end, and lets nothing begin."""
    runs = {str(run.pk): run for run in (render(), render())}
    task = agent.claim()
    run = runs.pop(task["run"])
    (waiting,) = runs.values()
    if who == "run":
        hitl.cancel(run, actor=alice)
        problem(agent.work(task, "heartbeat"), 409, "lease_lost")
        problem(agent.work(task, "complete", output=1), 409, "lease_lost")
        assert Run.objects.get(pk=run.pk).output is None
        return
    assert [step.pk for step in hitl.freeze("all", actor=root)] == [step_of(run).pk]
    assert agent.claim() is None
    assert not has_work(["external:gpu"], actor=agent.row), "who waits for work is woken for what it may not claim"
    assert agent.work(task, "complete", output=1).status_code == 200
    hitl.unfreeze("all", actor=root)
    assert agent.claim()["run"] == str(waiting.pk)


def test_a_run_is_tried_again_and_forked_with_its_external_step(agent: Agent, alice: Any, work: Any) -> None:
    flow = Workflow("film")
    draft = flow.step(lambda ctx: "draft", name="draft")
    middle = flow.step(name="render", external=True, queue="gpu", after=draft, max_attempts=1)
    flow.step(lambda ctx: f"{ctx.previous}!", name="publish", after=middle)
    run = flow.start(requester=alice)
    work()
    agent.work(agent.claim(), "fail", why="no memory")
    second = hitl.retry(run.pk, actor=alice)
    task = agent.claim()
    assert (task["run"], task["previous"]) == (str(second.pk), "draft")
    agent.work(task, "complete", output="film")
    work()
    assert Run.objects.get(pk=second.pk).output == "film!"
    third = hitl.fork(second.pk, "render", actor=alice, patch={"draft": "other"})
    task = agent.claim()
    assert (task["run"], task["previous"]) == (str(third.pk), "other")
    agent.work(task, "complete", output="cut")
    work()
    assert Run.objects.get(pk=third.pk).output == "cut!"


@pytest.mark.parametrize("wanted", [True, False])
def test_a_condition_is_asked_before_it_is_claimed(wanted: bool, agent: Agent, alice: Any, work: Any) -> None:
    flow = Workflow("film")
    draft = flow.step(lambda ctx: wanted, name="draft")
    flow.step(name="render", external=True, queue="gpu", after=draft, when=lambda ctx: ctx.results["draft"])
    run = flow.start(requester=alice)
    work()
    task = agent.claim()
    assert (task is not None) == wanted
    assert step_of(run).status == ("running" if wanted else "skipped")


def test_behind_a_gate_the_approved_arguments_arrive_and_the_grant_is_used_once(
    agent: Agent, alice: Any, bob: Any, work: Any, say: Any, pass_time: Any
) -> None:
    """Also when the first worker dies: the grant is that step's, in whatever attempt."""
    flow = Workflow("film")
    draft = flow.step(lambda ctx: Action({"n": 1}, type="cut", title="Cut", impact="Gone"), name="draft")
    ask = flow.approval("ask", after=draft, reviewers=["group:finance"])
    flow.step(name="render", external=True, queue="gpu", after=ask, backoff=SOON)
    run = flow.start(requester=alice)
    work()
    assert agent.claim() is None
    row = Approval.objects.get(run=run)
    say(row, "edit", args={"n": 2})
    task = agent.claim(lease=10)
    assert (task["action"], task["previous"]) == ({"type": "cut", "args": {"n": 2}}, {"n": 2})
    problem(Api(user=bob).post(f"approvals/{row.pk}/revoke/", {"reason": "slip"}), 409, "already_consumed")
    pass_time(timedelta(seconds=11))
    engine.sweep()
    pass_time(timedelta(seconds=1))
    again = agent.claim()
    assert (again["attempt"], again["action"]) == (2, task["action"])
    problem(agent.work(task, "complete", output="zombie"), 409, "lease_lost")
    assert agent.work(again, "complete", output="film").json()["run_status"] == "succeeded"
    assert [name for name, _ in lines(run)].count("grant.consumed") == 1


def test_it_may_propose_what_a_gate_asks(agent: Agent, alice: Any, work: Any, say: Any) -> None:
    flow = Workflow("plan")
    plan = flow.step(name="plan", external=True, queue="gpu")
    ask = flow.approval("ask", after=plan, reviewers=["group:finance"])
    flow.step(lambda ctx: ctx.action["n"], name="act", after=ask)
    run = flow.start(requester=alice)
    action = {"type": "cut", "args": {"n": 1}, "title": "Cut", "impact": "Gone"}
    task = agent.claim()
    problem(agent.work(task, "complete", output=1, action=action), 400, "invalid")
    assert agent.work(task, "complete", action=action).status_code == 200
    work()
    row = Approval.objects.get(run=run)
    assert (row.action_type, row.args) == ("cut", {"n": 1})
    say(row, "edit", args={"n": 3})
    work()
    assert Run.objects.get(pk=run.pk).output == 3
