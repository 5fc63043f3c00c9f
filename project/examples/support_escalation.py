"""The ladder: an agent that is not sure asks a senior agent, then a person, then a manager; each sees what was said.

It climbs while the answer has low confidence, an error, or is sensitive, and at once when the agent says that this is
not for it to decide. Both agents are scripted.
"""

from datetime import timedelta

from hitl import Escalate, Human, Workflow

support = Workflow("support-escalation", title="Answer a customer")


def senior_agent(ctx):
    """The scripted senior agent: knows about late parcels; leaves what is sensitive to people."""
    topic = ctx.input["question"]
    if "lawyer" in topic:
        return {"text": "this needs a person", "confidence": 0.9, "sensitive": True}
    return {"text": "It arrives tomorrow.", "confidence": 0.8 if "late" in topic else 0.3}


@support.step(
    escalation=[
        senior_agent,
        Human("human", reviewers=["group:support"], timeout=timedelta(hours=4)),
        Human("manager", reviewers=["group:managers"], timeout=timedelta(hours=24)),
    ]
)
def agent(ctx):
    """The scripted agent: knows the opening hours, and that it knows nothing else."""
    if "refund" in ctx.input["question"]:
        return Escalate(
            "It wants money back, which is not mine to give",
            context={"customer since": 2019, "asked": ctx.input["question"]},
            suggested_action="offer a voucher",
        )
    if "open" in ctx.input["question"]:
        return {"text": "We open at nine.", "confidence": 0.95}
    return {"text": "no idea", "confidence": 0.2}


@support.step(after=agent)
def reply(ctx):
    """Tell the customer what the rung that helped said."""
    answer = ctx.results["agent"]
    return {"reply": answer["text"] if isinstance(answer, dict) else answer}
