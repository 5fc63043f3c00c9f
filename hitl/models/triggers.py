"""Append-only tables: triggers that refuse every change of a record, on both databases.

Installed after every migrate, not in a migration: Django's ALTER on SQLite rebuilds a table and drops its triggers.
"""

from __future__ import annotations

from typing import Any

from django.db import connections

TABLES = ("hitl_auditrecord",)

_POSTGRES_FUNCTION = """
CREATE OR REPLACE FUNCTION hitl_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$
"""


def install(using: str = "default") -> None:
    """Put the triggers in place; does nothing where they are."""
    with connections[using].cursor() as cursor:
        for statement in _create(connections[using].vendor):
            cursor.execute(statement)


def remove(using: str = "default") -> None:
    """Take the triggers away. Only for tests, which flush tables; nothing in production calls it."""
    with connections[using].cursor() as cursor:
        for statement in _drop(connections[using].vendor):
            cursor.execute(statement)


def missing(using: str = "default") -> list[str]:
    """Tables that are not protected now; a deployment check and the audit verifier ask."""
    vendor = connections[using].vendor
    with connections[using].cursor() as cursor:
        if vendor == "postgresql":
            cursor.execute("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'D'")
        else:
            cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        found = {row[0] for row in cursor.fetchall()}
    return [table for table in TABLES if any(name not in found for name in _names(table, vendor))]


def _names(table: str, vendor: str) -> list[str]:
    kinds = ("change", "truncate") if vendor == "postgresql" else ("update", "delete", "insert")
    return [f"{table}_{kind}" for kind in kinds]


def _create(vendor: str) -> list[str]:
    if vendor == "postgresql":
        return [_POSTGRES_FUNCTION, *(text for table in TABLES for text in _create_postgres(table))]
    return [text for table in TABLES for text in _create_sqlite(table)]


def _create_postgres(table: str) -> list[str]:
    return [
        f"CREATE OR REPLACE TRIGGER {table}_change BEFORE UPDATE OR DELETE ON {table} "
        "FOR EACH ROW EXECUTE FUNCTION hitl_append_only()",
        f"CREATE OR REPLACE TRIGGER {table}_truncate BEFORE TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION hitl_append_only()",
    ]


def _create_sqlite(table: str) -> list[str]:
    refuse = f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
    # INSERT OR REPLACE deletes without asking delete triggers; so an insert over a row is refused by itself.
    over = f"EXISTS (SELECT 1 FROM {table} WHERE id = NEW.id OR (stream = NEW.stream AND seq = NEW.seq))"  # noqa: S608
    return [
        f"CREATE TRIGGER IF NOT EXISTS {table}_update BEFORE UPDATE ON {table} {refuse}",
        f"CREATE TRIGGER IF NOT EXISTS {table}_delete BEFORE DELETE ON {table} {refuse}",
        f"CREATE TRIGGER IF NOT EXISTS {table}_insert BEFORE INSERT ON {table} WHEN {over} {refuse}",
    ]


def _drop(vendor: str) -> list[Any]:
    on = " ON {table}" if vendor == "postgresql" else ""
    return [
        f"DROP TRIGGER IF EXISTS {name}{on.format(table=table)}" for table in TABLES for name in _names(table, vendor)
    ]
