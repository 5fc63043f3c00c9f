"""What operators do to the machinery under `/admin/`: freeze and unfreeze, and say what became of uncertain steps."""

from __future__ import annotations

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from hitl import engine
from hitl.admin.fields.inputs import JSONText
from hitl.admin.operators.rows import Operated
from hitl.admin.site import refusal
from hitl.exceptions import HitlError
from hitl.models import Freeze, Step, Workflow


@admin.register(Workflow)
class WorkflowAdmin(Operated):
    """Definitions, version by version."""

    list_display = ("name", "version", "title", "frozen", "created_at", "retired_at")
    ordering = ("name", "-version")
    actions = ["freeze", "unfreeze"]

    @admin.display(description=_("Frozen"), boolean=True)
    def frozen(self, workflow: Workflow) -> bool:
        """Whether nothing of it is claimed now."""
        return Freeze.objects.filter(target__in=("all", f"workflow:{workflow.name}"), lifted_at=None).exists()

    @admin.action(description=_("Freeze these workflows: nothing of them starts"), permissions=["operate"])
    def freeze(self, request: HttpRequest, queryset: QuerySet[Workflow]) -> None:
        """Stop claims of all versions."""
        for name in _names(queryset):
            running = engine.freeze(f"workflow:{name}", actor=request.user, reason="frozen in the admin")
            told = ngettext(
                "Frozen: %(name)s. %(n)d of its steps is in flight and will end by itself.",
                "Frozen: %(name)s. %(n)d of its steps are in flight and will end by themselves.",
                len(running),
            )
            self.message_user(request, told % {"name": name, "n": len(running)}, messages.SUCCESS)

    @admin.action(description=_("Unfreeze these workflows"), permissions=["operate"])
    def unfreeze(self, request: HttpRequest, queryset: QuerySet[Workflow]) -> None:
        """Lift the freezes of these workflows; one of everything stays."""
        names = _names(queryset)
        lifted = sum(engine.unfreeze(f"workflow:{name}", actor=request.user) for name in names)
        told = gettext("%(n)d of %(all)d workflows were frozen, and go on.") % {"n": lifted, "all": len(names)}
        self.message_user(request, told, messages.SUCCESS)


@admin.register(Freeze)
class FreezeAdmin(Operated):
    """What is stopped, and what was."""

    list_display = ("target", "reason", "by", "at", "lifted_at")
    list_filter = (("lifted_at", admin.EmptyFieldListFilter),)
    list_select_related = ("by",)
    ordering = ("-id",)
    actions = ["lift"]

    @admin.action(description=_("Lift these freezes"), permissions=["operate"])
    def lift(self, request: HttpRequest, queryset: QuerySet[Freeze]) -> None:
        """Let go on what they cover."""
        rows = queryset.filter(lifted_at=None)
        lifted = sum(engine.unfreeze(row.target, actor=request.user) for row in rows)
        told = ngettext("%(n)d freeze was lifted.", "%(n)d freezes were lifted.", lifted) % {"n": lifted}
        self.message_user(request, told, messages.SUCCESS)


class OutcomeForm(ActionForm):
    """What became of a step; nothing is chosen beforehand."""

    outcome = forms.ChoiceField(
        required=False,
        label=_("Outcome"),
        choices=[
            ("", _("Choose an outcome…")),
            ("succeeded", _("it succeeded")),
            ("failed", _("it failed")),
            ("retry", _("try it again")),
        ],
    )
    output = forms.CharField(required=False, label=_("Output"), help_text=_("JSON, if it succeeded"))
    reason = forms.CharField(required=False, label=_("Reason"), max_length=1000)


@admin.register(Step)
class StepAdmin(Operated):
    """Steps, above all those that nobody knows the end of."""

    list_display = ("name", "run", "kind", "status", "attempt", "waiting_for", "parked_at", "failure_text")
    list_filter = ("status", "kind")
    list_select_related = ("run",)
    search_fields = ("=id", "name")
    ordering = ("-id",)
    exclude = ("lease_token",)
    action_form = OutcomeForm
    actions = ["resolve"]

    @admin.action(description=_("Say what became of uncertain steps"), permissions=["operate"])
    def resolve(self, request: HttpRequest, queryset: QuerySet[Step]) -> None:
        """Resolve each step in a transaction of its own."""
        outcome, told = request.POST.get("outcome", ""), request.POST.get("output", "").strip()
        try:
            output = JSONText(blank=True, required=False).clean(told)
        except forms.ValidationError as error:
            self.message_user(request, gettext("Output: %(why)s") % {"why": error.messages[0]}, messages.ERROR)
            return
        if not outcome or (told and outcome != "succeeded"):
            words = _("Only what succeeded has an output.") if outcome else _("Choose an outcome; nothing was done.")
            self.message_user(request, str(words), messages.ERROR)
            return
        done = 0
        for step in queryset:
            try:
                reason = request.POST.get("reason", "")[:1000]
                engine.resolve(step.run_id, step.name, outcome, actor=request.user, output=output, reason=reason)
                done += 1
            except HitlError as error:
                told = gettext("Not resolved: %(step)s: %(why)s") % {"step": step, "why": refusal(error)}
                self.message_user(request, told, messages.ERROR)
        told = ngettext("%(n)d step was resolved.", "%(n)d steps were resolved.", done) % {"n": done}
        self.message_user(request, told, messages.SUCCESS if done else messages.WARNING)


def _names(queryset: QuerySet[Workflow]) -> list[str]:
    return sorted(set(queryset.values_list("name", flat=True)))
