"""What people are asked and what they said."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import cached_property
from typing import Any

from django.contrib.auth.models import Group
from django.db import models
from django.db.models import F, Q

from hitl.definition import Requirement, parse
from hitl.definition.text import reveal
from hitl.models.fields import key, known, person, status
from hitl.models.inbox import indexes as inbox
from hitl.models.policies import ApiKey
from hitl.models.runs import Run, Step
from hitl.states import ApprovalStatus, Verdict

SOURCES = ("policy", "requester", "delegate", "assigned", "escalation", "fallback")


class ApprovalQuerySet(models.QuerySet["Approval"]):
    """Which requests."""

    def revisions(self, run_id: Any, step: str, key: str) -> ApprovalQuerySet:
        """Every revision of one request, the newest first: a revision of a gate stands on a new row of its step."""
        return self.filter(run=run_id, step__name=step, key=key).order_by("-revision")

    def pending(self) -> ApprovalQuerySet:
        """Those nobody has decided yet."""
        return self.filter(status=ApprovalStatus.PENDING)

    def overdue(self, now: datetime) -> ApprovalQuerySet:
        """Pending ones whose deadline has passed."""
        return self.pending().filter(expires_at__lte=now)

    def of_batch(self, row: Approval) -> ApprovalQuerySet:
        """The requests that are released together with this one, each in its newest revision."""
        return self.filter(agent_key=row.agent_key_id, batch=row.batch).exclude(status=ApprovalStatus.SUPERSEDED)

    def grant_overdue(self, now: datetime) -> ApprovalQuerySet:
        """Approved ones that were not used in time."""
        return self.filter(status=ApprovalStatus.APPROVED, consumed_at=None, execute_by__lte=now)

    def remind_due(self, now: datetime) -> ApprovalQuerySet:
        """Pending ones whose reviewers are to be reminded."""
        return self.pending().filter(remind_at__lte=now)

    def escalate_due(self, now: datetime) -> ApprovalQuerySet:
        """Pending ones that are to go one rung up."""
        return self.pending().filter(escalate_at__lte=now)

    def visible_to(self, user: Any, people: Iterable[Any]) -> ApprovalQuerySet:
        """Those the user, or one of the people they stand in for, was ever asked about, in this revision or the one
        before, those the user or an agent of theirs asked for, and those they edited or decided; all of them with
        the view permission."""
        if user.is_active and user.has_perm("hitl.view_approval"):
            return self
        users = people if isinstance(people, models.QuerySet) else list(people)
        this = Q(approval=models.OuterRef("pk")) | Q(approval=models.OuterRef("supersedes"))
        asked = Assignment.objects.filter(this).filter(
            Q(user__in=users) | Q(group__in=Group.objects.filter(user__in=users))
        )
        voted = Decision.objects.filter(approval=models.OuterRef("pk"), actor=user.pk)
        own = Q(requester=user.pk) | Q(on_behalf_of=user.pk) | Q(edited_by=user.pk)
        own |= Q(agent_key__in=ApiKey.objects.owned_by(user))
        return self.filter(own | models.Exists(asked) | models.Exists(voted))


class Approval(models.Model):
    """One request to people, bound to the canonical bytes of one action.

    `action_bytes` are what was proposed and what `digest` is taken of; after an edit `effective_bytes` are what was
    approved. A JSON column would not give back what went in, so bytes are kept and columns are read from them.
    """

    id = key()
    run = models.ForeignKey(Run, models.PROTECT, related_name="approvals", db_index=False)
    step = models.ForeignKey(Step, models.PROTECT, related_name="approvals", db_index=False)
    key = models.CharField(max_length=220, blank=True, help_text="empty for a gate, the name for ctx.approve")
    kind = models.CharField(max_length=20, default="approval", choices=[(k, k) for k in ("approval", "question")])
    revision = models.PositiveIntegerField(default=1)
    supersedes = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="+", db_index=False)
    topic = models.CharField(max_length=200, blank=True)
    title = models.CharField(max_length=500)
    description = models.TextField(blank=True)
    impact = models.TextField(blank=True)
    question = models.TextField(blank=True)
    response_schema = models.JSONField(null=True, blank=True)
    action_type = models.CharField(max_length=200)
    action_model = models.CharField(max_length=300, blank=True)
    action_bytes = models.BinaryField()
    digest = models.CharField(max_length=64)
    action_digest = models.CharField(max_length=64)
    effective_bytes = models.BinaryField(null=True)
    effective_digest = models.CharField(max_length=64, blank=True)
    args_schema = models.JSONField(null=True, blank=True)
    editable = models.JSONField(null=True, blank=True)
    gate = models.JSONField(null=True, blank=True, editable=False, help_text="its rules, for what an edit makes of it")
    types = models.JSONField(null=True, blank=True, help_text="other actions reviewers may make of it")
    context = models.JSONField(null=True, blank=True)
    risk = models.CharField(max_length=20)
    reversible = models.BooleanField(default=False)
    level = models.CharField(max_length=20, default="confirm")
    phrase = models.CharField(max_length=200, blank=True)
    requirement = models.JSONField()
    prevent_self_review = models.BooleanField(default=True, editable=False)
    stage = models.PositiveSmallIntegerField(default=0)
    stage_opened_at = models.DateTimeField()
    rung = models.PositiveSmallIntegerField(default=0, help_text="escalations of this stage so far")
    fell_back = models.BooleanField(default=False, help_text="the fallback of this stage is asked")
    unsatisfiable = models.BooleanField(default=False, help_text="the people left cannot reach the quorum")
    max_revisions = models.PositiveSmallIntegerField(default=3)
    on_max_revisions = models.CharField(max_length=20, default="reject")
    status = status(ApprovalStatus)
    requester = person()
    on_behalf_of = person()
    authors = models.CharField(max_length=500, blank=True, editable=False, help_text="as on the run when it opened")
    edited_by = person()
    agent_key = models.ForeignKey(ApiKey, models.PROTECT, null=True, blank=True, related_name="+", db_index=False)
    opened_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    remind_at = models.DateTimeField(null=True, blank=True)
    reminded_at = models.DateTimeField(null=True, blank=True)
    escalate_at = models.DateTimeField(null=True, blank=True)
    cool_off = models.FloatField(default=0)
    execute_within = models.FloatField()
    not_before = models.DateTimeField(null=True, blank=True)
    execute_by = models.DateTimeField(null=True, blank=True)
    claimed_by = person()
    claimed_until = models.DateTimeField(null=True, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_via = models.CharField(max_length=20, blank=True)
    consumed_at = models.DateTimeField(null=True, blank=True)
    consumed_by = models.ForeignKey(Step, models.PROTECT, null=True, blank=True, related_name="+", db_index=False)
    batch = models.CharField(max_length=200, blank=True)
    batch_size = models.PositiveSmallIntegerField(null=True, blank=True, help_text="set: released when all are decided")
    taken_at = models.DateTimeField(null=True, blank=True, help_text="when who asked took an answer that is no grant")
    report_within = models.FloatField(null=True, blank=True)
    callback_url = models.URLField(max_length=500, blank=True)
    resume_data = models.JSONField(null=True, blank=True)

    objects = ApprovalQuerySet.as_manager()

    class Meta:
        permissions = [("operate", "Can operate hitl: see every run, cancel, resolve, freeze")]
        constraints = [
            known("hitl_approval_status", ApprovalStatus),
            models.UniqueConstraint(fields=["run", "step", "key", "revision"], name="hitl_approval_revision"),
            models.UniqueConstraint(
                fields=["step", "key"], name="hitl_approval_one_pending", condition=Q(status="pending")
            ),
            models.CheckConstraint(
                name="hitl_approval_consumed",
                condition=Q(consumed_at=None, consumed_by=None)
                | Q(consumed_at__isnull=False, consumed_by__isnull=False, status="approved"),
            ),
            models.CheckConstraint(
                name="hitl_approval_decided",
                condition=Q(status="pending", decided_at=None) | (~Q(status="pending") & Q(decided_at__isnull=False)),
            ),
            models.CheckConstraint(name="hitl_approval_deadline", condition=Q(expires_at__gt=F("opened_at"))),
        ]
        indexes = [
            models.Index(fields=["expires_at"], name="hitl_approval_due", condition=Q(status="pending")),
            models.Index(fields=["remind_at"], name="hitl_approval_remind", condition=Q(status="pending")),
            models.Index(fields=["escalate_at"], name="hitl_approval_escalate", condition=Q(status="pending")),
            models.Index(
                fields=["execute_by"], name="hitl_approval_grant", condition=Q(status="approved", consumed_at=None)
            ),
            models.Index(fields=["agent_key"], name="hitl_approval_asked", condition=Q(status="pending")),
            models.Index(fields=["agent_key", "batch"], name="hitl_approval_batch", condition=~Q(batch="")),
            *inbox.APPROVAL,
        ]

    def __str__(self) -> str:
        return reveal(f"{self.title} (revision {self.revision})" if self.revision > 1 else self.title)

    @cached_property
    def required(self) -> Requirement:
        """Who must say yes and how, as it was when the request opened."""
        return Requirement.model_validate(self.requirement)

    @property
    def current_bytes(self) -> bytes:
        """What would run, or ran: the effective bytes after an edit, else the proposed ones."""
        return bytes(self.effective_bytes if self.effective_bytes is not None else self.action_bytes)

    @property
    def current_digest(self) -> str:
        """The digest of `current_bytes`."""
        return self.effective_digest or self.digest

    @property
    def binding(self) -> dict[str, Any]:
        """What the digest is taken of, read from the proposed bytes."""
        return dict(parse(bytes(self.action_bytes)))

    @property
    def args(self) -> dict[str, Any]:
        """The proposed arguments."""
        return dict(self.binding["args"])

    @property
    def current_args(self) -> dict[str, Any]:
        """The arguments that would run, or ran."""
        return dict(parse(self.current_bytes)["args"])

    @property
    def is_pending(self) -> bool:
        """Whether people can still decide, as far as this row knows."""
        return bool(self.status == ApprovalStatus.PENDING)


class Assignment(models.Model):
    """Who is asked: one row for each user or group of a stage.

    `due_at` is set while the request waits for this stage, so that an inbox is one short walk along an index whatever
    lies behind it. `for_user` is who handed over; a row that was replaced by an escalation has `ended_at`.
    """

    approval = models.ForeignKey(Approval, models.PROTECT, related_name="assignments", db_index=False)
    stage = models.PositiveSmallIntegerField(default=0)
    user = person()
    group = models.ForeignKey(Group, models.PROTECT, null=True, blank=True, related_name="+", db_index=False)
    source = models.CharField(max_length=20, default="policy", choices=[(name, name) for name in SOURCES])
    for_user = person()
    due_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    first_seen_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="hitl_assignment_one",
                condition=Q(user=None, group__isnull=False) | Q(user__isnull=False, group=None),
            ),
            models.UniqueConstraint(
                fields=["user", "approval", "stage"], name="hitl_assignment_user", condition=Q(user__isnull=False)
            ),
            models.UniqueConstraint(
                fields=["group", "approval", "stage"], name="hitl_assignment_group", condition=Q(group__isnull=False)
            ),
        ]
        indexes = [
            models.Index(fields=["approval", "stage"], name="hitl_assignment_stage"),
            *inbox.ASSIGNMENT,
        ]

    def __str__(self) -> str:
        return f"group:{self.group_id}" if self.group_id else f"user:{self.user_id}"


class Decision(models.Model):
    """What one person said. `actor` is always a person: passing by policy or by time has no Decision."""

    id = key()
    approval = models.ForeignKey(Approval, models.PROTECT, related_name="decisions", db_index=False)
    stage = models.PositiveSmallIntegerField(default=0)
    actor = person(null=False, blank=False)
    for_user = person()
    assignment = models.ForeignKey(
        Assignment, models.PROTECT, null=True, blank=True, related_name="+", db_index=False, help_text="who was asked"
    )
    verdict = models.CharField(max_length=20, choices=Verdict.choices)
    comment = models.TextField(blank=True)
    reason_code = models.CharField(max_length=60, blank=True)
    digest = models.CharField(max_length=64, help_text="of what the person saw")
    edited_args = models.JSONField(null=True, blank=True)
    edited_type = models.CharField(max_length=200, blank=True)
    response = models.JSONField(null=True, blank=True)
    channel = models.CharField(max_length=20)
    confirmation = models.JSONField(null=True, blank=True)
    decided_at = models.DateTimeField()
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["approval", "stage", "actor"], name="hitl_decision_once", condition=Q(withdrawn_at=None)
            ),
            models.CheckConstraint(name="hitl_decision_verdict", condition=Q(verdict__in=Verdict.values)),
        ]
        indexes = inbox.DECISION

    def __str__(self) -> str:
        return f"{self.verdict} by {self.actor_id}"
