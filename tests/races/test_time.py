"""Votes and acts against time, and two sweeps against each other: each row moves once, by the clock under the lock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection

from hitl import clock, decisions, engine
from hitl.exceptions import ApprovalClosed, RunBusy
from hitl.models import Approval, Assignment, Notification
from tests.races.conftest import TIMES, Asking, Pair, Race, recorded, say, told, votes, whole

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("whole_house")]

Gate = Callable[..., Asking]
HOUR = timedelta(hours=1)


def sweeping(duty: Callable[[Approval], bool], approval: Approval) -> bool:
    """One duty of a sweep at one request; a run that is locked is left for the next sweep."""
    with suppress(RunBusy):
        return duty(approval)
    return False


def late(duty: Callable[[Approval], bool], approval: Approval, after: timedelta) -> bool:
    """Time passes, and a sweep comes by."""
    clock.move(after)
    return sweeping(duty, approval)


def test_decide_against_expire(race: Race, gate: Gate, bob: Any) -> None:
    for approval in race.rounds(gate()):
        expire = partial(late, decisions.expire, approval, 5 * HOUR)
        voted, expired = race(say(approval, bob), expire, hold=approval.run_id)
        now = whole(approval)
        if told(voted) == "done":
            race.won(0)
            assert (expired, now.status, votes(now)) == (False, "approved", [("bob", "approve")])
        else:
            race.won(1)
            assert isinstance(voted, ApprovalClosed)
            assert (told(voted), voted.details["status"]) == ("approval_closed", "expired")
            assert (now.status, now.run.status, now.run.failure_code) == ("expired", "failed", "approval_expired")
            assert votes(now) == []
        assert recorded(approval, "approval.approved", "approval.expired") == 1


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_decide_while_the_deadline_passes(pair: Pair, gate: Gate, bob: Any) -> None:
    """The deadline falls into the race itself: whoever is right is right by the clock under the lock."""
    outcomes: Counter[str] = Counter()
    asking = gate()
    for number in range(TIMES):
        approval = asking()
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE hitl_approval SET expires_at = clock_timestamp() + %s WHERE id = %s",
                [timedelta(microseconds=400 + 150 * (number % 40)), approval.pk],
            )
            cursor.execute(
                "UPDATE hitl_assignment a SET due_at = p.expires_at FROM hitl_approval p "
                "WHERE p.id = a.approval_id AND a.approval_id = %s",
                [approval.pk],
            )

        def expire(approval: Approval = approval) -> bool:
            while Approval.objects.get(pk=approval.pk).is_pending:
                if sweeping(decisions.expire, approval):
                    return True
            return False

        voted, expired = pair.race(say(approval, bob), expire)
        now = whole(approval)
        if told(voted) == "done":
            assert (now.status, expired) == ("approved", False)
            assert now.decided_at is not None
            assert now.decided_at < now.expires_at
        else:
            assert (told(voted), now.status, now.run.status) == ("approval_closed", "expired", "failed")
        assert recorded(approval, "approval.approved", "approval.expired") == 1
        outcomes[now.status] += 1
    assert set(outcomes) == {"approved", "expired"} or TIMES < 50, f"the race went one way only: {outcomes}"


@pytest.mark.parametrize("mode", ["add", "replace"])
def test_decide_against_a_timeout_that_escalates(
    race: Race, gate: Gate, bob: Any, person: Any, managers: Any, mode: str
) -> None:
    """The time is over for both: whoever comes first takes it up, once; a late vote counts, if its voter is asked."""
    mia = person("mia", managers)
    up = [{"reviewers": ["group:finance"], "escalate": [{"after": "3h", "to": ["group:managers"], "mode": mode}]}]
    for approval in race.rounds(gate(stages=up, on_timeout="escalate")):
        clock.move(5 * HOUR)
        voted, climbed = race(say(approval, bob), partial(sweeping, decisions.expire, approval), hold=approval.run_id)
        now = whole(approval)
        race.won(1 if climbed else 0)
        assert (now.rung, recorded(now, "approval.escalated"), recorded(now, "approval.expired")) == (1, 1, 0)
        assert Notification.objects.filter(approval=now, kind="escalated").count() == 1
        if mode == "add":
            assert (told(voted), now.status) == ("done", "approved")
        else:
            assert (told(voted), now.status, votes(now)) == ("not_allowed:not_candidate", "pending", [])
            assert told(say(now, mia)()) == "done"
        assert recorded(approval, "approval.approved") == 1


@pytest.mark.parametrize("mode", ["add", "replace"])
def test_decide_against_a_rung_that_is_due(
    race: Race, gate: Gate, bob: Any, carol: Any, person: Any, managers: Any, mode: str
) -> None:
    mia = person("mia", managers)
    rung = {"after": "1h", "to": ["group:managers"], "mode": mode}
    stage = {"reviewers": ["group:finance"], "approvals": 2, "escalate": [rung]}
    for approval in race.rounds(gate(stages=[stage])):
        voted, climbed = race(
            say(approval, bob), partial(late, decisions.escalate_due, approval, 2 * HOUR), hold=approval.run_id
        )
        decisions.escalate_due(approval)
        assert (whole(approval).rung, recorded(approval, "approval.escalated")) == (1, 1)
        if mode == "replace" and told(voted) != "done":
            race.won(1)
            assert (told(voted), climbed, votes(approval)) == ("not_allowed:not_candidate", True, [])
        else:
            assert (told(voted), votes(approval)) == ("done", [("bob", "approve")])
            assert say(approval, mia)().open is False


def test_extend_against_expire(race: Race, gate: Gate, bob: Any, carol: Any) -> None:
    for approval in race.rounds(gate()):
        until = approval.expires_at + 4 * HOUR
        extended, expired = race(
            partial(decisions.extend, approval, actor=bob, until=until),
            partial(late, decisions.expire, approval, 5 * HOUR),
            hold=approval.run_id,
        )
        now = whole(approval)
        if told(extended) == "done":
            race.won(0)
            assert (expired, now.status, now.expires_at) == (False, "pending", until)
            assert set(Assignment.objects.filter(approval=now).values_list("due_at", flat=True)) == {until}
            assert told(say(now, carol)()) == "done"
        else:
            race.won(1)
            assert (told(extended), now.status) == ("approval_closed", "expired")
        assert recorded(now, "approval.extended", "approval.expired") == 1


def test_two_remind_by_hand(race: Race, gate: Gate, alice: Any, bob: Any) -> None:
    asking = gate()

    def old() -> Approval:
        approval = asking()
        clock.move(HOUR)
        return approval

    for approval in race.rounds(old):
        results = race(*(partial(decisions.remind, approval, actor=who) for who in (alice, bob)), hold=approval.run_id)
        assert sorted(map(told, results)) == ["done", "not_allowed:too_soon"]
        race.won(list(map(told, results)).index("done"))
        assert (recorded(approval, "approval.reminded"), told_of(approval, "reminder")) == (1, 1)


def told_of(approval: Approval, kind: str) -> int:
    return Notification.objects.filter(approval=whole(approval), kind=kind).count()


DUTIES = {
    "remind": (decisions.remind_due, 2 * HOUR, "approval.reminded", "reminder", 1),
    "escalate": (decisions.escalate_due, 3 * HOUR, "approval.escalated", "escalated", 1),
    "expire": (decisions.expire, 5 * HOUR, "approval.expired", "requested", 1),
    "expire_grant": (decisions.expire_grant, 25 * HOUR, "approval.expired", "requested", 1),
}


@pytest.mark.parametrize("duty", DUTIES)
def test_two_beats_at_one_row(race: Race, gate: Gate, bob: Any, managers: Any, duty: str) -> None:
    act, after, action, kind, notices = DUTIES[duty]
    up = [{"after": "150m", "to": ["group:managers"]}]
    asking = gate(stages=[{"reviewers": ["group:finance"], "remind": ["1h"], "escalate": up}])

    def due() -> Approval:
        approval = asking()
        if duty == "expire_grant":
            say(approval, bob)()
        clock.move(after)
        return approval

    for approval in race.rounds(due):
        results = race(partial(sweeping, act, approval), partial(sweeping, act, approval))
        assert results.count(True) == 1
        race.won(results.index(True))
        assert sweeping(act, approval) is False
        assert (recorded(approval, action), told_of(approval, kind)) == (1, notices)


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("duty", ["remind", "escalate", "expire", "climb"])
def test_two_sweeps_move_each_row_once(pair: Pair, gate: Gate, managers: Any, duty: str) -> None:
    """Whole sweeps, over several rows at once; what one left as busy the next one finds."""
    up = [{"after": "150m", "to": ["group:managers"]}]
    stages = [{"reviewers": ["group:finance"], "remind": ["1h"], "escalate": up}]
    asking = gate(stages=stages, **({"on_timeout": "escalate"} if duty == "climb" else {}))
    after = {"remind": 2 * HOUR, "escalate": 3 * HOUR, "expire": 5 * HOUR, "climb": 5 * HOUR}[duty]
    for _ in range(max(1, TIMES // 20)):
        approvals = [asking() for _ in range(20)]
        clock.move(after)
        results = pair.race(engine.sweep, engine.sweep)
        engine.sweep()
        name = "expire" if duty == "climb" else duty
        assert sum(result[name] for result in results) <= len(approvals)
        action = {"remind": "approval.reminded", "expire": "approval.expired"}.get(duty, "approval.escalated")
        kind = {"remind": "reminder", "expire": "requested"}.get(duty, "escalated")
        for approval in approvals:
            assert (recorded(approval, action), told_of(approval, kind)) == (1, 1)
            assert (whole(approval).status == "expired") == (duty == "expire")
