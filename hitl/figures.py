"""How people decide, in figures: what waits, how long it takes, and who says yes without reading. Only reads, and of
what could be endless only the newest part."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import median
from typing import Any, NamedTuple

from django.contrib.auth import get_user_model
from django.utils import timezone

from hitl import clock
from hitl.models import Approval, Assignment, Decision

MOST = 10_000
HASTY = 3.0  # seconds
_YES = ("approve", "edit")


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits: for whom or of which workflow, how many, how many of them are overdue, and since when the oldest."""

    name: str
    count: int
    overdue: int
    oldest: datetime


class Said(NamedTuple):
    """One vote, as far as figures need it; `took` and `read` are seconds since it was asked and shown."""

    who: Any
    workflow: str
    verdict: str
    at: datetime
    took: float
    read: float | None


@dataclass(frozen=True, slots=True)
class Habit:
    """How somebody, or the people of one workflow, decide: their votes, how many were a yes, the median of the seconds
    from asking to deciding, and how many of those whose reading time is `known` took less than three seconds."""

    name: Any
    votes: int
    yes: int
    median: float
    hasty: int
    known: int

    @property
    def rate(self) -> float:
        """The share of a yes, 0 to 1."""
        return self.yes / self.votes


@dataclass(frozen=True, slots=True)
class Figures:
    """All figures of one period. `full` says that only the newest 10,000 votes were looked at, `many` that more than
    10,000 requests wait and only those due soonest are counted."""

    since: datetime
    waiting: list[Waiting]
    asked: list[Waiting]
    votes: list[Said]
    people: list[Habit]
    workflows: list[Habit]
    outcomes: dict[str, int]
    full: bool
    many: bool

    @property
    def all(self) -> Habit | None:
        """Everybody together; None where nobody decided."""
        return _habit("", self.votes) if self.votes else None

    def days(self) -> list[tuple[date, int, int]]:
        """Each day of the period, in the time zone that is shown, with its yes and its other votes."""
        yes, other = Counter[date](), Counter[date]()
        for vote in self.votes:
            (yes if vote.verdict in _YES else other)[timezone.localdate(vote.at)] += 1
        first, last = timezone.localdate(self.since), timezone.localdate(clock.now())
        found = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        return [(day, yes[day], other[day]) for day in found]


def figures(days: int = 30) -> Figures:
    """The figures of the last days; a handful of queries, whatever the number of requests."""
    now = clock.now()
    since = now - timedelta(days=days)
    pending = Approval.objects.pending().order_by("expires_at")[: MOST + 1]
    rows = list(pending.values_list("run__workflow__name", "expires_at", "opened_at"))
    votes = _votes(since)
    return Figures(
        since=since,
        waiting=_waiting(rows[:MOST], now),
        asked=_waiting(_asked(), now),
        votes=votes,
        people=_habits(votes, lambda vote: vote.who),
        workflows=_habits(votes, lambda vote: vote.workflow),
        outcomes=_outcomes(since),
        full=len(votes) == MOST,
        many=len(rows) > MOST,
    )


def _asked() -> list[tuple[str, datetime, datetime]]:
    """Pending requests by who is asked: a row each and group or person."""
    rows = Assignment.objects.filter(due_at__isnull=False).order_by("due_at")[:MOST]
    found = rows.values_list("group__name", f"user__{_login()}", "due_at", "approval__opened_at")
    return [(f"group:{group}" if group else f"user:{user}", due, opened) for group, user, due, opened in found if due]


def _login() -> str:
    return str(get_user_model().USERNAME_FIELD)


def _waiting(rows: Iterable[tuple[str, datetime, datetime]], now: datetime) -> list[Waiting]:
    by_name: dict[str, list[tuple[datetime, datetime]]] = defaultdict(list)
    for name, due, opened in rows:
        by_name[name].append((due, opened))
    found = [
        Waiting(name, len(all_), sum(due <= now for due, _ in all_), min(opened for _, opened in all_))
        for name, all_ in by_name.items()
    ]
    return sorted(found, key=lambda one: (-one.overdue, -one.count, one.name))


def _votes(since: datetime) -> list[Said]:
    """The newest votes that stand: ids are made in the order of time, so that the newest are a walk along them."""
    rows = Decision.objects.filter(withdrawn_at=None).order_by("-id")[:MOST]
    found = rows.values_list(
        "actor__username",
        "approval__run__workflow__name",
        "verdict",
        "decided_at",
        "approval__opened_at",
        "confirmation",
    )
    return [
        Said(who, workflow, verdict, at, (at - opened).total_seconds(), _read(at, evidence))
        for who, workflow, verdict, at, opened, evidence in found
        if at >= since
    ]


def _read(at: datetime, evidence: Any) -> float | None:
    shown = evidence.get("shown") if isinstance(evidence, dict) else None
    return (at - datetime.fromisoformat(shown)).total_seconds() if shown else None


def _habits(votes: list[Said], key: Callable[[Said], Any]) -> list[Habit]:
    by_key: dict[Any, list[Said]] = defaultdict(list)
    for vote in votes:
        by_key[key(vote)].append(vote)
    return sorted((_habit(name, mine) for name, mine in by_key.items()), key=lambda one: (-one.votes, one.name))


def _habit(name: Any, votes: list[Said]) -> Habit:
    known = [vote.read for vote in votes if vote.read is not None]
    return Habit(
        name=name,
        votes=len(votes),
        yes=sum(vote.verdict in _YES for vote in votes),
        median=median(vote.took for vote in votes),
        hasty=sum(read < HASTY for read in known),
        known=len(known),
    )


def _outcomes(since: datetime) -> dict[str, int]:
    """How the newest requests of the period ended, by status and by what ended them."""
    rows = Approval.objects.order_by("-id")[:MOST].values_list("status", "decided_via", "decided_at")
    return dict(Counter(f"{status}:{via}" for status, via, at in rows if at is not None and at >= since))
