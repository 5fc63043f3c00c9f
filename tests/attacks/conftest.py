"""What the attacks begin with: a request of a gate, and one asked inside a handler."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hitl import Action, Workflow, decisions
from hitl.models import Approval

Ask = Callable[..., Approval]


@pytest.fixture
def gate(alice: Any, bob: Any, carol: Any, work: Any) -> Ask:
    """A request of a gate with these options, asked by alice."""

    def make(args: dict[str, Any] | None = None, *, reversible: bool = False, **options: Any) -> Approval:
        action = Action(args or {"n": 1}, type="do", title="Do it", impact="It is done", reversible=reversible)
        flow = Workflow("attacked-gate")
        flow.step(lambda ctx: action, name="draft")
        flow.approval("ask", after="draft", reversible=reversible, **options)
        flow.step(lambda ctx: {"ran": ctx.action_type, **ctx.action}, name="act", after="ask")
        run = flow.start(requester=alice)
        work()
        return Approval.objects.get(run=run)

    return make


@pytest.fixture
def ask_inside(alice: Any, bob: Any, carol: Any, work: Any) -> Ask:
    """A request that a handler makes with ctx.approve and these options, asked by alice."""

    def make(args: dict[str, Any], *, reversible: bool = False, **options: Any) -> Approval:
        action = Action(args, type="do", title="Do it", impact="It is done", reversible=reversible)
        flow = Workflow("attacked-handler")
        flow.step(lambda ctx: ctx.approve("sure", action, **options).status, name="act")
        run = flow.start(requester=alice)
        work()
        return Approval.objects.get(run=run)

    return make


@pytest.fixture
def decide() -> Callable[..., decisions.Outcome]:
    """A vote about what is there."""

    def vote(approval: Approval, actor: Any, verdict: str = "approve", **options: Any) -> decisions.Outcome:
        return decisions.decide(approval, actor=actor, verdict=verdict, **{"digest": approval.digest, **options})

    return vote
