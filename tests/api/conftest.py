"""A small client that speaks to the API as programs do."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from tests.conftest import _user
from tests.rows import snapshot


class Api:
    """JSON in, JSON out, as the holder of a token, as a signed-in person, or as nobody."""

    def __init__(self, token: str = "", user: Any = None) -> None:
        self.client = Client(enforce_csrf_checks=True, raise_request_exception=False)
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}
        if user is not None:
            self.client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
            self.client.cookies["csrftoken"] = "c" * 32
            self.headers["X-CSRFToken"] = "c" * 32

    def get(self, path: str, **query: Any) -> Any:
        """GET under /api/v1/."""
        return self.client.get(f"/api/v1/{path}", query, headers=self.headers)

    def post(self, path: str, body: Any = None, *, key: str | None = None, raw: bytes | None = None) -> Any:
        """POST JSON, or `raw` bytes as they are; `key` is the idempotency key."""
        headers = self.headers | ({} if key is None else {"Idempotency-Key": key})
        data = raw if raw is not None else json.dumps(body).encode()
        return self.client.post(f"/api/v1/{path}", data, content_type="application/json", headers=headers)

    def call(self, method: str, path: str) -> Any:
        """Any other method."""
        return self.client.generic(method, f"/api/v1/{path}", b"{}", "application/json", headers=self.headers)


def problem(response: Any, status: int, code: str) -> dict[str, Any]:
    """Assert that an answer is this problem in RFC 9457's shape, and return its body."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert (body["status"], body["code"], body["type"]) == (status, code, f"urn:hitl:problem:{code}")
    assert body["title"]
    assert isinstance(body["detail"], str)
    assert body["detail"]
    return body


def untouched(answer: Any) -> Any:
    """Do it, and assert that no row but the key's last use changed; returns the answer."""
    before = snapshot(proof=False)
    response = answer()
    assert snapshot(proof=False) == before
    return response


@pytest.fixture
def bot(agent_key: Any) -> Api:
    """Alice's agent."""
    return Api(token=agent_key[1])


@pytest.fixture
def nobody(db: None) -> Api:
    """Comes without anything."""
    return Api()


@pytest.fixture
def as_bob(bob: Any) -> Api:
    """Bob, signed in."""
    return Api(user=bob)


@pytest.fixture
def as_carol(carol: Any) -> Api:
    """Carol, signed in."""
    return Api(user=carol)


@pytest.fixture
def as_alice(alice: Any) -> Api:
    """Alice, signed in."""
    return Api(user=alice)


@pytest.fixture
def as_mallory(mallory: Any) -> Api:
    """Mallory, signed in."""
    return Api(user=mallory)


@pytest.fixture
def olga(db: None) -> Any:
    """Operates."""
    from django.contrib.auth.models import Permission

    user = _user("olga")
    user.user_permissions.add(Permission.objects.get(codename="operate"))
    return user


@pytest.fixture
def as_olga(olga: Any) -> Api:
    """Olga, signed in."""
    return Api(user=olga)


@pytest.fixture
def may_start(alice: Any) -> Any:
    """Alice, who may start runs over the API."""
    from django.contrib.auth.models import Permission

    alice.user_permissions.add(Permission.objects.get(codename="add_run", content_type__app_label="hitl"))
    return alice


@pytest.fixture
def asked_by_bot(refund: Any, bot: Api, bob: Any, carol: Any, work: Any) -> Any:
    """An approval of a run that the agent started itself."""
    from hitl.models import Approval

    run = bot.post("runs/", {"workflow": "test-refund", "input": {"order_id": "A-17"}}).json()
    work()
    return Approval.objects.get(run=run["id"])


@pytest.fixture
def asking_key(alice: Any) -> Api:
    """An agent of alice's that may do whatever a program may with requests."""
    from hitl.policies import create_key

    scopes = ["runs:start", "runs:read", "approvals:read", "approvals:request", "feedback:write"]
    return Api(token=create_key("asking-bot", owner=alice, scopes=scopes, actor=alice)[1])


@pytest.fixture
def gate(alice: Any, bob: Any, carol: Any, work: Any) -> Callable[..., Any]:
    """A request of alice's to finance, through a gate with these options."""
    from hitl import Action, Workflow
    from hitl.models import Approval

    def ask(name: str = "gated", *, type: str = "do", reversible: bool = False, **options: Any) -> Any:
        flow = Workflow(name)
        action = Action({"n": 1}, type=type, title="Do it", impact="Done", reversible=reversible)
        flow.step(lambda ctx: action, name="draft")
        who = {} if {"stages", "policy", "reviewers"} & options.keys() else {"reviewers": ["group:finance"]}
        flow.approval("ask", after="draft", **who, **options)
        flow.step(lambda ctx: ctx.action.n, name="act", after="ask")
        run = flow.start(requester=alice)
        work()
        return Approval.objects.get(run=run)

    return ask


@pytest.fixture
def dave(db: None) -> Any:
    """Is asked by nobody yet."""
    return _user("dave")


@pytest.fixture
def as_dave(dave: Any) -> Api:
    """Dave, signed in."""
    return Api(user=dave)
