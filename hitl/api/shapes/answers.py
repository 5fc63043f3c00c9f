"""Shapes of answers."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from typing import Any

from django.urls import NoReverseMatch, reverse
from rest_framework import serializers

from hitl import clock
from hitl.audit import Actor
from hitl.conf import conf
from hitl.definition.action import shown
from hitl.engine import outside
from hitl.engine.context.pauses import votes_on
from hitl.models import ApiKey, Approval, Comment, Decision, Delegation, Feedback, Run, Step
from hitl.policies import REASONS, Explanation, explain
from hitl.states import ApprovalStatus, Verdict


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
    """One request: everything a reviewer must see, and what the one who asks may do. The context holds `explanation`,
    what they can do and why not."""

    action = serializers.SerializerMethodField()
    effective_args = serializers.SerializerMethodField()
    answer = serializers.SerializerMethodField()
    requirement = serializers.SerializerMethodField()
    claimed_by = serializers.SerializerMethodField()
    edited_by = serializers.SerializerMethodField()
    external_id = serializers.CharField(source="run.external_id")
    batch = serializers.SerializerMethodField()
    taken_at = serializers.SerializerMethodField()
    review_url = serializers.SerializerMethodField()
    resume_data = serializers.SerializerMethodField()
    outcome = serializers.SerializerMethodField()

    class Meta(ApprovalShape.Meta):
        fields: Any = (
            *ApprovalShape.Meta.fields, "question", "response_schema", "supersedes", "description", "phrase",
            "editable", "types", "args_schema", "effective_digest", "not_before", "execute_by", "remind_at",
            "escalate_at", "unsatisfiable", "claimed_by", "claimed_until", "edited_by", "requirement", "action",
            "effective_args", "answer", "external_id", "context", "batch", "report_within", "taken_at", "review_url",
            "resume_data", "outcome",
        )  # fmt: skip

    def to_representation(self, approval: Approval) -> dict[str, Any]:
        """The columns, and what the one explanation says."""
        told: Explanation = self.context["explanation"]
        counts = {"stage": told.stage, "stages": told.stages, "have": told.have, "need": told.need}
        return {**super().to_representation(approval), **counts, "can": told.verdicts, "acts": told.acts}

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
        by = Actor.of(row.actor).name
        return {"response": row.response, "comment": row.comment, "by": by, "decided_at": row.decided_at}

    def get_requirement(self, approval: Approval) -> dict[str, str]:
        """Why these people are asked: the policy with its version and the rule, empty where the gate says it itself."""
        return {"policy": approval.required.policy, "rule": approval.required.rule}

    def get_claimed_by(self, approval: Approval) -> str | None:
        """Who has it in hand; nobody any more when the time is over."""
        held = approval.claimed_until is not None and approval.claimed_until > clock.now()
        return login_of(approval.claimed_by) if held else None

    _known: bool | None = None

    def get_batch(self, approval: Approval) -> dict[str, Any] | None:
        """What it is released together with."""
        if not approval.batch:
            return None
        together = approval.batch_size is not None
        return {
            "id": approval.batch,
            "size": approval.batch_size,
            "release": "all" if together else "each",
            "released": self._released(approval),
        }

    def get_taken_at(self, approval: Approval) -> datetime | None:
        """When who asked took what came of it: used the grant, or fetched another end."""
        return approval.consumed_at or approval.taken_at

    def get_review_url(self, approval: Approval) -> str:
        """Where people decide; empty where this project has no review screens."""
        try:
            path = reverse("review:hitl_approval_change", args=[approval.pk])
        except NoReverseMatch:
            return ""
        return str(conf.BASE_URL).rstrip("/") + path

    def get_resume_data(self, approval: Approval) -> Any:
        """What the agent has kept with it; nobody else reads it."""
        who = self.context.get("who")
        return approval.resume_data if isinstance(who, ApiKey) and who.pk == approval.agent_key_id else None

    def get_outcome(self, approval: Approval) -> dict[str, Any] | None:
        """What came of it, for the agent that asked; None while it is open, or its batch is not released."""
        told = outside.tell(approval, self.context["votes"])
        return outcome(told) if told is not None and self._released(approval) else None

    def _released(self, approval: Approval) -> bool:
        if self._known is None:
            self._known = outside.released(approval)
        return self._known

    def get_edited_by(self, approval: Approval) -> str | None:
        """Who wrote this revision."""
        return login_of(approval.edited_by)


def asked(approval: Approval, who: Any, *, fresh: bool = False) -> dict[str, Any]:
    """One request as this reader may see it; the caller has seen to it that they may."""
    votes = votes_on(approval)
    context = {"explanation": explain(approval, who, fresh=fresh, votes=votes), "who": who, "votes": votes}
    return dict(ApprovalDetail(approval, context=context).data)


def outcome(told: outside.Told) -> dict[str, Any]:
    """What came of a request."""
    return {field.name: getattr(told, field.name) for field in fields(told)}


class DecisionShape(serializers.ModelSerializer[Decision]):
    """A recorded decision."""

    class Meta:
        model = Decision
        fields = ("id", "verdict", "comment", "digest", "edited_args", "edited_type", "response", "decided_at")


class CommentShape(serializers.ModelSerializer[Comment]):
    """A remark."""

    author = serializers.CharField(source="author.get_username")

    class Meta:
        model = Comment
        fields = ("id", "author", "text", "at")


class FeedbackShape(serializers.ModelSerializer[Feedback]):
    """An opinion on a run."""

    step = serializers.CharField(source="step.name", default=None)

    class Meta:
        model = Feedback
        fields = ("id", "key", "score", "value", "comment", "step", "decision", "by", "at")


class DelegationShape(serializers.ModelSerializer[Delegation]):
    """Who decides in whose place, and how long."""

    to = serializers.CharField(source="to_user.get_username")

    class Meta:
        model = Delegation
        fields = ("id", "to", "starts_at", "ends_at", "reason", "created_at", "revoked_at")

    def to_representation(self, row: Delegation) -> dict[str, Any]:
        """With `from`, which Python has no name for."""
        return {**super().to_representation(row), "from": row.from_user.get_username()}


def explained(told: Explanation) -> dict[str, Any]:
    """What somebody can do with a request and why not, with a sentence for each reason."""
    cannot = [{"name": name, "reason": reason} for name, reason in told.cannot]
    said = (*told.verdicts.values(), *told.acts.values(), *(one["reason"] for one in cannot))
    reasons = {reason for reason in said if reason}
    return {
        **{field.name: getattr(told, field.name) for field in fields(told)},
        "cannot": cannot,
        "next": [{"what": coming.what, "at": coming.at} for coming in told.next],
        "sentences": {reason: REASONS[reason] for reason in sorted(reasons)},
    }


def login_of(user: Any) -> str | None:
    """The name a person signs in with; None for nobody."""
    return None if user is None else str(user.get_username())
