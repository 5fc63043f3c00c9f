"""Revisions: asking for one, seeing what changed, being led to the newest; and steps of plans and of other runs."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from hitl import Action, Plan, Workflow, decisions, engine
from hitl.models import Approval, Decision, Run, Step
from tests.admin.conftest import browse, decide, page_of
from tests.rows import nothing_written

REFUSED = "hitl.decision.refused"
FIRST = {"to": "ann", "text": "hello", "deep": {"a": 1, "b": 2}, "gone": 1}
SECOND = {"to": "ann", "text": "<b>hello</b>", "deep": {"a": 1, "b": "2"}, "new\u202e": 0}


@pytest.fixture
def letters(alice: Any, bob: Any, carol: Any, work: Any) -> Any:
    """A letter that finance looks at; each revision is another one."""
    flow = Workflow("letters", title="Letters")
    told: list[str] = []

    @flow.step
    def draft(ctx: Any) -> Action:
        told.append(ctx.instructions)
        args = SECOND if ctx.instructions else FIRST
        return Action(args, type="letter", title="A letter", impact="It is sent", target=f"box {len(told)}")

    flow.approval("look", after=draft, reviewers=["group:finance"])
    flow.step(lambda ctx: ctx.action, name="send", after="look")
    flow.told = told  # type: ignore[attr-defined]
    flow.start(requester=alice)
    work()
    return flow


def test_a_revision_is_asked_for_with_instructions(letters: Any, bob: Any, work: Any) -> None:
    first = Approval.objects.get()
    client = browse(bob)
    form = client.get(page_of(first)).content.decode().split("<aside", 1)[1]
    assert "the agent gets your comment as its instructions" in form
    with nothing_written(REFUSED):
        response = decide(client, first, "request_revision")
    assert (response.status_code, "goes to the agent as its instructions" in response.content.decode()) == (422, True)
    assert 'value="request_revision" required checked' in response.content.decode()
    assert decide(client, first, "request_revision", comment="Be <b>kind</b>").status_code == 302
    assert "Recorded: revision requested." in client.get(page_of(first)).content.decode().lower().replace(
        "recorded", "Recorded"
    )
    work()
    assert letters.told == ["", "Be <b>kind</b>"]
    second = Approval.objects.get(revision=2)
    assert (second.supersedes, second.status) == (first, "pending")


@pytest.fixture
def revised(letters: Any, bob: Any, work: Any) -> tuple[Approval, Approval]:
    """The first letter, and the one that was written instead."""
    first = Approval.objects.get()
    decisions.decide(first, actor=bob, verdict="request_revision", digest=first.digest, comment="Be <b>kind</b>")
    work()
    return Approval.objects.get(revision=1), Approval.objects.get(revision=2)


def test_what_changed_is_shown_with_signs_and_words(revised: Any, carol: Any) -> None:
    text = browse(carol).get(page_of(revised[1])).content.decode()
    assert "What changed since revision 1" in text
    assert "bob asked for: “Be &lt;b&gt;kind&lt;/b&gt;”" in text
    lines = text.split('<ul class="lines">', 1)[1].split("</ul>", 1)[0]
    rows = re.findall(
        r'<b aria-hidden="true">(.)</b><span class="sr">(\w+)</span><(?:ins|del)><code>(.*?):</code> (.*?)</', lines
    )
    assert rows == [
        ("−", "removed", "deep › b", "2"),
        ("+", "added", "deep › b", "&quot;2&quot;"),
        ("−", "removed", "gone", "1"),
        ("+", "added", 'new<span class="cp" title="RIGHT-TO-LEFT OVERRIDE">U+202E</span>', "0"),
        ("−", "removed", "text", "&quot;hello&quot;"),
        ("+", "added", "text", "&quot;&lt;b&gt;hello&lt;/b&gt;&quot;"),
        ("−", "removed", "target (of the action)", "&quot;box 1&quot;"),
        ("+", "added", "target (of the action)", "&quot;box 2&quot;"),
    ]
    assert "<b>hello" not in text
    assert f'href="{page_of(revised[0])}"' in text


def test_an_old_revision_leads_to_the_newest(revised: Any, carol: Any, mallory: Any) -> None:
    client = browse(carol)
    text = client.get(page_of(revised[0])).content.decode()
    assert f'<a href="{page_of(revised[1])}">Open revision 2</a>' in text
    assert 'name="verdict"' not in text
    assert "Open revision" not in client.get(page_of(revised[1])).content.decode()
    assert browse(mallory).get(page_of(revised[1])).status_code == 404


def test_an_old_revision_is_not_decided(revised: Any, carol: Any) -> None:
    with nothing_written(REFUSED):
        assert decide(browse(carol), revised[0]).status_code == 409
        # nor the new one with what was seen of the old one
    with nothing_written(REFUSED):
        assert decide(browse(carol), revised[1], digest=revised[0].digest, revision=1).status_code == 409
    assert not Decision.objects.filter(verdict="approve").exists()


def test_only_the_newest_revision_of_each_step_is_shown(revised: Any, carol: Any) -> None:
    steps = browse(carol).get(page_of(revised[1])).content.decode().split('<ol class="steps">', 1)[1]
    found = re.findall(r'<li class="([\w ]+)"[^>]*>(\w+) <small>([^<]+)', steps.split("</ol>", 1)[0])
    assert found == [
        ("succeeded", "draft", "Succeeded · revision 2"),
        ("waiting", "look", "Waiting · revision 2"),
        ("pending", "send", "Pending · revision 2"),
    ]


@pytest.mark.parametrize("who", ["alice", "root"])
def test_who_was_not_asked_asks_for_no_revision(who: str, letters: Any, root: Any, request: Any) -> None:
    approval = Approval.objects.get()
    with nothing_written(REFUSED):
        response = decide(browse(request.getfixturevalue(who)), approval, "request_revision", comment="x")
    assert response.status_code == 409


def test_planned_steps_stand_under_their_planner(alice: Any, bob: Any, work: Any) -> None:
    flow = Workflow("planned")
    plan = [{"name": "one", "handler": "do"}, {"name": "two", "handler": "do", "after": ["one"]}]
    flow.handler("do")(lambda ctx: None)
    flow.planner("plan", handler=lambda ctx: Plan(plan), allowed=["do"], ungated="a test")
    flow.step(lambda ctx: Action({"n": 1}, type="t", title="T", impact="I"), name="draft", after="plan")
    flow.approval("ask", after="draft", reviewers=["group:finance"])
    flow.step(lambda ctx: None, name="act", after="ask")
    flow.start(requester=alice)
    work()
    text = browse(bob).get(page_of(Approval.objects.get())).content.decode()
    steps = text.split('<ol class="steps">', 1)[1].split("</ol>", 1)[0]
    assert re.findall(r'<li class="([\w ]+)"[^>]*>(?:<span class="sr">planned: </span>)?(\w+)', steps) == [
        ("succeeded", "plan"),
        ("succeeded planned d1", "one"),
        ("succeeded planned d1", "two"),
        ("succeeded", "draft"),
        ("waiting", "ask"),
        ("pending", "act"),
    ]


@pytest.fixture
def family(alice: Any, bob: Any, work: Any) -> tuple[Run, Run]:
    """A run, and the one it started, which waits for finance."""
    child = Workflow("child")
    child.step(lambda ctx: Action({"n": 1}, type="t", title="T", impact="I"), name="draft")
    child.approval("ask", after="draft", reviewers=["group:finance"])
    child.step(lambda ctx: None, name="act", after="ask")
    parent = Workflow("parent")
    parent.step(lambda ctx: ctx.run_workflow("sub", "child"), name="call")
    run = parent.start(requester=alice)
    work()
    return Run.objects.get(pk=run.pk), Run.objects.get(parent_step__run=run)


def test_operators_are_led_to_the_runs_around_this_one(family: Any, bob: Any, root: Any) -> None:
    parent, child = family
    page = page_of(Approval.objects.get()) + "?tab=record"
    text = browse(root).get(page).content.decode()
    assert f'started by <a href="/review/runs/{parent.pk}/">' in text
    assert f'<a href="/review/runs/{child.pk}/"' in text
    assert 'href="/admin/">Operate' in text
    assert "/admin/" not in browse(bob).get(page).content.decode()
    shown = browse(root).get(f"/admin/hitl/run/{parent.pk}/change/").content.decode()
    assert f'<a href="/admin/hitl/run/{child.pk}/change/">' in shown
    assert f"call: run:{child.pk} · " in shown
    shown = browse(root).get(f"/admin/hitl/run/{child.pk}/change/").content.decode()
    assert f'<a href="/admin/hitl/run/{parent.pk}/change/">' in shown


def test_the_list_of_runs_tells_what_waits_and_costs_the_same(
    refund: Any, alice: Any, bob: Any, root: Any, work: Any, pass_time: Any
) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    client, prices = browse(root), []
    for number in (1, 6):
        for _ in range(number):
            refund.start(requester=alice)
        work()
        with CaptureQueriesContext(connection) as queries:
            text = client.get("/admin/hitl/run/").content.decode()
        prices.append(len(queries))
    assert "review: approval: · 0" in text
    assert prices[0] == prices[1]
    pass_time(timedelta(hours=2))
    assert "review: approval: · 2" in client.get("/admin/hitl/run/").content.decode()
    assert Step.objects.filter(status="waiting").count() == 7
    assert engine.waiting().count() == 7
