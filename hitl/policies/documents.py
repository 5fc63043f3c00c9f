"""Named policies: versioned, never edited, copied onto the requests that open under them."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from hitl import audit
from hitl.audit import Actor, Entry
from hitl.definition import PolicyDocument
from hitl.definition.values import REQUESTER
from hitl.models import Policy, sql
from hitl.policies.requirements import resolve


def apply_policy(document: Any, *, actor: Any) -> Policy:
    """Make a document the active version of its policy and record who did; the same document again changes nothing.

    Requests that are open keep the version they opened with. Raises InvalidPolicy, and UnknownReviewer for a group or
    user that does not exist.
    """
    value = PolicyDocument.read(document)
    resolve(name for name in value.everybody if name != REQUESTER)
    who = Actor.of(actor)
    body = value.model_dump(mode="json", exclude_defaults=True)
    with transaction.atomic():
        audit.hold(f"policy:{value.name}")
        current = Policy.objects.filter(name=value.name).order_by("-version").first()
        if current is not None and current.active and current.document == body:
            return current
        Policy.objects.filter(name=value.name, active=True).update(active=False)
        policy = Policy.objects.create(
            name=value.name,
            version=current.version + 1 if current else 1,
            document=body,
            author_id=who.id if who.is_person else None,
            created_at=sql.database_clock(),
        )
        entry = Entry(
            "hitl.policy.applied", who, f"policy:{policy.name}", {"version": policy.version, "document": body}
        )
        audit.append(f"policy:{policy.name}", [entry])
    return policy
