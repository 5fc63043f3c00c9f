"""A manager agent plans, people approve the plan, and specialists carry it out; what they found is looked at again.

The manager is scripted: it asks its specialists in turns until it knows enough for a plan.
"""

from datetime import timedelta

from hitl import Action, Complete, Continue, Restart, Workflow
from project.examples import world

incident = Workflow("incident-plan", title="Answer an incident")

SPECIALISTS = {"logs": "many timeouts since noon", "metrics": "the pool is exhausted"}


def manage(ctx):
    """One turn of the manager: ask the next specialist, or plan."""
    facts = (ctx.load_checkpoint() or {"facts": []})["facts"]
    open_questions = list(SPECIALISTS)[len(facts) :]
    if open_questions:
        fact = ctx.once("ask", SPECIALISTS.__getitem__, open_questions[0])
        return Continue({"facts": [*facts, fact]})
    service = ctx.input["service"]
    drain = [{"name": "drain", "handler": "drain", "args": {"service": service}}] if ctx.instructions else []
    restart = {"name": "restart", "handler": "restart", "args": {"service": service}}
    restart |= {"after": ["drain"]} if drain else {}
    check = {"name": "check", "handler": "check", "args": {"service": service}, "after": ["restart"]}
    return Complete(
        Action(
            {"steps": [*drain, restart, check]},
            type="plan",
            title=f"Bring {service} back",
            impact="The service is away for a minute",
            description="Known: " + "; ".join(facts) + (f". Asked for: {ctx.instructions}" if ctx.instructions else ""),
            target=service,
        )
    )


manager = incident.agent_loop("manager", manage, max_iterations=8, max_duration=timedelta(minutes=15))
gate = incident.approval(
    "approve-plan", after=manager, reviewers=["group:ops"], risk="high", timeout=timedelta(minutes=30)
)
execute = incident.planner("execute", plan_from=gate, max_steps=6, allowed=["drain", "restart", "check"])
incident.on_failure(gate, lambda ctx: Restart("manager") if ctx.failure["code"] == "rejected" else None, max_restarts=2)
incident.question(
    "findings",
    question=lambda ctx: f"The plan ran: {', '.join(sorted(ctx.results['execute']))}. Is the incident over?",
    after=execute,
    options=["over", "not over"],
    reviewers=["group:ops"],
    timeout=timedelta(hours=4),
)


def deed(what):
    """A scripted specialist that does one thing."""

    def handler(ctx):
        return ctx.once(what, world.act, what, idempotency_key=ctx.idempotency_key(what), **ctx.args)

    return handler


for name in ("drain", "restart", "check"):
    incident.handler(name)(deed(name))
