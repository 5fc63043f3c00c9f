"""Routing by risk: a function says how risky a change is, and the policy `infrastructure` who looks at that risk.

Low passes by a rule, and is on record all the same; medium takes one reviewer, high a manager, and critical two people,
one after the other. The policy is in `policies.yaml`, and can change without this code; the changes are scripted.
"""

from datetime import timedelta
from typing import Literal

from pydantic import BaseModel

from hitl import Action, Workflow
from project.examples import world


class Change(BaseModel):
    """What is done, and where."""

    environment: Literal["dev", "staging", "production"]
    command: str
    deletes_data: bool = False


routing = Workflow("risk-routing", title="Change a system")


def classify_risk(action):
    """Production is high, and critical where it deletes data; staging is medium, dev low."""
    if action.args["environment"] == "production":
        return "critical" if action.args["deletes_data"] else "high"
    return "medium" if action.args["environment"] == "staging" else "low"


@routing.step
def propose(ctx):
    """The scripted agent: it wants what it was told."""
    change = Change(**ctx.input)
    return Action(
        change,
        title=f"Run {change.command} in {change.environment}",
        impact="Data is gone for good" if change.deletes_data else "It can be undone",
        target=change.environment,
        reversible=not change.deletes_data,
    )


review = routing.approval(
    "review",
    after=propose,
    policy="infrastructure",
    risk=classify_risk,
    editable=["command"],  # the rest decided who is asked, so it stays
    timeout=timedelta(hours=8),
)


@routing.step(after=review)
def change(ctx):
    """Run what was approved, once."""
    wanted = ctx.action
    key = ctx.idempotency_key("change")
    return ctx.once(
        "change", world.act, "change", command=wanted.command, environment=wanted.environment, idempotency_key=key
    )
