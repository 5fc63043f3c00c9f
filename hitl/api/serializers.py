"""Shapes of requests and answers."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from hitl.definition.action import ENVELOPE
from hitl.models import Approval, Decision, Run, Step
from hitl.policies import explain
from hitl.states import ApprovalStatus, Verdict

_OF_AN_ACTION = ("type", "args", "title", "impact", "target", "reversible")


def shown(value: Any) -> Any:
    """A stored value as clients see it: an action without its envelope, which names classes of the author's code."""
    if isinstance(value, list):
        return [shown(item) for item in value]
    if not isinstance(value, dict):
        return value
    inner = value.get(ENVELOPE)
    if value.keys() == {ENVELOPE} and isinstance(inner, dict):
        return {name: inner.get(name) for name in _OF_AN_ACTION}
    return {name: shown(item) for name, item in value.items()}


class Closed(serializers.Serializer[Any]):
    """Refuses fields it does not know: a misspelt option must not be dropped silently."""

    def to_internal_value(self, data: Any) -> Any:
        """Check names first, then values."""
        unknown = sorted(set(data) - set(self.fields)) if isinstance(data, dict) else []
        if unknown:
            raise serializers.ValidationError({name: ["There is no such field."] for name in unknown})
        return super().to_internal_value(data)


class StartRun(Closed):
    """POST /runs/"""

    workflow = serializers.CharField(max_length=100)
    input = serializers.JSONField(required=False, default=None, allow_null=True)
    external_id = serializers.CharField(max_length=200, required=False, default="", allow_blank=True)


class Nothing(Closed):
    """POST /runs/{id}/retry/"""


class CancelRun(Closed):
    """POST /runs/{id}/cancel/"""

    reason = serializers.CharField(max_length=1000, required=False, default="", allow_blank=True)


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
    reason = serializers.CharField(max_length=1000, required=False, default="", allow_blank=True)


class SendSignal(Closed):
    """POST /runs/{id}/signals/{name}/"""

    payload = serializers.JSONField(required=False, default=None, allow_null=True)


class Decide(Closed):
    """POST /approvals/{id}/decisions/"""

    verdict = serializers.CharField(max_length=40)
    digest = serializers.CharField(max_length=64)
    revision = serializers.IntegerField(min_value=1, max_value=2**31 - 1, required=False)
    comment = serializers.CharField(required=False, default="", allow_blank=True, trim_whitespace=False)
    args = serializers.JSONField(required=False, default=None, allow_null=True)
    response = serializers.JSONField(required=False, default=None, allow_null=True)
    phrase = serializers.CharField(required=False, default="", allow_blank=True, trim_whitespace=False)


class StepShape(serializers.ModelSerializer[Step]):
    """A step inside a run."""

    output = serializers.SerializerMethodField()

    class Meta:
        model = Step
        fields = (
            "id", "name", "kind", "status", "attempt", "revision", "waiting_for", "output",
            "parked_at", "failure_code", "failure_text", "started_at", "ended_at",
        )  # fmt: skip

    def get_output(self, step: Step) -> Any:
        """Without what is ours alone."""
        return shown(step.output)


class RunShape(serializers.ModelSerializer[Run]):
    """A run in a list."""

    workflow = serializers.CharField(source="workflow.name")
    version = serializers.IntegerField(source="workflow.version")
    output = serializers.SerializerMethodField()

    class Meta:
        model = Run
        fields = (
            "id", "workflow", "version", "status", "input", "output", "principal", "external_id",
            "failure_code", "failure_text", "retry_of", "forked_from", "created_at", "deadline_at",
            "ended_at",
        )  # fmt: skip

    def get_output(self, run: Run) -> Any:
        """Without what is ours alone."""
        return shown(run.output)


class RunDetail(RunShape):
    """A run with its steps."""

    steps = serializers.SerializerMethodField()

    class Meta(RunShape.Meta):
        fields: Any = (*RunShape.Meta.fields, "steps")

    def get_steps(self, run: Run) -> list[dict[str, Any]]:
        """In the order of the definition; what a handler added comes after."""
        order = {spec.name: n for n, spec in enumerate(run.workflow.definition.steps)}
        rows = sorted(run.steps.order_by("id"), key=lambda step: order.get(step.name, len(order)))
        return list(StepShape(rows, many=True).data)


class ApprovalShape(serializers.ModelSerializer[Approval]):
    """A request in a list."""

    run = serializers.UUIDField(source="run_id")
    workflow = serializers.CharField(source="run.workflow.name")
    step = serializers.CharField(source="step.name")

    class Meta:
        model = Approval
        fields = (
            "id", "run", "workflow", "step", "key", "kind", "revision", "status", "title", "impact", "risk",
            "reversible", "level", "topic", "digest", "action_digest", "opened_at", "expires_at", "decided_at",
            "decided_via", "consumed_at",
        )  # fmt: skip


class ApprovalDetail(ApprovalShape):
    """One request: everything a reviewer must see, and what the one who asks may do."""

    action = serializers.SerializerMethodField()
    effective_args = serializers.SerializerMethodField()
    answer = serializers.SerializerMethodField()
    can = serializers.SerializerMethodField()

    class Meta(ApprovalShape.Meta):
        fields: Any = (
            *ApprovalShape.Meta.fields, "question", "response_schema", "supersedes", "description", "phrase",
            "editable", "args_schema", "effective_digest", "not_before", "execute_by", "action", "effective_args",
            "answer", "can",
        )  # fmt: skip

    def get_action(self, approval: Approval) -> dict[str, Any]:
        """What was proposed, read from the bytes the digest is taken of."""
        binding = approval.binding
        return {name: binding[name] for name in ("type", "args", "target", "impact", "reversible")}

    def get_effective_args(self, approval: Approval) -> dict[str, Any] | None:
        """What was approved, where an edit changed it."""
        return None if approval.effective_bytes is None else approval.current_args

    def get_answer(self, approval: Approval) -> dict[str, Any] | None:
        """What a question was answered, by whom and when."""
        if approval.status != ApprovalStatus.ANSWERED:
            return None
        votes = Decision.objects.filter(approval=approval, verdict=Verdict.RESPOND, withdrawn_at=None)
        row = votes.select_related("actor").order_by("-decided_at")[0]
        by = row.actor.get_full_name() or row.actor.get_username()
        return {"response": row.response, "comment": row.comment, "by": by, "decided_at": row.decided_at}

    def get_can(self, approval: Approval) -> dict[str, str]:
        """Each verdict, and the reason it is refused to the one who asks ("" where it is possible)."""
        return explain(approval, self.context["request"].user).verdicts


class DecisionShape(serializers.ModelSerializer[Decision]):
    """A recorded decision."""

    class Meta:
        model = Decision
        fields = ("id", "verdict", "comment", "digest", "edited_args", "response", "decided_at")
