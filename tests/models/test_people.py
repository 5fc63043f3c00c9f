"""The statements about people: who is asked, who stands in for whom, and the pages of an inbox."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group

from hitl import Action, Workflow, clock, decisions
from hitl.decisions.inbox import cursor_of
from hitl.models import Approval, Assignment, Decision
from hitl.models import people as sql
from hitl.models.driver import execute
from hitl.policies.delegations import create_delegation, revoke_delegation

HOUR = timedelta(hours=1)
TWO = [{"reviewers": ["group:finance", "user:dora"]}, {"reviewers": ["group:directors"]}]


@pytest.fixture
def ask(alice: Any, bob: Any, carol: Any, work: Any) -> Callable[..., Approval]:
    """One more request of Alice's."""
    made: list[Workflow] = []

    def make(*, requester: Any = None, **options: Any) -> Approval:
        flow = Workflow(f"people-{len(made)}")
        made.append(flow)
        flow.step(lambda ctx: Action({"n": 1}, type="do", title="Do it", impact="It is done"), name="draft")
        flow.approval("ask", after="draft", **(options or {"reviewers": ["group:finance"]}))
        flow.step(lambda ctx: None, name="act", after="ask")
        run = flow.start(requester=requester or alice)
        work()
        return Approval.objects.get(run=run)

    return make


@pytest.fixture
def dora(people: Any) -> Any:
    return people("dora", "directors")


@pytest.fixture
def emil(people: Any) -> Any:
    return people("emil", "directors")


@pytest.fixture
def staged(ask: Any, dora: Any, emil: Any) -> Approval:
    """Finance and dora first, then the directors, dora among them."""
    row: Approval = ask(stages=TWO)
    return row


def asked(approval: Approval, user: Any, stage: int = 0) -> tuple[bool, ...]:
    """Active, asked at this stage, at a later one, and whether somebody's place came to them."""
    return told(sql.asked(approval.pk, stage, user.pk))


def told(found: sql.Asked) -> tuple[bool, ...]:
    return found.active, found.direct is not None, found.later, found.stands_in


def places(approval: Approval, user: Any, stage: int = 0) -> list[tuple[Any, bool]]:
    """Whose place came to them, and whether it is any good."""
    return [(owner, by is not None) for owner, by in sql.places(approval.pk, stage, user.pk)]


def hand_over(giver: Any, to: Any, **options: Any) -> Any:
    return create_delegation(giver, to, actor=giver, **{"ends_at": clock.now() + HOUR, **options})


# -- asked: active, at this stage, at a later one, stands in ---------------------------------------------------


def test_who_is_asked_now_and_who_later(staged: Approval, bob: Any, dora: Any, emil: Any, mallory: Any) -> None:
    found = {user.username: asked(staged, user) for user in (bob, dora, emil, mallory)}
    assert found == {
        "bob": (True, True, False, False),
        "dora": (True, True, True, False),
        "emil": (True, False, True, False),
        "mallory": (True, False, False, False),
    }
    assert (asked(staged, emil, 1), asked(staged, bob, 1)) == ((True, True, False, False), (True, False, False, False))


def test_the_assignment_that_asks_is_named(staged: Approval, bob: Any, dora: Any, mallory: Any) -> None:
    rows = {str(row): row.pk for row in Assignment.objects.filter(approval=staged, stage=0)}
    group, name = rows[f"group:{bob.groups.get().pk}"], rows[f"user:{dora.pk}"]
    assert [sql.asked(staged.pk, 0, user.pk).direct for user in (bob, dora, mallory)] == [group, name, None]
    for giver in (bob, dora):
        hand_over(giver, mallory)
    assert dict(sql.places(staged.pk, 0, mallory.pk)) == {bob.pk: group, dora.pk: name}
    decisions.decide(staged, actor=mallory, verdict="approve", digest=staged.digest)
    vote = Decision.objects.get()
    assert (vote.for_user_id, vote.assignment_id) in {(bob.pk, group), (dora.pk, name)}


def test_membership_and_activity_are_read_now(staged: Approval, bob: Any, finance: Group, mallory: Any) -> None:
    bob.groups.clear()
    mallory.groups.add(finance)
    mallory.is_active = False
    mallory.save()
    assert asked(staged, bob) == (True, False, False, False)
    assert asked(staged, mallory) == (False, True, False, False)


def test_nobody_and_nothing_are_not_asked(staged: Approval, bob: Any) -> None:
    assert told(sql.asked(staged.pk, 0, 10**9)) == (False, False, False, False)
    assert told(sql.asked(uuid.uuid4(), 0, bob.pk)) == (True, False, False, False)


def test_who_was_replaced_is_asked_no_more(staged: Approval, bob: Any) -> None:
    Assignment.objects.filter(approval=staged, group__name="finance").update(ended_at=clock.now())
    assert asked(staged, bob) == (True, False, False, False)


def test_a_delegation_counts_while_it_lasts(staged: Approval, bob: Any, mallory: Any, pass_time: Any) -> None:
    hand_over(bob, mallory, starts_at=clock.now() + HOUR, ends_at=clock.now() + 2 * HOUR)
    seen = []
    for _ in range(3):
        seen.append((asked(staged, mallory)[3], places(staged, mallory), sql.delegators(mallory.pk)))
        pass_time(HOUR)
    assert seen == [(False, [], []), (True, [(bob.pk, True)], [bob.pk]), (False, [], [])]


def test_a_delegation_that_was_revoked_counts_no_more(staged: Approval, bob: Any, mallory: Any) -> None:
    revoke_delegation(hand_over(bob, mallory), actor=bob)
    assert asked(staged, mallory) == (True, False, False, False)
    assert (places(staged, mallory), sql.delegators(mallory.pk)) == ([], [])


def test_what_was_handed_over_is_no_asking_of_ones_own(staged: Approval, bob: Any, mallory: Any) -> None:
    decisions.delegate(staged, actor=bob, to=mallory)
    assert asked(staged, mallory) == (True, False, False, True)
    assert asked(staged, mallory, 1) == (True, False, False, False)  # at that stage only
    assert places(staged, mallory) == [(bob.pk, True)]
    assert places(staged, mallory, 1) == []
    assert sql.delegators(mallory.pk) == []


# -- places: whose places came to somebody, and are those any good ----------------------------------------------


def test_a_place_is_good_while_its_owner_is_active_and_asked(
    staged: Approval, bob: Any, carol: Any, dora: Any, emil: Any, mallory: Any, people: Any
) -> None:
    gone, finance = people("gone", "finance"), carol.groups.get()
    for giver in (bob, carol, dora, emil, gone):
        hand_over(giver, mallory)
    gone.is_active = False
    gone.save()
    carol.groups.remove(finance)
    first, second = (dict(places(staged, mallory, stage)) for stage in (0, 1))
    expected = {bob: True, carol: False, dora: True, emil: False, gone: False}
    assert first == {user.pk: good for user, good in expected.items()}
    assert second == {user.pk: user in (dora, emil) for user in expected}
    assert sorted(sql.delegators(mallory.pk)) == sorted(first)


def test_a_place_that_came_twice_is_one(staged: Approval, bob: Any, mallory: Any) -> None:
    decisions.delegate(staged, actor=bob, to=mallory)
    for _ in range(2):
        hand_over(bob, mallory)
    assert places(staged, mallory) == [(bob.pk, True)]
    assert sql.delegators(mallory.pk) == [bob.pk]


def test_a_place_goes_no_further(staged: Approval, bob: Any, carol: Any, mallory: Any, people: Any) -> None:
    hans = people("hans")
    hand_over(bob, mallory)
    hand_over(mallory, hans)
    assert places(staged, hans) == [(mallory.pk, False)]
    assert decisions.inbox(hans) == []


# -- reachable: enough people -------------------------------------------------------------------------------------


def test_up_to_so_many_active_people_of_these_users_and_groups(
    finance: Group, bob: Any, carol: Any, dora: Any, mallory: Any, people: Any
) -> None:
    people("gone", "finance", is_active=False)
    everybody = {bob.pk, carol.pk, dora.pk}

    def found(*without: Any, users: Any = (dora.pk,), groups: Any = (finance.pk,), limit: int = 50) -> set[Any]:
        rows = sql.reachable(users, groups, without, limit)
        assert len(rows) == len(set(rows))
        return set(rows)

    assert found() == everybody
    assert found(users=(dora.pk, bob.pk, bob.pk)) == everybody  # each once
    assert found(bob.pk, mallory.pk) == {carol.pk, dora.pk}
    assert found(*everybody) == set()
    assert found(users=()) == {bob.pk, carol.pk}
    assert found(groups=()) == {dora.pk}
    assert found(users=(), groups=()) == set()
    assert [len(found(limit=limit)) for limit in (0, 1, 2, 3, 4)] == [0, 1, 2, 3, 3]


# -- show: in the inboxes of the stage it waits at, and of no other ------------------------------------------------


def shown(approval: Approval) -> dict[int, set[datetime | None]]:
    """The deadlines in the inboxes, by stage."""
    found: dict[int, set[datetime | None]] = {}
    for row in Assignment.objects.filter(approval=approval):
        found.setdefault(row.stage, set()).add(row.due_at)
    return found


def show(approval: Approval, *fresh: Any) -> None:
    text, params = sql.show(approval, fresh)
    execute(text, params, fetch=False)


def test_a_request_is_shown_at_its_stage_only(staged: Approval) -> None:
    assert shown(staged) == {0: {staged.expires_at}, 1: {None}}
    staged.stage = 1
    staged.expires_at += HOUR
    show(staged)
    assert shown(staged) == {0: {None}, 1: {staged.expires_at}}


def test_what_was_replaced_is_shown_no_more(staged: Approval) -> None:
    Assignment.objects.filter(approval=staged, stage=0, group__isnull=False).update(ended_at=clock.now())
    show(staged)
    assert shown(staged) == {0: {None, staged.expires_at}, 1: {None}}


def test_a_closed_one_is_shown_nowhere_and_others_stay(staged: Approval, ask: Any) -> None:
    other = ask()
    staged.status = "rejected"
    show(staged)
    assert (shown(staged), shown(other)) == ({0: {None}, 1: {None}}, {0: {other.expires_at}})


def test_what_is_being_written_beside_it_is_set_in_the_row(staged: Approval, mallory: Any, ask: Any) -> None:
    other = ask()
    now, later, elsewhere = (
        Assignment(approval=approval, stage=stage, user=mallory)
        for approval, stage in ((staged, 0), (staged, 1), (other, 0))
    )
    show(staged, now, later, elsewhere, Decision(approval=staged))
    assert [row.due_at for row in (now, later, elsewhere)] == [staged.expires_at, None, None]
    staged.status = "cancelled"
    show(staged, now)
    assert now.due_at is None


# -- waiting: the pages of an inbox -----------------------------------------------------------------------------


def pages(user: Any, size: int) -> list[list[Any]]:
    """The inbox, page after page, until one is not full."""
    found: list[list[Any]] = []
    after = None
    while True:
        page = decisions.inbox(user, limit=size, after=after)
        found.append([row.pk for row in page])
        if len(page) < size:
            return found
        after = cursor_of(page[-1])


@pytest.fixture
def many(ask: Any, bob: Any) -> list[Any]:
    """Seven requests, in the order they are due: two, then four at the same moment, then one."""
    rows = [ask(reviewers=["group:finance", "user:bob"]) for _ in range(7)]
    start = clock.now() + HOUR
    for row, minutes in zip(rows, (2, 5, 2, 2, 1, 2, 1), strict=True):
        due = start + timedelta(minutes=minutes)
        Approval.objects.filter(pk=row.pk).update(expires_at=due)
        Assignment.objects.filter(approval=row).update(due_at=due)
    return [row.pk for row in Approval.objects.order_by("expires_at", "id")]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 8])
def test_pages_walk_over_ties_and_nothing_comes_twice(size: int, many: list[Any], bob: Any, carol: Any) -> None:
    for user in (bob, carol):  # bob is asked twice, by name and in his group
        found = pages(user, size)
        assert [pk for page in found for pk in page] == many
        assert {len(page) for page in found[:-1]} <= {size}


def test_a_page_goes_on_behind_what_was_decided_meanwhile(many: list[Any], bob: Any, carol: Any) -> None:
    first = decisions.inbox(bob, limit=3)
    for row in first:
        decisions.decide(row, actor=carol, verdict="approve", digest=row.digest)
    rest = decisions.inbox(bob, limit=50, after=cursor_of(first[-1]))
    assert [row.pk for row in rest] == many[3:]


def test_a_page_is_no_shorter_for_what_came_by_two_ways(many: list[Any], bob: Any, carol: Any, mallory: Any) -> None:
    for giver in (bob, carol):
        hand_over(giver, mallory)
    assert [pk for page in pages(mallory, 2) for pk in page] == many


@pytest.mark.parametrize("limit", [1, 2, 50])
def test_what_is_left_out_leaves_no_gap(limit: int, many: list[Any], bob: Any) -> None:
    """Voted on, one's own, one's own edit: beyond them the page is filled up."""
    voted, own, edited, *rest = (Approval.objects.get(pk=pk) for pk in many)
    Decision.objects.create(
        approval=voted, actor=bob, verdict="approve", digest=voted.digest, channel="api", decided_at=clock.now()
    )
    Approval.objects.filter(pk=own.pk).update(requester=bob)
    Approval.objects.filter(pk=edited.pk).update(edited_by=bob)
    assert [row.pk for row in decisions.inbox(bob, limit=limit)] == [row.pk for row in rest][:limit]


@pytest.mark.parametrize("column", ["requester", "on_behalf_of", "authors", "agent_key"])
def test_ones_own_is_left_out_for_whoever_stands_in_too(
    column: str, ask: Any, bob: Any, carol: Any, mallory: Any
) -> None:
    from hitl.policies import create_key

    row = ask()
    key, _ = create_key("bot", owner=bob, scopes=["runs:start"], actor=bob)
    Approval.objects.filter(pk=row.pk).update(**{column: {"authors": f",{bob.pk},", "agent_key": key}.get(column, bob)})
    hand_over(bob, mallory)
    assert [len(decisions.inbox(user)) for user in (bob, mallory, carol)] == [0, 0, 1]
    Approval.objects.filter(pk=row.pk).update(prevent_self_review=False)
    assert [len(decisions.inbox(user)) for user in (bob, mallory, carol)] == [1, 1, 1]


def test_a_place_that_was_used_is_nobodys_any_more(ask: Any, bob: Any, carol: Any, mallory: Any) -> None:
    row = ask(reviewers=["group:finance"], approvals=2)
    hand_over(bob, mallory)
    assert [len(decisions.inbox(user)) for user in (bob, carol, mallory)] == [1, 1, 1]
    decisions.decide(row, actor=mallory, verdict="approve", digest=row.digest)
    assert [len(decisions.inbox(user)) for user in (bob, carol, mallory)] == [0, 1, 0]


def test_a_vote_that_was_taken_back_brings_it_back(ask: Any, bob: Any) -> None:
    row = ask(reviewers=["group:finance"], approvals=2)
    decisions.decide(row, actor=bob, verdict="approve", digest=row.digest)
    assert decisions.inbox(bob) == []
    decisions.withdraw(row, actor=bob)
    assert [found.pk for found in decisions.inbox(bob)] == [row.pk]


def test_what_waits_is_what_one_may_decide(
    ask: Any, staged: Approval, alice: Any, bob: Any, carol: Any, dora: Any, emil: Any, mallory: Any
) -> None:
    """The inbox and the rules agree, for everybody and every request."""
    from hitl.policies import explain

    rows = [
        staged,
        ask(reviewers=["group:finance"], approvals=2),
        ask(requester=bob),
        ask(reviewers=["requester"], risk="low"),
    ]
    hand_over(bob, mallory)
    hand_over(alice, carol)
    hand_over(carol, emil)
    decisions.decide(rows[0], actor=dora, verdict="approve", digest=rows[0].digest)
    decisions.decide(rows[1], actor=mallory, verdict="approve", digest=rows[1].digest)
    for user in (alice, bob, carol, dora, emil, mallory):
        may = {row.pk for row in rows if explain(Approval.objects.get(pk=row.pk), user).can_decide}
        assert {row.pk for row in decisions.inbox(user)} == may, user
