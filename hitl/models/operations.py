"""What operators want to know about the machinery itself."""

from __future__ import annotations

from django.db import models


class SweepMark(models.Model):
    """When a sweep last came to its end: proof that beat, broker, worker and database work together."""

    name = models.CharField(max_length=20, primary_key=True)
    swept_at = models.DateTimeField()
    moved = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.name} at {self.swept_at}"
