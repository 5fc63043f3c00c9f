"""What operators see under `/admin/`: everything, read-only; acts are actions that call verbs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db.models import Model, Prefetch, QuerySet, URLField
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.timesince import timesince
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from hitl import audit, clock, engine
from hitl.admin.operators.seen import Seen
from hitl.definition.text import reveal
from hitl.exceptions import RunEnded
from hitl.models import (
    Approval,
    Decision,
    Notification,
    Run,
    Signal,
    Step,
    SweepMark,
)
from hitl.models.audit import AuditRecord
from hitl.notifications import endpoints
from hitl.states import NotificationStatus

if TYPE_CHECKING:
    _Base = admin.ModelAdmin[Any]
    _Inline = admin.TabularInline[Step, Run]
else:
    _Base, _Inline = admin.ModelAdmin, admin.TabularInline


class ReadOnly(Seen, _Base):
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


class Operated(ReadOnly):
    """Rows whose actions are for operators, who may look at them without a further permission."""

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Operators only."""
        return request.user.has_perm("hitl.operate")

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Operators, and whom the view permission was given."""
        return self.has_operate_permission(request) or super().has_view_permission(request, obj)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Operators find them on the start page."""
        return self.has_operate_permission(request) or super().has_module_permission(request)


class Filled(admin.AllValuesFieldListFilter):
    """A filter by what there is, in which nothing is a dash and not a link without words."""

    def choices(self, changelist: Any) -> Iterator[Any]:
        """What there is to choose from."""
        return ({**choice, "display": choice["display"] or "–"} for choice in super().choices(changelist))


class StepsInline(Seen, _Inline):
    """The steps of a run."""

    model = Step
    fk_name = "run"
    fields = readonly_fields = (
        "name",
        "kind",
        "status",
        "attempt",
        "waiting_for",
        "parked_at",
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
class RunAdmin(Operated):
    """Runs, with their timeline."""

    list_display = ("id", "workflow", "status", "waiting", "requester", "failure_code", "created_at", "ended_at")
    list_filter = ("status", "workflow__name")
    search_fields = ("id", "external_id")
    ordering = ("-id",)
    inlines = [StepsInline]
    actions = ["cancel_runs"]
    readonly_fields = ("waiting", "started_by", "children", "timeline")
    exclude = ("audit_hash", "parent_step")

    def view_on_site(self, obj: Run) -> str:
        """Its page under `/review/`."""
        return reverse("review:run", args=[obj.pk])

    def get_queryset(self, request: HttpRequest) -> QuerySet[Run]:
        """With what each run waits for."""
        waits = Step.objects.filter(status="waiting").order_by("parked_at")
        rows: QuerySet[Run] = super().get_queryset(request).select_related("workflow", "requester", "parent_step")
        return rows.prefetch_related(Prefetch("steps", waits, to_attr="waits"))

    @admin.display(description=_("Waits for, since"))
    def waiting(self, run: Run) -> str:
        """What its steps wait for, the longest waiting first."""
        waits: list[Step] = run.waits  # type: ignore[attr-defined]
        now = clock.now()
        lines = ((step.name, reveal(step.waiting_for), timesince(step.parked_at or now, now)) for step in waits)
        return format_html_join("\n", "<div>{}: {} · {}</div>", lines)

    @admin.display(description=_("Started by"))
    def started_by(self, run: Run) -> str:
        """The run that waits for this one, where there is one."""
        return (
            ""
            if run.parent_step is None
            else _link(run.parent_step.run_id, gettext("run %(run)s") % {"run": run.parent_step.run_id})
        )

    @admin.display(description=_("Runs it started"))
    def children(self, run: Run) -> str:
        """Those its steps waited for."""
        rows = Run.objects.filter(parent_step__run=run).select_related("workflow").order_by("id")[:100]
        lines = ((_link(row.pk, f"{row.workflow} {row.pk}"), row.get_status_display()) for row in rows)
        return format_html_join("\n", "<p>{} · {}</p>", lines)

    @admin.display(description=_("Timeline"))
    def timeline(self, run: Run) -> str:
        """The audit chain in sentences."""
        lines = ((f"{line.at:%Y-%m-%d %H:%M:%S}", reveal(line.text)) for line in audit.timeline(run.stream))
        return format_html_join("\n", "<p>{} · {}</p>", lines)

    @admin.action(description=_("Cancel selected runs"), permissions=["operate"])
    def cancel_runs(self, request: HttpRequest, queryset: QuerySet[Run]) -> None:
        """Cancel each run in a transaction of its own."""
        done = 0
        for run in queryset:
            try:
                engine.cancel(run, actor=request.user, reason="cancelled in the admin")
                done += 1
            except RunEnded:
                continue
        self.message_user(request, _cancelled(done), messages.SUCCESS)


@admin.register(Notification)
class NotificationAdmin(Operated):
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
    list_filter = ("status", "kind", ("channel", Filled))
    list_select_related = ("recipient",)
    ordering = ("-id",)
    actions = ["resend"]

    @admin.action(description=_("Resend dead letters"), permissions=["operate"])
    def resend(self, request: HttpRequest, queryset: QuerySet[Notification]) -> None:
        """Put dead letters back into the outbox."""
        dead = list(queryset.filter(status=NotificationStatus.DEAD))
        for row in dead:
            endpoints.resend(row, actor=request.user)
        self.message_user(request, _again(len(dead)), messages.SUCCESS)


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
    list_filter = ("status", "risk", ("decided_via", Filled))
    list_select_related = ("requester",)
    search_fields = ("id", "title")
    ordering = ("-id",)
    exclude = ("action_bytes", "effective_bytes", "resume_data")  # what an agent keeps is nobody else's
    formfield_overrides = {URLField: {"assume_scheme": "https"}}

    def view_on_site(self, obj: Approval) -> str:
        """Its page under `/review/`."""
        return reverse("review:hitl_approval_change", args=[obj.pk])


@admin.register(AuditRecord)
class AuditAdmin(ReadOnly):
    """Audit records."""

    list_display = ("at", "action", "actor", "subject", "stream", "seq")
    list_filter = ("action",)
    search_fields = ("=stream", "=subject", "=actor")
    ordering = ("-id",)
    readonly_fields = ("text",)
    fields = ("stream", "seq", "at", "action", "actor", "subject", "text")

    @admin.display(description=_("Body (canonical JSON)"))
    def text(self, record: AuditRecord) -> str:
        """What the hash is taken of."""
        return reveal(bytes(record.body).decode())


@admin.register(Decision)
class DecisionAdmin(ReadOnly):
    """What people said."""

    list_display = ("decided_at", "actor", "verdict", "approval", "channel")
    list_filter = ("verdict", "channel")
    list_select_related = ("actor", "approval")
    ordering = ("-id",)


@admin.register(Signal)
class SignalAdmin(ReadOnly):
    """Signals."""

    list_display = ("shown", "run", "sender", "sent_at", "late", "consumed_at")
    list_filter = ("late",)
    ordering = ("-id",)

    @admin.display(description=_("Name"), ordering="name")
    def shown(self, row: Signal) -> str:
        """The sender's words, with what cannot be seen."""
        return reveal(row.name)


@admin.register(SweepMark)
class SweepMarkAdmin(ReadOnly):
    """The last sweep."""

    list_display = ("name", "swept_at", "moved")


def _cancelled(count: int) -> str:
    words = ngettext("%(n)d run cancelled; the others had ended.", "%(n)d runs cancelled; the others had ended.", count)
    return words % {"n": count}


def _again(count: int) -> str:
    words = ngettext("%(n)d message will be tried again.", "%(n)d messages will be tried again.", count)
    return words % {"n": count}


def _link(run_id: Any, words: str) -> str:
    return format_html('<a href="{}">{}</a>', reverse("admin:hitl_run_change", args=[run_id]), words)
