"""All hand-written SQL about people: who is asked, who stands in for whom, and what waits for them.

The tables of users and groups are the project's own, so their names are read from the user model.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

from django.contrib.auth import get_user_model
from django.db import connection

from hitl.models.approvals import Approval, Assignment
from hitl.models.driver import execute, now_sql, on_postgres, uuid_param
from hitl.states import ApprovalStatus


class Asked(NamedTuple):
    """How a person stands to one request: is the account active, by which assignment are they asked at this stage (None
    where they are not), are they asked at a later one, and does anybody's place come to them (by a delegation in force,
    or because this request was handed over)?"""

    active: bool
    direct: Any
    later: bool
    stands_in: bool


def asked(approval_id: uuid.UUID, stage: int, user_id: Any) -> Asked:
    """Read as things are now, in one query."""
    now, params = now_sql()
    pk = uuid_param(approval_id)
    rows = execute(_asked_sql(now), [pk, stage, pk, stage, *params, *params, pk, stage, user_id])
    if not rows:
        return Asked(False, None, False, False)
    active, direct, later, stands_in = rows[0]
    return Asked(bool(active), direct, bool(later), bool(stands_in))


def places(approval_id: uuid.UUID, stage: int, user_id: Any, barred: Iterable[Any] = ()) -> list[tuple[Any, Any]]:
    """Everybody whose place came to this person, and by which assignment they are asked at this stage themselves: None
    where they are not, are deactivated, or are one of the `barred` or stand in for one."""
    now, params = now_sql()
    pk, without = uuid_param(approval_id), list(barred)
    rows = execute(
        _places_sql(now, len(without)),
        [pk, stage, *([*params, *params, *without] if without else []), user_id, *params, *params, pk, stage, user_id],
    )
    return [(row[0], row[1] if row[2] and row[0] not in without else None) for row in rows]


def delegators(user_id: Any) -> list[Any]:
    """Who has handed their requests over to this person for a period that is running."""
    now, params = now_sql()
    rows = execute(
        "SELECT DISTINCT from_user_id FROM hitl_delegation WHERE to_user_id = %s AND revoked_at IS NULL "  # noqa: S608
        f"AND starts_at <= {now} AND ends_at > {now}",
        [user_id, *params, *params],
    )
    return [row[0] for row in rows]


def standing_in(users: Iterable[Any]) -> set[Any]:
    """Who decides in the place of one of these for a period that is running."""
    given = list(users)
    if not given:
        return set()
    now, params = now_sql()
    rows = execute(
        f"SELECT to_user_id FROM hitl_delegation WHERE from_user_id IN ({marks(given)}) "  # noqa: S608
        f"AND revoked_at IS NULL AND starts_at <= {now} AND ends_at > {now}",
        [*given, *params, *params],
    )
    return {row[0] for row in rows}


def reachable(users: Iterable[Any], groups: Iterable[Any], without: Iterable[Any], limit: int) -> list[Any]:
    """Up to `limit` active people among these users and the members of these groups."""
    table, key, active, members, own, other = _names()
    named, grouped, left_out = list(users), list(groups), list(without)
    parts = []
    if named:
        parts.append(f"u.{key} IN ({marks(named)})")
    if grouped and members:
        parts.append(f"u.{key} IN (SELECT g.{own} FROM {members} g WHERE g.{other} IN ({marks(grouped)}))")  # noqa: S608
    if not parts:
        return []
    excluded = f"AND u.{key} NOT IN ({marks(left_out)}) " if left_out else ""
    taken = [*named, *(grouped if members else []), *left_out]
    rows = execute(
        f"SELECT u.{key} FROM {table} u WHERE ({' OR '.join(parts)}) AND {active} {excluded}LIMIT %s",  # noqa: S608
        [*taken, limit],
    )
    return [row[0] for row in rows]


def show(approval: Approval, fresh: Iterable[Any] = ()) -> tuple[str, list[Any]]:
    """The statement that puts a request into the inboxes of the stage it waits at, and out of all others.

    Assignments among the `fresh` rows are not seen by a statement that runs beside their insert: they are set here.
    """
    due = approval.expires_at if approval.status == ApprovalStatus.PENDING else None
    for row in fresh:
        if isinstance(row, Assignment) and row.approval_id == approval.pk:
            row.due_at = due if row.stage == approval.stage else None
    value = None if due is None else connection.ops.adapt_datetimefield_value(due)
    if due is None:
        return (
            "UPDATE hitl_assignment SET due_at = NULL WHERE approval_id = %s AND due_at IS NOT NULL",
            [uuid_param(approval.pk)],
        )
    when = "CASE WHEN stage = %s AND ended_at IS NULL THEN %s ELSE NULL END"
    cast = when.replace("THEN %s", "THEN %s::timestamptz") if on_postgres() else when
    return (
        f"UPDATE hitl_assignment SET due_at = {cast} WHERE approval_id = %s",  # noqa: S608
        [approval.stage, value, uuid_param(approval.pk)],
    )


class Place(NamedTuple):
    """Somebody whose requests a person may decide, themselves above all, with the groups they are in and whose requests
    (`own`) they may not decide; `keys` are those of their agents, as the database writes them. Nobody decides in the
    place of who is not active."""

    user: Any
    groups: tuple[Any, ...] = ()
    own: tuple[Any, ...] = ()
    active: bool = True
    keys: tuple[Any, ...] = ()


def standing(user_id: Any) -> list[Place]:
    """A person's own place, then those of everybody they stand in for by a delegation in force; one query."""
    table, key, active, members, own, other = _names()
    now, params = now_sql()
    live = f"revoked_at IS NULL AND starts_at <= {now} AND ends_at > {now}"
    group, joined = (f"g.{other}", f"LEFT JOIN {members} g ON g.{own} = u.{key} ") if members else ("NULL", "")
    teams = f" OR k.owner_group_id IN (SELECT m.{other} FROM {members} m WHERE m.{own} = u.{key})" if members else ""  # noqa: S608
    keys = "string_agg(CAST(k.id AS text), ',')" if on_postgres() else "group_concat(k.id, ',')"
    rows = execute(
        f"SELECT u.{key}, {active}, {group}, d.from_user_id, "  # noqa: S608
        f"(SELECT {keys} FROM hitl_apikey k WHERE k.owner_user_id = u.{key}{teams}) FROM {table} u {joined}"
        f"LEFT JOIN hitl_delegation d ON d.to_user_id = u.{key} AND {live} WHERE u.{key} = %s "
        f"OR u.{key} IN (SELECT from_user_id FROM hitl_delegation WHERE to_user_id = %s AND {live})",
        [*params, *params, user_id, user_id, *params, *params],
    )
    found: dict[Any, tuple[bool, tuple[Any, ...], dict[Any, None], dict[Any, None]]] = {}
    for user, is_active, its_group, giver, owned in rows:
        _, _, groups, givers = found.setdefault(user, (bool(is_active), tuple((owned or "").split(",")), {}, {}))
        groups |= {} if its_group is None else {its_group: None}
        givers |= {} if giver is None else {giver: None}
    told = [
        Place(user, tuple(groups), tuple(givers), is_active, tuple(filter(None, owned)))
        for user, (is_active, owned, groups, givers) in found.items()
    ]
    return sorted(told, key=lambda place: place.user != user_id) or [Place(user_id, active=False)]


def handed() -> str:
    """Whether an assignment `a` was handed over by somebody who is active and still asked."""
    table, key, active, _, _, _ = _names()
    return (
        "a.for_user_id IS NOT NULL AND EXISTS (SELECT 1 FROM hitl_assignment b "  # noqa: S608
        f"JOIN {table} f ON f.{key} = a.for_user_id WHERE b.approval_id = a.approval_id AND b.stage = a.stage "
        f"AND b.ended_at IS NULL AND b.for_user_id IS NULL AND {active.replace('u.', 'f.')} "
        f"AND (b.user_id = f.{key} OR {_member('f').replace('a.group_id', 'b.group_id')}))"
    )


@lru_cache(maxsize=4)
def _asked_sql(now: str) -> str:
    table, key, active, _, _, _ = _names()
    member = _member("u")
    mine = f"(a.user_id = u.{key} OR {member})"
    rows = "FROM hitl_assignment a WHERE a.approval_id = %s AND a.stage {} %s AND a.ended_at IS NULL "
    row = f"EXISTS (SELECT 1 {rows}"
    return (
        f"SELECT {active}, (SELECT min(a.id) {rows.format('=')} AND a.for_user_id IS NULL AND {mine}), "  # noqa: S608
        f"{row.format('>')} AND {mine}), "
        f"EXISTS (SELECT 1 FROM hitl_delegation d WHERE d.to_user_id = u.{key} AND d.revoked_at IS NULL "
        f"AND d.starts_at <= {now} AND d.ends_at > {now}) "
        f"OR {row.format('=')} AND a.for_user_id IS NOT NULL AND a.user_id = u.{key}) "
        f"FROM {table} u WHERE u.{key} = %s"
    )


@lru_cache(maxsize=32)
def _places_sql(now: str, barred: int) -> str:
    table, key, active, _, _, _ = _names()
    asked = (
        "(SELECT min(a.id) FROM hitl_assignment a WHERE a.approval_id = %s AND a.stage = %s AND a.ended_at IS NULL "  # noqa: S608
        f"AND a.for_user_id IS NULL AND (a.user_id = f.{key} OR {_member('f')}))"
    )
    live = f"d.revoked_at IS NULL AND d.starts_at <= {now} AND d.ends_at > {now}"
    free = active.replace("u.", "f.")
    if barred:
        free += (
            f" AND NOT EXISTS (SELECT 1 FROM hitl_delegation d WHERE d.to_user_id = f.{key} AND {live} "  # noqa: S608
            f"AND d.from_user_id IN ({marks([None] * barred)}))"
        )
    return (
        f"SELECT f.{key}, {asked}, {free} FROM {table} f WHERE f.{key} IN ("  # noqa: S608
        f"SELECT d.from_user_id FROM hitl_delegation d WHERE d.to_user_id = %s AND {live} UNION "
        "SELECT h.for_user_id FROM hitl_assignment h WHERE h.approval_id = %s AND h.stage = %s AND h.ended_at IS NULL "
        "AND h.user_id = %s AND h.for_user_id IS NOT NULL)"
    )


def _member(alias: str) -> str:
    _, key, _, members, own, other = _names()
    if not members:
        return "false"
    return f"a.group_id IN (SELECT g.{other} FROM {members} g WHERE g.{own} = {alias}.{key})"  # noqa: S608


@lru_cache(maxsize=1)
def _names() -> tuple[str, str, str, str, str, str]:
    """Of the project's user model: table, key column, the test for active, and the table of groups with its columns."""
    user: Any = get_user_model()._meta
    active = "u.is_active" if any(field.name == "is_active" for field in user.concrete_fields) else "true"
    groups = next((field for field in user.many_to_many if field.name == "groups"), None)
    if groups is None:
        return user.db_table, user.pk.column, active, "", "", ""
    return (
        user.db_table, user.pk.column, active,
        groups.m2m_db_table(), groups.m2m_column_name(), groups.m2m_reverse_name(),
    )  # fmt: skip


def marks(values: list[Any]) -> str:
    """A placeholder for each."""
    return ", ".join(["%s"] * len(values))
