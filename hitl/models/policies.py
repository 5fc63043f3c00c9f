"""Who must say yes, and which programs may come in."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.auth.models import Group
from django.db import models
from django.db.models import Q

from hitl.definition.policy import PolicyDocument
from hitl.definition.text import reveal
from hitl.models.fields import key, person


class Policy(models.Model):
    """One version of a named policy; a change is a new row. At most one version is active."""

    name = models.CharField(max_length=100)
    version = models.PositiveIntegerField()
    document = models.JSONField()
    active = models.BooleanField(default=True)
    author = person()
    created_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "policies"
        constraints = [
            models.UniqueConstraint(fields=["name", "version"], name="hitl_policy_version"),
            models.UniqueConstraint(fields=["name"], name="hitl_policy_active", condition=Q(active=True)),
        ]

    def __str__(self) -> str:
        return f"{self.name} v{self.version}"

    @property
    def value(self) -> PolicyDocument:
        """The document as a value."""
        return PolicyDocument.read(self.document)


class DelegationQuerySet(models.QuerySet["Delegation"]):
    """Which delegations."""

    def live(self, now: datetime) -> DelegationQuerySet:
        """Those in force."""
        return self.filter(revoked_at=None, starts_at__lte=now, ends_at__gt=now)


class Delegation(models.Model):
    """While it lasts, `to_user` may decide in the place of `from_user`: one of both, once. It goes no further."""

    from_user = person(null=False, blank=False)
    to_user = person(null=False, blank=False, related_name="hitl_delegations", db_index=True)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    reason = models.TextField(blank=True)
    created_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = DelegationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(name="hitl_delegation_other", condition=~Q(from_user=models.F("to_user"))),
            models.CheckConstraint(name="hitl_delegation_order", condition=Q(ends_at__gt=models.F("starts_at"))),
        ]

    def __str__(self) -> str:
        return f"{self.from_user_id} → {self.to_user_id}"


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    """Which keys."""

    def usable(self, now: datetime) -> ApiKeyQuerySet:
        """Those neither revoked nor expired."""
        return self.filter(revoked_at=None).filter(Q(expires_at=None) | Q(expires_at__gt=now))

    def owned_by(self, user: Any) -> ApiKeyQuerySet:
        """Those of a person, and of the teams they are in."""
        return self.filter(Q(owner_user=user.pk) | Q(owner_group__in=Group.objects.filter(user=user.pk)))


class ApiKey(models.Model):
    """A program's way in. Only the hash of its secret is kept; no scope lets it decide."""

    id = key()
    prefix = models.CharField(max_length=16, unique=True)
    secret_hash = models.BinaryField(max_length=32)
    agent = models.CharField(max_length=100)
    owner_user = person()
    owner_group = models.ForeignKey(Group, models.PROTECT, null=True, blank=True, related_name="+", db_index=False)
    scopes: Any = models.JSONField(default=list)
    policies: Any = models.JSONField(default=list, blank=True, help_text="it may ask by these; * is any")
    limits: Any = models.JSONField(default=dict, blank=True, help_text="pending, rate, risk, queues")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        verbose_name = "API key"
        constraints = [
            models.CheckConstraint(
                name="hitl_apikey_owner",
                condition=Q(owner_user=None, owner_group__isnull=False) | Q(owner_user__isnull=False, owner_group=None),
            ),
        ]

    def __str__(self) -> str:
        return f"{reveal(self.agent)} (hitl_{self.prefix}_…)"

    is_active = True
    is_anonymous = False

    @property
    def is_authenticated(self) -> bool:
        """DRF asks this of whoever comes in; a key that got so far was checked."""
        return True
