"""Review links: a random token in the mail, only its hash in the database.

A link is bound to approval, revision and person; it says where to go, never who you are: the page needs a login, and
the decision belongs to whoever is logged in.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass

from django.db.models import F
from django.db.models.functions import Coalesce
from django.urls import reverse

from hitl import clock
from hitl.conf import conf
from hitl.models import Approval, ReviewLink

_PREFIX = "hitlr_"


@dataclass(frozen=True, slots=True)
class Link:
    """A link that was found: where it leads, for whom it was sent, and whether its time is over."""

    approval: Approval
    revision: int
    user_id: int
    expired: bool
    pk: int


def issue_link(approval: Approval, user_id: int) -> str:
    """A new link for this person: the full address. The token exists only in it."""
    token = _PREFIX + secrets.token_urlsafe(32)
    now = clock.now()
    ReviewLink.objects.create(
        token_hash=_hash(token),
        approval=approval,
        revision=approval.revision,
        user_id=user_id,
        created_at=now,
        expires_at=now + conf.LINK_LIFETIME,
    )
    return str(conf.BASE_URL).rstrip("/") + reverse("hitl-link-token", args=[token])


def find_link(token: str) -> Link | None:
    """The link behind a token, or None for one that never was. Reads only: a scanner changes nothing."""
    if not token.startswith(_PREFIX):
        return None
    row = ReviewLink.objects.select_related("approval__run").filter(token_hash=_hash(token)).first()
    if row is None:
        return None
    return Link(row.approval, row.revision, row.user_id, row.expires_at <= clock.now(), row.pk)


def mark_used(link: Link) -> None:
    """Remember that its person, signed in, opened it."""
    now = clock.now()
    ReviewLink.objects.filter(pk=link.pk).update(first_used_at=Coalesce(F("first_used_at"), now))


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
