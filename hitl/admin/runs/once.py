"""A form that is sent twice does its work once."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

from django.db import transaction

from hitl.audit import Actor
from hitl.conf import conf
from hitl.exceptions import IdempotencyConflict
from hitl.models import IdempotencyRecord, sql
from hitl.transitions import definition_of


def token() -> str:
    """What a form carries to be known again."""
    return f"page:{secrets.token_urlsafe(16)}"


def once(user: Any, key: str, address: str, work: Callable[[], str]) -> str:
    """Do the work, which returns where to go next; the same token again only gets that place.

    The work and the token commit together: what was refused may be sent again. Raises IdempotencyConflict for a token
    of another form.
    """
    values = {"fingerprint": address[:64], "expires_at": sql.database_clock() + conf.KEEP_ANSWERS}
    try:
        with transaction.atomic():
            rows = IdempotencyRecord.objects.filter(principal=Actor.of(user).text, key=key)
            row, new = rows.get_or_create(principal=Actor.of(user).text, key=key, defaults=values)
            if new:
                row.location = work()
                row.save(update_fields=["location"])
    except Exception:
        definition_of.cache_clear()  # a workflow's row may have been rolled back, and its number be given again
        raise
    if row.fingerprint != values["fingerprint"]:
        raise IdempotencyConflict("this form was sent for something else already")
    return row.location
