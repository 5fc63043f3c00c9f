"""Acts that come after the deadline of a request that then goes up its ladder: one transition holds both."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model

from hitl import decisions
from hitl.exceptions import HitlError
from hitl.models import Approval

pytestmark = pytest.mark.usefixtures("whole_house")

LATE = timedelta(hours=4)


@pytest.fixture
def overdue(gate: Any, people: Any, pass_time: Any) -> Any:
    """A request whose deadline has passed while nobody swept; dora is further up."""

    def make(*, rungs: int = 1, approvals: int = 1, options: Any = None, **stage: Any) -> Approval:
        people("dora", "directors")
        people("dina", "directors")
        people("dan", "finance")
        ladder = [{"after": f"{hour}h", "to": ["group:directors"]} for hour in range(1, rungs + 1)]
        stage = {"reviewers": ["group:finance"], "timeout": "3h", "escalate": ladder, "approvals": approvals, **stage}
        approval: Approval = gate(stages=[stage], on_timeout="escalate", **(options or {}))
        pass_time(LATE)
        return approval

    return make


@pytest.mark.parametrize("fallback", [[], ["group:directors"], ["user:eve"]], ids=["none", "the same", "another"])
def test_a_late_vote_sees_the_people_who_were_asked_a_moment_ago(
    fallback: Any, overdue: Any, decide: Any, bob: Any, people: Any
) -> None:
    people("eve")
    approval = overdue(approvals=3, fallback=fallback)
    get_user_model().objects.filter(username="dan").update(is_active=False)
    assert decide(approval, bob).open
    approval.refresh_from_db()
    assert (approval.rung, approval.fell_back, approval.unsatisfiable) == (1, False, False)


def test_a_late_escalation_to_the_same_people_asks_them_once(overdue: Any, bob: Any) -> None:
    assert decisions.escalate(overdue(rungs=2), actor=bob).rung == 2


def test_a_late_revision_that_goes_up_instead_asks_them_once(overdue: Any, decide: Any, bob: Any) -> None:
    approval = overdue(rungs=2, options={"max_revisions": 0, "on_max_revisions": "escalate"})
    assert decide(approval, bob, "request_revision", comment="again").approval.rung == 2


def test_a_late_hand_over_to_who_was_asked_a_moment_ago_is_refused_in_words(overdue: Any, bob: Any) -> None:
    approval = overdue(escalate=[{"after": "1h", "to": ["user:dora"]}])
    with pytest.raises(HitlError):
        decisions.delegate(approval, actor=bob, to=get_user_model().objects.get(username="dora"))


def test_a_late_edit_leaves_the_old_revision_in_nobodys_inbox(overdue: Any, decide: Any, bob: Any) -> None:
    fresh = decide(overdue(approvals=2), bob, "edit", args={"n": 2}).approval
    dora = get_user_model().objects.get(username="dora")
    assert fresh.revision == 2
    assert decisions.inbox(dora) == []


def test_a_late_vote_of_who_was_replaced_is_refused_and_the_ladder_climbed(overdue: Any, decide: Any, bob: Any) -> None:
    approval = overdue(escalate=[{"after": "1h", "to": ["group:directors"], "mode": "replace"}])
    with pytest.raises(HitlError):
        decide(approval, bob)
    approval.refresh_from_db()
    assert (approval.status, approval.rung) == ("pending", 1)


def test_a_late_cancel_closes_the_request_it_is_about(overdue: Any, alice: Any) -> None:
    assert decisions.cancel(overdue(), actor=alice).status == "cancelled"
