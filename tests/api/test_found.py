"""What the calls at random and the reading of the document found: each stays as a test."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction

from hitl.models import ApiKey, IdempotencyRecord
from hitl.policies import apply_policy, create_key
from tests.api.conftest import Api, problem

ACTION = {"type": "refund", "args": {"amount": 9}, "title": "Refund 9", "impact": "Money leaves"}


@pytest.fixture
def asking(alice: Any, finance: Any) -> Api:
    """An agent that may have one request pending, by one policy."""
    apply_policy({"name": "refunds", "default": {"stages": [{"reviewers": ["group:finance"]}]}}, actor=alice)
    scopes = ["approvals:request", "approvals:read", "runs:start"]
    made = create_key("robot", owner=alice, scopes=scopes, policies=["refunds"], limits={"pending": 1}, actor=alice)
    return Api(token=made[1])


def test_who_asks_too_much_is_told_when_to_come_again(asking: Api) -> None:
    assert asking.post("approvals/", {"action": ACTION}).status_code == 201
    answer = asking.post("approvals/", {"action": ACTION})
    problem(answer, 429, "over_limit")
    assert int(answer["Retry-After"]) > 0


def test_who_repeats_a_call_that_is_in_flight_is_told_when_to_come_again(
    asking: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hitl.api import idempotency
    from hitl.exceptions import InFlight

    def busy(*args: Any) -> Any:
        raise InFlight()

    monkeypatch.setattr(idempotency, "_claimed", busy)
    answer = asking.post("approvals/", {"action": ACTION}, key="k")
    problem(answer, 409, "in_flight")
    assert answer["Retry-After"] == "1"


@pytest.mark.parametrize("path", ["runs/no-id/", "nothing/", "approvals/7/"])
def test_an_address_that_is_none_is_a_problem_too(asking: Api, path: str) -> None:
    problem(asking.get(path), 404, "not_found")


def test_the_request_of_a_workflow_cannot_be_revised_by_its_agent(asked_by_bot: Any, asking_key: Api) -> None:
    """It says so, and does not look for a policy that nobody named."""
    ApiKey.objects.filter(pk=asked_by_bot.agent_key_id).update(scopes=["approvals:request"])
    key = asked_by_bot.agent_key
    assert key is not None
    with transaction.atomic():
        from hitl.engine import outside
        from hitl.exceptions import BadInput

        with pytest.raises(BadInput):
            outside.revise(asked_by_bot.pk, _action(), actor=key)
    assert not IdempotencyRecord.objects.exists()


def _action() -> Any:
    from hitl import Action

    return Action({"amount": 9}, type="refund", title="Refund 9", impact="Money leaves")
