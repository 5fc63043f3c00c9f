"""Small pieces the rows share."""

from __future__ import annotations

import os
import time
import uuid
from typing import Any

from django.conf import settings
from django.db import models


def uuid7() -> uuid.UUID:
    """A UUIDv7 (RFC 9562): milliseconds since 1970, then 74 random bits. Unguessable, and near in an index."""
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 7 << 76
    value = value & ~(0b11 << 62) | 0b10 << 62
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
