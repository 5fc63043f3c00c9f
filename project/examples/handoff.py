"""Handoff: a scripted triage agent chooses a specialist; when it is not sure, a person confirms or re-routes.

Only the chosen specialist runs: the others are skipped by their `when`.
"""

from datetime import timedelta
from typing import Literal

from pydantic import BaseModel

from hitl import Action, StepFailed, Workflow


class Route(BaseModel):
    """Where a query goes; a reviewer can change it."""

    query: str
    specialist: Literal["billing", "technical"]


desk = Workflow("handoff", title="Hand a query to a specialist")


def classify(query):
    """The scripted triage agent: sure when one word tells."""
    if "invoice" in query:
        return {"specialist": "billing", "confidence": 0.9}
    return {"specialist": "technical", "confidence": 0.9 if "crash" in query else 0.4}


@desk.step
def triage(ctx):
    """Choose, and have an unsure choice looked at."""
    guess = ctx.once("classify", classify, ctx.input["query"])
    if guess["confidence"] >= 0.7:
        return guess["specialist"]
    answer = ctx.approve(
        "route",
        Action(
            Route(query=ctx.input["query"], specialist=guess["specialist"]),
            title=f"Hand this to {guess['specialist']}?",
            impact="The specialist answers the customer",
            description=ctx.input["query"],
            reversible=True,
        ),
        reviewers=["group:support"],
        editable=["specialist"],
        timeout=timedelta(hours=4),
    )
    if not answer.approved:
        raise StepFailed(f"nobody takes this query: {answer.comment or answer.status}", retry=False)
    return answer.action.specialist


def chosen(specialist):
    """Whether triage chose this one."""
    return lambda ctx: ctx.results["triage"] == specialist


@desk.step(after=triage, when=chosen("billing"))
def billing(ctx):
    """The scripted specialist for money."""
    return f"billing: your invoice is corrected ({ctx.input['query']})"


@desk.step(after=triage, when=chosen("technical"))
def technical(ctx):
    """The scripted specialist for machines."""
    return f"technical: please restart it ({ctx.input['query']})"


@desk.step(after=[billing, technical])
def reply(ctx):
    """Hand on what the one specialist said."""
    return ctx.results.get("billing") or ctx.results["technical"]
