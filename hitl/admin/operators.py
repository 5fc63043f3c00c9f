"""What operators see under `/admin/`: everything, read-only; acts are actions that call verbs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db.models import Model, QuerySet, URLField
from django.http import HttpRequest
from django.utils.html import format_html_join

from hitl import audit, clock, engine
from hitl.exceptions import RunEnded
from hitl.models import (
    ApiKey,
    Approval,
    Decision,
    Notification,
    Policy,
    Run,
    Signal,
    Step,
    SweepMark,
    Workflow,
)
from hitl.models.audit import AuditRecord
from hitl.states import NotificationStatus
from hitl.transitions import move_notification

if TYPE_CHECKING:
    _Base = admin.ModelAdmin[Any]
    _Inline = admin.TabularInline[Step, Run]
else:
    _Base, _Inline = admin.ModelAdmin, admin.TabularInline


class ReadOnly(_Base):
    """Rows that only verbs change."""

    show_full_result_count = False
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Rows come from verbs."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """And are changed by verbs."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Nothing is deleted here."""
        return False


class StepsInline(_Inline):
    """The steps of a run."""

    model = Step
    fk_name = "run"
    fields = readonly_fields = (
        "name",
        "kind",
        "status",
        "attempt",
        "waiting_for",
        "started_at",
        "ended_at",
        "failure_text",
    )
    ordering = ("id",)
    can_delete = False
    extra = 0
    show_change_link = True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Steps come from definitions."""
        return False


@admin.register(Run)
class RunAdmin(ReadOnly):
    """Runs, with their timeline."""

    list_display = ("id", "workflow", "status", "requester", "failure_code", "created_at", "ended_at")
    list_filter = ("status", "workflow__name")
    list_select_related = ("workflow", "requester")
    search_fields = ("id", "external_id")
    ordering = ("-id",)
    inlines = [StepsInline]
    actions = ["cancel_runs"]
    readonly_fields = ("timeline",)
    exclude = ("audit_hash",)

    @admin.display(description="Timeline")
    def timeline(self, run: Run) -> str:
        """The audit chain in sentences."""
        lines = ((f"{line.at:%Y-%m-%d %H:%M:%S}", line.text) for line in audit.timeline(run.stream))
        return format_html_join("\n", "<p>{} · {}</p>", lines)

    @admin.action(description="Cancel selected runs", permissions=["operate"])
    def cancel_runs(self, request: HttpRequest, queryset: QuerySet[Run]) -> None:
        """Cancel each run in a transaction of its own."""
        done = 0
        for run in queryset:
            try:
                engine.cancel(run, actor=request.user, reason="cancelled in the admin")
                done += 1
            except RunEnded:
                continue
        self.message_user(request, f"{done} runs cancelled; the others had ended.", messages.SUCCESS)

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Operators only."""
        return request.user.has_perm("hitl.operate")


@admin.register(Notification)
class NotificationAdmin(ReadOnly):
    """The outbox and its dead letters."""

    list_display = (
        "kind",
        "recipient",
        "channel",
        "status",
        "attempts",
        "next_attempt_at",
        "last_error",
        "created_at",
    )
    list_filter = ("status", "kind", "channel")
    list_select_related = ("recipient",)
    ordering = ("-id",)
    actions = ["resend"]

    @admin.action(description="Resend dead letters", permissions=["operate"])
    def resend(self, request: HttpRequest, queryset: QuerySet[Notification]) -> None:
        """Put dead letters back into the outbox."""
        dead = queryset.filter(status=NotificationStatus.DEAD)
        pending = NotificationStatus.PENDING
        moved = sum(move_notification(row, pending, attempts=0, next_attempt_at=clock.now()) for row in dead)
        self.message_user(request, f"{moved} messages will be tried again.", messages.SUCCESS)

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Operators only."""
        return request.user.has_perm("hitl.operate")


@admin.register(Approval)
class ApprovalAdmin(ReadOnly):
    """Requests as rows; deciding happens under `/review/`."""

    list_display = (
        "title",
        "status",
        "risk",
        "requester",
        "revision",
        "expires_at",
        "decided_via",
        "consumed_at",
    )
    list_filter = ("status", "risk", "decided_via")
    list_select_related = ("requester",)
    search_fields = ("id", "title")
    ordering = ("-id",)
    exclude = ("action_bytes", "effective_bytes")
    formfield_overrides = {URLField: {"assume_scheme": "https"}}


@admin.register(AuditRecord)
class AuditAdmin(ReadOnly):
    """Audit records."""

    list_display = ("at", "action", "actor", "subject", "stream", "seq")
    list_filter = ("action",)
    search_fields = ("=stream", "=subject", "=actor")
    ordering = ("-id",)
    readonly_fields = ("text",)
    fields = ("stream", "seq", "at", "action", "actor", "subject", "text")

    @admin.display(description="Body (canonical JSON)")
    def text(self, record: AuditRecord) -> str:
        """What the hash is taken of."""
        return bytes(record.body).decode()


@admin.register(Decision)
class DecisionAdmin(ReadOnly):
    """What people said."""

    list_display = ("decided_at", "actor", "verdict", "approval", "channel")
    list_filter = ("verdict", "channel")
    list_select_related = ("actor", "approval")
    ordering = ("-id",)


@admin.register(Workflow)
class WorkflowAdmin(ReadOnly):
    """Definitions, version by version."""

    list_display = ("name", "version", "title", "created_at", "retired_at")
    ordering = ("name", "-version")


@admin.register(Policy)
class PolicyAdmin(ReadOnly):
    """Policies, version by version."""

    list_display = ("name", "version", "active", "author", "created_at")
    list_filter = ("active",)
    ordering = ("name", "-version")


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnly):
    """Keys of agents; secrets are not kept."""

    list_display = (
        "agent",
        "prefix",
        "owner_user",
        "owner_group",
        "last_used_at",
        "expires_at",
        "revoked_at",
    )
    ordering = ("-id",)
    exclude = ("secret_hash",)


@admin.register(Signal)
class SignalAdmin(ReadOnly):
    """Signals."""

    list_display = ("name", "run", "sender", "sent_at", "late", "consumed_at")
    list_filter = ("late",)
    ordering = ("-id",)


@admin.register(SweepMark)
class SweepMarkAdmin(ReadOnly):
    """The last sweep."""

    list_display = ("name", "swept_at", "moved")
