"""What an operator says of a webhook, and how messages are called."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

WORDS = {
    "requested": _("people are asked"),
    "revision": _("people are asked about a new revision"),
    "stage": _("the next stage is asked"),
    "reminder": _("people are reminded"),
    "escalated": _("others are asked as well"),
    "unsatisfiable": _("nobody is left who could decide"),
    "comment": _("somebody said something"),
    "approved": _("it was approved"),
    "rejected": _("it was refused"),
    "answered": _("it was answered"),
    "expired": _("nobody decided in time"),
    "cancelled": _("it was cancelled"),
    "revoked": _("an approval was taken back"),
}
STATES = {
    "pending": (_("waits"), "now"),
    "sent": (_("arrived"), "low"),
    "dropped": (_("dropped"), ""),
    "dead": (_("dead"), "high"),
}
_MOST_TOPICS = 100


class WebhookForm(forms.Form):
    """A webhook as it is asked for."""

    url = forms.CharField(
        max_length=500,
        label=_("Address"),
        help_text=_("https, at port 443 or 8443, on the public internet; others only where a setting allows them."),
        widget=forms.TextInput(attrs={"inputmode": "url", "spellcheck": "false", "autocapitalize": "none"}),
    )
    description = forms.CharField(max_length=200, required=False, label=_("Whose it is"))
    kinds = forms.MultipleChoiceField(
        widget=forms.CheckboxSelectMultiple,
        required=False,
        label=_("What it hears of"),
        help_text=_("Nothing ticked: all of it."),
        choices=[(kind, format_lazy("{}: {}", kind, words)) for kind, words in WORDS.items()],
    )
    topics = forms.CharField(
        required=False, label=_("Topics"), help_text=_("Of gates; several with commas between. Empty: all.")
    )

    def __init__(self, data: Any = None) -> None:
        super().__init__(data, label_suffix="")
        for name, field in self.fields.items():
            field.widget.attrs.setdefault("autocomplete", "off")
            field.widget.attrs["aria-describedby"] = f"error-{name}"

    def clean_topics(self) -> list[str]:
        """Each by itself."""
        found = [topic.strip() for topic in self.cleaned_data["topics"].split(",") if topic.strip()]
        if len(found) > _MOST_TOPICS or any(len(topic) > 200 for topic in found):
            raise forms.ValidationError(_("At most 100 topics of at most 200 characters each."))
        return found
