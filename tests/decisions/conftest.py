"""Gates of every kind, and more people than the cast."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hitl import Action, Workflow
from hitl.models import Approval


@pytest.fixture
def make_gate(alice: Any, bob: Any, carol: Any, work: Any) -> Callable[..., Approval]:
    """An approval of a gate with these options."""

    def make(
        args: dict[str, Any] | None = None, *, requester: Any = None, reversible: bool = False, **options: Any
    ) -> Approval:
        action = Action(args or {"n": 1}, type="do", title="Do it", impact="It is done", reversible=reversible)
        flow = Workflow("gate")
        flow.step(lambda ctx: action, name="draft")
        flow.approval("ask", after="draft", **options)
        flow.step(lambda ctx: {"ran": ctx.action_type, **ctx.action}, name="act", after="ask")
        run = flow.start(requester=requester or alice)
        work()
        return Approval.objects.get(run=run)

    return make
