"""Links in mails. A review link is a random token, of which only the hash is in the database; a link to turn messages
off is signed.

A review link is bound to approval, revision and person; it says where to go, never who you are: the page needs a login,
and the decision belongs to whoever is logged in.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import Any

from django.contrib.auth import get_user_model
from django.core import signing
from django.db.models import F
from django.db.models.functions import Coalesce
from django.urls import reverse

from hitl import clock
from hitl.conf import conf
from hitl.models import Approval, Notification, ReviewLink
from hitl.notifications.kinds import KINDS

_PREFIX = "hitlr_"
_SALT = "hitl.unsubscribe"


@dataclass(frozen=True, slots=True)
class Link:
    """A link that was found: where it leads, for whom it was sent, and whether its time is over."""

    approval: Approval
    revision: int
    user_id: int
    expired: bool
    pk: int


def link_of(row: Notification) -> str:
    """Where the one button of a notice leads: to the request, to the run, or for dead letters to the outbox."""
    if row.kind == "dead":
        return address("admin:hitl_notification_changelist") + "?status__exact=dead"
    if row.approval is not None:
        return issue_link(row.approval, row.recipient.pk)
    return address("review:run", row.run_id) if row.kind in ("failed", "uncertain") else ""


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
    return address("hitl-link-token", token)


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


def stop_link(user: Any, kind: str) -> str:
    """Where this person turns messages of this kind off without signing in; empty for what is needed."""
    if KINDS[kind].needed:
        return ""
    return address("hitl-unsubscribe", signing.Signer(salt=_SALT).sign_object([str(user.pk), kind]))


def who_stops(token: str) -> tuple[Any, str] | None:
    """The person and the kind of such a link, or None for one that we did not sign or that leads to nobody."""
    try:
        pk, kind = signing.Signer(salt=_SALT).unsign_object(token)
        user = get_user_model().objects.filter(pk=pk, is_active=True).first()
    except (signing.BadSignature, ValueError):
        return None
    return None if user is None or kind not in KINDS or KINDS[kind].needed else (user, kind)


def address(name: str, *args: Any) -> str:
    """The full address of a page, as mails have it."""
    return str(conf.BASE_URL).rstrip("/") + reverse(name, args=args)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
