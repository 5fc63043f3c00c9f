"""Answers about runs as the API's document describes them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers as f

from hitl.api.shapes import answers
from hitl.api.shapes.told import null


class Step(answers.StepShape):
    """A step of a run."""

    output = null(f.JSONField)

    class Meta(answers.StepShape.Meta):
        pass


class Run(answers.RunShape):
    """A run in a list."""

    output = null(f.JSONField)

    class Meta(answers.RunShape.Meta):
        pass


class RunDetail(answers.RunDetail):
    """A run with its steps."""

    output = null(f.JSONField)
    steps: Any = Step(many=True)

    class Meta(answers.RunDetail.Meta):
        pass


class Signal(f.Serializer[Any]):
    """A signal as it was stored."""

    run = f.UUIDField()
    name = f.CharField()
    late = f.BooleanField(help_text="The wait for it had timed out.")


class Event(f.Serializer[Any]):
    """What a run published under a key."""

    key = f.CharField()
    value = null(f.JSONField)
    at = f.DateTimeField()


class Chunk(f.Serializer[Any]):
    """A piece of output."""

    id = f.IntegerField()
    step = f.CharField()
    revision = f.IntegerField()
    seq = f.IntegerField()
    chunk = null(f.JSONField)
    at = f.DateTimeField()


class Line(f.Serializer[Any]):
    """A record of a chain, in words."""

    seq = f.IntegerField()
    at = f.DateTimeField()
    action = f.CharField()
    actor = f.CharField()
    text = f.CharField()
    hash = f.CharField()


class Feedback(answers.FeedbackShape):
    """An opinion on a run."""

    step = null(f.CharField)

    class Meta(answers.FeedbackShape.Meta):
        pass


class Freeze(f.Serializer[Any]):
    """What keeps work from starting."""

    target = f.CharField()
    reason = f.CharField()
    at = f.DateTimeField()


class Frozen(f.Serializer[Any]):
    """Which freezes cover a run, and which of its steps were in flight."""

    run = f.UUIDField()
    frozen = f.BooleanField()
    freezes = Freeze(many=True)
    running = f.ListField(child=f.CharField())
