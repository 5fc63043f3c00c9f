"""Every verb of the context in its async form, in one handler that waits again and again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

import hitl
from hitl import SYSTEM, Action, Human, Signal, Timer, Workflow, audit, decisions, engine
from hitl.models import Approval, Notification, Run, StreamChunk

pytestmark = pytest.mark.django_db
DO = Action({"n": 1}, type="do", title="Do it", impact="It is done")


def test_async_handlers_have_every_verb(alice: Any, bob: Any, work: Any, pass_time: Any) -> None:
    other = Workflow("async-child")
    other.step(lambda ctx: ctx.input + 1, name="a")
    ears = Workflow("async-ears")
    ears.step(lambda ctx: ctx.wait_for_signal("hello"), name="a")
    heard = ears.start(requester=SYSTEM)
    flow = Workflow("async-all")

    @flow.step(escalation=[Human(reviewers=["user:bob"])])
    async def everything(ctx: Any) -> Any:
        await ctx.acheckpoint({"seen": 1})
        await ctx.aheartbeat()
        await ctx.aset_event("status", "working")
        await ctx.aput_stream("chunk", name="first")
        await ctx.asend_signal(heard.pk, "hello", "there")
        await ctx.anotify("told", DO, reviewers=["user:bob"])
        child = await ctx.arun_workflow("child", other, 41)
        await ctx.asleep("nap", timedelta(hours=1))
        won = await ctx.await_any("any", Signal("go"), Timer(timedelta(hours=1)))
        asked = await ctx.aask("which", "Which?", options=["x", "y"], reviewers=["user:bob"])
        approved = await ctx.aapprove("yes", DO, reviewers=["user:bob"])
        helped = await ctx.aescalate("help")
        event = await ctx.aget_event("status")
        return [child, won.value, asked, approved.status, helped.text, event, ctx.load_checkpoint()]

    run = flow.start(requester=alice)
    work()
    engine.sweep()
    work()
    pass_time(timedelta(minutes=61))
    engine.sweep()
    work()
    hitl.signal(run, "go", 7, sender=SYSTEM)
    for verdict, response in (("respond", "y"), ("approve", None), ("respond", "done")):
        work()
        row = Approval.objects.get(run=run, status="pending")
        decisions.decide(row, actor=bob, verdict=verdict, digest=row.digest, response=response)
    work()
    run = Run.objects.get(pk=run.pk)
    assert run.output == [42, 7, "y", "approved", "done", "working", {"seen": 1}]
    assert StreamChunk.objects.filter(run=run).count() == 1
    assert Notification.objects.filter(run=run, kind="info").count() == 1
    assert Run.objects.get(pk=heard.pk).output == "there"
    assert audit.verify(run.pk).code == 0
