"""What the tests of notifications share."""

from __future__ import annotations

from typing import Any

import pytest

from hitl.models import Approval


@pytest.fixture
def make(alice: Any, bob: Any, carol: Any, work: Any) -> Any:
    """An approval of an action with these arguments; options of the gate by name."""
    from hitl import Action, Workflow

    made = iter(range(100))

    def build(args: Any = None, *, requester: Any = None, on_behalf_of: Any = None, **options: Any) -> Approval:
        words = {"title": "Do it", "impact": "It is done", "type": "do"}
        words |= {name: options.pop(name) for name in ("title", "impact", "description", "target") if name in options}
        flow = Workflow(f"gate-{next(made)}")
        flow.step(lambda ctx: Action(args or {"n": 1}, **words), name="draft")
        flow.approval("ask", after="draft", **{"reviewers": ["group:finance"], **options})
        flow.step(lambda ctx: ctx.action.args, name="act", after="ask")
        run = flow.start(requester=requester or alice, on_behalf_of=on_behalf_of)
        work()
        return Approval.objects.get(run=run)

    return build
