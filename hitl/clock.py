"""The one place that asks the time.

Deadlines are compared with the database's clock, read after the run's lock; `now()` serves everything
that decides nothing (display, picking what may be due) and is SQLite's database clock, since that
database runs in this very process. Tests move both by one offset.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_offset = timedelta(0)


def now() -> datetime:
    """The time in UTC, with the offset of a test."""
    return datetime.now(UTC) + _offset


def offset() -> timedelta:
    """How far tests have moved the clocks; the database's clock is read with it added."""
    return _offset


def move(delta: timedelta) -> None:
    """Let time pass for both clocks; only tests call this."""
    global _offset
    _offset += delta


def reset() -> None:
    """Undo every `move`."""
    global _offset
    _offset = timedelta(0)
