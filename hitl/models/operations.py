"""The machinery's own rows: what it did last, and what it answered to whom."""

from __future__ import annotations

from django.db import models


class SweepMark(models.Model):
    """When a sweep last came to its end: proof that beat, broker, worker and database work together."""

    name = models.CharField(max_length=20, primary_key=True)
    swept_at = models.DateTimeField()
    moved = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.name} at {self.swept_at}"


class IdempotencyRecord(models.Model):
    """What a POST was answered, kept in the transaction of its work, so that the same key gets the same answer."""

    principal = models.CharField(max_length=120)
    key = models.CharField(max_length=200)
    fingerprint = models.CharField(max_length=64)
    code = models.PositiveSmallIntegerField(default=0)
    body = models.TextField(blank=True)
    location = models.CharField(max_length=500, blank=True)
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["principal", "key"], name="hitl_idempotency_key")]

    def __str__(self) -> str:
        return f"{self.principal} {self.key}"
