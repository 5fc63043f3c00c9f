"""Reason, approve, execute: a scripted agent thinks in turns and asks people for guidance when it is not sure.

Its plan is approved as a whole and then run step by step; a refused plan goes back to the agent with the reviewer's
words as instructions.
"""

from datetime import timedelta

from hitl import Action, Complete, Continue, Restart, Workflow
from project.examples import world

agent = Workflow("safe-agent", title="Change code, asking first")


def think(goal, heard, instructions):
    """The scripted model: sure once a person has told it where to look; told to do less, it plans less."""
    if not heard:
        return {"done": False, "confidence": 0.4, "said": f"{goal}: which module is it about?"}
    steps = [
        {"name": "edit", "handler": "code-edit", "args": {"module": heard[-1], "goal": goal}},
        {"name": "test", "handler": "test-run", "args": {"suite": "all"}, "after": ["edit"]},
    ]
    return {"done": True, "confidence": 0.9, "steps": steps[:1] if "no tests" in instructions else steps}


def heard_before(ctx):
    """Sent back to make another plan, it begins with what the last one knew, and asks nobody twice."""
    last = ctx.results.get("reason")
    return [last.args["steps"][0]["args"]["module"]] if last else []


def llm_reason(ctx):
    """One turn: think; ask when not sure; end with a plan to be approved."""
    state = ctx.load_checkpoint() or {"heard": heard_before(ctx)}
    thought = ctx.once("llm", think, ctx.input["goal"], state["heard"], ctx.instructions)
    if thought["done"]:
        names = ", ".join(step["name"] for step in thought["steps"])
        return Complete(
            Action(
                {"steps": thought["steps"]},
                type="plan",
                title=f"Plan for: {ctx.input['goal']}",
                impact=f"Changes the repository: {names}",
                description=ctx.instructions and f"Made again because: {ctx.instructions}",
            )
        )
    heard = state["heard"]
    if thought["confidence"] < 0.7:
        ctx.put_stream(thought["said"], name="asking")
        advice = ctx.wait_for_signal("human-review", timeout=timedelta(hours=1), from_="people")
        heard = [*heard, advice["guidance"]]
    return Continue({"heard": heard})


reason = agent.agent_loop(
    "reason",
    llm_reason,
    max_iterations=15,
    max_duration=timedelta(minutes=20),
    iteration_timeout=timedelta(seconds=90),
)
gate = agent.approval(
    "approve", after=reason, topic="approval.safe-agent", reviewers=["group:ops"], timeout=timedelta(hours=24)
)
agent.planner("execute", plan_from=gate, max_steps=10, allowed=["code-edit", "test-run"])


def replan(ctx):
    """A refused plan is made again; a plan nobody looked at is not."""
    if ctx.failure["code"] == "rejected":
        return Restart("reason", instructions=ctx.failure["why"])


agent.on_failure(gate, replan, max_restarts=2)


@agent.handler("code-edit")  # what a plan may name
def code_edit(ctx):
    """Edit one module, as the approved plan says."""
    return ctx.once("edit", world.act, "edit", idempotency_key=ctx.idempotency_key("edit"), **ctx.args)


@agent.handler("test-run")
def test_run(ctx):
    """Run the tests, as the approved plan says."""
    return ctx.once("test", world.act, "test", idempotency_key=ctx.idempotency_key("test"), **ctx.args)
