"""Other products' clients, as bare HTTP: the shapes they send, answered in this process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from hitl import decisions
from hitl.models import Approval
from hitl.policies import create_key
from hitl.policies.documents import apply_policy

POLICY = {"name": "refunds", "default": {"stages": [{"reviewers": ["group:finance"], "approvals": 1, "timeout": "4h"}]}}
SCOPES = ["approvals:request", "approvals:read", "feedback:write", "runs:start", "runs:read"]


class Compat:
    """A program with a key, at one of the compatible doors."""

    def __init__(self, token: str, *, header: str = "Authorization", prefix: str = "Bearer ") -> None:
        self.client = Client(enforce_csrf_checks=True, raise_request_exception=False)
        self.headers = {header: f"{prefix}{token}"} if token else {}

    def get(self, path: str) -> Any:
        """GET from the root of the site."""
        return self.client.get(f"/{path}", headers=self.headers)

    def post(self, path: str, body: Any) -> Any:
        """POST JSON."""
        return self.client.post(f"/{path}", body, content_type="application/json", headers=self.headers)


@pytest.fixture
def token(alice: Any, finance: Any) -> str:
    """The secret of alice's agent, which may ask by one policy."""
    apply_policy(POLICY, actor=alice)
    return str(create_key("sdk", owner=alice, scopes=SCOPES, actor=alice, policies=["refunds"])[1])


@pytest.fixture
def agent(token: str) -> Compat:
    """The agent at HumanLayer's door."""
    return Compat(token)


@pytest.fixture
def decide(bob: Any) -> Callable[..., None]:
    """Bob's word on the newest request that is open."""

    def act(verdict: str, **said: Any) -> None:
        row = Approval.objects.pending().latest("opened_at")
        decisions.decide(row, actor=bob, verdict=verdict, digest=row.digest, **said)

    return act
