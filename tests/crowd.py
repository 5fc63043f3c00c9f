"""Many pending requests at once: copies of one that is real, made by the database itself.

Django is imported late, since benchmarks set it up themselves.
"""

from __future__ import annotations

from typing import Any


def multiply(approval: Any, count: int, *, group: Any, status: str = "pending", voter: Any = None) -> None:
    """Put `count` copies of a pending request beside it, each in a run of its own, asked of this group.

    Their deadlines are a second apart, after that of the original. Copies of another status are closed by a
    vote of `voter`. For PostgreSQL only.
    """
    from django.db import connection

    from hitl.models import Approval, Assignment, Decision, Run, Step

    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE IF NOT EXISTS copies (n int, run uuid, step uuid, approval uuid)")
        cursor.execute("TRUNCATE copies")
        cursor.execute(
            "INSERT INTO copies SELECT n, gen_random_uuid(), gen_random_uuid(), gen_random_uuid() "
            "FROM generate_series(1, %s) n",
            [count],
        )
        _copy(cursor, Run, {"id": "c.run"}, approval.run_id)
        for step in Step.objects.filter(run=approval.run_id):
            own = "c.step" if step.pk == approval.step_id else "gen_random_uuid()"
            _copy(cursor, Step, {"id": own, "run_id": "c.run"}, step.pk)
        columns = {"id": "c.approval", "run_id": "c.run", "step_id": "c.step"}
        columns["expires_at"] = "t.expires_at + make_interval(secs => c.n)"
        if status != "pending":
            columns |= {"status": f"'{status}'", "decided_at": "now()", "decided_via": "'human'"}
        _copy(cursor, Approval, columns, approval.pk)
        due = "e.expires_at" if status == "pending" else "NULL"
        cursor.execute(
            "INSERT INTO hitl_assignment (approval_id, stage, group_id, source, due_at) "
            f"SELECT e.id, 0, %s, 'policy', {due} FROM copies c JOIN hitl_approval e ON e.id = c.approval",
            [group.pk],
        )
        if status != "pending":
            cursor.execute(
                "INSERT INTO hitl_decision (id, approval_id, stage, actor_id, verdict, comment, reason_code, digest, "
                "edited_type, channel, decided_at) SELECT gen_random_uuid(), e.id, 0, %s, 'reject', '', '', e.digest, "
                "'', 'api', now() FROM copies c JOIN hitl_approval e ON e.id = c.approval",
                [voter.pk],
            )
        for model in (Run, Step, Approval, Assignment, Decision):
            cursor.execute(f"ANALYZE {model._meta.db_table}")


def _copy(cursor: Any, model: Any, columns: dict[str, str], pk: Any) -> None:
    names = [field.column for field in model._meta.concrete_fields]
    values = ", ".join(columns.get(name, f"t.{name}") for name in names)
    table = model._meta.db_table
    cursor.execute(
        f"INSERT INTO {table} ({', '.join(names)}) SELECT {values} FROM copies c, {table} t WHERE t.id = %s", [pk]
    )
