"""Confirmation: before it acts, the scripted agent repeats what it understood to the person who asked.

This makes sure of what is meant. It is no approval by somebody else, and is on record as what it is; high and critical
risk cannot be confirmed like this. For that, use a gate with reviewers, as the example `refund` does.
"""

from datetime import timedelta

from pydantic import BaseModel

from hitl import Action, workflow
from project.examples import psp


class Understood(BaseModel):
    """What the agent understood."""

    order_id: str
    amount: int


@workflow("confirm-refund", title="Confirm a refund with the customer")
def confirm_refund(ctx):
    """Repeat, wait for the customer's yes, refund."""
    understood = Understood(order_id=ctx.input["order_id"], amount=ctx.input["amount"])
    answer = ctx.approve(
        "understood",
        Action(
            understood,
            title=f"You want {understood.amount} back for order {understood.order_id}. Is that right?",
            impact="The money is on its way at once",
            target=f"order {understood.order_id}",
        ),
        reviewers=["requester"],  # and nobody else
        comment="never",
        timeout=timedelta(hours=1),
    )
    if not answer.approved:
        return {"refunded": 0, "status": answer.status}
    key = ctx.idempotency_key("psp")
    return ctx.once("psp", psp.refund, answer.action.order_id, answer.action.amount, idempotency_key=key)
