"""Handing over for a while: somebody else decides in one's place. It goes no further, and both count once."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_noop as _

from hitl import audit
from hitl.audit import Actor, Entry
from hitl.definition import canonical
from hitl.exceptions import BadInput, NotAllowed
from hitl.models import Delegation, sql
from hitl.policies.acts import is_operator
from hitl.policies.eligibility import REASONS

_LONGEST_REASON = 10_000


def create_delegation(
    from_user: Any, to_user: Any, *, ends_at: datetime, actor: Any, starts_at: datetime | None = None, reason: str = ""
) -> Delegation:
    """Let `to_user` decide in the place of `from_user` from now, or `starts_at`, until `ends_at`.

    One hands over for oneself; operators may for others, but never to themselves. Raises NotAllowed, and BadInput for
    a period that ends before it begins or is over, people who are deactivated, or oneself.
    """
    who = Actor.of(actor)
    own = who.is_person and who.id == str(from_user.pk)
    if not own and not (is_operator(actor) and who.id != str(to_user.pk)):
        raise NotAllowed(REASONS["not_operator"], reason="not_operator")
    canonical(reason, what="reason", limit=_LONGEST_REASON)
    if from_user.pk == to_user.pk or not (from_user.is_active and to_user.is_active):
        raise BadInput(_("a delegation goes from one active person to another"))
    with transaction.atomic():
        now = sql.database_clock()
        begins = starts_at or now
        if any(at.tzinfo is None for at in (begins, ends_at)) or ends_at <= max(begins, now):
            raise BadInput(_("a delegation ends after it begins, and after now; times carry their zone"))
        row = Delegation.objects.create(
            from_user=from_user,
            to_user=to_user,
            starts_at=begins,
            ends_at=ends_at,
            reason=reason.strip(),
            created_at=now,
        )
        names = {"by": Actor.of(from_user).name, "to": Actor.of(to_user).name}
        period = {"from": begins.isoformat(), "until": ends_at.isoformat()}
        _record(row, "hitl.delegation.created", who, {**names, **period, "why": row.reason})
    return row


def revoke_delegation(delegation: Delegation, *, actor: Any) -> bool:
    """End it now: who handed over may, who stands in, and operators; False when it was revoked before. Votes that were
    cast stand. Raises NotAllowed."""
    who = Actor.of(actor)
    if who.id not in (str(delegation.from_user_id), str(delegation.to_user_id)) and not is_operator(actor):
        raise NotAllowed(REASONS["not_operator"], reason="not_operator")
    with transaction.atomic():
        ended = Delegation.objects.filter(pk=delegation.pk, revoked_at=None).update(revoked_at=sql.database_clock())
        if ended:
            _record(delegation, "hitl.delegation.revoked", who, {"to": Actor.of(delegation.to_user).name})
    return bool(ended)


def _record(row: Delegation, action: str, who: Actor, data: dict[str, Any]) -> None:
    audit.append(f"user:{row.from_user_id}", [Entry(action, who, f"delegation:{row.pk}", data)])
