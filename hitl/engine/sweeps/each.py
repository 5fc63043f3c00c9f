"""One row after the other, each in a transaction of its own: one poisoned row does not keep the others waiting."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from django.db.models import Model, QuerySet

from hitl.exceptions import RunBusy

log = logging.getLogger(__name__)
_BATCH = 500

Row = TypeVar("Row", bound=Model)


def each(rows: QuerySet[Row, Any], act: Callable[[Row], bool]) -> int:
    """Act on up to a batch of rows; returns how many were moved. A run that is locked is somebody else's just now."""
    moved = 0
    for row in list(rows[:_BATCH]):
        try:
            moved += act(row)
        except RunBusy:
            continue
        except Exception:
            log.exception("the sweep failed at %s", row)
    return moved
