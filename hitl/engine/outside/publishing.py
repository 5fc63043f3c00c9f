"""What somebody outside publishes for a run, beside what its handlers do."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from hitl.conf import conf
from hitl.definition import canonical
from hitl.definition.action import to_json
from hitl.exceptions import BadInput, RunEnded
from hitl.models import Event
from hitl.states import RUN_ENDS
from hitl.transitions import locked

_LONGEST_KEY = 200


def publish(run_id: UUID, key: str, value: Any) -> Event:
    """Set the value that readers see under a key; the same again changes nothing. Raises UnknownRun, RunEnded, and
    BadInput and its kinds."""
    plain = to_json(value)
    canonical(key, what="key")
    canonical(plain, what=f"event {key!r}", limit=conf.MAX_PAYLOAD)
    if len(key) > _LONGEST_KEY:
        raise BadInput(f"a key has 1 to {_LONGEST_KEY} characters")
    with locked(run_id) as t:  # so that it cannot end in between
        if t.run.status in RUN_ENDS:
            raise RunEnded(f"the run has {t.run.status}", status=t.run.status)
        row, made = Event.objects.get_or_create(run=t.run, key=key, defaults={"value": plain, "at": t.now})
        if not made and row.value != plain:
            row.value, row.at = plain, t.now
            row.save(update_fields=["value", "at"])
    return row
