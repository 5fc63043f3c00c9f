"""The workflows of the tutorial, the patterns and the how-to pages, driven from end to end as the pages say."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

import hitl
from hitl import SYSTEM, AnswerTimeout, RunFailed, engine
from hitl.definition import registry
from hitl.models import Approval, Notification, Run, Step, StreamChunk
from tests.docs.test_docs import ROOT, Block, answer, load, pending, read, run_block, workflow_block

HOWTO = "docs/howto"
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def empty_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """The examples of the project are registered already and share names with the pages."""
    monkeypatch.setattr(registry, "_workflows", {})


@pytest.fixture
def joins(bob: Any) -> Callable[..., None]:
    """Put bob, or somebody else, into a group of this name."""

    def join(name: str, person: Any = bob) -> None:
        from django.contrib.auth.models import Group

        Group.objects.get_or_create(name=name)[0].user_set.add(person)

    return join


def end(run: Any) -> Any:
    from hitl import audit

    assert audit.verify(run.pk).code == 0
    return Run.objects.get(pk=run.pk)


def later(delta: timedelta, work: Any, pass_time: Any) -> None:
    pass_time(delta)
    engine.sweep()
    work()


# -- the tutorial -------------------------------------------------------------------------------------


def janitor(parts: int) -> Any:
    """The tutorial's file as it stands after so many of its parts."""
    blocks = [block for block in read(ROOT / "docs/tutorial.md") if block.kind == "python"]
    assert len(blocks) == 3
    whole = "\n".join(block.text for block in blocks[:parts])
    run_block(Block(blocks[0].page, parts, "python", whole, False))
    return registry.get("janitor")


def guided(parts: int, alice: Any, bob: Any, work: Any) -> Run:
    run: Run = janitor(parts).start({"need_gb": 5}, requester=alice)
    work()
    assert hitl.get_event(run, "status") == "asking for guidance"
    hitl.signal(run, "guidance", "everything but the photos", sender=bob)
    work()
    return run


def test_the_tutorials_loop_asks_for_guidance(alice: Any, bob: Any, work: Any) -> None:
    run = end(guided(1, alice, bob, work))
    assert [step["name"] for step in run.output["steps"]] == ["logs", "cache", "exports", "measure"]


def test_the_tutorials_plan_runs_as_it_was_edited(alice: Any, bob: Any, joins: Any, work: Any) -> None:
    joins("ops")
    run = guided(2, alice, bob, work)
    steps = pending(run).args["steps"]
    kept = [step for step in steps if step["name"] != "cache"]
    kept[-1]["after"].remove("cache")
    answer(run, bob, "edit", args={"steps": kept})
    work()
    assert end(run).output == {
        "logs": "logs deleted",
        "exports": "exports deleted",
        "measure": {"enough": True, "needed": 5},
    }


def test_the_tutorials_refusal_goes_back_with_instructions(alice: Any, bob: Any, joins: Any, work: Any) -> None:
    joins("ops")
    run = guided(3, alice, bob, work)
    answer(run, bob, "reject", comment="keep the exports")
    work()
    assert [step["name"] for step in pending(run).args["steps"]] == ["logs", "cache", "measure"]
    answer(run, bob)
    work()
    assert set(end(run).output) == {"logs", "cache", "measure"}


def test_the_tutorials_restarts_end(alice: Any, bob: Any, joins: Any, work: Any) -> None:
    joins("ops")
    run = guided(3, alice, bob, work)
    for _ in range(3):
        answer(run, bob, "reject", comment="no")
        work()
    assert (end(run).status, end(run).failure_code) == ("failed", "max_restarts")


# -- patterns -----------------------------------------------------------------------------------------


def test_people_look_at_the_combined_result(alice: Any, bob: Any, joins: Any, work: Any) -> None:
    joins("analysts")
    run = load("docs/patterns.md", "analysis").start(requester=alice)
    work()
    answer(run, bob)
    work()
    assert end(run).output == {"published": {"growth": 4, "risks": ["currency"]}}


def test_a_reviewer_overrides_the_triage(alice: Any, bob: Any, joins: Any, work: Any) -> None:
    joins("support")
    run = load("docs/patterns.md", "routing").start(requester=alice)
    work()
    answer(run, bob, "edit", args={"to": "technical"})
    work()
    assert end(run).output == {"billing": None, "technical": "answered by technicians"}


def test_each_stage_acts_on_what_was_approved_before(alice: Any, bob: Any, joins: Any, work: Any) -> None:
    from django.contrib.auth import get_user_model

    joins("editors")
    manager = get_user_model().objects.create(username="manager")
    run = load("docs/patterns.md", "mail-pipeline").start("news", requester=alice)
    work()
    answer(run, bob, "request_revision", comment="shorter")
    work()
    answer(run, bob, "edit", args={"value": "News"})
    work()
    answer(run, manager)
    work()
    assert end(run).output == {"mail": "News. Kindly, us"}


# -- how to -------------------------------------------------------------------------------------------


def test_gates_said_where_the_step_is(alice: Any, bob: Any, joins: Any, work: Any) -> None:
    joins("ops")
    run = load(f"{HOWTO}/gate-a-step.md", "cleanup").start(requester=alice)
    work()
    answer(run, bob, phrase="DELETE LOGS")
    work()
    assert pending(run).title == "Vacuum the tables"
    answer(run, bob)
    work()
    assert end(run).output == {"vacuumed": True, "days": 90}


def test_a_loop_is_guided(alice: Any, bob: Any, work: Any) -> None:
    run = load(f"{HOWTO}/loops.md", "research").start({"question": "why"}, requester=alice)
    work()
    assert hitl.get_event(run, "status") == "asking"
    hitl.signal(run, "guidance", "the archive", sender=bob)
    work()
    assert end(run).output == {"answer": "found it with the archive", "turns": 2}
    assert StreamChunk.objects.count() == 2


def test_a_poll_pauses(work: Any, pass_time: Any) -> None:
    run = load(f"{HOWTO}/loops.md", "wait-for-build").start(requester=SYSTEM)
    work()
    for _ in range(2):
        assert end(run).status == "waiting"
        later(timedelta(minutes=11), work, pass_time)
    assert end(run).output == {"looked": 3}


def test_questions_are_answered_by_their_schema(alice: Any, bob: Any, joins: Any, work: Any, pass_time: Any) -> None:
    joins("facility")
    run = load(f"{HOWTO}/questions.md", "move-office").start(requester=alice)
    work()
    with pytest.raises(hitl.HitlError, match="is not one of"):
        answer(run, bob, "respond", response="Paris")
    answer(run, bob, "respond", response="Oslo")
    work()
    with pytest.raises(hitl.HitlError, match="is not of type"):
        answer(run, bob, "respond", response={"day": "Monday", "hours": "many"})
    answer(run, bob, "respond", response={"day": "Monday", "hours": 4})
    work()
    later(timedelta(hours=2), work, pass_time)
    assert end(run).output == {"moved": True, "to": "Oslo", "hours": 4, "note": ""}


def test_silence_is_no_answer(alice: Any, bob: Any, joins: Any, work: Any, pass_time: Any) -> None:
    joins("facility")
    run = load(f"{HOWTO}/questions.md", "move-office").start(requester=alice)
    work()
    answer(run, bob, "respond", response="Bergen")
    work()
    later(timedelta(hours=9), work, pass_time)
    assert end(run).output == {"moved": False}
    unanswered = registry.get("move-office").start(requester=alice)
    work()
    later(timedelta(hours=5), work, pass_time)
    assert end(unanswered).failure_code == AnswerTimeout.code


def test_an_approved_plan_runs(alice: Any, bob: Any, joins: Any, work: Any) -> None:
    joins("ops")
    run = load(f"{HOWTO}/plans.md", "repair").start({"service": "shop"}, requester=alice)
    work()
    answer(run, bob)
    work()
    assert end(run).output == {"stop": "shop restarted", "look": {"healthy": True, "after": "shop restarted"}}


def test_a_plan_that_was_edited_into_what_it_may_not_is_refused(alice: Any, bob: Any, joins: Any, work: Any) -> None:
    joins("ops")
    run = load(f"{HOWTO}/plans.md", "repair").start({"service": "shop"}, requester=alice)
    work()
    answer(run, bob, "edit", args={"steps": [{"name": "x", "handler": "shell", "args": {}, "after": []}]})
    work()
    assert (end(run).failure_code, "'shell'" in end(run).failure_text) == ("invalid_plan", True)


def test_a_planned_step_that_fails_asks_its_planners_failure_handler(work: Any) -> None:
    called: list[Any] = []
    flow = hitl.Workflow("planned-failure")

    @flow.handler("fail")
    def fail(ctx: Any) -> None:
        raise hitl.StepFailed("no", retry=False)

    plan = hitl.Plan([{"name": "a", "handler": "fail"}])
    planner = flow.planner("p", handler=lambda ctx: plan, allowed=["fail"], ungated="a test")
    flow.on_failure(planner, lambda ctx: called.append(ctx.failure))
    run = flow.start(requester=SYSTEM)
    work()
    assert (end(run).status, [told["code"] for told in called]) == ("failed", ["step_failed"])


def test_a_revision_is_written_anew(alice: Any, bob: Any, joins: Any, work: Any) -> None:
    joins("editors")
    run = load(f"{HOWTO}/revisions-and-restarts.md", "blog-post").start({"topic": "tea"}, requester=alice)
    work()
    answer(run, bob, "request_revision", comment="with milk")
    work()
    assert (pending(run).args, pending(run).revision) == ({"text": "tea, with milk"}, 2)
    answer(run, bob)
    work()
    assert end(run).output == {"published": "tea, with milk", "revision": 2}


def test_revisions_are_bounded(alice: Any, bob: Any, joins: Any, work: Any) -> None:
    joins("editors")
    run = load(f"{HOWTO}/revisions-and-restarts.md", "blog-post").start({"topic": "tea"}, requester=alice)
    for _ in range(3):
        work()
        answer(run, bob, "request_revision", comment="more")
    assert (end(run).status, end(run).failure_code) == ("rejected", "max_revisions")


def test_a_revision_inside_a_handler(alice: Any, bob: Any, joins: Any, work: Any) -> None:
    joins("editors")
    run = load(f"{HOWTO}/revisions-and-restarts.md", "letter").start(requester=alice)
    work()
    answer(run, bob, "request_revision", comment="thank you")
    work()
    answer(run, bob)
    work()
    assert end(run).output == {"sent": "Dear Sir, thank you"}
    run = registry.get("letter").start(requester=alice)
    for _ in range(3):
        work()
        answer(run, bob, "request_revision", comment="more")
    work()
    assert end(run).output == {"sent": False, "why": "revision_requested"}


def test_a_refusal_begins_again(alice: Any, bob: Any, joins: Any, work: Any, pass_time: Any) -> None:
    joins("buyers")
    run = load(f"{HOWTO}/revisions-and-restarts.md", "order-parts").start(requester=alice)
    work()
    answer(run, bob, "reject", comment="cheaper, please")
    work()
    answer(run, bob)
    work()
    assert end(run).output == {"ordered": 900}
    silent = registry.get("order-parts").start(requester=alice)
    work()
    later(timedelta(hours=5), work, pass_time)
    assert (end(silent).status, end(silent).failure_code) == ("failed", "approval_expired")


def test_the_ladder(alice: Any, bob: Any, joins: Any, work: Any, pass_time: Any) -> None:
    from django.contrib.auth import get_user_model

    joins("support")
    manager = get_user_model().objects.create(username="manager")
    flow = load(f"{HOWTO}/escalation.md", "support-answer")
    sure = flow.start({"question": "delivery"}, requester=alice)
    work()
    assert end(sure).output["sent"]["text"] == "About delivery: yes."
    delicate = flow.start({"question": "my lawyer"}, requester=alice)
    work()
    assert "stronger_model" in pending(delicate).question
    later(timedelta(hours=3), work, pass_time)
    answer(delicate, manager, "respond", response="Refund it.")
    work()
    assert end(delicate).output == {"sent": "Refund it."}


def test_asking_for_help(alice: Any, bob: Any, joins: Any, work: Any) -> None:
    joins("accounting")
    run = load(f"{HOWTO}/escalation.md", "booking").start(requester=alice)
    work()
    answer(run, bob, "respond", response="4711")
    work()
    assert Step.objects.get(run=run, name="book").output == {"account": "4711", "said": "bob", "rung": 1}
    answer(run, bob, "respond", response="check the fees")
    work()
    assert end(run).output == {"text": "check the fees", "by": "bob", "rung": 1, "value": "check the fees"}


@pytest.mark.parametrize("first", ["paid", "order-cancelled", "approve", "reject", "time"])
def test_the_first_wins(first: str, alice: Any, bob: Any, joins: Any, work: Any, pass_time: Any) -> None:
    joins("sales")
    run = load(f"{HOWTO}/wait-for-the-first.md", "ship").start({"order": 7}, requester=alice)
    work()
    if first in ("approve", "reject"):
        answer(run, bob, first, comment="so be it")
    elif first == "time":  # the request ends before the timer does, and is an answer too
        later(timedelta(hours=5), work, pass_time)
    else:
        hitl.signal(run, first, sender=SYSTEM)
    work()
    told = {"approve": "approved", "reject": "rejected", "time": "expired"}
    assert end(run).output == {"shipped": first in ("paid", "approve"), "because": told.get(first, first)}


def test_sleep_and_child_runs(alice: Any, bob: Any, joins: Any, work: Any, pass_time: Any) -> None:
    joins("sales")
    names = run_block(workflow_block(f"{HOWTO}/sleep-and-child-runs.md", "onboarding"))
    run = names["onboarding"].start({"name": "Acme"}, requester=alice)
    work()
    first = Run.objects.get(parent_step__run=run)
    assert first.requester == alice
    answer(first, bob)
    work()
    engine.sweep()
    work()
    later(timedelta(hours=25), work, pass_time)
    later(timedelta(hours=9), work, pass_time)
    second = Run.objects.live().get(parent_step__run=run)
    hitl.cancel(second, actor=bob)
    engine.sweep()
    work()
    assert end(run).output == {"first": True, "second": False}


def test_telling_the_world(alice: Any, bob: Any, joins: Any, work: Any) -> None:
    joins("ops")
    run = load(f"{HOWTO}/tell-the-world.md", "import").start({}, requester=alice)
    work()
    assert hitl.get_event(run, "status") == {"phase": "waiting for the index"}
    assert [step.run_id for step in hitl.waiting(workflow="import")] == [run.pk]
    hitl.signal(run, "indexed", "done", sender=SYSTEM)
    work()
    assert end(run).output == "done"
    assert list(StreamChunk.objects.values_list("chunk", flat=True)) == [{"part": p, "rows": 100} for p in "ab"]
    assert Notification.objects.filter(kind="info").count() == 1


def test_a_durable_function(alice: Any, bob: Any, joins: Any, work: Any) -> None:
    joins("bank")
    [block] = [b for b in read(ROOT / HOWTO / "durable-functions.md") if '@workflow("close-account"' in b.text]
    run = run_block(block)["close_account"].start({"account": "7"}, requester=alice)
    work()
    answer(run, bob, phrase="CLOSE 7")
    work()
    assert end(run).output == {"closed": True, "paid": 120}


def test_a_gated_function(alice: Any, bob: Any, joins: Any, work: Any) -> None:
    joins("ops")
    [block] = [b for b in read(ROOT / HOWTO / "durable-functions.md") if "@hitl.gate(" in b.text]
    drop_table = run_block(block)["drop_table"]
    handle = drop_table("old_orders", rows=12, requester=alice)
    work()
    assert (handle.done, handle.status) == (False, "waiting")
    with pytest.raises(RunFailed):
        handle.result()
    run = Run.objects.get(pk=handle.run_id)
    assert (pending(run).title, pending(run).impact) == ("Drop table", "The table and its rows are gone for good.")
    answer(run, bob, "edit", args={"name": "older_orders", "rows": 12})
    work()
    assert handle.result() == {"dropped": "older_orders"}
    assert run.workflow.name == "gate.drop_table"
    assert drop_table.function("x") == {"dropped": "x"}


def test_forking_with_a_patch(alice: Any, work: Any) -> None:
    run = load(f"{HOWTO}/control-runs.md", "bill").start(requester=alice)
    work()
    other = hitl.fork(run, "write", actor=alice, patch={"count": {"hours": 8}})
    work()
    assert (end(run).output, end(other).output) == ({"total": 700}, {"total": 800})
    with pytest.raises(hitl.HitlError) as refused:
        hitl.retry(run, actor=alice)
    assert refused.value.code == "bad_input"
    broken = hitl.fork(run, "write", actor=alice, patch={"count": {"hours": 30}})
    work()
    assert end(broken).status == "failed"
    assert hitl.retry(broken, actor=alice).retry_of == broken


def test_a_freeze_stops_claims(alice: Any, work: Any) -> None:
    flow = load(f"{HOWTO}/control-runs.md", "bill")
    assert hitl.freeze("workflow:bill", actor=alice, reason="the bank is down") == []
    run = flow.start(requester=alice)
    work()
    assert Step.objects.get(run=run, name="count").status == "ready"
    assert hitl.unfreeze("workflow:bill", actor=alice) is True
    assert hitl.unfreeze("workflow:bill", actor=alice) is False
    work()
    assert end(run).output == {"total": 700}


def test_a_line_may_be_moved_while_a_run_waits(alice: Any, work: Any) -> None:
    block = workflow_block(f"{HOWTO}/change-code.md", "parcel")
    run = run_block(block)["parcels"].start({"order": 7}, requester=alice)
    work()
    registry._workflows.clear()
    wait = '    ctx.wait_for_signal("picked-up")\n'
    moved = block.text.replace(wait, "").replace("    label =", wait + "    ctx.once('new', int, 1)\n    label =")
    moved = moved.replace('return f"label of {order}"', 'raise RuntimeError("printed twice")')
    run_block(Block(block.page, block.line, "python", moved, False))
    hitl.signal(run, "picked-up", sender=SYSTEM)
    work()
    assert end(run).output == {"label": "label of 7"}


def test_a_renamed_step_keeps_its_old_name_for_old_runs(alice: Any, work: Any) -> None:
    block = workflow_block(f"{HOWTO}/change-code.md", "hiring")
    old = re.sub(r"hiring\.handlers.*", "", block.text).replace("make_offer", "offer")
    run = run_block(Block(block.page, block.line, "python", old, False))["hiring"].start(requester=alice)
    work()
    registry._workflows.clear()
    run_block(block)
    hitl.signal(run, "interviewed", "yes", sender=SYSTEM)
    work()
    assert end(run).output == {"offer": "yes"}
    assert set(Step.objects.filter(run=run).values_list("name", flat=True)) == {"interview", "offer"}


def test_a_handler_that_is_gone_waits_visibly(alice: Any, work: Any, pass_time: Any) -> None:
    flow = load(f"{HOWTO}/change-code.md", "parcel")
    run = flow.start({"order": 7}, requester=alice)
    handler = flow.handlers.pop("pack")
    for _ in range(15):
        later(timedelta(seconds=6), work, pass_time)
    assert [step.run_id for step in hitl.waiting().filter(waiting_for="handler")] == [run.pk]
    flow.handlers["pack"] = handler
    later(timedelta(seconds=31), work, pass_time)
    assert Step.objects.get(run=run).waiting_for == "signal:picked-up"


# -- what is asked of people ----------------------------------------------------------------------------


def test_an_approval_is_asked_for_by_every_block_that_has_reviewers() -> None:
    """No block names reviewers that are neither a group nor a user: it would open to nobody."""
    for page in sorted((ROOT / "docs").rglob("*.md")):
        for block in read(page):
            for names in re.findall(r"reviewers=\[([^\]]*)\]", block.text) if block.kind == "python" else []:
                known = r'"(group|user):[\w-]+"|"requester"'
                assert all(re.fullmatch(known, name.strip()) for name in names.split(",")), page
    assert Approval.objects.count() == 0
