"""Seed 004: waits that last, messages that are not lost, a published status, a list of who waits, recovery."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

import hitl
from hitl import audit, clock, engine
from hitl.definition import registry
from hitl.engine.claim import claim, pick
from hitl.engine.start import forget_rows
from hitl.models import Approval, Run, Step
from hitl.models import Signal as SignalRow
from hitl.transitions import definition_of
from project.examples import world
from tests.journeys.conftest import Person, ended, manage, steps

LATER = (
    ("an outside agent waits by long poll or event stream, not by asking again and again", 5),
    ("the inbox counts live on the page", 6),
)


def status_of(run: Run) -> str:
    value: dict[str, Any] = hitl.get_event(run, "status")
    return str(value["status"])


@pytest.fixture
def asked(asker: Person, manager: Person) -> Run:
    """A run of `durable-agent` whose offer waits for a manager."""
    run = asker.start("durable-agent", {"customer": "Acme"})
    asker.tell(run, "wish", {"discount": 5})
    return run


# -- durable wait, durable message -------------------------------------------------------------------------------


def test_a_wait_lasts_days_and_goes_on_where_it_was(asked: Run, manager: Person, later: Any) -> None:
    later(hours=47)
    assert steps(asked) == {"durable_agent": "waiting"}
    manager.say(asked)
    assert ended(asked) == {"did": "offer", "text": "Offer for Acme", "discount": 5}
    assert len(world.deeds()) == 1


def test_a_wait_ends_by_its_deadline_with_what_the_author_said(asker: Person, manager: Person, later: Any) -> None:
    run = asker.start("durable-agent", {"customer": "Acme"})
    later(minutes=31)
    assert manager.asked(run)["action"]["args"]["discount"] == 0
    later(hours=49)
    ended(run, "failed", "step_failed")
    assert status_of(run) == "denied"
    assert world.deeds() == []


def test_a_message_that_was_accepted_arrives_also_before_the_wait(asker: Person, manager: Person) -> None:
    response = asker.api.post("runs/", {"workflow": "durable-agent", "input": {"customer": "Acme"}})
    run = Run.objects.get(pk=response.json()["id"])
    # No worker has looked at it yet.
    sent = asker.api.post(f"runs/{run.pk}/signals/wish/", {"payload": {"discount": 9}}, key="k-1")
    again = asker.api.post(f"runs/{run.pk}/signals/wish/", {"payload": {"discount": 9}}, key="k-1")
    assert (sent.status_code, again.status_code, SignalRow.objects.filter(run=run).count()) == (202, 202, 1)
    engine.drain("default")
    manager.say(run)
    assert ended(run)["discount"] == 9


def test_a_message_after_the_deadline_is_kept_and_told_late(asker: Person, manager: Person, later: Any) -> None:
    run = asker.start("durable-agent", {"customer": "Acme"})
    later(minutes=31)
    assert asker.tell(run, "wish", {"discount": 50}).json()["late"] is True
    manager.say(run)
    assert ended(run)["discount"] == 0
    assert asker.tell(run, "wish", {"discount": 50}).status_code == 409


# -- published status, list of who waits ---------------------------------------------------------------------------


def test_an_agent_publishes_how_it_stands(asker: Person, manager: Person) -> None:
    run = asker.start("durable-agent", {"customer": "Acme"})
    assert status_of(run) == "working"
    asker.tell(run, "wish", {"discount": 5})
    assert hitl.get_event(run, "status") == {
        "status": "pending_approval",
        "about": "Offer for Acme",
        "discount": 5,
    }
    manager.say(run)
    assert status_of(run) == "finished"
    ended(run)


def test_an_agent_that_is_denied_says_so_and_does_nothing(asked: Run, manager: Person) -> None:
    manager.say(asked, "reject", comment="too cheap")
    ended(asked, "failed", "step_failed")
    assert hitl.get_event(asked, "status") == {"status": "denied", "why": "too cheap"}
    assert world.deeds() == []


def test_the_waiting_agents_can_be_listed(asker: Person, manager: Person) -> None:
    runs = [asker.start("durable-agent", {"customer": name}) for name in ("Acme", "Bolt", "Cord")]
    for run in runs[:2]:
        asker.tell(run, "wish", {"discount": 1})
    found = [
        step.run_id for step in hitl.waiting(workflow="durable-agent") if status_of(step.run) == "pending_approval"
    ]
    assert found == [run.pk for run in runs[:2]]
    assert {row["run"] for row in manager.inbox()} == {str(pk) for pk in found}
    assert set(hitl.waiting(for_=manager.user).values_list("run", flat=True)) == set(found)
    assert "waiting" in manage("run", "list", "--workflow", "durable-agent", "--status", "waiting")
    for run in runs:
        engine.cancel(run, actor=asker.user, reason="enough")
        ended(run, "cancelled", "cancelled")


# -- recovery ---------------------------------------------------------------------------------------------------------


def test_a_restart_while_it_waits_loses_nothing(asked: Run, manager: Person) -> None:
    forget_rows()  # what a new process does not know
    definition_of.cache_clear()
    manager.say(asked)
    assert ended(asked)["discount"] == 5


def test_a_worker_that_died_is_replaced_and_repeats_no_remembered_effect(asked: Run, manager: Person) -> None:
    request = manager.asked(asked)
    manager.api.post(
        f"approvals/{request['id']}/decisions/", {"verdict": "approve", "digest": request["digest"], "revision": 1}
    )
    [picked] = pick("default")
    assert claim(picked) is not None  # a worker takes it, and is never heard of again
    assert engine.drain("default") == 0
    clock.move(timedelta(minutes=2))
    assert engine.sweep()["rescue"] == 1
    clock.move(timedelta(minutes=2))
    engine.drain("default")
    assert ended(asked)["did"] == "offer"
    assert len(world.deeds()) == 1


def test_a_code_upgrade_while_it_waits_keeps_the_version_it_started_with(
    asked: Run, asker: Person, manager: Person, later: Any
) -> None:
    from project.examples.durable_agent import durable_agent as old

    new = hitl.Workflow.__new__(hitl.Workflow)
    new.__dict__ |= {**old.__dict__, "_steps": list(old._steps), "handlers": dict(old.handlers), "_definition": None}
    new.step(lambda ctx: "added", name="added", after="durable_agent")
    registry._workflows["durable-agent"] = new
    forget_rows()
    manager.say(asked)
    assert ended(asked)["did"] == "offer"
    assert "added" not in steps(asked)
    fresh = asker.start("durable-agent", {"customer": "Bolt"})
    assert fresh.workflow.version == asked.workflow.version + 1
    later(minutes=31)
    manager.say(fresh)
    assert ended(fresh) == "added"


def test_a_handler_that_is_gone_waits_visibly_and_goes_on_when_it_is_back(
    asked: Run, manager: Person, later: Any
) -> None:
    from project.examples.durable_agent import durable_agent as flow

    kept = dict(flow.handlers)
    flow.handlers.clear()
    try:
        manager.say(asked)
        for _ in range(4):
            later(seconds=40)
        assert Step.objects.get(run=asked).waiting_for == "handler"
    finally:
        flow.handlers.update(kept)
    later(minutes=2)
    later(minutes=2)
    assert ended(asked)["did"] == "offer"


# -- one durable function, revisions included -----------------------------------------------------------------


@pytest.fixture
def treasurer(meet: Any, policies: None) -> Person:
    """Tess of the group treasury, whom the policy asks."""
    tess: Person = meet("tess", "treasury")
    return tess


def test_a_durable_function_asks_revises_and_sends_what_was_approved(asker: Person, treasurer: Person) -> None:
    run = asker.start("wire-transfer", {"iban": "DE02", "amount": 70})
    treasurer.say(run, "request_revision", comment="cheaper")
    request = treasurer.asked(run)
    assert (request["revision"], request["phrase"], request["action"]["args"]["fee"]) == (2, "SEND 70", 1)
    args = request["action"]["args"]
    assert treasurer.vote(request, "edit", args={**args, "amount": 7}, phrase="SEND 70").status_code == 422
    treasurer.say(run, "edit", args={**args, "fee": 0}, phrase="SEND 70")
    assert ended(run) == {"did": "wire", "to": "DE02", "amount": 70, "fee": 0}
    assert len(world.deeds("wire")) == 1
    assert Approval.objects.get(run=run, revision=2).consumed_at is not None


@pytest.mark.parametrize("how", ["reject", "silence", "revoke"])
def test_a_durable_function_sends_nothing_without_a_yes(
    how: str, asker: Person, treasurer: Person, later: Any, work: Any
) -> None:
    run = asker.start("wire-transfer", {"iban": "DE02", "amount": 70})
    request = treasurer.asked(run)
    if how == "reject":
        treasurer.say(run, "reject", comment="unknown receiver")
    elif how == "silence":
        later(hours=25)
    else:
        hitl.decide(request["id"], actor=treasurer.user, verdict="approve", digest=request["digest"], phrase="SEND 70")
        hitl.revoke(request["id"], actor=treasurer.user, reason="slip")
        work()
    found = {"reject": "rejected", "silence": "expired", "revoke": "revoked"}
    assert ended(run)["status"] == found[how]
    assert world.deeds() == []
    assert audit.verify(run.pk).code == 0
