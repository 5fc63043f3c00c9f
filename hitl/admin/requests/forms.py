"""The decision form: nothing preselected, arguments as typed fields, and what was typed survives an error."""

from __future__ import annotations

import json
from typing import Any

from django import forms

from hitl.admin.fields.inputs import JSONText, Lines, Whole
from hitl.admin.fields.schema import AnswerFields
from hitl.models import Approval
from hitl.policies import Explanation

_PREFIX = "arg-"
_ANSWER = "answer"
_OTHER = ("action_type", "other_args")
_WORDS = {
    "approve": ("Approve", "exactly these arguments"),
    "edit": ("Approve with edits", "with the changes below"),
    "request_revision": ("Request a revision", "the agent gets your comment as its instructions"),
    "reject": ("Reject", "the agent is told not to try again"),
}


class DecisionForm(forms.Form):
    """One decision on one revision of one request."""

    verdict = forms.ChoiceField(choices=[(verdict, words) for verdict, (words, _) in _WORDS.items()])
    digest = forms.CharField(widget=forms.HiddenInput)
    revision = forms.IntegerField(widget=forms.HiddenInput)
    phrase = forms.CharField(required=False, strip=True)
    comment = forms.CharField(required=False, widget=forms.Textarea(attrs={"rows": 3}))

    def __init__(
        self, data: Any = None, *, approval: Approval, explanation: Explanation, password: bool = False
    ) -> None:
        super().__init__(data, initial={"digest": approval.digest, "revision": approval.revision})
        self.choices = [
            {
                "value": verdict,
                "words": words,
                "hint": explanation.sentence_for(verdict) or _hint(approval, verdict) or hint,
                "off": bool(explanation.verdicts[verdict]),
                "chosen": bool(data) and data.get("verdict") == verdict,
            }
            for verdict, (words, hint) in _WORDS.items()
            if verdict in explanation.verdicts
        ]
        self.args = approval.args
        self.may_edit = explanation.verdicts.get("edit") == ""
        self.answer: AnswerFields | None = None
        if approval.kind == "question":
            del self.fields["verdict"]
            self.answer = AnswerFields(approval.response_schema or {})
            self.fields.update(self.answer.fields())
        elif self.may_edit or (data and data.get("verdict") == "edit"):  # a second click sends the same again
            self._add_arguments(approval)
            self._add_types(approval)
        if not approval.phrase:
            del self.fields["phrase"]
        if password:
            widget = forms.PasswordInput(attrs={"autocomplete": "current-password"})
            self.fields["password"] = forms.CharField(required=False, strip=False, widget=widget)
        for name, field in self.fields.items():
            field.widget.attrs.setdefault("autocomplete", "off")
            field.widget.attrs["aria-describedby"] = f"error-{name}"

    def clean(self) -> dict[str, Any]:
        """Only an edit looks at the arguments; and a form without what it is about is damaged."""
        data: dict[str, Any] = super().clean() or {}
        edits, other = data.get("verdict") == "edit", bool(data.get("action_type"))
        for name in list(self.errors):
            if (name.startswith(_PREFIX) and (other or not edits)) or (name in _OTHER and not (edits and other)):
                del self.errors[name]
        if edits and other and data.get("other_args") is None and "other_args" not in self.errors:
            self.add_error("other_args", "Write the arguments of this action as JSON.")
        if self.errors.keys() & {"digest", "revision"}:
            self.add_error(None, "This form came in damaged, so nothing was recorded; open the request again.")
        return data

    @property
    def arguments(self) -> list[Any]:
        """The bound fields of the arguments."""
        return [self[name] for name in self.fields if name.startswith(_PREFIX)]

    @property
    def answers(self) -> list[Any]:
        """The bound fields of the answer to a question."""
        return [self[name] for name in self.fields if name.startswith(_ANSWER)]

    @property
    def typed(self) -> list[tuple[str, Any]]:
        """What was typed, to be given back where the form itself is gone: the comment and the answer."""
        shown = [field for field in (*self.answers, self["comment"]) if field.value() not in (None, "")]
        return [(str(field.label), _words(field)) for field in shown]

    @property
    def said(self) -> dict[str, Any]:
        """The verdict with what belongs to it, as `decide` takes it."""
        if self.answer is not None:
            return {"verdict": "respond", "response": self.answer.value(self.cleaned_data)}
        kind = self.cleaned_data.get("action_type", "") if self.cleaned_data["verdict"] == "edit" else ""
        return {"verdict": self.cleaned_data["verdict"], "args": self.edited_args(), "action_type": kind}

    def field_of(self, problem: str) -> str | None:
        """The field that stands for what `decide` found wrong; None where it has no input of its own."""
        name = problem
        if problem.partition(".")[0] == "args" and self.cleaned_data.get("action_type"):
            name = "other_args"
        elif problem.startswith("args."):
            name = _PREFIX + problem.removeprefix("args.").partition(".")[0]
        elif self.answer is not None and problem.partition(".")[0] == "response":
            name = self.answer.field_of(problem)
        return name if name in self.fields else None

    def edited_args(self) -> dict[str, Any] | None:
        """The arguments as changed, when the verdict is edit."""
        if self.cleaned_data.get("verdict") != "edit":
            return None
        if self.cleaned_data.get("action_type"):
            other: dict[str, Any] = self.cleaned_data["other_args"]
            return other
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

    def _add_types(self, approval: Approval) -> None:
        """Another action that may be made of it: its name, and its arguments as JSON."""
        if not approval.types:
            return
        kinds = [("", f"{approval.action_type} (as asked)"), *((kind, kind) for kind in sorted(approval.types))]
        self.fields["action_type"] = forms.ChoiceField(required=False, choices=kinds)
        text = json.dumps(approval.args, ensure_ascii=False, indent=2, sort_keys=True)
        self.fields["other_args"] = JSONText(blank=True, required=False, initial=text)


def _hint(approval: Approval, verdict: str) -> str:
    """What a verdict means on this request, where it is not what it usually is."""
    voted_on = verdict == "edit" and approval.required.need > 1
    return "your version goes to the others as the next revision; you do not vote on it" if voted_on else ""


def _words(field: Any) -> str:
    """What was typed; of a choice the words that were chosen, not their number."""
    choices = dict(getattr(field.field, "choices", ()))
    return str(choices.get(field.value(), field.value()))


def _field(schema: dict[str, Any], value: Any) -> forms.Field:
    """The simplest input that can hold this argument; whatever has no input of its own is edited as JSON."""
    kind = schema.get("type")
    if "enum" in schema and all(isinstance(choice, str) for choice in schema["enum"]):
        return forms.ChoiceField(choices=[(choice, choice) for choice in schema["enum"]], initial=value)
    if kind == "string" and isinstance(value, str) and "\r" not in value:
        return Lines(initial=value) if "\n" in value else forms.CharField(initial=value, strip=False)
    if kind == "integer" and isinstance(value, int):
        return Whole(initial=value)
    if kind == "boolean" and isinstance(value, bool):
        return forms.BooleanField(initial=value)
    return JSONText(initial=json.dumps(value, ensure_ascii=False, indent=2))
