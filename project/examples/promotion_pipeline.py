"""dev, staging, prod: every environment people use has a gate of its own, and a function of the action says how risky.

Dev needs nobody, the load test is skipped for a hotfix, and production asks two people. The builds are scripted.
"""

from datetime import timedelta

from pydantic import BaseModel

from hitl import Action, Workflow
from project.examples import world


class Release(BaseModel):
    """What is rolled out, and where."""

    service: str
    version: str
    environment: str
    drops_data: bool = False


pipeline = Workflow("promotion-pipeline", title="Promote a release")


def risk_of(action):
    """Staging is medium, production high, and production that drops data critical."""
    if action.args["environment"] != "prod":
        return "medium"
    return "critical" if action.args["drops_data"] else "high"


def proposal(ctx, environment, impact, *, reversible):
    """The action a gate of this pipeline asks about."""
    release = Release(
        service=ctx.input["service"],
        version=ctx.input["version"],
        environment=environment,
        drops_data=ctx.input.get("drops_data", False),
    )
    return Action(
        release,
        type="roll_out",
        title=f"Roll out {release.service} {release.version} to {environment}",
        impact=impact,
        target=environment,
        reversible=reversible and not release.drops_data,
    )


def roll_out(ctx, service, version, environment):
    """Roll out, once."""
    key = ctx.idempotency_key("roll-out")
    return ctx.once(
        "roll-out", world.act, "roll-out", service=service, version=version, to=environment, idempotency_key=key
    )


@pipeline.step
def dev(ctx):
    """Low risk: nobody is asked."""
    return roll_out(ctx, ctx.input["service"], ctx.input["version"], "dev")


to_staging = pipeline.approval(
    "to-staging",
    after=dev,
    action=lambda ctx: proposal(ctx, "staging", "Testers work with it", reversible=True),
    risk=risk_of,
    reviewers=["group:ops"],
    editable=["version"],
    timeout=timedelta(hours=8),
)


@pipeline.step(after=to_staging)
def staging(ctx):
    """What ops approved."""
    return roll_out(ctx, ctx.action.service, ctx.action.version, ctx.action.environment)


@pipeline.step(after=staging, when=lambda ctx: not ctx.input.get("hotfix", False))
def load_test(ctx):
    """Skipped for a hotfix."""
    return ctx.once("test", world.act, "load-test", idempotency_key=ctx.idempotency_key("test"))


to_prod = pipeline.approval(
    "to-prod",
    after=load_test,
    action=lambda ctx: proposal(ctx, "prod", "Customers see it at once", reversible=False),
    risk=risk_of,
    reviewers=["group:managers"],
    approvals=2,
    editable=[],
    timeout=timedelta(hours=24),
)


@pipeline.step(after=to_prod)
def prod(ctx):
    """What two managers approved."""
    return roll_out(ctx, ctx.action.service, ctx.action.version, ctx.action.environment)
