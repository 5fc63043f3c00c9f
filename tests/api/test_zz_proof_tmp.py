from typing import Any
from hitl import decisions, engine
from hitl.models import Approval, Run
def test_x(refund: Any, alice: Any, bob: Any, work: Any) -> None:
    from hitl import Action, Workflow
    flow = Workflow("pf"); flow.step(lambda ctx: {"amount": 1}, name="draft")
    flow.approval("g", after="draft", reviewers=["user:bob"], title="T", impact="I")
    flow.step(lambda ctx: None, name="act", after="g")
    run = flow.start(requester=alice); work()
    engine.cancel(run, actor=alice)
    made = engine.fork(run, "g", actor=bob, patch={"draft": {"amount": 9999}}); work()
    row = Approval.objects.get(run=made, status="pending")
    print("PROOF", row.args, decisions.decide(row, actor=bob, verdict="approve", digest=row.digest).approval.status)
