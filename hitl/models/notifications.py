"""Messages that must reach somebody, and how people want to be reached and shown things."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from hitl.models.approvals import Approval
from hitl.models.fields import key, known, person, status
from hitl.models.runs import Run
from hitl.states import NotificationStatus


class WebhookEndpoint(models.Model):
    """Where other programs want to hear of requests: with empty `kinds` or `topics` of all of them.

    `secrets` sign what is sent, the newest first; an older one counts until its time is over. What has failed for too
    long, or said that it is gone, is disabled.
    """

    id = key()
    url = models.URLField(max_length=500)
    description = models.CharField(max_length=200, blank=True)
    secrets = models.JSONField(editable=False)
    kinds = models.JSONField(default=list, blank=True)
    topics = models.JSONField(default=list, blank=True)
    created_by = person()
    created_at = models.DateTimeField()
    failing_since = models.DateTimeField(null=True, blank=True)
    disabled_at = models.DateTimeField(null=True, blank=True)
    disabled_why = models.CharField(max_length=200, blank=True)

    def __str__(self) -> str:
        return self.url


class NotificationQuerySet(models.QuerySet["Notification"]):
    """Which messages."""

    def due(self, now: datetime, channels: Iterable[str] | None = None) -> NotificationQuerySet:
        """Pending ones whose time to be tried has come, the oldest first; of these channels, or of all."""
        rows = self.filter(status=NotificationStatus.PENDING, next_attempt_at__lte=now).order_by("next_attempt_at")
        return rows if channels is None else rows.filter(channel__in=list(channels))

    def mailed(self, user: Any, approval: Approval) -> NotificationQuerySet:
        """What this person was mailed of a request, in any of its revisions, the first one first."""
        rows = self.filter(approval__run=approval.run_id, approval__step=approval.step_id, recipient=user)
        return rows.filter(channel="email", status=NotificationStatus.SENT).order_by("sent_at", "pk")


class Notification(models.Model):
    """One row of the outbox, written with the change it tells of.

    Without a channel it stands for everybody concerned: delivery turns it into one row a person, endpoint and chat, so
    that a large group does not make a decision slow. `payload` says who did it (`actor`) and the number of its audit
    record (`seq`); `remote` is what a chat calls the message, to change it later.
    """

    id = key()
    approval = models.ForeignKey(
        Approval, models.PROTECT, null=True, blank=True, related_name="notifications", db_index=False
    )
    run = models.ForeignKey(Run, models.PROTECT, null=True, blank=True, related_name="+", db_index=False)
    kind = models.CharField(max_length=30)
    recipient = person()
    channel = models.CharField(max_length=20, blank=True)
    endpoint = models.ForeignKey(WebhookEndpoint, models.PROTECT, null=True, blank=True, related_name="deliveries")
    remote = models.CharField(max_length=200, blank=True, editable=False)
    payload = models.JSONField(null=True, blank=True)
    status = status(NotificationStatus)
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(blank=True)
    dedupe_key = models.CharField(max_length=200, unique=True)
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)

    objects = NotificationQuerySet.as_manager()

    class Meta:
        constraints = [known("hitl_notification_status", NotificationStatus)]
        indexes = [
            models.Index(
                fields=["channel", "next_attempt_at"], name="hitl_notification_due", condition=Q(status="pending")
            ),
            models.Index(fields=["approval"], name="hitl_notification_approval", condition=Q(approval__isnull=False)),
            models.Index(fields=["id"], name="hitl_notification_dead", condition=Q(status="dead")),
        ]

    def __str__(self) -> str:
        return self.dedupe_key


class ReviewLink(models.Model):
    """The link in a mail: only the hash of its token is kept."""

    token_hash = models.BinaryField(max_length=32, unique=True)
    approval = models.ForeignKey(Approval, models.PROTECT, related_name="links")
    revision = models.PositiveIntegerField()
    user = person(null=False, blank=False)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    first_used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"link to {self.approval_id} for {self.user_id}"


class Theme(models.TextChoices):
    """Light or dark; empty follows the device."""

    LIGHT = "light", _("Light")
    DARK = "dark", _("Dark")


class Digest(models.TextChoices):
    """Messages of low and medium risk together; empty sends each at once."""

    HOURLY = "hourly", _("Once an hour")
    DAILY = "daily", _("Once a day")


class Profile(models.Model):
    """What a person prefers. Whoever has no row has the defaults; empty means as the project, browser or device has it.
    In quiet hours, which may go over midnight, only what is critical is sent."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, related_name="profile")
    time_zone = models.CharField(max_length=64, blank=True)
    language = models.CharField(max_length=10, blank=True)
    theme = models.CharField(max_length=10, blank=True, choices=Theme.choices)
    single_keys = models.BooleanField(default=True)
    quiet_from = models.TimeField(null=True, blank=True)
    quiet_until = models.TimeField(null=True, blank=True)
    digest = models.CharField(max_length=10, blank=True, choices=Digest.choices)

    class Meta:
        constraints = [
            models.CheckConstraint(name="hitl_profile_theme", condition=Q(theme__in=["", *Theme.values])),
            models.CheckConstraint(name="hitl_profile_digest", condition=Q(digest__in=["", *Digest.values])),
            models.CheckConstraint(
                name="hitl_profile_quiet",
                condition=Q(quiet_from=None, quiet_until=None)
                | Q(quiet_from__isnull=False, quiet_until__isnull=False) & ~Q(quiet_from=models.F("quiet_until")),
            ),
        ]

    def __str__(self) -> str:
        return f"profile of {self.user_id}"


class Mode(models.TextChoices):
    """How somebody wants to hear of a kind of notice."""

    NOW = "now", _("At once")
    DIGEST = "digest", _("In a digest")
    OFF = "off", _("Not at all")


class Preference(models.Model):
    """How a person wants to hear of one kind of notice over one channel; without a row as the kind usually is told."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="preferences")
    kind = models.CharField(max_length=30)
    channel = models.CharField(max_length=20, default="email")
    mode = models.CharField(max_length=10, choices=Mode.choices)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "kind", "channel"], name="hitl_preference_once"),
            models.CheckConstraint(name="hitl_preference_mode", condition=Q(mode__in=Mode.values)),
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.mode}"
