"""What the query string of a list may say. A parameter nobody reads, or a value there is not, is refused: a misspelt
filter must not give back everything."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import reduce
from typing import Any, TypeVar

from django.db.models import Exists, Model, Q, QuerySet
from rest_framework.filters import BaseFilterBackend
from rest_framework.request import Request

from hitl.exceptions import BadInput

Row = TypeVar("Row", bound=Model)
# Every list takes these; `wait` says nothing there, but clients may send it with everything they read.
GENERAL = ("cursor", "page_size", "wait")
_LARGEST = 2**63 - 1


@dataclass(frozen=True)
class Filter:
    """One parameter: what it means in words, how it is read, and the column it must equal or the condition it makes."""

    words: str
    column: str = ""
    read: Callable[[str], Any] = str
    where: Callable[[Any], Q | Exists] | None = None
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})

    def condition(self, value: Any) -> Q | Exists:
        """What rows must be like."""
        return Q(**{self.column: value}) if self.where is None else self.where(value)


Filters = Mapping[str, Filter]


class QueryFilters(BaseFilterBackend):
    """Narrows a list by the `filters` of its view; `also` names what the view reads by itself."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any, Any], view: Any) -> QuerySet[Any, Any]:
        """The rows that fit; raises BadInput."""
        return narrowed(queryset, view.filters, given(request, view.filters, *getattr(view, "also", ())))

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        """The same for OpenAPI."""
        return [
            {"name": name, "in": "query", "required": False, "description": one.words, "schema": dict(one.schema)}
            for name, one in view.filters.items()
        ]


def given(request: Request, filters: Filters, *also: str) -> dict[str, Any]:
    """What the query string says, read: an empty value says nothing. Raises BadInput naming what is not known, stands
    twice, or cannot be."""
    query = request.query_params
    unknown = sorted(set(query) - filters.keys() - {*also, *GENERAL})
    if unknown:
        known = ", ".join(sorted({*filters, *also, *GENERAL}))
        raise BadInput(f"there is no parameter {', '.join(name[:40] for name in unknown)}; there are {known}")
    twice = sorted(name for name in query if len(query.getlist(name)) > 1)
    if twice:
        raise BadInput(f"{', '.join(twice)} stands there twice")
    found: dict[str, Any] = {}
    for name, one in filters.items():
        text = query.get(name, "")
        if "\0" in text:  # no column holds one, and PostgreSQL would not even be asked
            raise BadInput(f"{name} holds a NUL")
        if text:
            try:
                found[name] = one.read(text)
            except (ValueError, OverflowError) as error:
                raise BadInput(f"{name}: {error}") from error
    return found


def narrowed(rows: QuerySet[Row], filters: Filters, values: Mapping[str, Any]) -> QuerySet[Row]:
    """The rows that fit these values."""
    return rows.filter(*(filters[name].condition(value) for name, value in values.items()))


def fits(row: Model, filters: Filters, values: Mapping[str, Any]) -> bool:
    """Whether one row fits, for lists that are walked; only for filters by a column."""
    return all(reduce(getattr, filters[name].column.split("__"), row) == value for name, value in values.items())


# -- kinds of parameters ------------------------------------------------------------------------------


def text(words: str, column: str) -> Filter:
    """Any text; what nothing is named gives an empty list."""
    return Filter(words, column)


def choice(words: str, column: str, values: list[str] | tuple[str, ...]) -> Filter:
    """One of these."""

    def read(said: str) -> str:
        if said not in values:
            raise ValueError(f"{said[:40]!r} is none; there are {', '.join(values)}")
        return said

    return Filter(words, column, read, schema={"type": "string", "enum": list(values)})


def id_of(words: str, column: str) -> Filter:
    """The id of a row."""

    def read(said: str) -> uuid.UUID:
        try:
            return uuid.UUID(said)
        except ValueError:
            raise ValueError(f"{said[:40]!r} is no id") from None

    return Filter(words, column, read, schema={"type": "string", "format": "uuid"})


def number(words: str) -> Filter:
    """A number that an answer gave, to go on from."""

    def read(said: str) -> int:
        if not (said.isascii() and said.isdigit() and len(said) < 20 and int(said) <= _LARGEST):
            raise ValueError("this is the number that the last answer gave")
        return int(said)

    return Filter(words, read=read, schema={"type": "integer", "minimum": 0, "maximum": _LARGEST})


def moment(words: str, lookup: str) -> Filter:
    """A time with its zone, for a lookup such as `created_at__gte`."""

    def read(said: str) -> datetime:
        try:
            at = datetime.fromisoformat(said)
        except ValueError:
            at = None
        if at is None or at.tzinfo is None:
            raise ValueError(f"{said[:40]!r} is no time with its zone, such as 2026-03-01T12:00:00Z")
        return at.astimezone(UTC)

    where = lambda at: Q(**{lookup: at})  # noqa: E731
    return Filter(words, read=read, where=where, schema={"type": "string", "format": "date-time"})
