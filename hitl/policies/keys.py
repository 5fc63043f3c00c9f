"""Programs' keys: shown once, kept as a hash, scoped. No scope decides."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import Group
from django.db import transaction
from django.utils.translation import gettext_noop as _

from hitl import audit, clock
from hitl.audit import Actor, Entry
from hitl.exceptions import BadInput
from hitl.models import ApiKey, Policy, sql
from hitl.policies.outside import ANY, check_limits

SCOPES = (
    "runs:start",
    "runs:read",
    "runs:control",
    "approvals:request",
    "approvals:read",
    "approvals:reviewers",
    "signals:send",
    "steps:work",
    "feedback:write",
)
_TOUCH = timedelta(minutes=1)


def create_key(
    agent: str,
    *,
    owner: Any,
    scopes: list[str],
    actor: Any,
    expires_at: datetime | None = None,
    policies: Iterable[str] = (),
    limits: dict[str, Any] | None = None,
) -> tuple[ApiKey, str]:
    """A new key for an agent, owned by a user or a group, and its secret, which is never shown again.

    `policies` are those it may ask by (`*` is any); `limits` may name `pending` (requests that wait at once), `rate`
    (calls a minute), `risk` (the least its requests have, else medium) and `queues` (of external steps). Raises
    BadInput.
    """
    kept = check_limits(limits or {})
    named = sorted(set(policies))
    missing = [name for name in named if name != ANY and not Policy.objects.filter(name=name, active=True).exists()]
    if missing:
        raise BadInput(f"there is no policy {', '.join(missing)}")
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown or not scopes:
        raise BadInput(f"unknown scopes: {', '.join(unknown) or 'none given'}; there are {', '.join(SCOPES)}")
    if expires_at is not None and expires_at <= clock.now():
        raise BadInput(_("a key that expires in the past is of no use"))
    if not agent.strip() or len(agent) > 100 or "\0" in agent:
        raise BadInput(_("an agent's name has 1 to 100 characters"))
    prefix, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    who = Actor.of(actor)
    owners = {"owner_group": owner} if isinstance(owner, Group) else {"owner_user": owner}
    with transaction.atomic():
        key = ApiKey.objects.create(
            agent=agent,
            prefix=prefix,
            secret_hash=_hash(secret),
            scopes=sorted(set(scopes)),
            policies=named,
            limits=kept,
            expires_at=expires_at,
            created_at=sql.database_clock(),
            **owners,
        )
        data = {"agent": agent, "scopes": key.scopes, "owner": str(owner), "policies": named, "limits": kept}
        data["expires_at"] = None if expires_at is None else expires_at.isoformat()
        audit.append(f"key:{key.pk}", [Entry("hitl.key.created", who, f"key:{key.pk}", data)])
    return key, f"hitl_{prefix}_{secret}"


def revoke_key(key: ApiKey, *, actor: Any) -> None:
    """End a key at once; again is fine and records nothing."""
    with transaction.atomic():
        if ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=sql.database_clock()):
            audit.append(f"key:{key.pk}", [Entry("hitl.key.revoked", Actor.of(actor), f"key:{key.pk}", {})])


def state_of(key: ApiKey) -> str:
    """How a key stands: `active`, `expired` or `revoked`."""
    if key.revoked_at is not None:
        return "revoked"
    return "expired" if key.expires_at is not None and key.expires_at <= clock.now() else "active"


def authenticate(token: str) -> ApiKey | None:
    """The key behind a token, or None when it is malformed, unknown, revoked or expired."""
    kind, _, rest = token.partition("_")
    prefix, _, secret = rest.partition("_")
    if kind != "hitl" or not secret or not prefix.isalnum():
        return None
    now = clock.now()
    key = ApiKey.objects.usable(now).select_related("owner_user").filter(prefix=prefix).first()
    if key is None or not hmac.compare_digest(bytes(key.secret_hash), _hash(secret)):
        return None
    if key.owner_user is not None and not getattr(key.owner_user, "is_active", True):
        return None  # nobody answers for it any more
    if key.last_used_at is None or now - key.last_used_at > _TOUCH:
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)
    return key


def _hash(secret: str) -> bytes:
    # The secret is 256 random bits, so a plain hash is enough: there is nothing to guess.
    return hashlib.sha256(secret.encode()).digest()
