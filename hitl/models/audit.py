"""Proof. Written by `hitl.audit` only, and never changed: triggers on both databases refuse it."""

from __future__ import annotations

from django.db import models


class AuditRecord(models.Model):
    """One thing that happened. `body` is what counts; the other columns are read from it and checked against it."""

    stream = models.CharField(max_length=120)
    seq = models.PositiveIntegerField()
    prev_hash = models.BinaryField(max_length=32)
    hash = models.BinaryField(max_length=32)
    body = models.BinaryField()
    at = models.DateTimeField()
    action = models.CharField(max_length=60)
    actor = models.CharField(max_length=200)
    subject = models.CharField(max_length=200)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["stream", "seq"], name="hitl_audit_seq")]

    def __str__(self) -> str:
        return f"{self.stream}#{self.seq} {self.action}"


class AuditStream(models.Model):
    """Head of a chain that is not a run's; locked last."""

    stream = models.CharField(max_length=120, primary_key=True)
    seq = models.PositiveIntegerField(default=0)
    hash = models.BinaryField(max_length=32, default=bytes)

    def __str__(self) -> str:
        return self.stream
