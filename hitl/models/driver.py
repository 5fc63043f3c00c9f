"""How statements are run and rows are made: prepared where the database can, one statement for many writes.

On PostgreSQL a server-side-binding cursor prepares what is run often, which Django's own cursor never does; it is kept
with its connection. `write` puts every insert and update of a transition into one WITH; on SQLite they run one
after another inside the same transaction.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, TypeVar

from django.db import connection, models
from django.db.models import Field

from hitl import clock
from hitl.conf import conf

Row = TypeVar("Row", bound=models.Model)

_MOST_PARAMETERS = 20_000


def write(
    inserts: Sequence[models.Model],
    updates: Sequence[tuple[models.Model, frozenset[str]]],
    others: Sequence[tuple[str, list[Any]]] = (),
) -> None:
    """Write new rows and changed columns, and run some other statements of ours: one statement on PostgreSQL, one a
    table or row on SQLite.

    Constraints hold as ever; foreign keys are checked at commit, so the order of the parts does not matter: no two of
    them may touch the same row.
    """
    parts = [*_inserts(inserts), *_updates(updates), *others]
    if not on_postgres():
        for text, params in parts:
            execute(text, params, fetch=False)
        return
    while parts:
        taken: list[tuple[str, list[Any]]] = []
        size = 0
        while parts and (not taken or size + len(parts[0][1]) <= _MOST_PARAMETERS):
            size += len(parts[0][1])
            taken.append(parts.pop(0))
        text = "WITH " + ", ".join(f"w{n} AS ({part})" for n, (part, _) in enumerate(taken)) + " SELECT 1"
        execute(text, [value for _, params in taken for value in params], fetch=False)


def execute(text: str, params: Sequence[Any] = (), *, fetch: bool = True) -> list[tuple[Any, ...]]:
    """Run one statement on the default connection, prepared where the database can.

    Falls back to Django's cursor while queries are being logged or wrapped, so that they are counted.
    """
    if not on_postgres() or connection.queries_logged or connection.execute_wrappers:
        with connection.cursor() as plain:
            plain.execute(text, params)
            return plain.fetchall() if fetch else []
    connection.ensure_connection()
    connection.validate_no_broken_transaction()
    with connection.wrap_database_errors:
        cursor = _server_cursor()
        cursor.execute(text, params)
        return list(cursor.fetchall()) if fetch else []


def loader(model: type[Row], names: tuple[str, ...] | None = None) -> tuple[str, Callable[[Sequence[Any]], Row]]:
    """The column list of a model (or of some of its fields) and what makes an instance of a row of them."""
    return _loader(model, names, connection.vendor)


@lru_cache(maxsize=64)
def _loader(model: type[Row], names: tuple[str, ...] | None, vendor: str) -> tuple[str, Callable[[Sequence[Any]], Row]]:
    table = model._meta.db_table
    fields = [f for f in model._meta.concrete_fields if names is None or f.name in names]
    attnames = [f.attname for f in fields]
    converters = []
    for position, field in enumerate(fields):
        column = field.get_col(table)
        found = connection.ops.get_db_converters(column) + field.get_db_converters(connection)
        converters += [(position, convert, column) for convert in found]

    def load(row: Sequence[Any]) -> Row:
        values = list(row)
        for position, convert, column in converters:
            values[position] = convert(values[position], column, connection)
        return model.from_db(connection.alias, attnames, values)

    return ", ".join(f"{table}.{field.column}" for field in fields), load


def _inserts(rows: Sequence[models.Model]) -> list[tuple[str, list[Any]]]:
    by_model: dict[type[models.Model], list[models.Model]] = {}
    for row in rows:
        by_model.setdefault(type(row), []).append(row)
    return [part for model, group in by_model.items() for part in _insert(model, group)]


def _insert(model: type[models.Model], rows: list[models.Model]) -> list[tuple[str, list[Any]]]:
    """Multi-row inserts; a column that no row fills is left to its NULL."""
    fields = [
        field for field in model._meta.concrete_fields if any(getattr(row, field.attname) is not None for row in rows)
    ]
    columns = ", ".join(str(field.column) for field in fields)
    one = f"({', '.join(['%s'] * len(fields))})"
    most = max(1, _MOST_PARAMETERS // len(fields))
    return [
        (
            f"INSERT INTO {model._meta.db_table} ({columns}) VALUES {', '.join([one] * len(chunk))}",  # noqa: S608
            [_save(field, getattr(row, field.attname)) for row in chunk for field in fields],
        )
        for chunk in (rows[start : start + most] for start in range(0, len(rows), most))
    ]


def _updates(rows: Sequence[tuple[models.Model, frozenset[str]]]) -> list[tuple[str, list[Any]]]:
    return [_update(row, names) for row, names in rows if names]


def _update(row: models.Model, names: frozenset[str]) -> tuple[str, list[Any]]:
    meta = row._meta
    fields: list[Any] = [meta.get_field(name) for name in sorted(names)]
    sets = ", ".join(f"{field.column} = %s" for field in fields)
    params = [_save(field, getattr(row, field.attname)) for field in fields]
    return (
        f"UPDATE {meta.db_table} SET {sets} WHERE {meta.pk.column} = %s",  # noqa: S608
        [*params, _save(meta.pk, row.pk)],
    )


def _save(field: Field[Any, Any], value: Any) -> Any:
    return field.get_db_prep_save(value, connection)


def _server_cursor() -> Any:
    """A cursor that binds on the server and so can prepare; kept with its connection."""
    raw: Any = connection.connection
    cursor = getattr(raw, "hitl_cursor", None)
    if cursor is None:
        import psycopg  # the driver is an extra; SQLite needs none

        if conf.PREPARE_STATEMENTS:
            raw.prepare_threshold = 4
            raw.prepared_max = 200
        cursor = raw.hitl_cursor = psycopg.Cursor(raw)
    return cursor


def on_postgres() -> bool:
    """Whether the default database is PostgreSQL."""
    return connection.vendor == "postgresql"


def now_sql(plus: timedelta = timedelta(0), *, stable: bool = False) -> tuple[str, list[Any]]:
    """The database's clock as an expression: PostgreSQL's own, or for SQLite the clock of this machine.

    `stable` is the time the statement began, which an index can be searched with.
    """
    if on_postgres():
        shift = clock.offset() + plus
        name = "statement_timestamp()" if stable else "clock_timestamp()"
        return (f"{name} + %s", [shift]) if shift else (name, [])
    return "%s", [connection.ops.adapt_datetimefield_value(clock.now() + plus)]


def as_datetime(value: Any) -> datetime:
    """The database's clock as it came back."""
    if isinstance(value, datetime):
        return value
    return datetime.fromisoformat(value).replace(tzinfo=clock.now().tzinfo)


def uuid_param(value: uuid.UUID | str | None) -> Any:
    """A UUID as this database takes it."""
    if value is None:
        return None
    value = value if isinstance(value, uuid.UUID) else uuid.UUID(value)
    return value if on_postgres() else value.hex
