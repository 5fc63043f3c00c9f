"""Handing over for a while: who may, for how long, who sees it on record, and what it is good for."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from hitl import audit, clock, decisions
from hitl.exceptions import BadInput, NotAllowed
from hitl.models import Approval, Delegation, people
from hitl.policies.delegations import create_delegation, revoke_delegation
from tests.rows import nothing_written

HOUR = timedelta(hours=1)


@pytest.fixture
def gina(db: None) -> Any:
    """Is in no group."""
    from django.contrib.auth import get_user_model

    return get_user_model().objects.create_user("gina", first_name="Gina", last_name="Gold")


def hand_over(giver: Any, to: Any, *, actor: Any = None, **options: Any) -> Delegation:
    given = {"ends_at": clock.now() + HOUR, **options}
    return create_delegation(giver, to, actor=actor or giver, **given)


def lines(user: Any) -> list[str]:
    return [record.action for record in audit.records_of(f"user:{user.pk}")]


def test_one_hands_over_for_oneself_and_it_is_on_record(bob: Any, gina: Any) -> None:
    row = hand_over(bob, gina, reason="  holiday ")
    assert (row.from_user, row.to_user, row.reason, row.revoked_at) == (bob, gina, "holiday", None)
    assert row.starts_at == row.created_at
    [line] = audit.timeline(f"user:{bob.pk}")
    assert (line.action, line.data["to"], line.data["why"]) == ("hitl.delegation.created", "Gina Gold", "holiday")
    assert people.delegators(gina.pk) == [bob.pk]


def test_it_begins_and_ends_when_it_says(waiting: Approval, bob: Any, gina: Any, pass_time: Any) -> None:
    hand_over(bob, gina, starts_at=clock.now() + HOUR, ends_at=clock.now() + 2 * HOUR)
    seen = []
    for _ in range(3):
        seen.append((len(decisions.inbox(gina)), people.delegators(gina.pk)))
        pass_time(HOUR)
    assert seen == [(0, []), (1, [bob.pk]), (0, [])]


@pytest.mark.parametrize(
    ("starts", "ends"),
    [(0, 0), (2, 1), (1, 1), (-3, -1), (None, -1), (None, 0)],
)
def test_a_period_that_ends_before_it_begins_or_is_over_is_refused(
    starts: int | None, ends: int, bob: Any, gina: Any
) -> None:
    now = clock.now()
    at = None if starts is None else now + starts * HOUR
    with nothing_written(), pytest.raises(BadInput, match="ends after it begins"):
        hand_over(bob, gina, starts_at=at, ends_at=now + ends * HOUR)


@pytest.mark.parametrize("which", ["starts_at", "ends_at"])
def test_a_time_carries_its_zone(which: str, bob: Any, gina: Any) -> None:
    with nothing_written(), pytest.raises(BadInput, match="zone"):
        hand_over(bob, gina, **{which: datetime(2126, 1, 1)})


def test_it_may_have_begun_before_it_was_written_down(bob: Any, gina: Any) -> None:
    hand_over(bob, gina, starts_at=clock.now() - HOUR)
    assert people.delegators(gina.pk) == [bob.pk]


def test_it_goes_from_one_active_person_to_another(bob: Any, carol: Any, gina: Any, root: Any) -> None:
    with nothing_written(), pytest.raises(BadInput, match="another"):
        hand_over(bob, bob)
    gina.is_active = False
    gina.save()
    with nothing_written():
        with pytest.raises(BadInput, match="active"):
            hand_over(bob, gina)
        with pytest.raises(BadInput, match="active"):
            hand_over(gina, carol, actor=root)


@pytest.mark.parametrize("reason", ["a\0b", "x" * 20_000])
def test_a_reason_that_cannot_be_kept_is_refused(reason: str, bob: Any, gina: Any) -> None:
    with nothing_written(), pytest.raises(BadInput):
        hand_over(bob, gina, reason=reason)


def test_for_others_only_operators_do_and_never_to_themselves(
    alice: Any, bob: Any, carol: Any, mallory: Any, root: Any, agent_key: Any
) -> None:
    with nothing_written():
        for actor, to in [(mallory, mallory), (mallory, carol), (carol, carol), (root, root), (agent_key[0], carol)]:
            with pytest.raises(NotAllowed) as refused:
                hand_over(bob, to, actor=actor)
            assert refused.value.details == {"reason": "not_operator"}
    assert hand_over(bob, carol, actor=root).to_user == carol
    assert hand_over(root, bob).from_user == root  # their own, as anybody
    [line] = audit.timeline(f"user:{bob.pk}")
    assert line.actor == "root"


def test_both_sides_and_operators_end_it_once(bob: Any, gina: Any, mallory: Any, root: Any, agent_key: Any) -> None:
    for actor in (bob, gina, root):
        row = hand_over(bob, gina)
        for other in (mallory, agent_key[0]):
            with nothing_written(), pytest.raises(NotAllowed):
                revoke_delegation(row, actor=other)
        assert revoke_delegation(row, actor=actor) is True
        with nothing_written():
            assert revoke_delegation(row, actor=actor) is False
        assert people.delegators(gina.pk) == []
    assert lines(bob) == ["hitl.delegation.created", "hitl.delegation.revoked"] * 3
    assert audit.verify().code == 0


def test_a_vote_that_was_cast_stands_when_it_ends(waiting: Approval, bob: Any, gina: Any) -> None:
    row = hand_over(bob, gina)
    outcome = decisions.decide(waiting, actor=gina, verdict="approve", digest=waiting.digest)
    revoke_delegation(row, actor=bob)
    again = decisions.decide(waiting, actor=gina, verdict="approve", digest=waiting.digest)
    assert (again.duplicate, again.decision) == (True, outcome.decision)
    assert Approval.objects.get(pk=waiting.pk).status == "approved"


def test_one_that_ended_may_be_followed_by_another(bob: Any, gina: Any, pass_time: Any) -> None:
    hand_over(bob, gina)
    pass_time(HOUR)
    assert people.delegators(gina.pk) == []
    hand_over(bob, gina)
    hand_over(bob, gina, ends_at=clock.now() + 2 * HOUR)  # and overlap
    assert people.delegators(gina.pk) == [bob.pk]
