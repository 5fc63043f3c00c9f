"""Side by side, then one look: scripted analysts work in parallel, and a person validates their joined summary.

Nothing is reported before that; the person may correct the summary, and the corrected one is reported.
"""

from datetime import timedelta

from pydantic import BaseModel

from hitl import Action, Workflow
from project.examples import world


class Report(BaseModel):
    """What is reported."""

    company: str
    summary: str


analysis = Workflow("concurrent-analysis", title="Analyse a company")


@analysis.step
def market(ctx):
    """The scripted market analyst."""
    return f"{ctx.input['company']} grows"


@analysis.step
def risks(ctx):
    """The scripted risk analyst."""
    return "one lawsuit"


@analysis.step
def finances(ctx):
    """The scripted accountant."""
    return "no debts"


@analysis.step(after=[market, risks, finances])
def summary(ctx):
    """Join what the three found."""
    found = "; ".join(ctx.results[name] for name in ("market", "risks", "finances"))
    return Action(
        Report(company=ctx.input["company"], summary=found),
        title=f"Report on {ctx.input['company']}",
        impact="The board decides by it",
        description=found,
        reversible=True,
    )


validate = analysis.approval("validate", after=summary, reviewers=["group:managers"], timeout=timedelta(hours=24))


@analysis.step(after=validate)
def report(ctx):
    """Report what was validated."""
    key = ctx.idempotency_key("report")
    return ctx.once("report", world.act, "report", summary=ctx.action.summary, idempotency_key=key)
