"""Messages that must reach somebody."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models import Q

from hitl.models.approvals import Approval
from hitl.models.fields import key, known, person, status
from hitl.models.runs import Run
from hitl.states import NotificationStatus


class NotificationQuerySet(models.QuerySet["Notification"]):
    """Which messages."""

    def due(self, now: datetime) -> NotificationQuerySet:
        """Pending ones whose time to be tried has come, the oldest first."""
        return self.filter(status=NotificationStatus.PENDING, next_attempt_at__lte=now).order_by("next_attempt_at")


class Notification(models.Model):
    """One row of the outbox, written with the change it tells of.

    Without a recipient it stands for everybody concerned: delivery turns it into one row a person, so that a large
    group does not make a decision slow.
    """

    id = key()
    approval = models.ForeignKey(
        Approval, models.PROTECT, null=True, blank=True, related_name="notifications", db_index=False
    )
    run = models.ForeignKey(Run, models.PROTECT, null=True, blank=True, related_name="+", db_index=False)
    kind = models.CharField(max_length=30)
    recipient = person()
    channel = models.CharField(max_length=20, blank=True)
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
            models.Index(fields=["next_attempt_at"], name="hitl_notification_due", condition=Q(status="pending")),
            models.Index(fields=["approval"], name="hitl_notification_approval", condition=Q(approval__isnull=False)),
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
