"""What a key's own limits keep it from: too many requests, too many calls, too little risk, queues of others."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from hitl import Workflow, clock
from hitl.exceptions import BadInput
from hitl.models import ApiKey, Approval
from hitl.models.audit import AuditRecord
from hitl.policies import apply_policy, create_key
from tests.api.conftest import Api, problem, untouched

SCOPES = ["approvals:request", "approvals:read", "runs:start", "steps:work"]


@pytest.fixture
def usual(bob: Any) -> None:
    """A policy that asks finance."""
    apply_policy({"name": "usual", "default": {"stages": [{"reviewers": ["group:finance"]}]}}, actor=bob)


def key(owner: Any, **limits: Any) -> Api:
    """An agent with these limits."""
    made = create_key("limited", owner=owner, scopes=SCOPES, policies=["usual"], limits=limits, actor=owner)
    return Api(token=made[1])


def ask(api: Api, **more: Any) -> Any:
    action = {"type": "refund", "args": {"amount": 9}, "title": "Refund 9", "impact": "Money leaves"}
    return api.post("approvals/", {"action": action, **more})


def test_only_so_many_requests_wait_at_once(usual: None, alice: Any) -> None:
    api, other = key(alice, pending=2), key(alice)
    first = ask(api).json()
    assert ask(api).status_code == 201
    assert problem(untouched(lambda: ask(api)), 429, "over_limit")["limit"] == 2
    assert ask(other).status_code == 201, "the limit is the key's own"
    assert api.post(f"approvals/{first['id']}/cancel/", {}).status_code == 200
    assert ask(api).status_code == 201
    assert Approval.objects.count() == 4


@pytest.mark.parametrize(
    ("limits", "said", "risk"),
    [
        ({}, {}, "medium"),
        ({}, {"risk": "low"}, "medium"),
        ({}, {"risk": "critical"}, "critical"),
        ({"risk": "low"}, {}, "low"),
        ({"risk": "low"}, {"risk": "medium"}, "medium"),
        ({"risk": "high"}, {"risk": "low"}, "high"),
    ],
)
def test_the_owner_says_the_least_risk_and_the_agent_only_raises_it(
    limits: Any, said: Any, risk: str, usual: None, alice: Any
) -> None:
    response = ask(key(alice, **limits), **said)
    assert (response.status_code, response.json()["risk"]) == (201, risk)


def test_a_worker_takes_from_its_queues_only(usual: None, alice: Any) -> None:
    flow = Workflow("outside")
    flow.step(name="train", external=True, queue="gpu")
    api, other = key(alice, queues=["gpu"]), key(alice, queues=["cpu"])
    assert api.post("runs/", {"workflow": "outside"}).status_code == 201
    assert problem(other.post("steps/claim/", {"queues": ["gpu"]}), 403, "not_allowed")["reason"] == "queue_not_listed"
    assert api.post("steps/claim/", {"queues": ["gpu"]}).json()["name"] == "train"


@pytest.mark.parametrize(
    "limits",
    [
        {"pending": 0},
        {"pending": True},
        {"rate": "60"},
        {"rate": -1},
        {"risk": "none"},
        {"risk": ["low"]},
        {"queues": "gpu"},
        {"queues": [""]},
        {"speed": 1},
    ],
)
def test_a_limit_that_is_none_is_refused_when_the_key_is_made(limits: Any, alice: Any) -> None:
    with pytest.raises(BadInput):
        create_key("limited", owner=alice, scopes=SCOPES, limits=limits, actor=alice)
    assert not ApiKey.objects.exists()


def test_a_key_that_would_be_over_at_once_is_not_made(alice: Any) -> None:
    with pytest.raises(BadInput, match="past"):
        create_key("late", owner=alice, scopes=SCOPES, expires_at=clock.now(), actor=alice)
    assert not ApiKey.objects.exists()


def test_what_a_key_may_is_on_record(usual: None, alice: Any) -> None:
    until = clock.now() + timedelta(days=30)
    made, token = create_key(
        "kept", owner=alice, scopes=SCOPES, policies=["usual"], limits={"rate": 9}, expires_at=until, actor=alice
    )
    record = AuditRecord.objects.get(stream=f"key:{made.pk}")
    body = bytes(record.body).decode()
    for told in ('"rate":9', '"usual"', '"approvals:request"', until.isoformat()):
        assert told in body
    assert token.rpartition("_")[2] not in body
