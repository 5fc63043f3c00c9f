"""How often somebody may ask: each principal so many calls, each address so many wrong keys.

The counts lie in the cache. Where the cache is broken everybody is let in: a dead Redis must not stop reviewers.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.core.cache import cache
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.settings import api_settings
from rest_framework.throttling import BaseThrottle

from hitl import clock
from hitl.audit import Actor
from hitl.models import ApiKey

if TYPE_CHECKING:  # DRF imports its authentication classes before it has this
    from rest_framework.views import APIView

log = logging.getLogger(__name__)
Rate = tuple[int, int]

DEFAULT_RATE = "600/min"
WRONG_KEYS: Rate = (60, 60)
# The waiting door marks a request by this that was let in before and is only asked for again; no header becomes it.
AGAIN = "hitl.again"
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass
class _Trust:
    """After a failure the cache is left alone for a while: each call to one that does not answer holds a web thread."""

    pause: timedelta = timedelta(seconds=30)
    until: datetime | None = None

    def lost(self, error: Exception) -> None:
        """Note a failure, with the one line that is logged of it."""
        self.until = clock.now() + self.pause
        log.warning("the cache does not count calls (%s): nobody is throttled for 30 s", error.__class__.__name__)

    @property
    def gone(self) -> bool:
        """Whether the cache is to be left alone now."""
        return self.until is not None and clock.now() < self.until


_trust = _Trust()


class PerPrincipal(BaseThrottle):
    """Each person and each key has calls of its own: a key as many a minute as its limit `rate` says, everybody else as
    `DEFAULT_THROTTLE_RATES["user"]` of DRF's settings says. Who is nobody shares those of their address."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Whether there is room; `wait` then says when there is."""
        if request.META.get(AGAIN):
            return True
        who = Actor.of(request.user).text if request.user else request.META.get("REMOTE_ADDR", "")
        self._wait = spend(f"call:{who}", rate_of(request.user))
        return self._wait is None

    def wait(self) -> float | None:
        """Seconds until there is room again."""
        return self._wait


def rate_of(who: Any) -> Rate:
    """How many calls this principal has, and in how many seconds."""
    own = who.limits.get("rate") if isinstance(who, ApiKey) else None
    if own is not None:
        return int(own), 60
    count, _, period = str(api_settings.DEFAULT_THROTTLE_RATES.get("user") or DEFAULT_RATE).partition("/")
    return int(count), _SECONDS[period[0]]


def wrong_key(request: Request) -> None:
    """Count a wrong key from this address; raises Throttled where there were too many.

    Only who comes with a wrong one is counted and turned away: behind one address, a proxy's above all, there are many
    others, and a right key is never kept out by their mistakes.
    """
    wait = spend(f"wrong-key:{request.META.get('REMOTE_ADDR', '')}", WRONG_KEYS)
    if wait is not None:
        raise Throttled(wait=wait)


def spend(name: str, rate: Rate) -> float | None:
    """Count one: None where there is room, else the seconds until there is. A span begins with its first call, so that
    at worst two spans' calls come close together."""
    if _trust.gone:
        return None
    most, seconds = rate
    now = clock.now().timestamp()
    try:
        since = _since(f"hitl:rate:{name}", now, seconds)
        counted = _count(f"hitl:rate:{name}:{since}", seconds)
    except Exception as error:  # whatever the cache's client raises
        _trust.lost(error)
        return None
    return None if counted <= most else max(since + seconds - now, 0.0)


def _since(name: str, now: float, seconds: int) -> float:
    """When the span began that we are in; it begins now where there is none."""
    since = float(cache.get_or_set(name, now, seconds) or now)
    if now - since >= seconds:  # the cache's clock is not quite ours
        cache.set(name, now, seconds)
        return now
    return since


def _count(name: str, seconds: int) -> int:
    cache.add(name, 0, seconds + 1)
    try:
        return int(cache.incr(name))
    except ValueError:  # it ended in this very moment
        return 1
