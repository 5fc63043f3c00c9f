"""Requests that are released together are answered together, and a request is followed through its revisions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hitl import Action, decisions
from tests.waiting.serving import Server

Ask = Callable[..., Any]


@pytest.fixture
def ask(key: Any, bob: Any) -> Ask:
    """A request of the agent that comes alone."""
    from hitl.definition.gates import gate_spec
    from hitl.engine import outside

    def make(amount: int, *, approvals: int = 1, **more: Any) -> Any:
        action = Action({"amount": amount}, type="refund", title=f"Refund {amount}", impact="Money leaves")
        gate = gate_spec("this request", reviewers=["group:finance"], approvals=approvals, editable=["amount"])
        return outside.ask(action, gate, actor=key[0], **more)

    return make


def test_a_batch_is_answered_when_its_last_request_is_decided(door: Server, token: str, ask: Ask, says: Any) -> None:
    first, second, third = (ask(n, batch="turn-7", batch_size=3) for n in (1, 2, 3))
    answers = [door.soon(f"approvals/{row.pk}/?wait=50", token) for row in (first, second)]
    says(first)
    says(second, "reject", comment="no")
    now = door.get(f"approvals/{first.pk}/?wait=0.8", token).json()
    assert (now["status"], now["outcome"], now["batch"]["released"]) == ("approved", None, False)
    assert not any(answer.done() for answer in answers)
    says(third)
    verdicts = [answer.result(20).json()["outcome"]["verdict"] for answer in answers]
    assert verdicts == ["approve", "reject"]


def test_requests_of_a_batch_that_are_released_each_are_answered_each(
    door: Server, token: str, ask: Ask, says: Any
) -> None:
    first, second = (ask(n, batch="turn-8") for n in (1, 2))
    one, two = (door.soon(f"approvals/{row.pk}/?wait=50", token) for row in (first, second))
    says(second)
    assert two.result(20).json()["outcome"]["approved"] is True
    assert not one.done()
    says(first)
    assert one.result(20).json()["outcome"]["approved"] is True


def test_a_batch_that_was_not_asked_whole_stays_open(door: Server, token: str, ask: Ask, says: Any) -> None:
    first = ask(1, batch="turn-9", batch_size=2)
    says(first)
    found = door.get(f"approvals/{first.pk}/?wait=1", token).json()
    assert (found["status"], found["outcome"]) == ("approved", None)
    assert door.asked(f"approvals/{first.pk}/") <= 3


def test_who_asked_waits_for_the_newest_revision(
    door: Server, token: str, ask: Ask, bob: Any, carol: Any, people: Any
) -> None:
    dave = people("dave", "finance")
    first = ask(900, approvals=2)
    answer = door.soon(f"approvals/{first.pk}/?wait=50", token)
    decisions.decide(first.pk, actor=bob, verdict="edit", digest=first.digest, args={"amount": 90})
    second = type(first).objects.get(supersedes=first)
    now = door.get(f"approvals/{first.pk}/?wait=0.8", token).json()
    assert (now["id"], now["status"]) == (str(second.pk), "pending")
    for person in (carol, dave):
        decisions.decide(second.pk, actor=person, verdict="approve", digest=second.digest)
    found = answer.result(20).json()
    assert (found["id"], found["status"], found["outcome"]["args"]) == (str(second.pk), "approved", {"amount": 90})
