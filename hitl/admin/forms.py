"""The decision form: nothing preselected, arguments as typed fields, and what was typed survives an error."""

from __future__ import annotations

import json
from typing import Any

from django import forms

from hitl.definition import parse
from hitl.exceptions import NotCanonical
from hitl.models import Approval
from hitl.policies import Explanation

_PREFIX = "arg-"
_WORDS = {"approve": "Approve", "edit": "Approve with edits", "reject": "Reject"}


class JSONText(forms.CharField):
    """Any JSON value, read as strictly as everywhere."""

    def __init__(self, **options: Any) -> None:
        super().__init__(widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}), strip=True, **options)

    def clean(self, value: Any) -> Any:
        """The value, or what is wrong with it."""
        try:
            return parse(super().clean(value), what="this")
        except NotCanonical as error:
            raise forms.ValidationError(error.message) from error


class Lines(forms.CharField):
    """Text of several lines. Browsers send CRLF at each line's end, which would silently change the argument."""

    def __init__(self, **options: Any) -> None:
        super().__init__(widget=forms.Textarea(attrs={"rows": 4}), strip=False, **options)

    def to_python(self, value: Any) -> Any:
        """The text with the line ends it came with."""
        text = super().to_python(value)
        return text.replace("\r\n", "\n") if isinstance(text, str) else text


class DecisionForm(forms.Form):
    """One decision on one revision of one request."""

    verdict = forms.ChoiceField(choices=list(_WORDS.items()), widget=forms.RadioSelect)
    digest = forms.CharField(widget=forms.HiddenInput)
    revision = forms.IntegerField(widget=forms.HiddenInput)
    phrase = forms.CharField(required=False, strip=True)
    comment = forms.CharField(required=False, widget=forms.Textarea(attrs={"rows": 3}))

    def __init__(self, data: Any = None, *, approval: Approval, explanation: Explanation) -> None:
        super().__init__(data, initial={"digest": approval.digest, "revision": approval.revision})
        self.choices = [
            {
                "value": verdict,
                "words": words,
                "why_not": explanation.sentence_for(verdict),
                "chosen": bool(data) and data.get("verdict") == verdict,
            }
            for verdict, words in _WORDS.items()
        ]
        self.args = approval.args
        self.may_edit = not explanation.verdicts.get("edit")
        if self.may_edit:
            self._add_arguments(approval)
        if not approval.phrase:
            del self.fields["phrase"]
        for name, field in self.fields.items():
            field.widget.attrs.setdefault("autocomplete", "off")
            field.widget.attrs["aria-describedby"] = f"error-{name}"

    def clean(self) -> dict[str, Any]:
        """Only an edit looks at the arguments; and a form without what it is about is damaged."""
        data: dict[str, Any] = super().clean() or {}
        if data.get("verdict") != "edit":
            for name in [name for name in self.errors if name.startswith(_PREFIX)]:
                del self.errors[name]
        if self.errors.keys() & {"digest", "revision"}:
            self.add_error(None, "This form came in damaged, so nothing was recorded; open the request again.")
        return data

    @property
    def arguments(self) -> list[Any]:
        """The bound fields of the arguments."""
        return [self[name] for name in self.fields if name.startswith(_PREFIX)]

    def edited_args(self) -> dict[str, Any] | None:
        """The arguments as changed, when the verdict is edit."""
        if self.cleaned_data.get("verdict") != "edit":
            return None
        read = {
            name.removeprefix(_PREFIX): value
            for name, value in self.cleaned_data.items()
            if name.startswith(_PREFIX) and not (value is None and name.removeprefix(_PREFIX) not in self.args)
        }
        return {**self.args, **read}

    def _add_arguments(self, approval: Approval) -> None:
        properties = (approval.args_schema or {}).get("properties", {})
        for name in sorted(properties.keys() | approval.args.keys()):
            free = approval.editable is None or any(
                path == name or path.startswith(f"{name}.") for path in approval.editable
            )
            field = _field(properties.get(name, {}), approval.args.get(name))
            field.label, field.required, field.disabled = name, False, not free
            self.fields[_PREFIX + name] = field


def _field(schema: dict[str, Any], value: Any) -> forms.Field:
    """The simplest input that can hold this argument; whatever has no input of its own is edited as JSON."""
    kind = schema.get("type")
    if "enum" in schema and all(isinstance(choice, str) for choice in schema["enum"]):
        return forms.ChoiceField(choices=[(choice, choice) for choice in schema["enum"]], initial=value)
    if kind == "string" and isinstance(value, str) and "\r" not in value:
        return Lines(initial=value) if "\n" in value else forms.CharField(initial=value, strip=False)
    if kind == "integer" and isinstance(value, int):
        return forms.IntegerField(initial=value)
    if kind == "boolean" and isinstance(value, bool):
        return forms.BooleanField(initial=value)
    return JSONText(initial=json.dumps(value, ensure_ascii=False, indent=2))
