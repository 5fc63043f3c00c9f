"""Workflows and their runs: what is to be done, and how far it is."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import models
from django.db.models import Q

from hitl.definition.specs import Definition, read_definition
from hitl.definition.text import reveal
from hitl.models.fields import key, known, person, status
from hitl.states import RunStatus, StepStatus


class Workflow(models.Model):
    """One version of a definition; never updated. A changed definition is a new row."""

    name = models.CharField(max_length=100)
    version = models.PositiveIntegerField()
    digest = models.CharField(max_length=64)
    body = models.TextField("definition (canonical JSON)")
    title = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["name", "version"], name="hitl_workflow_version"),
            models.UniqueConstraint(fields=["name", "digest"], name="hitl_workflow_digest"),
        ]

    def __str__(self) -> str:
        return f"{self.name} v{self.version}"

    @property
    def definition(self) -> Definition:
        """The frozen value; parsed once per process."""
        return read_definition(self.body)


class RunQuerySet(models.QuerySet["Run"]):
    """Which runs."""

    def live(self) -> RunQuerySet:
        """Those that have not ended."""
        return self.filter(ended_at=None)

    def past_deadline(self, now: datetime) -> RunQuerySet:
        """Live ones whose deadline has passed."""
        return self.live().filter(deadline_at__lte=now)


class Run(models.Model):
    """One execution of a workflow. It carries the head of its audit chain, since every transition locks it anyway."""

    id = key()
    workflow = models.ForeignKey(Workflow, models.PROTECT, related_name="runs")
    status = status(RunStatus)
    input = models.JSONField(null=True, blank=True)
    output = models.JSONField(null=True, blank=True)
    principal = models.CharField(max_length=120, help_text="who started it: user:…, key:… or system")
    requester = person()
    on_behalf_of = person()
    authors = models.CharField(
        max_length=500, blank=True, editable=False, help_text="people who changed outputs by hand: ,7,12,"
    )
    external_id = models.CharField(max_length=200, blank=True)
    risk = models.CharField(max_length=20, blank=True, help_text="at least so dangerous, says who started it")
    idempotency_key = models.CharField(max_length=200, null=True, blank=True)  # noqa: DJ001 - null is "none given"
    parent_step = models.ForeignKey(
        "hitl.Step", models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    retry_of = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="+", db_index=False)
    forked_from = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="+", db_index=False)
    deadline_at = models.DateTimeField(null=True, blank=True)
    failure_code = models.CharField(max_length=60, blank=True)
    failure_text = models.TextField(blank=True)
    audit_seq = models.PositiveIntegerField(default=0)
    audit_hash = models.BinaryField(max_length=32, default=bytes)
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = RunQuerySet.as_manager()

    class Meta:
        constraints = [
            known("hitl_run_status", RunStatus),
            models.UniqueConstraint(
                fields=["principal", "idempotency_key"],
                name="hitl_run_idempotency",
                condition=Q(idempotency_key__isnull=False),
            ),
            models.CheckConstraint(
                name="hitl_run_ended",
                condition=Q(ended_at=None, status__in=["pending", "running", "waiting"])
                | Q(ended_at__isnull=False, status__in=["succeeded", "rejected", "failed", "cancelled"]),
            ),
        ]
        indexes = [
            # Its predicate must not name a column that transitions change, or no update stays in its page.
            models.Index(fields=["created_at"], name="hitl_run_live", condition=Q(ended_at=None)),
            models.Index(
                fields=["deadline_at"],
                name="hitl_run_deadline",
                condition=Q(ended_at=None, deadline_at__isnull=False),
            ),
            models.Index(fields=["principal", "external_id"], name="hitl_run_external", condition=~Q(external_id="")),
            models.Index(fields=["parent_step"], name="hitl_run_child", condition=Q(parent_step__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"run[{self.id}]"

    @property
    def stream(self) -> str:
        """The name of its audit chain."""
        return f"run:{self.id}"


class StepQuerySet(models.QuerySet["Step"]):
    """Which steps."""

    def lease_expired(self, now: datetime) -> StepQuerySet:
        """Running ones whose worker has been silent for too long."""
        return self.filter(status=StepStatus.RUNNING, lease_expires_at__lte=now)

    def wake_due(self, now: datetime) -> StepQuerySet:
        """Waiting ones whose time has come."""
        return self.filter(status=StepStatus.WAITING, wake_at__lte=now)


class Step(models.Model):
    """One step of a run. `guarded` ones are claimed under the run's lock: they use up a grant or may not repeat."""

    id = key()
    run = models.ForeignKey(Run, models.PROTECT, related_name="steps", db_index=False)
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=20)
    status = status(StepStatus)
    guarded = models.BooleanField(default=False)
    spec = models.JSONField(null=True, blank=True, help_text="of a planned step")
    parent = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="+", db_index=False)
    revision = models.PositiveIntegerField(default=1)
    attempt = models.PositiveIntegerField(default=1)
    iteration = models.PositiveIntegerField(default=0)
    rung = models.PositiveSmallIntegerField(default=0)
    output = models.JSONField(null=True, blank=True)
    checkpoint = models.JSONField(null=True, blank=True)
    instructions = models.TextField(blank=True)
    queue = models.CharField(max_length=100, default="default")
    ready_at = models.DateTimeField(null=True, blank=True)
    wake_at = models.DateTimeField(null=True, blank=True)
    parked_at = models.DateTimeField(null=True, blank=True)
    waited = models.FloatField(default=0, help_text="seconds spent waiting so far")
    waiting_for = models.CharField(max_length=220, blank=True)
    lease_token = models.UUIDField(null=True, blank=True)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    failure_code = models.CharField(max_length=60, blank=True)
    failure_text = models.TextField(blank=True)

    objects = StepQuerySet.as_manager()

    class Meta:
        constraints = [
            known("hitl_step_status", StepStatus),
            models.UniqueConstraint(fields=["run", "name", "revision"], name="hitl_step_name"),
            models.CheckConstraint(
                name="hitl_step_lease",
                condition=Q(status="running", lease_token__isnull=False, lease_expires_at__isnull=False)
                | (~Q(status="running") & Q(lease_token=None, lease_expires_at=None)),
            ),
        ]
        indexes = [
            models.Index(fields=["queue", "ready_at"], name="hitl_step_ready", condition=Q(status="ready")),
            models.Index(fields=["wake_at"], name="hitl_step_wake", condition=Q(status="waiting")),
            models.Index(fields=["lease_expires_at"], name="hitl_step_lease", condition=Q(status="running")),
            models.Index(fields=["id"], name="hitl_step_uncertain", condition=Q(status="uncertain")),
        ]

    def __str__(self) -> str:
        return f"run[{self.run_id}]/{self.name}"


class Result(models.Model):
    """What `once` or a resolved wait returned: found again by name when the handler is entered anew."""

    step = models.ForeignKey(Step, models.PROTECT, related_name="results", db_index=False)
    iteration = models.PositiveIntegerField(default=0)
    key = models.CharField(max_length=220)
    value: Any = models.JSONField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["step", "iteration", "key"], name="hitl_result_key"),
        ]

    def __str__(self) -> str:
        return self.key


class SignalQuerySet(models.QuerySet["Signal"]):
    """Which signals."""

    def unconsumed(self, run_id: Any, name: str) -> SignalQuerySet:
        """Those a wait may still take, in the order they were sent."""
        return self.filter(run=run_id, name=name, consumed_at=None, late=False).order_by("id")


class Signal(models.Model):
    """Outside data for a run: kept until a wait of its name takes it, and taken once."""

    run = models.ForeignKey(Run, models.PROTECT, related_name="signals", db_index=False)
    name = models.CharField(max_length=200)
    payload = models.JSONField(null=True)
    sender = models.CharField(max_length=120)
    sender_kind = models.CharField(max_length=20)
    idempotency_key = models.CharField(max_length=200, null=True, blank=True)  # noqa: DJ001 - null is "none given"
    sent_at = models.DateTimeField()
    late = models.BooleanField(default=False)
    consumed_by = models.ForeignKey(Step, models.PROTECT, null=True, blank=True, related_name="+", db_index=False)
    consumed_at = models.DateTimeField(null=True, blank=True)

    objects = SignalQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["run", "sender", "idempotency_key"],
                name="hitl_signal_idempotency",
                condition=Q(idempotency_key__isnull=False),
            ),
        ]
        indexes = [
            models.Index(
                fields=["run", "name", "id"],
                name="hitl_signal_unconsumed",
                condition=Q(consumed_at=None, late=False),
            ),
        ]

    def __str__(self) -> str:
        return reveal(self.name)
