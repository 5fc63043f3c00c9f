"""One durable function: it quotes, asks, takes a revision as often as people want one, and sends what was approved.

The amount has to be typed, and people are those of the policy `treasury`; quotes and the bank are scripted.
"""

from pydantic import BaseModel

from hitl import Action, workflow
from project.examples import world


class Wire(BaseModel):
    """What is sent."""

    iban: str
    amount: int
    fee: int


def get_quote(wanted, remark=""):
    """The scripted bank: cheaper when told so."""
    return {"iban": wanted["iban"], "amount": wanted["amount"], "fee": 1 if "cheaper" in remark else 5}


@workflow("wire-transfer", title="Send a wire")
def wire_transfer(ctx):
    """Quote, ask, send."""
    quote = ctx.once("quote", get_quote, ctx.input)
    while True:
        answer = ctx.approve(
            "release",
            Action(
                Wire(**quote),
                title=f"Send {quote['amount']} to {quote['iban']}",
                impact="Cannot be recalled",
                target=quote["iban"],
            ),
            policy="treasury",
            level="verify",
            phrase=f"SEND {quote['amount']}",
            editable=["fee"],  # the phrase names the amount
        )
        if answer.status != "revision_requested":
            break
        quote = ctx.once(f"quote-{answer.revision}", get_quote, ctx.input, answer.comment)
    if not answer.approved:
        return {"status": answer.status, "why": answer.comment}
    wire = answer.action
    key = ctx.idempotency_key("send")
    return ctx.once("send", world.act, "wire", to=wire.iban, amount=wire.amount, fee=wire.fee, idempotency_key=key)
