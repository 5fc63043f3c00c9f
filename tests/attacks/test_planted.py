"""What the doctor finds when somebody wrote into the database by hand."""

from __future__ import annotations

from typing import Any

from hitl import clock, invariants
from hitl.models import Approval, Decision


def test_a_vote_that_rests_on_no_assignment_is_found(gate: Any, decide: Any, bob: Any, mallory: Any) -> None:
    decide(gate(reviewers=["group:finance"]), bob)
    assert invariants.check() == []
    Decision.objects.update(actor=mallory, assignment=None)
    assert [found.rule for found in invariants.check()] == ["I4"]


def test_a_pass_that_no_policy_gave_is_found(gate: Any, decide: Any, bob: Any) -> None:
    approval = gate(reviewers=["group:finance"])
    decide(approval, bob)
    Decision.objects.update(withdrawn_at=clock.now())
    Approval.objects.update(decided_via="policy")
    assert invariants.check() != []
