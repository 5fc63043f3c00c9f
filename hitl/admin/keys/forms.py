"""What an operator says of a new key."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import Group
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from hitl.admin.fields.inputs import Person, When, Whole
from hitl.definition.values import RISKS
from hitl.models import Policy
from hitl.policies import SCOPES
from hitl.policies.outside import ANY

SCOPE_WORDS = {
    "runs:start": _("start runs"),
    "runs:read": _("read its runs, and the workflows"),
    "runs:control": _("cancel, retry, fork and freeze its runs, and publish for them"),
    "approvals:request": _("ask people, take what came of it, and take requests back"),
    "approvals:read": _("read its requests"),
    "approvals:reviewers": _("name the reviewers itself, where it asks without a policy"),
    "signals:send": _("send signals to its runs"),
    "steps:work": _("work on external steps"),
    "feedback:write": _("give feedback on its runs"),
}
STATES = {"active": _("active"), "revoked": _("revoked"), "expired": _("expired")}
SECTIONS: list[Any] = [
    (None, {"fields": ("agent", "owner", "team")}),
    (_("What it may do"), {"fields": ("scopes", "policies")}),
    (_("Limits"), {"fields": ("pending", "rate", "risk", "queues", "expires_at")}),
]


class KeyForm(forms.Form):
    """A key as it is asked for; `made` gives what `create_key` takes."""

    agent = forms.CharField(
        max_length=100, label=_("Agent"), help_text=_("The agent's name, as reviewers and the audit show it.")
    )
    owner = Person(
        required=False, label=_("Owner, a person"), help_text=_("Login name. They may not decide what this agent asks.")
    )
    team = forms.ModelChoiceField(
        Group.objects.none(),
        required=False,
        label=_("Or a team"),
        help_text=_("Its members may review each other's agents."),
    )
    scopes = forms.MultipleChoiceField(
        widget=forms.CheckboxSelectMultiple,
        label=_("Scopes"),
        choices=[(scope, format_lazy("{}: {}", scope, SCOPE_WORDS[scope])) for scope in SCOPES],
        help_text=_("No scope decides."),
    )
    policies = forms.MultipleChoiceField(
        widget=forms.CheckboxSelectMultiple,
        required=False,
        label=_("Policies"),
        help_text=_("Those it may ask people by."),
    )
    pending = Whole(
        min_value=1, required=False, label=_("Requests at once"), help_text=_("How many may wait for people.")
    )
    rate = Whole(min_value=1, required=False, label=_("Calls a minute"))
    risk = forms.ChoiceField(
        choices=[(risk, _(risk)) for risk in RISKS],
        initial="medium",
        label=_("Least risk"),
        help_text=_("What it asks is never taken to be less dangerous than that."),
    )
    queues = forms.CharField(
        required=False, label=_("Queues"), help_text=_("Of external steps; several with commas between. Empty: any.")
    )
    expires_at = When(required=False, label=_("Ends at"))

    def __init__(self, data: Any = None) -> None:
        super().__init__(data, label_suffix="")
        teams: Any = self.fields["team"]
        teams.queryset = Group.objects.order_by("name")
        policies: Any = self.fields["policies"]
        names = Policy.objects.filter(active=True).order_by("name").values_list("name", flat=True)
        policies.choices = [(name, name) for name in names] + [(ANY, _("any policy, also those to come"))]
        for field in self.fields.values():
            field.widget.attrs.setdefault("autocomplete", "off")

    def clean(self) -> dict[str, Any]:
        """One owner, a person or a team."""
        data = super().clean() or {}
        if {"owner", "team"} & self.errors.keys():
            return data
        if bool(data.get("owner")) == bool(data.get("team")):
            raise forms.ValidationError(_("A key belongs to one person or to one team: name one of both."))
        return data

    @property
    def made(self) -> dict[str, Any]:
        """What was said, as `create_key` takes it."""
        data = self.cleaned_data
        queues = [name.strip() for name in data["queues"].split(",") if name.strip()]
        limits = {name: data[name] for name in ("pending", "rate") if data[name] is not None}
        limits |= {"risk": data["risk"]} if data["risk"] != "medium" else {}
        limits |= {"queues": queues} if queues else {}
        said = {name: data[name] for name in ("agent", "scopes", "policies", "expires_at")}
        return {**said, "owner": data["owner"] or data["team"], "limits": limits}
