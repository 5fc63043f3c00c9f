"""Named policies: versioned, never edited, copied onto the requests that open under them."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from hitl import audit
from hitl.audit import Actor, Entry
from hitl.definition import PolicyDocument, canonical
from hitl.definition.values import REQUESTER
from hitl.exceptions import InvalidPolicy, NotCanonical, StalePolicy
from hitl.models import Policy, sql
from hitl.policies.requirements import check_calendars, resolve

_PAGES = ("new", "simulate")  # a policy of this name would have no page


def apply_policy(document: Any, *, actor: Any, base: int | None = None) -> Policy:
    """Make a document the active version of its policy and record who did; the same document again changes nothing.

    Requests that are open keep the version they opened with. `base` is the version that this one was written from, 0
    for none. Raises InvalidPolicy, UnknownReviewer for a group or user that does not exist, and StalePolicy where
    another version than `base` is the newest.
    """
    value = checked(document)
    who = Actor.of(actor)
    body = value.model_dump(mode="json", exclude_defaults=True)
    with transaction.atomic():
        audit.hold(f"policy:{value.name}")
        current = Policy.objects.filter(name=value.name).order_by("-version").first()
        if current is not None and current.active and current.document == body:
            return current
        newest = current.version if current else 0
        if base is not None and base != newest:
            raise StalePolicy(f"somebody else applied {value.name} v{newest} meanwhile", version=newest)
        Policy.objects.filter(name=value.name, active=True).update(active=False)
        policy = Policy.objects.create(
            name=value.name,
            version=newest + 1,
            document=body,
            author_id=who.id if who.is_person else None,
            created_at=sql.database_clock(),
        )
        entry = Entry(
            "hitl.policy.applied", who, f"policy:{policy.name}", {"version": policy.version, "document": body}
        )
        audit.append(f"policy:{policy.name}", [entry])
    return policy


def checked(document: Any) -> PolicyDocument:
    """The document as a value that could be applied. Raises InvalidPolicy, and UnknownReviewer."""
    value = PolicyDocument.read(document)
    if value.name in _PAGES:
        raise InvalidPolicy(f"name: {value.name!r} is a page of the review screens; choose another name")
    try:
        canonical(value.model_dump(mode="json"), what=value.name)
    except NotCanonical as error:
        raise InvalidPolicy(error.message) from error
    check_calendars([*value.default.stages, *(stage for rule in value.rules for stage in rule.stages)])
    resolve(name for name in value.everybody if name != REQUESTER)
    return value
