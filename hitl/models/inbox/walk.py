"""How a view is read: its walks, each stopped where the page ends, merged; so what lies behind costs nothing."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from django.db import connection
from django.db.models import Func, Q, TextField, Value
from django.db.models.expressions import RawSQL

from hitl.models.approvals import Approval, ApprovalQuerySet
from hitl.models.driver import as_datetime, execute, uuid_param
from hitl.models.inbox.views import BY_DUE, Person, Walk, walks

# A deadline and an id; where rows come newest first only the id counts.
Cursor = tuple[datetime, uuid.UUID]
_NO_TIME = datetime(1, 1, 2, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Span:
    """A part of one person's view: behind `after`, not beyond `until`, and of that what fits `only`."""

    view: str
    who: Person
    after: Cursor | None = None
    until: Cursor | None = None
    only: Q | None = None


def rows(span: Span, limit: int) -> ApprovalQuerySet:
    """Its first requests, in the order of the view."""
    text, params = _merged(span, limit)
    found = Approval.objects.filter(pk__in=RawSQL(f"SELECT id FROM ({text}) v", params))  # noqa: S608, S611
    return found.order_by(*(("expires_at", "id") if span.view in BY_DUE else ("-id",)))


def counts(spans: Iterable[Span], most: int) -> list[int]:
    """How many each holds, as far as `most`; one statement for all."""
    texts, params = [], []
    for span in spans:
        text, values = _merged(span, most)
        texts.append(f"(SELECT COUNT(*) FROM ({text}) c)")  # noqa: S608
        params += values
    return [int(number) for number in execute(f"SELECT {', '.join(texts)}", params)[0]]


def edge(span: Span, scan: int) -> Cursor | None:
    """Where a search that looks at no more than so many rows has to stop; None where it sees all there are."""
    text, params = _merged(replace(span, only=None), scan, quick=True)
    found = execute(f"SELECT at, id FROM ({text}) e ORDER BY {_order(span)} LIMIT 1 OFFSET %s", [*params, scan - 1])  # noqa: S608
    if not found:
        return None
    at, pk = found[0]
    return as_datetime(at) if at else _NO_TIME, pk if isinstance(pk, uuid.UUID) else uuid.UUID(pk)


def payload() -> Func:
    """What was proposed, its target among it, as text to search in."""
    return _Text("action_bytes", Value("UTF8"), function="convert_from", output_field=TextField())


class _Text(Func):
    """Bytes as text: each database has its own way."""

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """A cast, which takes no name of an encoding."""
        cast = self.copy()
        cast.set_source_expressions(self.get_source_expressions()[:1])
        return cast.as_sql(compiler, connection, template="CAST(%(expressions)s AS text)", **context)


def _merged(span: Span, limit: int, *, quick: bool = False) -> tuple[str, list[Any]]:
    """The ids (and deadlines) of a span's first rows; `quick` asks nothing of a row but that the index has it."""
    parts, params = [], []
    for walk in walks(span.view, span.who):
        where, values = _conditions(span, walk, quick)
        at, order = (walk.due, f"{walk.due}, {walk.id}") if span.view in BY_DUE else ("NULL", f"{walk.id} DESC")
        parts.append(
            f"SELECT * FROM (SELECT {walk.id} AS id, {at} AS at FROM {walk.table} WHERE {where} "  # noqa: S608
            f"ORDER BY {order} LIMIT %s) x"
        )
        params += [*values, limit]
    merged = " UNION ALL ".join(parts)
    return f"SELECT DISTINCT id, at FROM ({merged}) w ORDER BY {_order(span)} LIMIT %s", [*params, limit]  # noqa: S608


def _order(span: Span) -> str:
    return "at, id" if span.view in BY_DUE else "id DESC"


def _conditions(span: Span, walk: Walk, quick: bool) -> tuple[str, list[Any]]:
    found, params = [walk.where], list(walk.params)
    for cursor, due, newest in ((span.after, ">", "<"), (span.until, "<=", ">=")):
        if cursor is None:
            continue
        if span.view in BY_DUE:
            found.append(f"({walk.due}, {walk.id}) {due} (%s, %s)")
            params += [connection.ops.adapt_datetimefield_value(cursor[0]), uuid_param(cursor[1])]
        else:
            found.append(f"{walk.id} {newest} %s")
            params.append(uuid_param(cursor[1]))
    if not quick:
        found.append(walk.fine)
        params += walk.fine_params
    if span.only is not None:
        fits = Approval.objects.alias(payload=payload()).filter(span.only, pk=RawSQL(walk.id, ()))  # noqa: S611
        text, values = fits.values("pk").query.sql_with_params()
        found.append(f"EXISTS ({text})")
        params += values
    return " AND ".join(found), params
