"""The forms of what can be done to a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django import forms
from django.utils.translation import gettext as now
from django.utils.translation import gettext_lazy as _

from hitl.admin.fields.inputs import JSONText
from hitl.admin.runs.once import token
from hitl.models import Run
from hitl.states import RUN_ENDS


@dataclass(frozen=True, slots=True)
class Scene:
    """A run before somebody: the names of its uncertain steps, and who set the freeze of its own, if anybody."""

    run: Run
    user: Any
    uncertain: tuple[str, ...] = ()
    frozen_by: str = ""

    @property
    def ended(self) -> bool:
        """Whether nothing more can happen to it."""
        return self.run.status in RUN_ENDS


class RunForm(forms.Form):
    """What one act wants to know. Ids carry its name: a page has many of these."""

    once = forms.CharField(widget=forms.HiddenInput, max_length=100)

    def __init__(self, data: Any = None, *, name: str, scene: Scene) -> None:
        super().__init__(data, auto_id=f"id_{name}_%s", initial={"once": token()})
        self.name, self.scene = name, scene
        for field, made in self.fields.items():
            made.widget.attrs.setdefault("autocomplete", "off")
            made.widget.attrs["aria-describedby"] = f"error_{name}_{field}"

    @property
    def said(self) -> dict[str, Any]:
        """What was typed, as the verb takes it."""
        return {name: value for name, value in self.cleaned_data.items() if name != "once"}

    @property
    def typed(self) -> list[tuple[Any, str]]:
        """What was typed, to be given back where the form itself is gone."""
        return [(field.label, str(field.value())) for field in self.visible_fields() if field.value()]


class Because(RunForm):
    """Why, if one wants to say it."""

    reason = forms.CharField(required=False, max_length=1000, label=_("Why"))


class ForkForm(RunForm):
    """Where to begin, and which outputs before it shall be others."""

    step = forms.ChoiceField(label=_("From which step"))
    patch = JSONText(
        blank=True,
        required=False,
        label=_("Other outputs of the steps before it"),
        help_text=_('A JSON object of steps with their outputs, such as {"draft": {"amount": 5}}.'),
    )

    def __init__(self, data: Any = None, *, name: str, scene: Scene) -> None:
        super().__init__(data, name=name, scene=scene)
        field: Any = self.fields["step"]
        specs = scene.run.workflow.definition.steps
        field.choices = [("", _("Choose…")), *((s.name, s.name) for s in specs if s.kind != "failure")]

    def clean_patch(self) -> Any:
        """An object, or nothing."""
        value = self.cleaned_data["patch"]
        if value is not None and not isinstance(value, dict):
            raise forms.ValidationError(_("Write a JSON object: names of steps with their outputs."))
        return value


class ResolveForm(Because):
    """What became of a step that nobody knows the end of; nothing is chosen beforehand."""

    step = forms.ChoiceField(label=_("Step"))
    outcome = forms.ChoiceField(
        label=_("What became of it"),
        choices=[
            ("", _("Choose…")),
            ("succeeded", _("it succeeded")),
            ("failed", _("it failed")),
            ("retry", _("try it again")),
        ],
    )
    output = JSONText(blank=True, required=False, label=_("Its output"), help_text=_("JSON, if it succeeded."))
    field_order = ("once", "step", "outcome", "output", "reason")

    def __init__(self, data: Any = None, *, name: str, scene: Scene) -> None:
        super().__init__(data, name=name, scene=scene)
        field: Any = self.fields["step"]
        field.choices = [(step, step) for step in scene.uncertain]

    def clean(self) -> dict[str, Any]:
        """Only what succeeded has an output."""
        data: dict[str, Any] = super().clean() or {}
        if data.get("output") is not None and data.get("outcome") not in ("", "succeeded", None):
            self.add_error("output", now("Only what succeeded has an output."))
        return data


class SignalForm(RunForm):
    """Outside data for the run."""

    signal = forms.CharField(label=_("Signal"), max_length=180, widget=forms.TextInput(attrs={"list": "wanted"}))
    payload = JSONText(blank=True, required=False, label=_("Payload"), help_text=_('JSON, such as {"arrived": true}.'))


class OpinionForm(RunForm):
    """What the run was worth."""

    key = forms.CharField(label=_("What it is about"), max_length=100, initial="quality")
    score = forms.FloatField(
        required=False,
        min_value=0,
        max_value=1,
        label=_("Score"),
        help_text=_("From 0, the worst, to 1, the best."),
        widget=forms.TextInput(attrs={"inputmode": "decimal"}),
    )
    comment = forms.CharField(required=False, label=_("Comment"), widget=forms.Textarea(attrs={"rows": 3}))

    def clean(self) -> dict[str, Any]:
        """A score or a comment."""
        data: dict[str, Any] = super().clean() or {}
        if not self.errors and data.get("score") is None and not str(data.get("comment", "")).strip():
            raise forms.ValidationError(_("Give a score, a comment, or both."))
        return data
