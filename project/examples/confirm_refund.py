"""Confirmation: before it acts, the scripted agent repeats what it understood to the person it acts for.

Whoever starts the run names that person as `for`, and it may be themselves: this makes sure of what is meant, it is no
approval by somebody else. For that, use a gate with reviewers, as the example `refund` does.
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
        reviewers=[f"user:{ctx.input['for']}"],
        prevent_self_review=False,
        comment="never",
        timeout=timedelta(hours=1),
    )
    if not answer.approved:
        return {"refunded": 0, "status": answer.status}
    key = ctx.idempotency_key("psp")
    return ctx.once("psp", psp.refund, answer.action.order_id, answer.action.amount, idempotency_key=key)
