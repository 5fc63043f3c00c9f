"""The page of a run: who sees it, what it says, and what it costs."""

from __future__ import annotations

import json
import re
import uuid
from typing import Any

import pytest

from hitl import Plan, Workflow, decisions, engine
from hitl.models import Approval, Run, Step
from tests.admin.conftest import browse
from tests.admin.runs.conftest import RUNS, page, text_of
from tests.plans import statements

TABS = ("", "timeline", "stream", "signals", "feedback")
HOSTILE = "<script>alert(1)</script>\u202eevil"


def planned(alice: Any, work: Any, count: int) -> Run:
    """A run whose planner brought this many steps."""
    flow = Workflow(f"plan-{count}", title="Follow a plan")
    flow.handler("do")(lambda ctx: {"said": "x" * 50})
    plan = [{"name": f"step-{number}", "handler": "do"} for number in range(count)]
    flow.planner("plan", handler=lambda ctx: Plan(plan), allowed=["do"], max_steps=count, ungated="a test")
    run = flow.start(requester=alice)
    work()
    return Run.objects.get(pk=run.pk)


@pytest.mark.parametrize("tab", TABS)
def test_who_may_not_see_it_finds_nothing(tab: str, waiting: Approval, mallory: Any) -> None:
    client = browse(mallory)
    assert client.get(page(waiting.run, tab=tab)).status_code == 404
    assert client.get(f"{page(waiting.run)}live/").status_code == 404
    assert client.get(f"{page(waiting.run)}value/input/").status_code == 404
    assert client.get(f"{RUNS}{uuid.uuid4()}/").status_code == 404


@pytest.mark.parametrize("tab", TABS)
def test_who_asked_and_who_is_asked_see_every_part(tab: str, waiting: Approval, alice: Any, bob: Any) -> None:
    for person in (alice, bob):
        assert "Refund an order" in text_of(person, page(waiting.run, tab=tab))


def test_the_open_request_is_one_click_away(waiting: Approval, bob: Any) -> None:
    text = text_of(bob, page(waiting.run))
    assert f'href="/review/hitl/approval/{waiting.pk}/"' in text
    assert "It waits for a decision" in text
    assert "group:finance" in text


def test_a_request_that_one_may_not_see_is_not_linked(alice: Any, bob: Any, people: Any, work: Any) -> None:
    dana = people("dana", "directors")
    flow = Workflow("two")
    for name in ("finance", "directors"):
        flow.question(name, question=f"{name}?", options=["a", "b"], reviewers=[f"group:{name}"])
    run = flow.start(requester=alice)
    work()
    theirs = Approval.objects.get(run=run, step__name="directors")
    assert str(theirs.pk) in text_of(dana, page(run))
    assert str(theirs.pk) not in text_of(bob, page(run))


def test_the_picture_says_in_words_what_it_shows(waiting: Approval, alice: Any) -> None:
    text = text_of(alice, page(waiting.run))
    assert '<g class="node succeeded"' in text
    assert '<g class="node waiting"' in text
    assert '<g class="node pending"' in text
    assert "1 Succeeded, 1 Waiting, 1 Pending" in text
    assert re.search(r"<li>review \(gate\): Waiting, after\s+draft</li>", text)
    assert "style=" not in text


def test_planned_steps_stand_in_their_planners_box(alice: Any, work: Any) -> None:
    run = planned(alice, work, 14)
    text = text_of(alice, page(run))
    assert text.count('class="row succeeded"') == 12
    assert "and 2 more" in text


def test_a_very_large_workflow_is_a_list_and_no_picture(alice: Any) -> None:
    flow = Workflow("huge")
    for number in range(61):
        flow.step(lambda ctx: None, name=f"s{number}")
    text = text_of(alice, page(flow.start(requester=alice)))
    assert "<svg" not in text
    assert "1 to 50 of 61" in text
    assert 'href="?steps=50#steps"' in text


def test_the_second_page_of_steps_has_the_rest(alice: Any, work: Any) -> None:
    run = planned(alice, work, 60)
    text = text_of(alice, page(run, steps="50"))
    assert "51 to 61 of 61" in text
    assert "plan/step-59" in text
    assert "<b>plan/step-3</b>" not in text


def test_what_failed_is_told_with_its_code(failed: Run, alice: Any) -> None:
    text = text_of(alice, page(failed))
    assert "Why it failed" in text
    assert "the account is closed &lt;b&gt;now&lt;/b&gt;" in text
    assert "handler_error" in text


def test_inputs_and_outputs_are_inert_and_show_what_is_hidden(alice: Any, work: Any) -> None:
    flow = Workflow("echo")
    flow.step(lambda ctx: {"words": HOSTILE, HOSTILE: 1}, name="say")
    run = flow.start({"words": HOSTILE}, requester=alice)
    work()
    text = text_of(alice, page(run))
    assert "<script>alert" not in text
    assert "\u202e" not in text
    assert text.count("U+202E") >= 5


def test_a_long_output_is_loaded_on_demand_and_whole(alice: Any, work: Any) -> None:
    flow = Workflow("long")
    flow.step(lambda ctx: {"words": "x" * 9_000}, name="say")
    run = flow.start(requester=alice)
    work()
    text = text_of(alice, page(run))
    assert "xxxxx" not in text
    step = Step.objects.get(run=run)
    for what in ("output", step.pk):
        whole = text_of(alice, f"{page(run)}value/{what}/")
        assert "x" * 9_000 in whole
        assert "characters, nothing left out" in whole


@pytest.mark.parametrize("what", ["nonsense", "steps", str(uuid.uuid4())])
def test_a_value_that_is_not_there_is_not_found(what: str, waiting: Approval, alice: Any) -> None:
    assert browse(alice).get(f"{page(waiting.run)}value/{what}/").status_code == 404


def test_a_step_of_another_run_is_no_value_of_this_one(waiting: Approval, failed: Run, alice: Any) -> None:
    step = Step.objects.filter(run=failed).first()
    assert step is not None
    assert browse(alice).get(f"{page(waiting.run)}value/{step.pk}/").status_code == 404


def test_an_actions_envelope_is_not_shown(waiting: Approval, alice: Any) -> None:
    text = text_of(alice, page(waiting.run))
    assert "$action" not in text
    assert "Money leaves at once" in text


def test_relatives_are_linked(failed: Run, alice: Any, work: Any) -> None:
    again = engine.retry(failed, actor=alice)
    assert f'href="{page(failed)}"' in text_of(alice, page(again))
    inner = Workflow("inner")
    inner.step(lambda ctx: None, name="one", queue="elsewhere")
    outer = Workflow("outer")
    outer.run_workflow("call", inner)
    run = outer.start(requester=alice)
    work()
    child = Run.objects.get(parent_step__run=run)
    assert f'href="{page(child)}"' in text_of(alice, page(run))
    assert f'href="{page(run)}"' in text_of(alice, page(child))


def test_the_timeline_shows_the_last_lines_and_leads_back(alice: Any, work: Any) -> None:
    run = planned(alice, work, 60)
    text = text_of(alice, page(run, tab="timeline"))
    assert "The run finished" in text
    assert "started plan-60" not in text
    earlier = re.search(r'href="(\?tab=timeline&amp;after=\d+)"', text)
    assert earlier is not None
    assert "alice started plan-60" in text_of(alice, page(run, tab="timeline&after=0"))


def test_a_stream_is_shown_and_brings_what_is_new(alice: Any, work: Any) -> None:
    flow = Workflow("talk")

    @flow.step
    def talk(ctx: Any) -> None:
        for number in range(3):
            ctx.put_stream(f"{HOSTILE} {number}", name=f"n{number}")
        ctx.set_event("progress", {"done": 3})

    flow.wait_for_signal("go", after=talk)
    run = flow.start(requester=alice)
    work()
    text = text_of(alice, page(run, tab="stream"))
    assert text.count("evil") == 3
    assert "U+202E" in text
    assert "progress" in text
    assert f'data-live="{page(run)}live/"' in text
    client = browse(alice)
    first = client.get(f"{page(run)}live/?after=0").json()
    assert [chunk["text"][-1] for chunk in first["chunks"]] == ["0", "1", "2"]
    assert "\u202e" not in json.dumps(first, ensure_ascii=False)
    later = client.get(f"{page(run)}live/?after={first['after']}").json()
    assert (later["chunks"], later["after"], later["ended"]) == ([], first["after"], False)
    engine.cancel(run, actor=alice)
    assert client.get(f"{page(run)}live/?after={first['after']}").json()["ended"]
    assert "data-live" not in text_of(alice, page(run, tab="stream"))


@pytest.mark.parametrize("number", ["x", "-1", "9" * 30, "9" * 19, "٣"])
@pytest.mark.parametrize("name", ["steps", "tab=timeline&after", "tab=stream&before"])
def test_a_number_that_is_none_is_left_alone(name: str, number: str, waiting: Approval, alice: Any) -> None:
    assert text_of(alice, f"{page(waiting.run)}?{name}={number}")
    assert browse(alice).get(f"{page(waiting.run)}live/?after={number}").status_code == 200


@pytest.mark.parametrize("tab", TABS)
@pytest.mark.parametrize("person", ["alice", "bob", "operator"])
def test_a_part_costs_the_same_whatever_there_is(
    tab: str, person: str, waiting: Approval, alice: Any, bob: Any, operator: Any, agent_key: Any
) -> None:
    client, run = browse({"alice": alice, "bob": bob, "operator": operator}[person]), waiting.run
    client.get(page(run, tab=tab))
    for who in (alice, agent_key[0]):
        engine.signal(run, "first", {"n": 1}, sender=who)
        decisions.give_feedback(run, "first", actor=who, score=1)
    small = statements(lambda: client.get(page(run, tab=tab)))
    for number in range(30):
        engine.signal(run, "more", number, sender=(alice, agent_key[0])[number % 2])
        decisions.give_feedback(run, "more", actor=(alice, agent_key[0])[number % 2], score=0.5)
    large = statements(lambda: client.get(page(run, tab=tab)))
    assert len(small) == len(large) <= 12


def test_a_run_of_many_steps_costs_no_more_queries(alice: Any, work: Any) -> None:
    few, many = planned(alice, work, 2), planned(alice, work, 80)
    client = browse(alice)
    counts = [len(statements(lambda run=run: client.get(page(run)))) for run in (few, few, many)]  # type: ignore[misc]
    assert counts[1] == counts[2] <= 12
