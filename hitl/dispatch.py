"""The doorbell: after commit, tell a Celery worker by name that there is something to look at.

The database is the queue, the message only says "look". A ring may be lost, late or doubled: the sweep replaces it.
With `HITL_BELL_CACHE` a mark says that a bell is already out, and further rings are saved until a worker clears it.
"""

from __future__ import annotations

import logging
from functools import partial

from celery import current_app
from django.core.cache import caches
from django.db import transaction

from hitl.conf import conf
from hitl.crashpoints import crashpoint
from hitl.definition.specs import EXTERNAL

log = logging.getLogger(__name__)

WORK = "hitl.work"
DELIVER = "hitl.deliver"
DELIVER_HOOKS = "hitl.deliver_hooks"
_MARK_SECONDS = 5


def ring(queue: str) -> None:
    """After the transaction commits, wake a worker of this queue; programs outside look for themselves. Never raises: a
    broker that is down costs nothing but the time until the next sweep."""
    if queue.startswith(EXTERNAL):
        return
    transaction.on_commit(partial(_send, WORK, queue), robust=True)


def ring_delivery() -> None:
    """After the transaction commits, wake whoever finds out who is to be told, and tells people."""
    transaction.on_commit(partial(_send, DELIVER, "notices"), robust=True)


def ring_hooks() -> None:
    """After the transaction commits, wake whoever calls other programs."""
    transaction.on_commit(partial(_send, DELIVER_HOOKS, "hooks"), robust=True)


def answer(task: str, queue: str) -> None:
    """A worker has heard the bell and is about to look: from now on a new ring is needed."""
    alias = conf.BELL_CACHE
    if alias:
        try:
            caches[alias].delete(_mark(task, queue))
        except Exception:
            log.warning("the bell's mark could not be cleared; it ends by itself in %s s", _MARK_SECONDS)


def _send(task: str, queue: str) -> None:
    crashpoint("before_bell")
    try:
        if conf.BELL_CACHE and not caches[conf.BELL_CACHE].add(_mark(task, queue), 1, _MARK_SECONDS):
            return
        args = [queue] if task == WORK else []
        current_app.send_task(task, args=args, queue=queue, ignore_result=True, retry=False)
    except Exception as error:
        log.warning("could not ring %s for queue %s (%s); the sweep will", task, queue, error.__class__.__name__)
    crashpoint("after_bell")


def _mark(task: str, queue: str) -> str:
    return f"hitl:bell:{task}:{queue}"
