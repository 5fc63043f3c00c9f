"""Bodies of external workers. `token` is what the claim gave them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from hitl.api.shapes.asking import ActionBody, Terms, optional
from hitl.api.shapes.bodies import Closed, text


def _name() -> Any:
    return serializers.CharField(max_length=180, trim_whitespace=False)


class ClaimStep(Closed):
    """POST /steps/claim/"""

    queues = serializers.ListField(child=serializers.CharField(max_length=100), min_length=1, max_length=20)
    lease = optional(serializers.FloatField)


class Held(Closed):
    """What all of them say."""

    token = serializers.UUIDField()


class Beat(Held):
    """POST /steps/{id}/heartbeat/"""

    lease = optional(serializers.FloatField)


class Keep(Held):
    """POST /steps/{id}/checkpoint/"""

    data = optional(serializers.JSONField)


class Chunk(Held):
    """POST /steps/{id}/stream/"""

    chunk = serializers.JSONField(allow_null=True)
    name = text(max_length=180)


class Publish(Held):
    """POST /steps/{id}/event/"""

    key = serializers.CharField(max_length=200, trim_whitespace=False)
    value = serializers.JSONField(allow_null=True)


class Remember(Held):
    """POST /steps/{id}/results/"""

    name = _name()
    value = serializers.JSONField(allow_null=True)


class Wait(Held):
    """POST /steps/{id}/wait/"""

    kind = serializers.ChoiceField(["signal", "sleep"])
    name = _name()
    timeout = optional(serializers.FloatField, min_value=0.001, max_value=366 * 86400)
    seconds = optional(serializers.FloatField, min_value=0.001, max_value=366 * 86400)
    senders = serializers.ChoiceField(["any", "people", "agents"], required=False, default="any")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """A sleep has an end."""
        if attrs["kind"] == "sleep" and attrs["seconds"] is None:
            raise serializers.ValidationError({"seconds": ["Say how long."]})
        return attrs


class AskInside(Terms, Held):
    """POST /steps/{id}/ask/"""

    name = _name()
    question = serializers.CharField(max_length=5000)
    schema = optional(serializers.DictField)
    options = optional(serializers.ListField, max_length=200)


class ApproveInside(Terms, Held):
    """POST /steps/{id}/approve/: `turn` 2 asks again under the same name, after a revision was requested of turn 1."""

    name = _name()
    turn = serializers.IntegerField(required=False, default=1, min_value=1, max_value=101)
    action = ActionBody()


class Complete(Held):
    """POST /steps/{id}/complete/"""

    output = optional(serializers.JSONField)
    action = ActionBody(required=False, default=None, allow_null=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """One of both."""
        if attrs["action"] is not None and attrs["output"] is not None:
            raise serializers.ValidationError({"action": ["Give an output or an action, not both."]})
        return attrs


class GoOn(Held):
    """POST /steps/{id}/continue/"""

    state = optional(serializers.JSONField)


class Fail(Held):
    """POST /steps/{id}/fail/"""

    code = serializers.RegexField(r"^[a-z][a-z0-9_]{0,59}$", required=False, default="failed_outside")
    why = serializers.CharField(max_length=5000)
    retry = serializers.BooleanField(required=False, default=True)
    after = optional(serializers.FloatField, min_value=0, max_value=86400)
