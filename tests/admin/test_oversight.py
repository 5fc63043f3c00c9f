"""Oversight: figures of how people decide, and the pictures made of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from hitl import clock, decisions
from hitl.admin.oversight.plots import HEIGHT, WIDTH, ceiling, histogram, stacked
from hitl.figures import figures
from hitl.models import Approval, Decision
from tests.admin.conftest import browse, decide, page_of
from tests.plans import statements

PAGE = "/review/oversight/"


def vote(approval: Approval, who: Any, verdict: str = "approve", *, read: float | None = None) -> None:
    """One decision, on a screen that was read for so many seconds."""
    shown = None if read is None else clock.now() - timedelta(seconds=read)
    decisions.decide(approval, actor=who, verdict=verdict, digest=approval.digest, comment="no", shown_at=shown)


def test_what_people_said_is_counted_by_person_and_workflow(make: Any, bob: Any, carol: Any) -> None:
    vote(make(), bob, read=1)
    vote(make(), bob, read=20)
    vote(make(), carol, "reject")
    make()
    found = figures()
    people = {one.name: (one.votes, one.yes, one.hasty, one.known) for one in found.people}
    assert people == {"bob": (2, 2, 1, 2), "carol": (1, 0, 0, 0)}
    assert {one.name: one.votes for one in found.workflows} == {"gate-0": 1, "gate-1": 1, "gate-2": 1}
    assert [(one.name, one.count, one.overdue) for one in found.waiting] == [("gate-3", 1, 0)]
    assert [(one.name, one.count) for one in found.asked] == [("group:finance", 1)]
    assert found.outcomes == {"approved:human": 2, "rejected:human": 1}
    assert found.days()[-1][1:] == (2, 1)
    assert not found.full
    assert not found.many


def test_how_long_somebody_read_is_kept_with_the_decision(make: Any, bob: Any) -> None:
    approval, other = make(), make()
    client = browse(bob)
    for wanted, of in ((True, approval), (False, other)):
        form = client.get(page_of(approval)).context["form"]
        decide(client, of, shown=form["shown"].value())
        kept = Decision.objects.get(approval=of).confirmation or {}
        assert ("shown" in kept) is wanted, "one page's mark says nothing of another request"
        assert {one.known for one in figures().people} == {1}


@pytest.mark.parametrize("mark", ["", "x", "WyJ4Il0:1:x"])
def test_a_mark_that_is_not_ours_says_nothing_and_stops_nobody(mark: str, make: Any, bob: Any) -> None:
    approval = make()
    decide(browse(bob), approval, shown=mark)
    assert Decision.objects.get().confirmation is None


def test_a_vote_taken_back_does_not_count(make: Any, bob: Any) -> None:
    approval = make(approvals=2)
    vote(approval, bob)
    decisions.withdraw(approval, actor=bob)
    assert figures().people == []


def test_what_is_older_than_the_period_does_not_count(make: Any, bob: Any) -> None:
    vote(make(), bob)
    Decision.objects.update(decided_at=clock.now() - timedelta(days=8))
    Approval.objects.update(decided_at=clock.now() - timedelta(days=8))
    assert figures(7).votes == []
    assert figures(7).outcomes == {}
    assert len(figures(30).votes) == 1


def test_the_page_shows_them_to_operators(make: Any, bob: Any, root: Any) -> None:
    vote(make(), bob, read=1)
    text = browse(root).get(PAGE).content.decode()
    assert "were a yes" in text
    assert "100 %" in text
    assert "1 of 1" in text
    assert text.count("<svg") == 2


@pytest.mark.parametrize("days", ["", "7", "90", "x", "-1", "٧"])
def test_an_odd_period_is_the_usual_one(days: str, root: Any) -> None:
    assert browse(root).get(PAGE, {"days": days}).status_code == 200


def test_nobody_else_sees_it(bob: Any) -> None:
    assert browse(bob).get(PAGE).status_code == 404


def test_without_decisions_it_says_so(root: Any) -> None:
    text = browse(root).get(PAGE).content.decode()
    assert "Nobody decided anything" in text
    assert "<svg" not in text


def test_the_number_of_queries_does_not_grow(make: Any, bob: Any, carol: Any) -> None:
    vote(make(), bob)
    few = len(statements(figures))
    for _ in range(5):
        vote(make(), carol)
        make()
    assert len(statements(figures)) == few == 4


def test_bars_stand_on_one_another_and_reach_the_top() -> None:
    plot = stacked([("Mon", [("yes", 3), ("other", 2)]), ("Tue", [("yes", 0), ("other", 0)])])
    low, high = plot.bars
    assert (low.kind, low.value, high.kind, high.value) == ("yes", 3, "other", 2)
    assert low.y + low.height == HEIGHT
    assert high.y == 0
    assert high.y + high.height == low.y
    assert high.x + high.width < WIDTH / 2
    assert {value for _, value in plot.lines} == {5, 2}
    assert [words for _, words in plot.labels] == ["Mon", "Tue"]


def test_a_long_row_of_bars_names_only_some() -> None:
    assert [words for _, words in stacked([(n, []) for n in range(90)]).labels] == [0, 15, 30, 45, 60, 75]


@pytest.mark.parametrize(("value", "top"), [(0, 1), (1, 1), (3, 5), (11, 20), (99, 100), (101, 200)])
def test_the_top_is_a_round_number(value: int, top: int) -> None:
    assert ceiling(value) == top


def test_values_on_an_edge_belong_above_it_and_what_is_beyond_to_the_last() -> None:
    assert histogram([0, 1, 2, 2.5, 1000], [0, 1, 2, 3]) == [1, 1, 3]
