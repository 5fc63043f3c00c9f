"""Verify: what cannot be undone is confirmed by typing what it is about, not by a click.

Critical risk takes two people unless somebody says otherwise. The question is asked inside the handler, so that the
phrase can name the resource; the agent is scripted.
"""

from datetime import timedelta

from pydantic import BaseModel

from hitl import Action, workflow
from project.examples import world


class Delete(BaseModel):
    """What is deleted."""

    resource_id: str
    kind: str


@workflow("delete-resource", title="Delete a resource")
def delete_resource(ctx):
    """Say what would be deleted, have it typed, delete it."""
    found = Delete(resource_id=ctx.input["resource_id"], kind="database")
    answer = ctx.approve(
        "delete",
        Action(
            found,
            title=f"Delete the {found.kind} {found.resource_id}",
            impact="All its data is gone for good",
            target=f"{found.kind} {found.resource_id}",
            reversible=False,
        ),
        reviewers=["group:ops"],
        risk="critical",
        level="verify",
        phrase=f"DELETE {found.resource_id}",
        editable=[],  # the phrase names what is deleted, so nobody may change it underneath
        timeout=timedelta(hours=4),
    )
    ctx.notify(
        "told",
        Action(
            found,
            title=f"{found.resource_id}: deletion was {answer.status}",
            impact="Nothing is asked of you",
            reversible=True,
        ),
        reviewers=["group:managers"],
    )
    if not answer.approved:
        return {"deleted": None, "status": answer.status, "why": answer.comment}
    key = ctx.idempotency_key("delete")
    ctx.once("delete", world.act, "delete", resource=answer.action.resource_id, idempotency_key=key)
    return {"deleted": answer.action.resource_id}
