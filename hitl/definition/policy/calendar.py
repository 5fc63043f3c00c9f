"""When people work: a zone, hours of a week, holidays. Pure: a moment and a duration in, a moment out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, field_validator, model_validator

from hitl.definition.values import Value

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|24:00)")
_LEAST = 3600  # seconds a week, so that every duration ends within a lifetime


def _hours(text: str) -> str:
    found = _HOURS.fullmatch(text)
    if found is None or not text[:5] < text[6:]:
        raise ValueError(f"{text!r} are no hours: write 09:00-17:00")
    return text


Hours = Annotated[str, AfterValidator(_hours)]


class Calendar(Value):
    """When people work. `hours` name days (`mon-fri`, `sat`, `mon,wed`) and the hours of each; nobody works on
    `holidays`. Times are those of `time_zone`, by the clock on the wall; where it is set forward or back, what is
    counted is what passes."""

    time_zone: str = "UTC"
    hours: dict[str, tuple[Hours, ...]] = {"mon-fri": ("09:00-17:00",)}
    holidays: frozenset[date] = Field(default=frozenset(), max_length=10_000)

    @field_validator("time_zone")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, OSError, ValueError) as error:
            raise ValueError(f"{name!r} is no time zone: write one such as Europe/Berlin") from error
        return name

    @model_validator(mode="after")
    def _works(self) -> Calendar:
        spans = [(_minutes(one[:5]), _minutes(one[6:])) for day in self.week for one in day]
        if sum(end - start for start, end in spans) * 60 < _LEAST:
            raise ValueError("hours: less than one hour a week is no calendar")
        return self

    @cached_property
    def week(self) -> tuple[tuple[str, ...], ...]:
        """The hours of each day from Monday on, in their order."""
        days: list[set[str]] = [set() for _ in _DAYS]
        for names, hours in self.hours.items():
            for number in _numbers(names):
                days[number] |= set(hours)
        return tuple(tuple(sorted(day)) for day in days)

    def later(self, start: datetime, seconds: float) -> datetime:
        """The moment when so much working time has passed since `start`; at the end of a day that day's end, never the
        beginning of the next."""
        at, left = start.astimezone(UTC), timedelta(seconds=seconds)
        for opens, closes in self._open_from(at):
            begins = max(opens, at)
            if closes - begins >= left:
                return begins + left
            left -= max(closes - begins, timedelta(0))
            at = max(at, closes)
        raise AssertionError("a calendar has hours in every week")

    def _open_from(self, start: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Hours in UTC, from the day of `start` on, without end. Where a clock skips an hour they may overlap, or be
        empty."""
        zone = ZoneInfo(self.time_zone)
        day = start.astimezone(zone).date()
        while True:
            for one in () if day in self.holidays else self.week[day.weekday()]:
                midnight = datetime.combine(day, time(), zone)
                opens, closes = (midnight + timedelta(minutes=_minutes(part)) for part in (one[:5], one[6:]))
                yield opens.astimezone(UTC), closes.astimezone(UTC)
            day += timedelta(days=1)


def _minutes(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])


def _numbers(names: str) -> Iterator[int]:
    """The days that `mon-fri` or `sat,sun` names, counted from Monday."""
    for part in names.lower().replace(" ", "").split(","):
        first, _, last = part.partition("-")
        if first not in _DAYS or (last or first) not in _DAYS:
            raise ValueError(f"{names!r} names no days: write mon-fri, sat, or mon,wed")
        start, end = _DAYS.index(first), _DAYS.index(last or first)
        if end < start:
            raise ValueError(f"{names!r}: the week begins on Monday")
        yield from range(start, end + 1)
