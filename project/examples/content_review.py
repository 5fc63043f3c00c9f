"""Maker and checker: the scripted agent writes, a person sends it back with a comment until it is good enough.

The rounds are bounded, and the last version is not published by default: at the limit the run is refused.
"""

from datetime import timedelta

from pydantic import BaseModel

from hitl import Action, Workflow
from project.examples import world


class Article(BaseModel):
    """What is published."""

    topic: str
    text: str


review = Workflow("content-review", title="Write an article, in rounds")


@review.step
def write(ctx):
    """The maker: the first version, or the last one changed as the checker said."""
    last = ctx.results.get("write")
    text = f"{last.args['text']} Added: {ctx.instructions}." if last else f"All about {ctx.input['topic']}."
    return Action(
        Article(topic=ctx.input["topic"], text=text),
        title=f"Publish an article about {ctx.input['topic']}",
        impact="Everybody can read it",
        description=text,
        reversible=True,
    )


check = review.approval(
    "check", after=write, revise=write, max_revisions=2, reviewers=["group:editors"], timeout=timedelta(hours=24)
)


@review.step(after=check)
def publish(ctx):
    """Publish the version that was approved."""
    key = ctx.idempotency_key("publish")
    return ctx.once("publish", world.act, "publish", text=ctx.action.text, idempotency_key=key)
