"""An agent that says how it stands: it publishes working, pending_approval or denied under the key `status`.

It waits for what it is told by a signal, and for a yes by an approval, as long as it takes; the agent is scripted.
"""

from datetime import timedelta

from hitl import Action, StepFailed, workflow
from project.examples import world

STATUS = "status"


@workflow("durable-agent", title="An agent with a status")
def durable_agent(ctx):
    """Work, hear what is wanted, ask, work on."""
    ctx.set_event(STATUS, {"status": "working"})
    draft = ctx.once("draft", lambda: f"Offer for {ctx.input['customer']}")
    wish = ctx.wait_for_signal("wish", timeout=timedelta(minutes=30), default={"discount": 0})
    ctx.set_event(STATUS, {"status": "pending_approval", "about": draft, **wish})
    answer = ctx.approve(
        "offer",
        Action(
            {"text": draft, "discount": wish["discount"]},
            type="send_offer",
            title=f"{draft}, {wish['discount']} % off",
            impact="The customer can accept it at once",
        ),
        reviewers=["group:managers"],
        timeout=timedelta(days=2),
    )
    if not answer.approved:
        ctx.set_event(STATUS, {"status": "denied", "why": answer.comment or answer.status})
        raise StepFailed(f"the offer was {answer.status}", retry=False)
    ctx.set_event(STATUS, {"status": "working"})
    sent = ctx.once("send", world.act, "offer", idempotency_key=ctx.idempotency_key("send"), **answer.action)
    ctx.set_event(STATUS, {"status": "finished"})
    return sent
