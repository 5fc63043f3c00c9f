"""Times that count only while people work: absolute when a stage opens, kept with the request, said in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hitl import clock, decisions
from hitl.admin.policies import words
from hitl.checks import check_calendars
from hitl.definition import PolicyDocument, Workflow
from hitl.exceptions import InvalidPolicy, InvalidWorkflow
from hitl.models import Approval
from hitl.policies import apply_policy
from hitl.policies.written import read, write

SATURDAY = datetime(2030, 6, 1, 12, tzinfo=UTC)
MONDAY = datetime(2030, 6, 3, tzinfo=UTC)
BERLIN = {"time_zone": "Europe/Berlin", "hours": {"mon-fri": ["09:00-12:00", "13:00-17:00"]}}


@pytest.fixture
def saturday() -> None:
    """It is a Saturday."""
    clock.move(SATURDAY - clock.now())


def policy(**stage: Any) -> dict[str, Any]:
    return {"name": "refunds", "default": {"stages": [{"reviewers": ["group:finance"], **stage}]}}


def test_a_gate_asked_on_saturday_has_until_monday_evening(saturday: None, make_gate: Any) -> None:
    approval = make_gate(reviewers=["group:finance"], timeout="8h business")
    assert approval.expires_at == MONDAY + timedelta(hours=17)
    assert str(approval.required.stages[0].timeout) == "8h business"


def test_reminders_and_the_ladder_count_working_hours_too(saturday: None, make_gate: Any, people: Any) -> None:
    people("dora", "directors")
    ladder = [{"after": "3h business", "to": ["group:directors"]}]
    stage = {"reviewers": ["group:finance"], "timeout": "8h business", "remind": ["1h business"], "escalate": ladder}
    approval = make_gate(stages=[stage])
    assert approval.remind_at == MONDAY + timedelta(hours=10)
    assert approval.escalate_at == MONDAY + timedelta(hours=12)


def test_of_reminders_of_both_kinds_the_next_one_comes_next(saturday: None, make_gate: Any) -> None:
    stage = {"reviewers": ["group:finance"], "timeout": "8h business", "remind": ["1h business", "5h"]}
    assert make_gate(stages=[stage]).remind_at == pytest.approx(SATURDAY + timedelta(hours=5), abs=timedelta(minutes=1))


def test_the_next_stages_time_begins_when_it_opens(saturday: None, make_gate: Any, bob: Any, people: Any) -> None:
    people("dora", "directors")
    stages = [{"reviewers": ["group:finance"], "timeout": "8h business"}]
    approval = make_gate(stages=[*stages, {"reviewers": ["group:directors"], "timeout": "16h business"}])
    decisions.decide(approval, actor=bob, verdict="approve", digest=approval.digest)
    approval.refresh_from_db()
    assert approval.expires_at == MONDAY + timedelta(days=1, hours=17)


def test_a_policy_may_name_a_calendar(saturday: None, make_gate: Any, bob: Any, settings: Any) -> None:
    settings.HITL_CALENDARS = {"berlin": BERLIN}
    apply_policy(policy(timeout="7h business berlin"), actor=bob)
    approval = make_gate(policy="refunds")
    assert approval.expires_at == MONDAY + timedelta(hours=15), "17:00 in summer"


def test_the_projects_own_calendar_is_a_setting(saturday: None, make_gate: Any, settings: Any) -> None:
    settings.HITL_CALENDAR = {**BERLIN, "holidays": ["2030-06-03"]}
    approval = make_gate(reviewers=["group:finance"], timeout="7h business")
    assert approval.expires_at == MONDAY + timedelta(days=1, hours=15)


def test_extending_is_by_the_clock(saturday: None, make_gate: Any, root: Any) -> None:
    approval = make_gate(reviewers=["group:finance"], timeout="8h business")
    later = MONDAY + timedelta(days=7, hours=17)
    decisions.extend(approval, actor=root, until=later, reason="holidays")
    approval.refresh_from_db()
    assert approval.expires_at == later


def test_a_policy_that_names_no_calendar_of_ours_is_refused(finance: Any, bob: Any) -> None:
    with pytest.raises(InvalidPolicy, match="no calendar mars"):
        apply_policy(policy(timeout="8h business mars"), actor=bob)


def test_a_gate_that_names_none_of_ours_is_an_error_at_the_start_and_does_not_open(make_gate: Any) -> None:
    with pytest.raises(Approval.DoesNotExist):
        make_gate(reviewers=["group:finance"], timeout="8h business mars")
    assert [error.msg for error in check_calendars()] == ["there is no calendar mars"]


def test_a_calendar_that_is_gone_does_not_stop_a_request_that_is_open(
    saturday: None, make_gate: Any, bob: Any, people: Any, settings: Any
) -> None:
    people("dora", "directors")
    settings.HITL_CALENDARS = {"berlin": BERLIN}
    stages = [{"reviewers": [f"group:{name}"], "timeout": "8h business berlin"} for name in ("finance", "directors")]
    approval = make_gate(stages=stages)
    settings.HITL_CALENDARS = {}
    decisions.decide(approval, actor=bob, verdict="approve", digest=approval.digest)
    approval.refresh_from_db()
    assert approval.expires_at == MONDAY + timedelta(hours=17)


def test_a_gate_refuses_what_is_no_duration() -> None:
    flow = Workflow("odd")
    flow.step(lambda ctx: None, name="draft")
    with pytest.raises(InvalidWorkflow, match="2d business"):
        flow.approval("ask", after="draft", reviewers=["group:finance"], timeout="2d business")


def test_a_policy_is_read_and_written_in_the_same_words(finance: Any) -> None:
    document = read(write(policy(timeout="8h business", remind=["90m business"], escalate=[])))
    assert "timeout: 8h business" in write(document.model_dump(mode="json"))
    assert "1h30m business" in write(document.model_dump(mode="json"))


def test_people_read_it_in_words() -> None:
    document = PolicyDocument.read(policy(timeout="8h business", remind=["2h business berlin"]))
    said = words.in_one_sentence(document)
    assert "within 8\xa0hours of business hours" in said
    assert "reminded after 2\xa0hours of business hours (berlin)" in said


@pytest.mark.parametrize(
    "calendar", [{"hours": {}}, {"hours": {"mon": ["9-5"]}}, {"time_zone": "Mars"}, {"day": 1}, {"holidays": ["x"]}]
)
def test_a_wrong_calendar_is_an_error_at_the_start(calendar: dict[str, Any], settings: Any) -> None:
    settings.HITL_CALENDARS = {"odd": calendar}
    assert [error.id for error in check_calendars()] == ["hitl.E005"]
    assert "the calendar odd is wrong" in check_calendars()[0].msg


def test_calendars_that_are_some_are_fine(settings: Any) -> None:
    settings.HITL_CALENDAR, settings.HITL_CALENDARS = BERLIN, {"berlin": BERLIN}
    assert check_calendars() == []
