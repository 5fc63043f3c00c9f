"""One gate per step: each step proposes what it wants to do, and a person lets exactly that happen before the next.

The scripted agent migrates a customer in three moves; a no at any of them ends the run, and what was done before stays.
"""

from datetime import timedelta

from pydantic import BaseModel

from hitl import Action, Gate, Workflow
from project.examples import world


class Move(BaseModel):
    """One move of the migration."""

    customer: str
    what: str


migration = Workflow("multi-step", title="Move a customer, step by step")


def asking(what, impact, *, reversible):
    """A gate of its own for one move: what it proposes and what comes of it."""

    def propose(ctx):
        customer = ctx.input["customer"]
        return Action(
            Move(customer=customer, what=what),
            title=f"{what.capitalize()} {customer}",
            impact=impact,
            target=f"customer {customer}",
            reversible=reversible,
        )

    return Gate(action=propose, reviewers=["group:ops"], timeout=timedelta(hours=8))


def done(ctx):
    """Do the move that was approved."""
    move = ctx.action
    key = ctx.idempotency_key("move")
    return ctx.once("move", world.act, move.what, customer=move.customer, idempotency_key=key)


@migration.step(gate=asking("export", "Reads all data of the customer", reversible=True))
def export(ctx):
    """Step 1 of 3."""
    return done(ctx)


@migration.step(after=export, gate=asking("import", "Fills the new database", reversible=True))
def load(ctx):
    """Step 2 of 3."""
    return done(ctx)


@migration.step(after=load, gate=asking("switch", "Customers see the new system at once", reversible=False))
def switch(ctx):
    """Step 3 of 3."""
    return [*(ctx.results[name]["did"] for name in ("export", "load")), done(ctx)["did"]]
