"""What goes on after somebody took it back."""

from __future__ import annotations

from typing import Any

import pytest

from hitl import Action, Workflow, decisions
from hitl.exceptions import HitlError
from hitl.models import Approval


def test_a_cancelled_request_takes_the_runs_along_that_its_run_started(
    decide: Any, work: Any, alice: Any, bob: Any
) -> None:
    child, flow, ran = Workflow("attacked-child"), Workflow("attacked-parent"), []
    child.step(lambda ctx: Action({"n": 1}, type="small", title="t", impact="i"), name="draft")
    child.approval("ask", after="draft", reviewers=["group:finance"])
    child.step(lambda ctx: ran.append(ctx.action), name="act", after="ask")
    flow.step(lambda ctx: ctx.run_workflow("kid", child), name="begin")
    flow.step(lambda ctx: Action({"n": 2}, type="large", title="t", impact="i"), name="draft")
    flow.approval("ask", after="draft", reviewers=["group:finance"])
    flow.step(lambda ctx: None, name="act", after=["ask", "begin"])
    flow.start(requester=alice)
    work()
    decisions.cancel(Approval.objects.get(action_type="large"), actor=alice)
    with pytest.raises(HitlError):
        decide(Approval.objects.get(action_type="small"), bob)
    work()
    assert ran == []
