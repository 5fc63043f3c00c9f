"""Small pieces the rows share."""

from __future__ import annotations

import secrets
import threading
import time
import uuid
from typing import Any

from django.conf import settings
from django.db import models

_lock = threading.Lock()
_last = 0


def uuid7() -> uuid.UUID:
    """A UUIDv7 (RFC 9562): milliseconds since 1970, a counter within them, then 62 random bits.

    Unguessable, near in an index, and in the order of creation within a process.
    """
    global _last
    with _lock:
        tick = (time.time_ns() // 1_000_000) << 12 | secrets.randbits(11)
        _last = tick = tick if tick > _last else _last + 1
    value = (tick >> 12) << 80 | 7 << 76 | (tick & 0xFFF) << 64 | 0b10 << 62 | secrets.randbits(62)
    return uuid.UUID(int=value)


def key() -> models.UUIDField[Any, Any]:
    """A primary key that may leave the process."""
    return models.UUIDField(primary_key=True, default=uuid7, editable=False)


def person(**options: Any) -> models.ForeignKey[Any, Any]:
    """A user who appears in decisions or audit: deactivated, never deleted."""
    options = {"null": True, "blank": True, "related_name": "+", "db_index": False, **options}
    return models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, **options)


def status(choices: type[models.TextChoices]) -> models.CharField[Any, Any]:
    """A status column; only `transitions` writes it."""
    return models.CharField(max_length=20, choices=choices.choices, default="pending", editable=False)


def known(name: str, choices: type[models.TextChoices]) -> models.CheckConstraint:
    """The database refuses a status that does not exist."""
    return models.CheckConstraint(name=name, condition=models.Q(status__in=choices.values))
