"""Seed 000: a builder of tasks, agent loops, gates and planners; gates between steps, signals within them."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError

from hitl import Pause, Workflow, notifications
from hitl.models import Approval, Notification, Run, Step, StreamChunk
from hitl.models import Signal as SignalRow
from project.examples import safe_agent, world
from tests.api.conftest import Api
from tests.journeys.conftest import Person, ended, manage, steps
from tests.notifications.receivers import receiver

GOAL = {"goal": "fix the login"}


@pytest.fixture
def planned(asker: Person, ops: Person) -> Any:
    """A run of `safe_agent` that asked, was guided by a person, and waits for its plan's approval."""
    run = asker.start("safe-agent", GOAL)
    assert asker.tell(run, "human-review", {"guidance": "auth"}).status_code == 202
    return run


# -- the builder: loop, gate, planner, after, on_failure ------------------------------------------------


def test_reason_approve_execute_runs_the_plan_that_was_approved(planned: Any, ops: Person) -> None:
    shown = ops.say(planned)
    assert [step["name"] for step in shown["action"]["args"]["steps"]] == ["edit", "test"]
    output = ended(planned)
    assert output["edit"] == {"did": "edit", "module": "auth", "goal": "fix the login"}
    assert [deed["did"] for deed in world.deeds()] == ["edit", "test"]
    assert Approval.objects.get(run=planned).consumed_by.name == "execute"


def test_a_plan_edited_by_people_runs_as_edited(planned: Any, ops: Person) -> None:
    args = ops.asked(planned)["action"]["args"]
    ops.say(planned, "edit", args={"steps": [{**args["steps"][0], "args": {"module": "auth", "goal": "only this"}}]})
    assert ended(planned)["edit"]["goal"] == "only this"
    assert len(world.deeds()) == 1


def test_a_refused_plan_goes_back_with_instructions_and_is_approved_anew(planned: Any, ops: Person) -> None:
    ops.say(planned, "reject", comment="no tests on Friday")
    shown = ops.say(planned)
    assert (shown["revision"], "no tests on Friday" in shown["description"]) == (2, True)
    ended(planned)
    assert [deed["did"] for deed in world.deeds()] == ["edit"]


def test_plans_are_made_anew_a_bounded_number_of_times(planned: Any, ops: Person) -> None:
    for _ in range(3):
        ops.say(planned, "reject", comment="no")
    ended(planned, "failed", "max_restarts")
    assert world.deeds() == []


def test_a_plan_may_name_only_what_is_allowed(planned: Any, ops: Person) -> None:
    ops.say(planned, "edit", args={"steps": [{"name": "x", "handler": "drop-database"}]})
    ended(planned, "failed", "invalid_plan")
    assert world.deeds() == []


def test_the_limits_of_the_loop_and_the_planner_are_those_written() -> None:
    loop, gate, planner = (safe_agent.agent.definition().by_name[n] for n in ("reason", "approve", "execute"))
    assert loop.loop
    assert (loop.loop.max_iterations, loop.loop.max_duration, loop.timeout) == (15, 1200, 90)
    assert planner.plan
    assert (planner.plan.max_steps, planner.plan.allowed) == (10, ("code-edit", "test-run"))
    assert gate.asks
    assert gate.asks.timeout == 24 * 3600


# -- the gate: notice, topic, expiry ----------------------------------------------------------------------


def test_a_gate_tells_its_people_and_carries_its_topic(planned: Any, ops: Person) -> None:
    assert ops.asked(planned)["topic"] == "approval.safe-agent"
    assert Notification.objects.filter(approval__run=planned, kind="requested").exists()


def test_a_gates_notice_reaches_a_program_that_subscribes_to_its_topic(
    asker: Person, ops: Person, root: Any, settings: Any
) -> None:
    settings.HITL_WEBHOOK_ALLOW = ["localhost"]
    olga = Api(user=root)
    with receiver() as there, receiver() as other:
        for one, topic in ((there, "approval.safe-agent"), (other, "approval.others")):
            assert olga.post("webhooks/", {"url": one.url, "topics": [topic]}).status_code == 201
        run = asker.start("safe-agent", GOAL)
        assert asker.tell(run, "human-review", {"guidance": "auth"}).status_code == 202
        notifications.deliver()
        notifications.deliver_hooks()
    told = [json.loads(body)["data"] for _, body in there.got]
    assert [(one["topic"], one["run"]) for one in told] == [("approval.safe-agent", str(run.pk))]
    assert other.got == []


def test_a_gate_nobody_answers_is_refused_and_not_planned_again(planned: Any, ops: Person, later: Any) -> None:
    request = ops.asked(planned)
    later(hours=25)
    ended(planned, "failed", "approval_expired")
    assert ops.vote(request).status_code == 410
    assert world.deeds() == []


def test_a_gate_nobody_answers_goes_to_further_people_where_it_says_so(
    asker: Person, ops: Person, manager: Person, later: Any
) -> None:
    flow = Workflow("journey-further")
    flow.step(lambda ctx: {"goal": "fix it"}, name="plan")
    stage = {"reviewers": ["group:ops"], "fallback": ["group:managers"]}
    silence = {"on_timeout": "escalate", "timeout": timedelta(hours=4)}
    flow.approval("gate", after="plan", title="Do it", impact="It is done", stages=[stage], **silence)
    flow.step(lambda ctx: "done", name="execute", after="gate")
    run = asker.start("journey-further")
    assert manager.inbox() == []
    later(hours=4)
    assert (len(ops.inbox()), manager.asked(run)["can"]["approve"]) == (1, "")
    manager.say(run)
    assert ended(run) == "done"
    other = asker.start("journey-further")
    later(hours=4)
    later(hours=4)  # nobody is further up
    ended(other, "failed", "approval_expired")


# -- the signal: checkpoint, stream, wait with timeout, continue, complete, fail ---------------------------


def test_an_unsure_agent_says_so_and_waits_for_guidance_without_a_worker(asker: Person, ops: Person) -> None:
    run = asker.start("safe-agent", GOAL)
    step = Step.objects.get(run=run, name="reason")
    assert (step.status, step.waiting_for, step.lease_token) == ("waiting", "signal:human-review", None)
    assert StreamChunk.objects.get(run=run).chunk == "fix the login: which module is it about?"
    asker.tell(run, "human-review", {"guidance": "auth"})
    step.refresh_from_db()
    assert (step.status, step.iteration, step.checkpoint) == ("succeeded", 1, {"heard": ["auth"]})
    ops.say(run)
    ended(run)


def test_guidance_that_does_not_come_in_time_fails_the_loop(asker: Person, ops: Person, later: Any) -> None:
    run = asker.start("safe-agent", GOAL)
    later(minutes=61)
    ended(run, "failed", "signal_timeout")
    assert steps(run)["approve"] == "cancelled"
    assert asker.tell(run, "human-review", {"guidance": "auth"}).status_code == 409
    assert world.deeds() == []


def test_a_program_cannot_stand_in_for_the_person_who_guides(
    agent_key: Any, alice: Any, ops: Person, work: Any
) -> None:
    bot = Api(token=agent_key[1])
    run = Run.objects.get(pk=bot.post("runs/", {"workflow": "safe-agent", "input": GOAL}).json()["id"])
    work()
    sent = bot.post(f"runs/{run.pk}/signals/human-review/", {"payload": {"guidance": "not a person's"}})
    work()
    assert (sent.status_code, steps(run)["reason"]) == (202, "waiting")
    manage("signal", "send", str(run.pk), "human-review", '{"guidance": "auth"}', "--as", "alice")
    work()
    ops.say(run)
    assert ended(run)["edit"]["module"] == "auth"


def test_a_handler_beats_keeps_its_place_and_pauses_until_its_job_is_done(asker: Person, later: Any) -> None:
    flow = Workflow("journey-polling")

    @flow.step
    def poll(ctx: Any) -> Any:
        looked = (ctx.load_checkpoint() or 0) + 1
        ctx.heartbeat(looked)
        return {"looked": looked} if looked == 3 else Pause(timedelta(minutes=5))

    run = asker.start("journey-polling")
    step = Step.objects.get(run=run)
    assert (step.status, step.checkpoint, step.lease_token) == ("waiting", 1, None)
    later(minutes=1)
    assert Step.objects.get(run=run).checkpoint == 1
    for _ in range(2):
        later(minutes=6)
    assert ended(run) == {"looked": 3}


# -- the command line ----------------------------------------------------------------------------------------


def test_signal_send_on_the_command_line(asker: Person, ops: Person, work: Any) -> None:
    run = asker.start("safe-agent", GOAL)
    words = ("signal", "send", str(run.pk), "human-review", '{"guidance": "billing"}', "--as", "anna", "--key", "k1")
    manage(*words)
    manage(*words)  # the same again counts once
    work()
    assert SignalRow.objects.filter(run=run).count() == 1
    ops.say(run)
    assert ended(run)["edit"]["module"] == "billing"
    with pytest.raises(CommandError, match="succeeded"):
        manage("signal", "send", str(run.pk), "human-review", "{}", "--as", "anna")
