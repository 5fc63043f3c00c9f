"""What waits for whom: the read side every door uses."""

from __future__ import annotations

import uuid
from typing import Any

from django.db.models import Case, IntegerField, QuerySet, Value, When

from hitl import clock
from hitl.audit import SYSTEM
from hitl.exceptions import UnknownApproval
from hitl.models import ApiKey, Approval, Assignment, sql
from hitl.models.approvals import ApprovalQuerySet

_RISKS = ("critical", "high", "medium", "low")


def inbox(user: Any) -> QuerySet[Approval]:
    """Pending requests this user is asked to decide and has not voted on: due soonest, then risk, then oldest."""
    own = Approval.objects.filter(decisions__actor=user.pk, decisions__withdrawn_at=None)
    rank = Case(*(When(risk=risk, then=Value(n)) for n, risk in enumerate(_RISKS)), output_field=IntegerField())
    return (
        Approval.objects.pending()
        .asked_of(user)
        .not_own(user)
        .exclude(pk__in=own.values("pk"))
        .select_related("run__workflow", "step", "requester")
        .order_by("expires_at", rank, "id")
    )


def visible(who: Any) -> ApprovalQuerySet:
    """All requests this user or key may see."""
    if who is SYSTEM:
        return Approval.objects.all()
    if isinstance(who, ApiKey):
        return Approval.objects.filter(agent_key=who.pk)
    return Approval.objects.all().visible_to(who)


def find_visible(approval: Approval | uuid.UUID | str, who: Any) -> Approval:
    """One request by id, if this user or key may see it; raises UnknownApproval alike for both kinds of no."""
    pk = as_id(approval)
    row = visible(who).filter(pk=pk).first()
    if row is None:
        raise UnknownApproval(f"there is no request {pk} that you may see")
    return row


def run_of(approval: Approval | uuid.UUID | str) -> uuid.UUID:
    """The run a request belongs to; raises UnknownApproval."""
    pk = as_id(approval)
    run_id = sql.run_of_approval(pk)
    if run_id is None:
        raise UnknownApproval(f"there is no request {pk} that you may see")
    return run_id


def as_id(approval: Approval | uuid.UUID | str) -> uuid.UUID:
    """The id behind whatever a door was given; raises UnknownApproval for what is none."""
    pk = approval.pk if isinstance(approval, Approval) else approval
    try:
        return pk if isinstance(pk, uuid.UUID) else uuid.UUID(str(pk))
    except ValueError:
        raise UnknownApproval(f"{pk!r} is no approval id") from None


def mark_seen(approval: Approval, user: Any) -> None:
    """Remember that a person who is asked by name looked at the request, the first time."""
    asked = Assignment.objects.filter(approval=approval.pk, user=user.pk, first_seen_at=None)
    asked.update(first_seen_at=clock.now())
