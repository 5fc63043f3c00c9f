"""What LangSmith's client needs to give feedback on a run: `GET /info` and `POST /feedback`."""

from __future__ import annotations

import math
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework.response import Response

from hitl import decisions
from hitl.api.authentication import ApiKeyAuthentication
from hitl.api.door import Door
from hitl.api.idempotency import once
from hitl.api.throttles import wrong_key
from hitl.engine.reads import find_run
from hitl.models import ApiKey
from hitl.policies import authenticate

# Where LangSmith keeps the run and when it was sent: nothing of the opinion itself.
_ADDRESS = {"trace_id", "session_id", "start_time", "created_at", "modified_at", "extend_trace_retention"}
_OPINION = {"id", "run_id", "key", "score", "value", "comment", "feedback_source"}


class LangSmithKey(ApiKeyAuthentication):
    """LangSmith's client sends the key as `x-api-key`; the bearer form works too."""

    def authenticate(self, request: Request) -> tuple[ApiKey, ApiKey] | None:
        """As for the API."""
        token = request.headers.get("x-api-key")
        if token is None:
            return super().authenticate(request)
        key = authenticate(token.strip())
        if key is None:
            wrong_key(request)
            raise AuthenticationFailed("This key is unknown, revoked or expired.")
        return key, key


class _Opinion(serializers.Serializer[Any]):
    """The body of LangSmith's client, as far as there is a place for it."""

    id = serializers.UUIDField(required=False, allow_null=True)
    run_id = serializers.UUIDField()
    key = serializers.CharField(max_length=100, trim_whitespace=False)
    score = serializers.JSONField(required=False, default=None, allow_null=True)
    value = serializers.JSONField(required=False, default=None, allow_null=True)
    comment = serializers.CharField(required=False, default="", allow_null=True, allow_blank=True)
    feedback_source = serializers.JSONField(required=False, default=None, allow_null=True)

    def to_internal_value(self, data: Any) -> Any:
        """Refuses what would be lost silently; fields without a value say nothing and are let pass."""
        if isinstance(data, dict):
            lost = sorted(name for name, value in data.items() if name not in _ADDRESS | _OPINION and value is not None)
            if lost:
                raise serializers.ValidationError({name: ["hitl keeps no such thing with feedback."] for name in lost})
        return super().to_internal_value(data)

    def validate_score(self, value: Any) -> float | None:
        """A yes or no is 1 or 0; everything else is a number from 0 to 1."""
        if value is None:
            return None
        if not isinstance(value, bool | int | float) or not math.isfinite(value) or not 0 <= value <= 1:
            raise serializers.ValidationError("In hitl a score is a number from 0 to 1.")
        return float(value)

    def validate_comment(self, value: str | None) -> str:
        """No comment is an empty one."""
        return value or ""

    def validate_feedback_source(self, value: Any) -> None:
        """Who gave it is the key; more about the source would be lost."""
        if isinstance(value, dict) and value.get("metadata"):
            raise serializers.ValidationError("hitl keeps no metadata with feedback; its source is the key.")


class Info(Door):
    """What LangSmith's client asks before anything else."""

    authentication_classes = [LangSmithKey]
    scopes = {"GET": "feedback:write"}

    def get(self, request: Request) -> Response:
        """No version and no batches: so the client sends each feedback by itself, at once."""
        return Response({"version": "", "batch_ingest_config": {"use_multipart_endpoint": False}})


class GiveFeedback(Door):
    """LangSmith's `create_feedback`."""

    authentication_classes = [LangSmithKey]
    scopes = {"POST": "feedback:write"}

    def post(self, request: Request) -> Response:
        """201 with what was kept on the run. What comes again with the same `id` is kept once."""
        reader = _Opinion(data=request.data)
        reader.is_valid(raise_exception=True)
        given = dict(reader.validated_data)
        name = given.get("id")
        if name is None:
            return self._kept(request, given)
        return once(request, f"langsmith:{name}", lambda: self._kept(request, given))

    def _kept(self, request: Request, given: dict[str, Any]) -> Response:
        run = find_run(request.user, given["run_id"])
        said = {name: given[name] for name in ("score", "value", "comment")}
        row = decisions.give_feedback(run, given["key"], actor=request.user, **said)
        kept = {"id": row.pk, "run_id": run.pk, "key": row.key, "score": row.score, "value": row.value}
        return Response({**kept, "comment": row.comment, "created_at": row.at}, status=201)
