"""What is said around a run: what it tells the world, what people say about it, and what stops work from starting."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q

from hitl.definition.text import reveal
from hitl.models.approvals import Approval, Decision
from hitl.models.fields import key, person
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
        return reveal(self.key)


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


class Comment(models.Model):
    """A remark on a request; it decides nothing."""

    id = key()
    approval = models.ForeignKey(Approval, models.PROTECT, related_name="comments")
    author = person(null=False, blank=False)
    text = models.TextField()
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"comment by {self.author_id}"


class Watch(models.Model):
    """Somebody follows a request."""

    approval = models.ForeignKey(Approval, models.PROTECT, related_name="watches")
    user = person(null=False, blank=False)
    at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "watches"
        constraints = [models.UniqueConstraint(fields=["approval", "user"], name="hitl_watch_once")]

    def __str__(self) -> str:
        return f"{self.user_id} watches {self.approval_id}"


class Feedback(models.Model):
    """An opinion afterwards, on a run or on one step or decision of it: a score from 0 to 1, a value, or words."""

    id = key()
    run = models.ForeignKey(Run, models.PROTECT, related_name="feedback")
    step = models.ForeignKey(Step, models.PROTECT, null=True, blank=True, related_name="+", db_index=False)
    decision = models.ForeignKey(Decision, models.PROTECT, null=True, blank=True, related_name="+", db_index=False)
    key = models.CharField(max_length=100)
    score = models.FloatField(null=True, blank=True)
    value: Any = models.JSONField(null=True, blank=True)
    comment = models.TextField(blank=True)
    by = models.CharField(max_length=120, help_text="user:… or key:…")
    at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "feedback"
        constraints = [
            models.CheckConstraint(name="hitl_feedback_score", condition=Q(score=None) | Q(score__gte=0, score__lte=1)),
            models.CheckConstraint(name="hitl_feedback_one", condition=Q(step=None) | Q(decision=None)),
        ]

    def __str__(self) -> str:
        return reveal(self.key)


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
