"""Bodies of agents outside: what they ask people, and what came of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pydantic import TypeAdapter, ValidationError
from rest_framework import serializers

from hitl.api.shapes.bodies import Closed, text
from hitl.definition.values import Duration

_DURATION: TypeAdapter[float] = TypeAdapter(Duration)


class Lasting(serializers.Field[float, Any, Any, Any]):
    """A duration: seconds, or words such as 45m, 4h, 1h30m or 2d."""

    def to_internal_value(self, data: Any) -> float:
        """In seconds."""
        if isinstance(data, bool) or not isinstance(data, int | float | str):
            raise serializers.ValidationError("This is a duration: seconds, or 45m, 4h, 1h30m, 2d.")
        try:
            return _DURATION.validate_python(data)
        except (ValidationError, OverflowError) as error:
            raise serializers.ValidationError("This is a duration: seconds, or 45m, 4h, 1h30m, 2d.") from error

    def to_representation(self, value: float) -> float:
        """In seconds."""
        return value


def optional(field: type[serializers.Field[Any, Any, Any, Any]], **options: Any) -> Any:
    """A field that may be missing or null."""
    return field(required=False, default=None, allow_null=True, **options)


def names(**options: Any) -> Any:
    """A list of short texts that may be missing or null."""
    child = serializers.CharField(max_length=254)
    return serializers.ListField(child=child, required=False, default=None, allow_null=True, max_length=100, **options)


class ActionBody(Closed):
    """What an agent wants to do, and what people are told of it."""

    type = serializers.CharField(max_length=200)
    args = serializers.DictField()
    title = serializers.CharField(max_length=500)
    impact = serializers.CharField(max_length=5000)
    description = text(max_length=20_000)
    target = text(max_length=1000)
    reversible = serializers.BooleanField(required=False, default=False)
    args_schema = optional(serializers.DictField)


class Terms(Closed):
    """Who is asked, and how: the words of a gate, as far as agents may choose them."""

    policy = text(max_length=100)
    reviewers = names()
    approvals = optional(serializers.IntegerField, min_value=1, max_value=100)
    rejections = optional(serializers.IntegerField, min_value=1, max_value=100)
    stages = optional(serializers.ListField, child=serializers.DictField(), max_length=10)
    level = serializers.ChoiceField(["", "confirm", "verify"], required=False, default="")
    phrase = text(max_length=200)
    risk = serializers.ChoiceField(["", "low", "medium", "high", "critical"], required=False, default="")
    timeout = optional(Lasting)
    on_timeout = serializers.ChoiceField(["", "reject", "escalate"], required=False, default="")
    editable = names()
    execute_within = optional(Lasting)


class BatchBody(Closed):
    """Requests that belong together: `all` are released when `size` of them are asked and decided, `each` by itself."""

    id = serializers.CharField(max_length=200)
    size = optional(serializers.IntegerField, min_value=1, max_value=1000)
    release = serializers.ChoiceField(["each", "all"], required=False, default="each")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Who waits for all has to say how many they are."""
        if attrs["release"] == "all" and attrs["size"] is None:
            raise serializers.ValidationError({"size": ["Say how many there will be."]})
        return attrs


class Ask(Terms):
    """POST /approvals/"""

    kind = serializers.ChoiceField(["approval", "question"], required=False, default="approval")
    action = ActionBody(required=False, default=None, allow_null=True)
    question = text(max_length=5000)
    schema = optional(serializers.DictField)
    options = optional(serializers.ListField, max_length=200)
    title = text(max_length=500)
    description = text(max_length=20_000)
    context = optional(serializers.JSONField)
    report_within = optional(Lasting)
    on_behalf_of = text(max_length=254)
    external_id = text(max_length=200)
    batch = BatchBody(required=False, default=None, allow_null=True)
    resume_data = optional(serializers.JSONField)
    callback_url = text(max_length=500)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """An approval has an action, a question its words; neither has what belongs to the other."""
        asks = attrs["kind"] == "question"
        needed, other = ("question", "action") if asks else ("action", "question")
        strange = [other, *(["report_within", "editable", "phrase"] if asks else ["schema", "options"])]
        wrong = {name: ["This belongs to the other kind of request."] for name in strange if attrs[name]}
        if not attrs[needed]:
            wrong[needed] = ["This field is required."]
        if attrs["schema"] is not None and attrs["options"] is not None:
            wrong["options"] = ["Give a schema or options, not both."]
        if wrong:
            raise serializers.ValidationError(wrong)
        return attrs


class Revise(Closed):
    """POST /approvals/{id}/revise/"""

    action = ActionBody()
    context = optional(serializers.JSONField)


class Report(Closed):
    """POST /approvals/{id}/result/"""

    token = serializers.UUIDField()
    ok = serializers.BooleanField(required=False, default=True)
    output = optional(serializers.JSONField)
    error = text(max_length=5000)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """What went wrong has words."""
        if not attrs["ok"] and not attrs["error"]:
            raise serializers.ValidationError({"error": ["Say what went wrong."]})
        if attrs["ok"] and attrs["error"]:
            raise serializers.ValidationError({"error": ["It went well, so there is no error."]})
        return attrs


def gate_options(given: dict[str, Any]) -> dict[str, Any]:
    """The options of a gate among what was given; what was left open is left out."""
    plain = ("policy", "reviewers", "approvals", "rejections", "stages", "phrase", "on_timeout", "editable")
    found = {name: given[name] for name in plain if given.get(name) not in (None, "")}
    spans = {name: given.get(name) for name in ("timeout", "execute_within")}
    return found | {name: timedelta(seconds=value) for name, value in spans.items() if value is not None}
