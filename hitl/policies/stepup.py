"""Step-up: proving once more that it is you, before something dangerous."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth import authenticate, get_user_model
from django.core.cache import cache
from django.utils.translation import gettext_noop as _

from hitl import clock
from hitl.exceptions import NotAllowed

STEP_UP = timedelta(minutes=5)  # how long the proof is good
_MARK = "hitl_step_up"
_TRIES = 5
_PAUSE = 15 * 60


def is_fresh(at: datetime | None, now: datetime) -> bool:
    """Whether a proof given then is still good."""
    return at is not None and now - at < STEP_UP


def remember(session: Any, at: datetime) -> None:
    """Keep in a session that its person has just proved themselves."""
    session[_MARK] = at.isoformat()


def forget(session: Any) -> None:
    """Drop what the session keeps of it."""
    session.pop(_MARK, None)


def proved_at(session: Any) -> datetime | None:
    """When the session's person last proved themselves; None where that is not good any more."""
    kept = session.get(_MARK)
    at = None if kept is None else datetime.fromisoformat(kept)
    return at if is_fresh(at, clock.now()) else None


def confirm_password(user: Any, password: str, *, request: Any = None) -> datetime | None:
    """When the person proved themselves: now, or None for a wrong password.

    Through Django's own `authenticate`, so that whatever guards the login guards this too; who has no password here
    cannot step up. After five wrong ones it is refused for 15 minutes: raises NotAllowed, reason `step_up_blocked`.
    """
    key = f"hitl:step-up:{user.pk}"
    cache.add(key, 0, _PAUSE)
    tried = cache.incr(key)  # counted before it is looked at: many at the same time are many
    cache.touch(key, _PAUSE)
    if tried > _TRIES:
        raise NotAllowed(_("Too many wrong passwords; wait 15 minutes."), reason="step_up_blocked")
    name = {get_user_model().USERNAME_FIELD: user.get_username()}
    found = authenticate(request, **name, password=password) if user.has_usable_password() else None
    if found is not None and found.pk == user.pk:
        cache.delete(key)
        return clock.now()
    return None
