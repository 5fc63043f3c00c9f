"""A gate on a rule: small refunds pass by themselves, and only a larger one waits for a person.

Where small ends is said by the policy `refunds` in `policies.yaml`, not here: it asks for all but what its rule lets
pass. What passed is on record too. The agent is scripted.
"""

from datetime import timedelta

from pydantic import BaseModel

from hitl import Action, workflow
from project.examples import psp


class Refund(BaseModel):
    """What is paid back."""

    order_id: str
    amount: int


@workflow("process-refund", title="Refund what the customer wants")
def process_refund(ctx):
    """Ask, if the policy wants somebody asked; refund."""
    wanted = Refund(order_id=ctx.input["order_id"], amount=ctx.input["amount"])
    answer = ctx.approve(
        "refund",
        Action(
            wanted,
            title=f"Refund {wanted.amount} to order {wanted.order_id}",
            impact="Money leaves at once",
            target=f"order {wanted.order_id}",
        ),
        policy="refunds",
        editable=[],  # the amount decided who is asked
        timeout=timedelta(hours=4),
    )
    if not answer.approved:
        return {"refunded": 0, "status": answer.status, "why": answer.comment}
    key = ctx.idempotency_key("psp")
    return ctx.once("psp", psp.refund, answer.action.order_id, answer.action.amount, idempotency_key=key)
