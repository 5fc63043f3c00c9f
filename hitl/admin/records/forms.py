"""What one may look for among the records."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.db.models import Max, Q
from django.utils.translation import gettext_lazy as _

from hitl.admin.fields.inputs import When
from hitl.audit import reading
from hitl.audit.actions import SENTENCES
from hitl.models.audit import AuditRecord

NEWEST = 100_000
_SEARCHED = ("stream", "subject", "actor")


class RecordFilter(forms.Form):
    """An action, some words, a time. Only a stream's own records are found without an end; everything else is looked
    for among the newest."""

    q = forms.CharField(label=_("Run, request, person or key"), required=False, max_length=200)
    action = forms.ChoiceField(
        label=_("What happened"), required=False, choices=[("", _("Anything")), *((name, name) for name in SENTENCES)]
    )
    since = When(label=_("Since"), required=False)
    before = forms.IntegerField(required=False, min_value=0, max_value=2**63 - 1, widget=forms.HiddenInput)

    def found(self, limit: int) -> tuple[list[AuditRecord], int]:
        """The newest that fit, and among how many records they were looked for: 0 means all."""
        said, only = self.cleaned_data, 0
        rows = reading.all_records().order_by("-id")
        if said["before"] is not None:
            rows = rows.filter(pk__lt=said["before"])
        conditions = list(self._conditions(said))
        if said["q"] and reading.has_stream(stream_of(said["q"])):
            rows = rows.filter(stream=stream_of(said["q"]))
        elif conditions or said["q"]:
            only = NEWEST
            last = reading.all_records().aggregate(last=Max("pk"))["last"] or 0
            rows = rows.filter(pk__gt=last - NEWEST)
            if said["q"]:
                conditions.append(_any(said["q"]))
        return list(rows.filter(*conditions)[:limit]), only

    def _conditions(self, said: dict[str, Any]) -> Any:
        if said["action"]:
            yield Q(action=said["action"])
        if said["since"] is not None:
            yield Q(at__gte=said["since"])


def stream_of(words: str) -> str:
    """The stream that somebody means who typed a run's bare id."""
    try:
        return f"run:{uuid.UUID(words)}"
    except ValueError:
        return words


def _any(words: str) -> Q:
    found = Q()
    for column in _SEARCHED:
        found |= Q(**{f"{column}__endswith": words})
    return found
