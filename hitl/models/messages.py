"""What a run tells the world while it goes on, and what stops work from starting."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q

from hitl.models.fields import person
from hitl.models.runs import Run, Step


class Event(models.Model):
    """The latest value a run published under a key."""

    run = models.ForeignKey(Run, models.PROTECT, related_name="events", db_index=False)
    key = models.CharField(max_length=200)
    value: Any = models.JSONField(null=True)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "key"], name="hitl_event_key")]

    def __str__(self) -> str:
        return self.key


class StreamChunk(models.Model):
    """A piece of a step's incremental output; its number is given by whoever holds the lease."""

    run = models.ForeignKey(Run, models.PROTECT, related_name="chunks", db_index=False)
    step = models.ForeignKey(Step, models.PROTECT, related_name="chunks", db_index=False)
    seq = models.PositiveIntegerField()
    chunk: Any = models.JSONField(null=True)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["step", "seq"], name="hitl_chunk_seq")]
        indexes = [models.Index(fields=["run", "id"], name="hitl_chunk_run")]

    def __str__(self) -> str:
        return f"{self.step_id}#{self.seq}"


class Freeze(models.Model):
    """While it stands, nothing it covers is claimed. `target`: `all`, `workflow:…`, `run:…` or a principal."""

    target = models.CharField(max_length=160)
    by = person()
    reason = models.TextField(blank=True)
    at = models.DateTimeField()
    lifted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["target"], name="hitl_freeze_once", condition=Q(lifted_at=None))]

    def __str__(self) -> str:
        return self.target
