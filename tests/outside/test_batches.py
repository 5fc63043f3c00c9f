"""Requests that belong together: released one by one, or only when all of them were asked and decided."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from hitl import engine
from tests.api.conftest import problem
from tests.outside.conftest import ACTION, Agent, row_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("whole_house")]
ALL = {"id": "turn-7", "size": 2, "release": "all"}


def test_each_is_released_by_itself(agent: Agent, say: Any) -> None:
    one, _ = (agent.ask(batch={"id": "turn-7", "size": 2}) for _ in range(2))
    say(one)
    seen = agent.see(one)
    assert seen["batch"] == {"id": "turn-7", "size": None, "release": "each", "released": True}
    assert seen["outcome"]["approved"]
    agent.take(one)


def test_all_are_released_together(agent: Agent, say: Any) -> None:
    """Neither what is decided first nor what was not asked yet is told before."""
    one = agent.ask(batch=ALL)
    say(one)
    assert agent.see(one)["batch"] == {"id": "turn-7", "size": 2, "release": "all", "released": False}
    assert (agent.see(one)["status"], agent.see(one)["outcome"]) == ("approved", None)
    assert problem(agent.act(one, "consume"), 409, "batch_open")["batch"] == "turn-7"
    two = agent.ask(batch=ALL)
    problem(agent.act(one, "consume"), 409, "batch_open")
    problem(agent.act(two, "consume"), 409, "not_decided")
    say(two, "reject", comment="no")
    assert agent.see(one)["batch"]["released"]
    assert (agent.take(one)["status"], agent.take(two)["status"]) == ("approved", "rejected")


def test_a_batch_is_one_keys_own(agents: Callable[..., Agent], say: Any) -> None:
    mine, theirs = agents("mine"), agents("theirs")
    one, other = mine.ask(batch=ALL), theirs.ask(batch=ALL)
    say(one)
    say(other)
    assert not mine.see(one)["batch"]["released"]
    problem(mine.act(one, "consume"), 409, "batch_open")


def test_what_is_proposed_again_counts_once(agent: Agent, say: Any) -> None:
    """A revision is not the second of two: the other one was not even asked."""
    one = agent.ask(batch=ALL)
    say(one, "request_revision", comment="less")
    again = agent.act(one, "revise", {"action": {**ACTION, "args": {"amount": 1}}}).json()
    say(again)
    assert agent.see(one)["id"] == again["id"]
    assert not agent.see(again)["batch"]["released"]
    problem(agent.act(again, "consume"), 409, "batch_open")
    two = agent.ask(batch=ALL)
    say(two)
    assert agent.take(again)["outcome"]["args"] == {"amount": 1}
    agent.take(two)


def test_what_an_edit_made_counts_once(agent: Agent, say: Any, carol: Any) -> None:
    """Under a quorum an edit is a revision of its own."""
    one = agent.ask(policy="two-eyes", batch=ALL)
    say(one, "edit", args={"amount": 1, "to": "A1"})
    edited = agent.see(one)
    assert (edited["revision"], edited["batch"]["released"]) == (2, False)
    assert edited["id"] != one["id"]


def test_one_that_expires_is_decided(agent: Agent, say: Any, pass_time: Any) -> None:
    one, two = agent.ask(batch=ALL), agent.ask(batch=ALL, timeout="30m")
    say(one)
    pass_time(timedelta(minutes=31))
    engine.sweep()
    assert agent.take(one)["status"] == "approved"
    assert agent.take(two)["status"] == "expired"


def test_one_whose_time_ran_out_just_now_waits_for_the_others(agent: Agent, say: Any, pass_time: Any) -> None:
    """No sweep was there yet: taking it finds that it is over, which does not release the batch."""
    one, two = agent.ask(batch=ALL, timeout="30m"), agent.ask(batch=ALL)
    pass_time(timedelta(minutes=31))
    problem(agent.act(one, "consume"), 409, "batch_open")
    assert (row_of(one).status, row_of(one).taken_at) == ("expired", None)
    say(two)
    assert agent.take(one)["status"] == "expired"
    agent.take(two)


def test_the_last_of_a_batch_whose_time_ran_out_just_now_is_taken_at_once(
    agent: Agent, say: Any, pass_time: Any
) -> None:
    one, two = agent.ask(batch=ALL, timeout="30m"), agent.ask(batch=ALL)
    say(two)
    pass_time(timedelta(minutes=31))
    assert agent.take(one)["status"] == "expired"
    assert agent.take(two)["status"] == "approved"


def test_one_that_is_cancelled_is_decided(agent: Agent, say: Any) -> None:
    one, two = agent.ask(batch=ALL), agent.question(batch=ALL)
    say(two, "respond", response="eu")
    assert agent.act(one, "cancel", {"reason": "changed my mind"}).status_code == 200
    assert agent.take(two)["outcome"]["response"] == "eu"
    assert agent.take(one)["status"] == "cancelled"
