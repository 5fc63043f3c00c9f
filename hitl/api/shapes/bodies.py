"""Shapes of bodies."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from rest_framework import serializers

_NO_TIME = "This is a time in ISO 8601 with its zone, such as 2026-03-01T12:00:00Z."


class Closed(serializers.Serializer[Any]):
    """Refuses fields it does not know: a misspelt option must not be dropped silently."""

    def to_internal_value(self, data: Any) -> Any:
        """Check names first, then values."""
        unknown = sorted(set(data) - set(self.fields)) if isinstance(data, dict) else []
        if unknown:
            raise serializers.ValidationError({name: ["There is no such field."] for name in unknown})
        return super().to_internal_value(data)


class ZonedTime(serializers.Field[datetime, Any, str, Any]):
    """A time that says its zone; one without would mean another moment to each reader."""

    def to_internal_value(self, data: Any) -> datetime:
        """The moment, in UTC."""
        try:
            at = datetime.fromisoformat(data)
            moment = at.astimezone(UTC) if at.tzinfo is not None else None
        except (TypeError, ValueError, OverflowError):
            moment = None
        if moment is None:
            raise serializers.ValidationError(_NO_TIME)
        return moment

    def to_representation(self, value: datetime) -> str:
        """As it came."""
        return value.isoformat()


def text(**options: Any) -> serializers.CharField:
    """A text that may be missing or empty."""
    return serializers.CharField(required=False, default="", allow_blank=True, **options)


class Nothing(Closed):
    """A body without fields."""


class StartRun(Closed):
    """POST /runs/"""

    workflow = serializers.CharField(max_length=100)
    input = serializers.JSONField(required=False, default=None, allow_null=True)
    external_id = text(max_length=200)
    risk = text(max_length=20)


class Because(Closed):
    """An act, and why."""

    reason = text(max_length=1000)


class ForkRun(Closed):
    """POST /runs/{id}/fork/"""

    step = serializers.CharField(max_length=200)
    patch = serializers.JSONField(required=False, default=None, allow_null=True)

    def validate_patch(self, value: Any) -> Any:
        """Outputs by the names of their steps."""
        if value is not None and not isinstance(value, dict):
            raise serializers.ValidationError("This is an object: outputs by the names of their steps.")
        return value


class ResolveStep(Closed):
    """POST /steps/{id}/resolve/"""

    outcome = serializers.CharField(max_length=20)
    output = serializers.JSONField(required=False, default=None, allow_null=True)
    reason = text(max_length=1000)


class SendSignal(Closed):
    """POST /runs/{id}/signals/{name}/"""

    payload = serializers.JSONField(required=False, default=None, allow_null=True)


class GiveFeedback(Closed):
    """POST /runs/{id}/feedback/"""

    key = serializers.CharField(max_length=100, trim_whitespace=False)
    score = serializers.JSONField(required=False, default=None, allow_null=True)
    value = serializers.JSONField(required=False, default=None, allow_null=True)
    comment = text(trim_whitespace=False)
    step = text(max_length=200)
    decision = serializers.UUIDField(required=False, default=None, allow_null=True)


class Decide(Closed):
    """POST /approvals/{id}/decisions/"""

    verdict = serializers.CharField(max_length=40)
    digest = serializers.CharField(max_length=64)
    revision = serializers.IntegerField(min_value=1, max_value=2**31 - 1, required=False)
    comment = text(trim_whitespace=False)
    args = serializers.JSONField(required=False, default=None, allow_null=True)
    action_type = text(max_length=200)
    response = serializers.JSONField(required=False, default=None, allow_null=True)
    phrase = text(trim_whitespace=False)
    password = text(trim_whitespace=False, max_length=4096)


class StepUp(Closed):
    """POST /step-up/"""

    password = serializers.CharField(trim_whitespace=False, max_length=4096)


class HandOver(Closed):
    """POST /approvals/{id}/delegate/ and assign/"""

    to = serializers.CharField(max_length=254)
    reason = text(trim_whitespace=False)


class Extend(Closed):
    """POST /approvals/{id}/extend/"""

    until = ZonedTime()
    reason = text(trim_whitespace=False)


class Remark(Closed):
    """POST /approvals/{id}/comments/"""

    text = serializers.CharField(trim_whitespace=False)


class Preflight(Closed):
    """POST /approvals/bulk/preflight/"""

    verdict = serializers.CharField(max_length=40)
    ids = serializers.ListField(child=serializers.UUIDField())


class _Item(Closed):
    id = serializers.UUIDField()
    digest = serializers.CharField(max_length=64)


class DecideAll(Closed):
    """POST /approvals/bulk/"""

    verdict = serializers.CharField(max_length=40)
    comment = text(trim_whitespace=False)
    items = _Item(many=True)

    def validate_items(self, value: list[dict[str, Any]]) -> dict[Any, str]:
        """Digests by ids: what was seen of each, said once."""
        seen = {item["id"]: item["digest"] for item in value}
        if len(seen) < len(value):
            raise serializers.ValidationError("One of them stands here twice.")
        return seen


class CreateDelegation(Closed):
    """POST /delegations/"""

    to = serializers.CharField(max_length=254)
    starts_at = ZonedTime(required=False, default=None, allow_null=True)
    ends_at = ZonedTime()
    reason = text(trim_whitespace=False)

    def get_fields(self) -> dict[str, Any]:
        """With `from`, which Python has no name for."""
        return {"from": text(max_length=254), **super().get_fields()}
