"""How many requests each filter would leave, told from one bounded sample of the view."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.utils.formats import number_format

from hitl.admin.inbox.asked import FILTERS, OPEN, Asked, spans
from hitl.models.approvals import ApprovalQuerySet

MOST = 1000
_SOON = timedelta(minutes=15)
_MOST_VALUES = 20
_ALWAYS = ("risk", "due")
_ONLY_CLOSED = ("status", "via")


@dataclass(frozen=True, slots=True)
class Facet:
    """One filter: its name, its words, what is chosen, and each value as its words, address, count and whether it is
    the one."""

    name: str
    words: Any
    chosen: Any
    clear: str
    values: list[tuple[Any, str, str, bool]]


@dataclass(slots=True)
class Sample:
    """What the first so many rows of a view say: how many fit all filters, how many of those are due soon, and for
    every filter how many rows each of its values would leave. `cut` where there are more rows than were looked at."""

    cut: bool = False
    fitting: int = 0
    soon: int = 0
    seen: dict[str, Counter[str]] = field(default_factory=lambda: {name: Counter() for name in FILTERS})
    words: dict[str, Any] = field(default_factory=dict)


def bounded(count: int, *, more: bool = False) -> str:
    """A count as people read it: exact, or with a plus where it was not counted to the end."""
    return f"{number_format(min(count, MOST), use_l10n=True, force_grouping=True)}{'+' if more or count > MOST else ''}"


def sample(rows: ApprovalQuerySet, asked: Asked, now: datetime) -> Sample:
    """Look at the rows, which the search has narrowed and the filters have not; one query."""
    columns = [column for _, column, _ in FILTERS.values()]
    found = list(rows.values_list(*columns, "run__workflow__title"))
    told, due = Sample(cut=len(found) > MOST), spans(now).items()
    for row in found[:MOST]:
        values = dict(zip(FILTERS, row, strict=False))
        at = values["due"]
        own = {name: {value} if value else set() for name, value in values.items() if name != "due"}
        own["due"] = {one for one, (start, end) in due if start < at <= end} if values["status"] == "pending" else set()
        told.words[values["workflow"]] = row[-1]
        misses = [name for name, value in asked.chosen.items() if value not in own[name]]
        if not misses:
            told.fitting += 1
            told.soon += values["status"] == "pending" and now < at <= now + _SOON
        # A row that misses one filter only is what another value of that filter would bring back.
        for name in FILTERS if not misses else misses if len(misses) == 1 else ():
            told.seen[name].update(own[name])
    return told


def facets(told: Sample, asked: Asked) -> list[Facet]:
    """The filters worth showing, with their counts."""
    found = []
    for name, (words, _, known) in FILTERS.items():
        if asked.view in OPEN and name in _ONLY_CLOSED:
            continue
        chosen = asked.chosen.get(name, "")
        counts = told.seen[name]
        names = list(known) or [value for value, _ in counts.most_common(_MOST_VALUES)]
        names += [chosen] if chosen and chosen not in names else []
        if len(names) < 2 and not chosen and name not in _ALWAYS:
            continue
        said = known if known else told.words if name == "workflow" else {}
        values = [
            (
                said.get(value, value),
                asked.address(**{name: value}),
                bounded(counts[value], more=told.cut),
                value == chosen,
            )
            for value in names
        ]
        found.append(Facet(name, words, said.get(chosen, chosen), asked.address(**{name: None}), values))
    return found
