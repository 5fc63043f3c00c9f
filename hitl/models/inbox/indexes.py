"""What the walks go along: the indexes of the inbox's views, small ones that hold only the rows that are looked for."""

from __future__ import annotations

from django.db.models import Index, Q

_SHOWN = Q(due_at__isnull=False)
_SENT = _SHOWN & Q(source__in=["delegate", "assigned", "escalation", "fallback"])
_CLAIMED = Q(status="pending", claimed_by__isnull=False)

APPROVAL = [
    Index(fields=["claimed_by", "expires_at", "id"], name="hitl_approval_claimed", condition=_CLAIMED),
    Index(fields=["requester", "id"], name="hitl_approval_mine", condition=Q(requester__isnull=False)),
    Index(fields=["on_behalf_of", "id"], name="hitl_approval_for", condition=Q(on_behalf_of__isnull=False)),
    Index(fields=["edited_by", "id"], name="hitl_approval_edited", condition=Q(edited_by__isnull=False)),
    Index(fields=["agent_key", "id"], name="hitl_approval_agent", condition=Q(agent_key__isnull=False)),
    Index(fields=["id"], name="hitl_approval_again", condition=Q(supersedes__isnull=False)),
]
ASSIGNMENT = [
    Index(fields=["user", "due_at", "approval"], name="hitl_assignment_inbox_u", condition=_SHOWN),
    Index(fields=["group", "due_at", "approval"], name="hitl_assignment_inbox_g", condition=_SHOWN),
    Index(fields=["user", "due_at", "approval"], name="hitl_assignment_sent_u", condition=_SENT),
    Index(fields=["group", "due_at", "approval"], name="hitl_assignment_sent_g", condition=_SENT),
]
DECISION = [Index(fields=["actor", "approval"], name="hitl_decision_actor")]
