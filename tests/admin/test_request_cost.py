"""The page of a request costs the same, whatever there is behind it: at most twelve queries, and a bounded page."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from hitl import clock, decisions
from hitl.models import Approval, Comment, Notification, Step
from hitl.policies.delegations import create_delegation
from tests.admin.conftest import browse, page_of
from tests.conftest import _user
from tests.plans import statements, walked

MOST = 12


def price(who: Any, approval: Approval, query: str = "") -> list[str]:
    """What a second look at the page sends to the database."""
    client = browse(who)
    client.get(page_of(approval) + query)
    answer: list[Any] = []
    sent = statements(lambda: answer.append(client.get(page_of(approval) + query)))
    assert answer[0].status_code == 200
    return [sql for sql, _ in sent]


def crowd(approval: Approval, finance: Any, author: Any, number: int) -> None:
    """So many votes, remarks, steps, notices and records more."""
    for n in range(number):
        voter = _user(f"voter-{n}-of-{number}")
        voter.groups.add(finance)
        decisions.decide(approval, actor=voter, verdict="approve", digest=approval.digest)
        decisions.comment(approval, actor=author, text=f"remark {n}")
        Step.objects.create(run=approval.run, name=f"extra-{n}", kind="step", status="skipped", output={"n": n})
        Notification.objects.create(
            approval=approval, kind="asked", recipient=voter, channel="email", dedupe_key=f"{number}-{n}",
            created_at=clock.now(),
        )  # fmt: skip


@pytest.mark.parametrize("query", ["", "?tab=record", "?view=all&n=2&of=9"])
@pytest.mark.parametrize("name", ["alice", "bob", "root"])
def test_the_price_does_not_grow_with_votes_remarks_steps_notices_or_records(
    name: str, query: str, make: Any, finance: Any, bob: Any, root: Any, request: Any
) -> None:
    who, prices = request.getfixturevalue(name), []
    for number in (2, 12):
        approval = make(reviewers=["group:finance"], approvals=50)
        crowd(approval, finance, bob, number)
        prices.append(len(price(who, approval, query)))
    assert prices[0] == prices[1] <= MOST


@pytest.mark.parametrize("ending", ["approve", "reject", "request_revision", "cancel"])
def test_what_is_over_costs_no_more(ending: str, make: Any, alice: Any, bob: Any) -> None:
    approval = make()
    if ending == "cancel":
        decisions.cancel(approval, actor=alice)
    else:
        decisions.decide(approval, actor=bob, verdict=ending, digest=approval.digest, comment="so")
    assert len(price(bob, approval)) <= MOST


def test_a_revision_costs_no_more(make: Any, bob: Any, carol: Any, finance: Any) -> None:
    _user("dave").groups.add(finance)
    first = make({"n": 1, "text": "x"}, approvals=2)
    decisions.decide(first, actor=bob, verdict="edit", digest=first.digest, args={"n": 2, "text": "x"})
    second = Approval.objects.get(revision=2)
    assert len(price(carol, second)) <= MOST
    assert len(price(carol, Approval.objects.get(pk=first.pk))) <= MOST


def test_standing_in_costs_no_more_however_many_handed_over(make: Any, finance: Any, mallory: Any) -> None:
    approval, prices = make(reviewers=["group:finance"]), []
    for number in (1, 8):
        for n in range(number):
            owner = _user(f"owner-{n}-of-{number}")
            owner.groups.add(finance)
            create_delegation(owner, mallory, ends_at=clock.now() + timedelta(hours=1), actor=owner)
        prices.append(len(price(mallory, approval)))
    assert prices[0] == prices[1] <= MOST


def test_the_price_does_not_grow_with_decisions_on_the_same_action(make: Any, bob: Any, carol: Any) -> None:
    approval, prices = make(), []
    for number, words in ((2, "The last 2 decisions on do"), (7, "The last 5 decisions on do")):
        for _ in range(number):
            other = make()
            decisions.decide(other, actor=carol, verdict="reject", digest=other.digest, comment="no")
        prices.append(len(price(bob, approval)))
        assert words in browse(bob).get(page_of(approval)).content.decode()
    assert prices[0] == prices[1] <= MOST


@pytest.mark.postgres
def test_no_query_of_the_page_reads_a_table_from_end_to_end(
    waiting: Approval, finance: Any, bob: Any, carol: Any
) -> None:
    from tests.crowd import multiply

    multiply(waiting, 4000, group=finance)
    multiply(waiting, 4000, group=finance, status="rejected", voter=carol)
    client = browse(bob)
    sent = statements(lambda: client.get(page_of(waiting)))
    assert walked(sent) == []


def test_only_the_last_remarks_are_read_until_one_asks_for_all(make: Any, bob: Any) -> None:
    approval = make()
    Comment.objects.bulk_create(
        [Comment(approval=approval, author=bob, text=f"remark-{n}-", at=clock.now()) for n in range(60)]
    )
    text = browse(bob).get(page_of(approval)).content.decode()
    assert "remark-59-" in text
    assert "remark-9-" not in text
    assert "Show all 60 remarks" in text
    assert "remark-0-" in browse(bob).get(page_of(approval), {"remarks": "all"}).content.decode()
