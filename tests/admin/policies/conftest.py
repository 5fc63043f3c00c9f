"""A policy with rules, stages and a ladder, and requests that are asked by it."""

from __future__ import annotations

from collections.abc import Callable
from html import unescape
from typing import Any

import pytest

from hitl.models import Approval, Policy
from hitl.policies import apply_policy
from tests.admin.conftest import browse

LIST = "/review/policies/"
PAGE = f"{LIST}refunds/"
EDIT = f"{PAGE}edit/"
NEW = f"{LIST}new/"
TRY = f"{LIST}simulate/"
TEXT = """\
name: refunds
description: Money that goes back
rules:
- when: args.amount <= 100 && risk == "low"
  name: small ones
  auto: approve
  until: 2099-01-31
- when: args.amount > 5000
  stages:
  - reviewers:
    - group:finance
    approvals: 2
    timeout: 4h
    remind:
    - 1h
    escalate:
    - after: 2h
      to:
      - user:root
    fallback:
    - user:root
  - reviewers:
    - user:root
  level: verify
default:
  stages:
  - reviewers:
    - group:finance
step_up:
  high: password
"""


@pytest.fixture
def refunds(finance: Any, root: Any, bob: Any, carol: Any) -> Policy:
    """The policy of refunds, applied by root."""
    return apply(TEXT, root)


@pytest.fixture
def ask(alice: Any, work: Any) -> Callable[..., Approval]:
    """A request that alice makes under a policy."""
    from hitl import Action, Workflow

    made = iter(range(1000))

    def build(policy: str = "refunds", *, requester: Any = None, **args: Any) -> Approval:
        flow = Workflow(f"refunding-{next(made)}", title="Refunding")
        action = Action(args or {"amount": 250}, title="Pay back", impact="Money leaves", type="pay", target="A-17")
        flow.step(lambda ctx: action, name="draft")
        flow.approval("review", after="draft", policy=policy)
        flow.step(lambda ctx: None, name="pay", after="review")
        run = flow.start(requester=requester or alice)
        work()
        return Approval.objects.get(run=run)

    return build


def apply(text: str, who: Any) -> Policy:
    """Apply a policy that is written as YAML."""
    from hitl.policies import written

    return apply_policy(written.read(text), actor=who)


def shown(who: Any, address: str, data: Any = None, *, status: int = 200) -> str:
    """What the page says, as a person reads it."""
    response = browse(who).get(address, data)
    assert response.status_code == status
    return unescape(response.content.decode())
