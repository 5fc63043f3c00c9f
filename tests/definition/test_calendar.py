"""Business hours: tables of zones, clocks that are set forward and back, holidays, and what holds for any calendar."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from hitl.definition import PolicyDocument, Stage
from hitl.definition.policy import Calendar
from hitl.definition.values import Business, explain

BERLIN = {
    "time_zone": "Europe/Berlin",
    "hours": {"mon-fri": ["09:00-12:00", "13:00-17:00"]},
    "holidays": ["2026-12-25", "2027-01-01"],
}
HOUR = 3600.0


def later(start: str, many: float, **given: object) -> str:
    """In the calendar's own zone, as `Mon 2026-03-30 09:00`."""
    calendar = Calendar.model_validate({**BERLIN, **given})
    zone = ZoneInfo(calendar.time_zone)
    at = calendar.later(datetime.fromisoformat(start).replace(tzinfo=zone), many * HOUR)
    return at.astimezone(zone).strftime("%a %Y-%m-%d %H:%M")


@pytest.mark.parametrize(
    ("start", "hours", "end"),
    [
        ("2026-11-02 09:00", 2, "Mon 2026-11-02 11:00"),
        ("2026-11-02 11:00", 2, "Mon 2026-11-02 14:00"),  # lunch does not count
        ("2026-11-02 11:00", 1, "Mon 2026-11-02 12:00"),  # ends when lunch begins, not after it
        ("2026-11-02 12:30", 1, "Mon 2026-11-02 14:00"),  # asked at lunch
        ("2026-11-02 09:00", 7, "Mon 2026-11-02 17:00"),  # the whole day, and not the next morning
        ("2026-11-02 09:00", 7.5, "Tue 2026-11-03 09:30"),
        ("2026-11-02 06:00", 1, "Mon 2026-11-02 10:00"),  # before they come
        ("2026-11-02 17:00", 1, "Tue 2026-11-03 10:00"),  # as they leave
        ("2026-11-06 16:00", 2, "Mon 2026-11-09 10:00"),  # over a weekend
        ("2026-11-07 12:00", 1, "Mon 2026-11-09 10:00"),  # on Saturday
        ("2026-12-24 16:00", 2, "Mon 2026-12-28 10:00"),  # a holiday and the weekend behind it
        ("2026-12-25 10:00", 1, "Mon 2026-12-28 10:00"),  # on a holiday
        ("2026-12-31 16:00", 8, "Mon 2027-01-04 17:00"),
        ("2026-11-02 09:00", 70, "Fri 2026-11-13 17:00"),  # two weeks
    ],
)
def test_time_passes_while_people_work(start: str, hours: float, end: str) -> None:
    assert later(start, hours) == end


@pytest.mark.parametrize(
    ("start", "hours", "end"),
    [
        ("2026-03-27 16:00", 2, "Mon 2026-03-30 10:00"),  # set forward on Sunday: nine is nine
        ("2026-10-23 16:00", 2, "Mon 2026-10-26 10:00"),  # set back on Sunday
    ],
)
def test_hours_are_those_of_the_clock_on_the_wall(start: str, hours: float, end: str) -> None:
    assert later(start, hours) == end


NIGHT = {"hours": {"sat-sun": ["00:00-24:00"]}, "holidays": []}


@pytest.mark.parametrize(
    ("start", "hours", "end"),
    [
        ("2026-03-29 01:00", 2, "Sun 2026-03-29 04:00"),  # two to three does not exist
        ("2026-10-25 01:00", 3, "Sun 2026-10-25 03:00"),  # two to three is there twice
        ("2026-03-28 00:00", 47, "Mon 2026-03-30 00:00"),  # 47 hours make the weekend
        ("2026-10-24 00:00", 49, "Mon 2026-10-26 00:00"),
    ],
)
def test_where_the_clock_is_set_what_counts_is_what_passes(start: str, hours: float, end: str) -> None:
    assert later(start, hours, **NIGHT) == end


def test_hours_within_the_hour_that_is_skipped_do_not_turn_time_back() -> None:
    hours = {"sun": ["02:00-02:30", "02:30-03:00", "03:00-04:00"]}
    assert later("2026-03-29 00:00", 1, hours=hours) == "Sun 2026-03-29 04:00"


@pytest.mark.parametrize(
    ("zone", "end"),
    [
        ("America/New_York", "2026-11-03T15:00:00+00:00"),
        ("Asia/Kolkata", "2026-11-03T04:30:00+00:00"),
        ("Pacific/Auckland", "2026-11-02T21:00:00+00:00"),
        ("UTC", "2026-11-03T10:00:00+00:00"),
    ],
)
def test_each_zone_has_its_own_day(zone: str, end: str) -> None:
    nine = datetime(2026, 11, 2, 16, tzinfo=ZoneInfo(zone))
    assert Calendar(time_zone=zone).later(nine, 2 * HOUR).isoformat() == end


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"hours": {}}, "less than one hour a week"),
        ({"hours": {"mon-fri": []}}, "less than one hour a week"),
        ({"hours": {"mon": ["09:00-09:30"]}}, "less than one hour a week"),
        ({"hours": {"monday": ["09:00-17:00"]}}, "names no days"),
        ({"hours": {"fri-mon": ["09:00-17:00"]}}, "begins on Monday"),
        ({"hours": {"mon": ["9-17"]}}, "09:00-17:00"),
        ({"hours": {"mon": ["17:00-09:00"]}}, "09:00-17:00"),
        ({"hours": {"mon": ["09:00-25:00"]}}, "09:00-17:00"),
        ({"time_zone": "Mars/Olympus"}, "no time zone"),
        ({"time_zone": "../../etc/passwd"}, "no time zone"),
        ({"holidays": ["Christmas"]}, "holidays"),
        ({"weekends": []}, "weekends"),
    ],
)
def test_what_is_no_calendar_is_refused(given: dict[str, object], wrong: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Calendar.model_validate(given)
    assert wrong in explain(refused.value)


ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"])
DAYS = st.sets(st.sampled_from(["mon", "tue", "wed", "thu", "fri", "sat", "sun"]), min_size=1)
OPENS = st.integers(0, 22)
CALENDARS = st.builds(
    lambda zone, days, opens, holidays: Calendar(
        time_zone=zone, hours={",".join(days): (f"{opens:02}:00-{opens + 1:02}:30",)}, holidays=frozenset(holidays)
    ),
    ZONES, DAYS, OPENS, st.sets(st.dates(date(2026, 1, 1), date(2026, 12, 31)), max_size=9),
)  # fmt: skip
MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))
SPANS = st.integers(1, 40 * 3600)


@given(CALENDARS, MOMENTS, SPANS, SPANS)
def test_more_time_is_never_earlier_and_never_shorter_than_the_clock(
    calendar: Calendar, start: datetime, one: int, more: int
) -> None:
    end = calendar.later(start, one)
    assert end - start >= timedelta(seconds=one)
    assert calendar.later(start, one + more) > end
    assert calendar.later(start + timedelta(hours=1), one) >= end
    assert calendar.later(end, more) == calendar.later(start, one + more)


@given(CALENDARS, MOMENTS, SPANS)
def test_the_end_is_on_a_day_that_counts(calendar: Calendar, start: datetime, span: int) -> None:
    end = calendar.later(start, span).astimezone(ZoneInfo(calendar.time_zone))
    last = end - timedelta(microseconds=1)
    assert calendar.week[last.weekday()]
    assert last.date() not in calendar.holidays


# -- durations -----------------------------------------------------------------------------------------


def test_a_duration_remembers_that_it_is_one_of_business_hours() -> None:
    stage = Stage(reviewers=("group:finance",), timeout="8h business", remind=("90m business berlin",))
    again = Stage.model_validate_json(stage.model_dump_json())
    assert again == stage
    assert (again.timeout, str(again.timeout)) == (8 * HOUR, "8h business")
    assert isinstance(again.remind[0], Business)
    assert again.remind[0].calendar == "berlin"
    assert stage.model_dump(mode="json")["remind"] == ["1h30m business berlin"]


@pytest.mark.parametrize("words", ["2d business", "1d4h business", "3000h business", "8h business Berlin!", "business"])
def test_durations_of_business_hours_that_mean_nothing_are_refused(words: str) -> None:
    with pytest.raises(ValidationError):
        Stage(reviewers=("group:finance",), timeout=words)


def test_business_hours_and_others_are_not_compared() -> None:
    stage = Stage(reviewers=("group:finance",), timeout="8h business", remind=("2h business", "20h"))
    assert stage.at(1, None).remind == (2 * HOUR, 20 * HOUR)
    with pytest.raises(ValidationError):
        Stage(reviewers=("group:finance",), timeout="8h business", remind=("9h business",))


def test_an_extension_is_by_the_clock() -> None:
    from hitl.exceptions import InvalidPolicy

    stages = {"stages": [{"reviewers": ["group:finance"]}]}
    with pytest.raises(InvalidPolicy, match="extend"):
        PolicyDocument.read({"name": "refunds", "default": stages, "extend": "8h business"})
