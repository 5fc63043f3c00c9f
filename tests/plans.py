"""How PostgreSQL would run the statements of a call: every relation it would walk through from end to end."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

_GROWING = ("hitl_run", "hitl_step", "hitl_approval", "hitl_assignment", "hitl_decision", "hitl_auditrecord")


def statements(act: Callable[[], Any]) -> list[tuple[str, Any]]:
    """What a call sends to the database, with its parameters."""
    from django.db import connection

    sent: list[tuple[str, Any]] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        sent.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        act()
    return sent


def walked(sent: list[tuple[str, Any]]) -> list[str]:
    """Of the tables that grow, those a statement would read from end to end, each with its statement."""
    from django.db import connection

    found = []
    for sql, params in sent:
        if not sql.lstrip().startswith(("SELECT", "WITH", "UPDATE", "DELETE")):
            continue
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", params)
            plan = cursor.fetchone()[0]
        plan = plan if isinstance(plan, list) else json.loads(plan)
        found += [f"{name} in {sql[:120]}" for name in _scans(plan[0]["Plan"]) if name in _GROWING]
    return found


def _scans(node: dict[str, Any]) -> Iterator[str]:
    if node["Node Type"] == "Seq Scan":
        yield node["Relation Name"]
    for inner in node.get("Plans", ()):
        yield from _scans(inner)
