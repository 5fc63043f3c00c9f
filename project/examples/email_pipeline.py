"""Act, then ask, stage by stage: each stage works on what was approved before it, edits included.

The scripted agent drafts a mail, editors approve it; the tone is reviewed by a manager; finalizing needs nobody.
"""

from datetime import timedelta

from hitl import Gate, Workflow
from project.examples import world

pipeline = Workflow("email-pipeline", title="Write a mail")


def draft(ctx):
    """Write the mail; sent back, write it again as the reviewer said."""
    text = f"Dear team, this is about {ctx.input['topic']}."
    return {"text": f"{text} {ctx.instructions}" if ctx.instructions else text}


def review_tone(ctx):
    """Make the approved draft sound friendly."""
    return {"text": f"{ctx.previous['text']} Many thanks!"}


def finalize(ctx):
    """Sign what was approved, and send it."""
    text = f"{ctx.previous['text']}\n\nThe team"
    ctx.once("mail", world.act, "mail", text=text, idempotency_key=ctx.idempotency_key("mail"))
    return text


pipeline.approve_each(
    [
        (draft, Gate(reviewers=["group:editors"], timeout=timedelta(hours=4), max_revisions=3)),
        (review_tone, Gate(reviewers=["group:managers"], timeout=timedelta(hours=24))),
        (finalize, None),
    ]
)
