"""What has moved, asked for everything waited for at once: a statement a kind, whatever the number of clients.

A topic is a kind and what identifies the thing. Each look returns a value for every one of its topics, found or not.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from django.db import connection
from django.db.models import Count, OuterRef, Subquery

from hitl import clock
from hitl.models import Approval, Event, Run, Step, StreamChunk, sql
from hitl.states import ApprovalStatus, StepStatus

Topic = tuple[str, Any]
_AT_ONCE = 1000
_OFFERED = 50
PENDING = (str(ApprovalStatus.PENDING), False, 0)


def look(topics: Iterable[Topic]) -> dict[Topic, Any]:
    """The value of each topic now. Raises whatever the database raises, with the connection given up."""
    kinds: dict[str, list[Any]] = {}
    for kind, what in topics:
        kinds.setdefault(kind, []).append(what)
    found: dict[Topic, Any] = {}
    try:
        for kind, ids in kinds.items():
            for some in _chunks(ids):
                found |= {(kind, what): value for what, value in _LOOKS[kind](some).items()}
    except Exception:
        connection.close()
        raise
    return found


def rest() -> None:
    """Give the connection back: nobody waits."""
    connection.close()


def _approvals(ids: list[uuid.UUID]) -> dict[Any, Any]:
    """Status, whether it may be told, and how many of its batch have an end: those released together wait for each
    other."""
    rows = Approval.objects.filter(pk__in=ids).exclude(status=ApprovalStatus.PENDING)
    found = dict.fromkeys(ids, PENDING)
    together: dict[tuple[Any, str], list[Any]] = {}
    for pk, status, key, batch, size in rows.values_list("pk", "status", "agent_key", "batch", "batch_size"):
        found[pk] = (status, True, 0)
        if size is not None:
            together.setdefault((key, batch), []).append((pk, status, size))
    for one, ended in _batches(list(together)).items():
        for pk, status, size in together[one]:
            found[pk] = (status, ended >= size, ended)
    return found


def _batches(batches: list[tuple[Any, str]]) -> dict[tuple[Any, str], int]:
    """How many requests of each batch have an end; one that was proposed again is one."""
    if not batches:
        return {}
    rows = Approval.objects.filter(agent_key__in={key for key, _ in batches}, batch__in={name for _, name in batches})
    ended = rows.exclude(run__in=rows.filter(status=ApprovalStatus.PENDING).values("run"))
    found = ended.values_list("agent_key", "batch").annotate(Count("run", distinct=True))
    counted = {(key, name): count for key, name, count in found}
    return {batch: counted.get(batch, 0) for batch in batches}


def _runs(ids: list[uuid.UUID]) -> dict[Any, Any]:
    """Status."""
    return dict.fromkeys(ids) | dict(Run.objects.filter(pk__in=ids).values_list("pk", "status"))


def _events(ids: list[tuple[uuid.UUID, str]]) -> dict[Any, Any]:
    """When it was published last, or None."""
    rows = Event.objects.filter(run__in={run for run, _ in ids}, key__in={key for _, key in ids})
    asked = dict.fromkeys(ids)
    found = {(run, key): at for run, key, at in rows.values_list("run", "key", "at")}
    return asked | {what: at for what, at in found.items() if what in asked}


def _streams(ids: list[uuid.UUID]) -> dict[Any, Any]:
    """The newest piece's number, or 0, and when the run ended, or None."""
    newest = StreamChunk.objects.filter(run=OuterRef("pk")).order_by("-pk").values("pk")[:1]
    rows = Run.objects.filter(pk__in=ids).values_list("pk", Subquery(newest), "ended_at")
    return dict.fromkeys(ids, (0, None)) | {pk: (last or 0, ended) for pk, last, ended in rows}


def _queues(ids: list[str]) -> dict[Any, Any]:
    """The steps that are ready, the longest waiting first; no more than can be handed out until the next look."""
    due = Step.objects.filter(status=StepStatus.READY, queue__in=ids, ready_at__lte=clock.now())
    busy = set(due.order_by().values_list("queue", flat=True).distinct())
    return {queue: tuple(row[0] for row in sql.ready_steps(queue, _OFFERED)) if queue in busy else () for queue in ids}


_LOOKS: dict[str, Callable[[list[Any]], dict[Any, Any]]] = {
    "approval": _approvals,
    "run": _runs,
    "event": _events,
    "stream": _streams,
    "queue": _queues,
}


def _chunks(ids: list[Any]) -> Iterator[list[Any]]:
    # A statement has room for so many parameters only.
    left = iter(ids)
    while some := list(islice(left, _AT_ONCE)):
        yield some
