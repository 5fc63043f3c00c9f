"""Policies that change while they are used, and while somebody else changes them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from hitl import audit
from hitl.models import Approval, Policy
from hitl.policies import apply_policy
from tests.races.conftest import Asking, Race, say, told, votes, whole

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("whole_house")]

Gate = Callable[..., Asking]


def document(approvals: int, name: str = "money") -> dict[str, Any]:
    return {"name": name, "default": {"stages": [{"reviewers": ["group:finance"], "approvals": approvals}]}}


def applied(name: str) -> list[int]:
    """The versions on record, in their order."""
    assert audit.verify().code == 0
    return [line.data["version"] for line in audit.timeline(f"policy:{name}")]


def test_a_policy_applied_while_a_request_opens(race: Race, gate: Gate, root: Any, bob: Any, carol: Any) -> None:
    """The request has one version or the other, whole, and keeps it."""
    apply_policy(document(1), actor=root)
    asking = gate(policy="money")
    for number in race.rounds(iter(range(10_000)).__next__):
        needed = {Policy.objects.get(name="money", active=True).version: number % 2 + 1}
        changed = document((number + 1) % 2 + 1)
        needed[max(needed) + 1] = (number + 1) % 2 + 1
        approval, policy = race(asking, partial(apply_policy, changed, actor=root))
        assert policy.version == max(needed)
        name, _, version = approval.required.policy.partition(" v")
        assert (name, approval.required.need) == ("money", needed[int(version)])
        race.won(0 if int(version) < policy.version else 1)
        outcome = say(approval, bob)()
        assert (outcome.need, outcome.open) == (needed[int(version)], needed[int(version)] == 2)
        if outcome.open:
            assert told(say(approval, carol)()) == "done"
        assert (whole(approval).status, len(votes(approval))) == ("approved", needed[int(version)])


def test_a_policy_applied_against_a_vote(race: Race, gate: Gate, root: Any, bob: Any) -> None:
    """What is in flight keeps the version it opened with."""
    asking = gate(policy="money")

    def ask() -> Approval:
        apply_policy(document(1), actor=root)
        return asking()

    for approval in race.rounds(ask):
        voted, policy = race(say(approval, bob), partial(apply_policy, document(2), actor=root), hold=approval.run_id)
        assert (told(voted), voted.open, whole(approval).status) == ("done", False, "approved")
        assert approval.required.policy == f"money v{policy.version - 1}"


@pytest.mark.parametrize("known", [True, False])
def test_two_policies_applied_at_once(race: Race, root: Any, finance: Any, known: bool) -> None:
    """Both are kept, one after the other, and the later one holds; also where there was none before."""
    for number in race.rounds(iter(range(10_000)).__next__):
        name = "money" if known else f"money-{number}"
        if known and number == 0:
            apply_policy(document(1, name), actor=root)
        before = list(Policy.objects.filter(name=name).order_by("version").values_list("version", flat=True))
        results = race(
            *(partial(apply_policy, document(10 + 2 * number % 80 + one, name), actor=root) for one in (0, 1))
        )
        after = list(Policy.objects.filter(name=name).order_by("version").values_list("version", flat=True))
        assert after == list(range(1, len(before) + 3))
        assert sorted(row.version for row in results) == after[-2:]
        race.won(0 if results[0].version < results[1].version else 1)
        assert Policy.objects.get(name=name, active=True).version == after[-1]
        assert applied(name) == after


def test_one_policy_applied_twice_at_once(race: Race, root: Any, finance: Any) -> None:
    """The same document again changes nothing."""
    for number in race.rounds(iter(range(10_000)).__next__):
        again = partial(apply_policy, document(number % 2 + 1), actor=root)
        first, second = race(again, again)
        assert first.pk == second.pk
        assert applied("money") == list(range(1, number + 2))
        assert Policy.objects.get(name="money", active=True).pk == first.pk


def test_two_versions_written_from_one(race: Race, root: Any, finance: Any) -> None:
    """One is kept; who wrote the other is told, and nobody's version is replaced unseen."""
    for base in race.rounds(iter(range(10_000)).__next__):
        results = race(
            *(partial(apply_policy, document(10 + (2 * base + one) % 80), actor=root, base=base) for one in (0, 1))
        )
        assert sorted(told(result) for result in results) == ["done", "stale_policy"]
        race.won(0 if told(results[0]) == "done" else 1)
        assert applied("money") == list(range(1, base + 2))
