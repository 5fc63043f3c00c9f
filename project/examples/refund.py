"""A refund that a person approves: the agent drafts it, finance decides, and exactly what was approved is paid."""

from datetime import timedelta

from pydantic import BaseModel

from hitl import Action, Workflow
from project.examples import psp


class Refund(BaseModel):  # the action's arguments: typed, shown, editable, validated
    """What is paid back."""

    order_id: str
    amount: int


refund = Workflow("refund", title="Refund an order")


@refund.step
def draft(ctx):
    """The scripted agent: it always proposes to refund 250."""
    order = ctx.input["order_id"]
    return Action(
        Refund(order_id=order, amount=250),
        title=f"Refund 250 to order {order}",
        impact="Money leaves at once",
        description="The customer says the parcel arrived damaged and sent two photos.",
        target=f"order {order}",
        reversible=False,
    )


review = refund.approval("review", after=draft, policy="refunds", timeout=timedelta(hours=4))


@refund.step(after=review)  # the one step this gate protects
def pay(ctx):
    """Pay what was approved; the provider takes the key once, however often this runs."""
    action = ctx.action  # a Refund, exactly as approved, edits included; the grant is consumed
    return ctx.once("psp", psp.refund, action.order_id, action.amount, idempotency_key=ctx.idempotency_key("psp"))
