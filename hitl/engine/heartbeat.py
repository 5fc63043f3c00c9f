"""Keeping leases: one thread a process prolongs all of them with one statement.

A handler that is over its step's timeout is not prolonged any more: a thread cannot be killed, but its lease ends,
others may take the step, and its late outcome is fenced off.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

from hitl.conf import conf
from hitl.models import Step, sql

log = logging.getLogger(__name__)

_held: dict[uuid.UUID, float] = {}
_lock = threading.Lock()
_thread: threading.Thread | None = None
_pid = 0


@contextmanager
def holding(step: Step, timeout: float | None) -> Iterator[None]:
    """Keep this step's lease alive inside the block, but no longer than `timeout` seconds."""
    assert step.lease_token is not None
    with _lock:
        _held[step.lease_token] = time.monotonic() + timeout if timeout else float("inf")
        _ensure_thread()
    try:
        yield
    finally:
        with _lock:
            _held.pop(step.lease_token, None)


def beat() -> int:
    """Prolong what is held and not over its time; returns how many leases still hold."""
    now = time.monotonic()
    with _lock:
        tokens = [token for token, until in _held.items() if now < until]
    return sql.renew_leases(tokens, conf.LEASE)


def _ensure_thread() -> None:
    global _thread, _pid
    if _thread is None or not _thread.is_alive() or _pid != os.getpid():
        if _pid != os.getpid():  # a forked child starts with its parent's table
            for token in list(_held)[:-1]:
                del _held[token]
        _pid = os.getpid()
        _thread = threading.Thread(target=_loop, name="hitl-heartbeat", daemon=True)
        _thread.start()


def _loop() -> None:
    while True:
        time.sleep(conf.LEASE.total_seconds() / 3)
        if not _held:
            continue
        try:
            beat()
        except Exception:
            log.exception("leases could not be renewed; trying again")
        finally:
            connection.close()
