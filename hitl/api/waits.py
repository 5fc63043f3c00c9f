"""`?wait=` under a plain web server: a short wait in the request's own thread, for a few requests at a time.

Long waits are the business of `hitl.longpoll`, which takes `?wait=` away before it asks here.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta

from django.db import connection
from rest_framework.request import Request

from hitl.conf import conf
from hitl.exceptions import BadInput

LONGEST = 60.0
_LOOK_EVERY = 0.1
# Half of the threads a web process has: whoever waits must not keep others from being answered.
_places = threading.BoundedSemaphore(4)


def wait_until(request: Request, over: Callable[[], bool]) -> None:
    """Return when `over()` says so, or when the time that `?wait=` allows is up: the caller answers with what is there.

    Without `?wait=` it returns at once and asks nothing; so it does where too many wait already, and inside a
    transaction, which would see no change. The wait is cut to `HITL_WSGI_WAIT`. Raises BadInput for what is no number
    of seconds from 0 to 60.
    """
    limit: timedelta = conf.WSGI_WAIT
    seconds = min(seconds_of(request.query_params.get("wait")), limit.total_seconds())
    if seconds <= 0 or connection.in_atomic_block or not _places.acquire(blocking=False):
        return
    try:
        until = time.monotonic() + seconds
        while not over() and (left := until - time.monotonic()) > 0:
            time.sleep(min(_LOOK_EVERY, left))
    finally:
        _places.release()


def seconds_of(text: str | None) -> float:
    """What `?wait=` says, 0 where it is not there; raises BadInput for what is no number from 0 to 60."""
    try:
        seconds = float(text or 0)
    except ValueError:
        seconds = -1
    if not 0 <= seconds <= LONGEST:  # also NaN
        raise BadInput(f"wait is a number of seconds from 0 to {LONGEST:.0f}")
    return seconds
