"""The list of runs: who sees which, what each row says, and how it is narrowed."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from hitl import Workflow, engine
from hitl.models import Approval, Run
from tests.admin.conftest import browse
from tests.admin.runs.conftest import RUNS, text_of
from tests.plans import statements


def titles(text: str) -> list[str]:
    """The workflows of the rows, from the top."""
    return re.findall(r'<a href="/review/runs/[^"]+"><b>([^<]+)</b>', text)


def many(alice: Any, count: int, name: str = "idle") -> list[Run]:
    """Runs of alice's that nobody works on."""
    flow = Workflow(name, title=name.capitalize())
    flow.step(lambda ctx: None, name="one")
    return [flow.start(requester=alice, external_id=f"T-{number}") for number in range(count)]


def test_who_asked_sees_what_the_run_waits_for_and_of_whom(waiting: Approval, alice: Any) -> None:
    text = text_of(alice, RUNS)
    assert titles(text) == ["Refund an order"]
    assert "a decision" in text
    assert "group:finance" in text
    assert "Waiting" in text


def test_who_is_asked_sees_the_run_too_and_others_do_not(waiting: Approval, bob: Any, mallory: Any) -> None:
    assert titles(text_of(bob, RUNS)) == ["Refund an order"]
    assert "No runs yet" in text_of(mallory, RUNS)


def test_operators_see_all(waiting: Approval, operator: Any) -> None:
    assert titles(text_of(operator, RUNS)) == ["Refund an order"]


def test_a_failure_is_told_and_inert(failed: Run, alice: Any) -> None:
    text = text_of(alice, RUNS)
    assert "the account is closed &lt;b&gt;now&lt;/b&gt;" in text
    assert "✗</span> Failed" in text


def test_the_agent_that_started_it_is_named(refund: Any, agent_key: Any, alice: Any) -> None:
    engine.start("test-refund", requester=agent_key[0])
    assert "refund-bot" in text_of(alice, RUNS)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {"Break things", "Wait for a parcel"}),
        ("status=failed", {"Break things"}),
        ("status=bad", {"Break things"}),
        ("status=open", {"Wait for a parcel"}),
        ("status=nonsense", {"Break things", "Wait for a parcel"}),
        ("workflow=parcels", {"Wait for a parcel"}),
        ("workflow=%00", {"Break things", "Wait for a parcel"}),
        ("waits=signal", {"Wait for a parcel"}),
        ("waits=approval", set()),
        ("since=1", {"Break things", "Wait for a parcel"}),
        ("mine=1", {"Break things", "Wait for a parcel"}),
        ("q=nothing", set()),
        ("q=%00", {"Break things", "Wait for a parcel"}),
        ("status=failed&workflow=parcels", set()),
    ],
)
def test_the_address_narrows_it(query: str, found: set[str], failed: Run, listening: Run, alice: Any) -> None:
    assert set(titles(text_of(alice, f"{RUNS}?{query}"))) == found


def test_what_is_older_than_asked_is_left_out(listening: Run, alice: Any, pass_time: Any) -> None:
    pass_time(timedelta(hours=2))
    assert titles(text_of(alice, f"{RUNS}?since=1")) == []
    assert titles(text_of(alice, f"{RUNS}?since=24")) == ["Wait for a parcel"]


def test_a_run_is_found_by_its_id_the_beginning_of_it_and_its_external_id(alice: Any) -> None:
    run, _other = many(alice, 2)
    for text in (str(run.pk), str(run.pk).replace("-", ""), "T-0"):
        assert str(run.pk) in text_of(alice, f"{RUNS}?q={text}")
    assert titles(text_of(alice, f"{RUNS}?q={str(run.pk)[:9]}"))
    assert "No run is like this" in text_of(alice, f"{RUNS}?q=T-77")


def test_only_ones_own_are_asked_by_one(waiting: Approval, operator: Any) -> None:
    assert titles(text_of(operator, f"{RUNS}?mine=1")) == []


def test_pages_follow_each_other_without_gap_or_repetition(alice: Any) -> None:
    made = many(alice, 53)
    first = text_of(alice, f"{RUNS}?workflow=idle")
    address = re.search(r'href="(\?[^"]*after=[^"]+)"', first)
    assert address is not None
    second = text_of(alice, RUNS + address[1].replace("&amp;", "&"))
    seen = [str(run.pk) for run in reversed(made) if str(run.pk) in first]
    rest = [str(run.pk) for run in reversed(made) if str(run.pk) in second]
    assert (len(seen), len(rest)) == (50, 3)
    assert seen + rest == [str(run.pk) for run in reversed(made)]
    assert "That was all" in text_of(alice, f"{RUNS}?after={made[0].pk}")


def test_a_filter_keeps_the_others(failed: Run, alice: Any) -> None:
    text = text_of(alice, f"{RUNS}?status=failed&q=x")
    assert 'href="?q=x&amp;status=failed&amp;workflow=broken"' in text
    assert '<input type="hidden" name="status" value="failed">' in text


def test_whoever_may_not_start_runs_is_not_told_of_other_workflows(
    failed: Run, waiting: Approval, bob: Any, starter: Any
) -> None:
    assert "workflow=broken" not in text_of(bob, RUNS)
    assert "workflow=broken" in text_of(starter, RUNS)


@pytest.mark.parametrize("person", ["alice", "bob", "operator"])
def test_the_list_costs_the_same_at_many_runs(
    person: str, refund: Any, alice: Any, bob: Any, operator: Any, work: Any
) -> None:
    client = browse({"alice": alice, "bob": bob, "operator": operator}[person])
    few = [refund.start(requester=alice) for _ in range(3)]
    work()
    client.get(RUNS)
    small = statements(lambda: client.get(RUNS))
    few += [refund.start(requester=alice) for _ in range(40)]
    work()
    large = statements(lambda: client.get(RUNS))
    assert titles(client.get(RUNS).content.decode()) == ["Refund an order"] * len(few)
    assert len(small) == len(large) <= 12
