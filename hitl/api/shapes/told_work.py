"""Answers to external workers as the API's document describes them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers as f

from hitl.api.shapes.told import null
from hitl.states import RunStatus, StepStatus


class Granted(f.Serializer[Any]):
    """What a protected step may run."""

    type = f.CharField()
    args = f.DictField()


class Task(f.Serializer[Any]):
    """A claimed step."""

    step = f.UUIDField()
    run = f.UUIDField()
    workflow = f.CharField()
    name = f.CharField()
    attempt = f.IntegerField()
    iteration = f.IntegerField()
    revision = f.IntegerField()
    token = f.UUIDField()
    lease_expires_at = f.DateTimeField()
    idempotency_key = f.CharField()
    input = null(f.JSONField)
    previous = null(f.JSONField)
    args = null(f.JSONField)
    instructions = f.CharField()
    checkpoint = null(f.JSONField)
    results = f.DictField()
    answers = f.DictField()
    action = Granted(allow_null=True)


class Kept(f.Serializer[Any]):
    """Until when the step is kept."""

    lease_expires_at = f.DateTimeField()


class Checkpoint(f.Serializer[Any]):
    """What the next attempt finds."""

    checkpoint = null(f.JSONField)


class Stored(f.Serializer[Any]):
    """It is stored."""

    kept = f.BooleanField()


class Value(f.Serializer[Any]):
    """What is stored under this name: the first value wins."""

    value = null(f.JSONField)


class Parked(f.Serializer[Any]):
    """Parked: let go, and claimed again when it is ready; else what the wait brought."""

    parked = f.BooleanField()
    value = null(f.JSONField)


class Stands(f.Serializer[Any]):
    """How step and run stand."""

    status = f.ChoiceField(StepStatus.values)
    run_status = f.ChoiceField(RunStatus.values)
