"""The decision form: nothing preselected, arguments as typed fields, and what was typed survives whatever happens."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from hitl.admin.fields.inputs import JSONText, Lines
from hitl.admin.fields.kept import Kept
from hitl.admin.fields.schema import SchemaFields, SchemaForm
from hitl.admin.fields.shapes import same
from hitl.admin.requests.changes import MOST, Comparison, lines_of
from hitl.admin.requests.looked import stamp
from hitl.admin.requests.shown import compared
from hitl.admin.requests.values import Room
from hitl.decisions.edits import misfits
from hitl.models import Approval
from hitl.policies import Explanation

_OTHER = ("action_type", "other_args")
_KEPT = ("comment", *_OTHER)
_WORDS = {
    "approve": (_("Approve"), _("exactly these arguments")),
    "edit": (_("Approve with edits"), _("with the changes below")),
    "request_revision": (_("Request a revision"), _("the agent gets your comment as its instructions")),
    "reject": (_("Reject"), _("the agent is told not to try again")),
}


class DecisionForm(SchemaForm):
    """One decision on one revision of one request. `asks` is true where a button only changed the form, or wanted to
    see the changes: then nothing is decided, and the page is shown again. `left` is what was typed for another
    revision and does not fit into this one."""

    verdict = forms.ChoiceField(choices=[(verdict, words) for verdict, (words, _hint) in _WORDS.items()])
    digest = forms.CharField(widget=forms.HiddenInput)
    revision = forms.IntegerField(widget=forms.HiddenInput)
    shown = forms.CharField(required=False, widget=forms.HiddenInput)
    phrase = forms.CharField(required=False, strip=True, label=_("Phrase"))
    comment = Lines(required=False, label=_("Comment"), strip=True)

    def __init__(
        self,
        data: Any = None,
        *,
        approval: Approval,
        explanation: Explanation,
        password: bool = False,
        state: dict[str, str] | None = None,
        heavy: bool = False,
    ) -> None:
        initial = {"digest": approval.digest, "revision": approval.revision, "shown": stamp(approval)}
        super().__init__(data, initial=initial)
        self.approval = approval
        self.left: list[tuple[Any, str]] = []
        self.previews = bool(data) and "preview" in data
        self.heavy = heavy and explanation.verdicts.get("edit") == ""  # its arguments come when they are asked for
        self.choices = list(self._choices(explanation))
        self.answer = approval.kind == "question"
        self.may_edit = explanation.verdicts.get("edit") == "" and not heavy
        if not approval.phrase:
            del self.fields["phrase"]
        if password:
            widget = forms.PasswordInput(attrs={"autocomplete": "current-password"})
            self.fields["password"] = forms.CharField(
                required=False, strip=False, widget=widget, label=_("Your password")
            )
        self.fields["verdict"].required = not self.previews
        edits = self.may_edit or (data and data.get("verdict") == "edit")  # a second click sends the same again
        if edits and not self.answer:
            self._add_types(approval)
        for name, field in self.fields.items():
            field.widget.attrs.setdefault("autocomplete", "off")
            field.widget.attrs["aria-describedby"] = f"error-{name}"
        if self.answer:
            del self.fields["verdict"]
            self.take(SchemaFields(approval.response_schema or {}, prefix="answer", data=data or state))
        elif edits:
            how: Any = {"value": approval.args, "editable": approval.editable, "label": _("Arguments")}
            self.take(SchemaFields(approval.args_schema or {}, prefix="arg", data=data or state, **how))
        self.asks = self.asks or self.previews

    @classmethod
    def carry(
        cls, old: DecisionForm, *, approval: Approval, explanation: Explanation, password: bool = False
    ) -> DecisionForm:
        """An open form on another revision, with what was typed into the old form wherever it still fits; a verdict,
        a phrase and a password are given anew."""
        about: Any = {"approval": approval, "explanation": explanation, "password": password}
        state = dict(_same_groups(old, cls(**about)))
        form = cls(**about, state=state)
        theirs, mine = old.inputs, form.inputs
        if not old.answer and (chosen := _WORDS.get(old.data.get("verdict", ""))):
            form.left.append((_("Your decision"), str(chosen[0])))
        for name, typed in old.changed():
            one, other = theirs.get(name), mine.get(name)
            alike = one is not None and other is not None and type(one) is type(other) and one.shown == other.shown
            if name in form.fields and (alike or name in _KEPT):
                form.initial[name] = typed
            else:
                form.left.append((old.fields[name].label, _words(old.fields[name], typed)))
        return form

    def clean(self) -> dict[str, Any]:
        """Only an edit looks at the arguments; and a form without what it is about is damaged."""
        data: dict[str, Any] = super().clean() or {}
        edits, other = self._edits(data), bool(data.get("action_type") or "action_type" in self.errors)
        mine = self.schema.fields() if self.schema is not None and not self.answer else {}
        for name in list(self.errors):
            if (name in mine and (other or not edits)) or (name in _OTHER and not (edits and other)):
                del self.errors[name]
        if edits and other and data.get("other_args") is None and "other_args" not in self.errors:
            self.add_error("other_args", _("Write the arguments of this action as JSON."))
        if self.errors.keys() & {"digest", "revision"}:
            self.add_error(None, _("This form came in damaged, so nothing was recorded; open the request again."))
        return data

    @property
    def inputs(self) -> dict[str, Kept]:
        """The fields of the arguments or the answer."""
        return self.schema.inputs() if self.schema is not None else {}

    def changed(self) -> Iterator[tuple[str, Any]]:
        """What was typed and differs from what the form began with, by the name of its field."""
        for name in (*self.inputs, *_KEPT):
            if name not in self.fields:
                continue
            typed = self.fields[name].widget.value_from_datadict(self.data, self.files, name)
            text = typed.replace("\r\n", "\n") if isinstance(typed, str) else typed
            began = self.inputs[name].shown if name in self.inputs else self.fields[name].initial or ""
            if text is not None and text != began:
                yield name, typed

    @property
    def typed(self) -> list[tuple[Any, str]]:
        """What was typed, to be given back where the form itself is gone."""
        return [(self.fields[name].label, _words(self.fields[name], typed)) for name, typed in self.changed()]

    @property
    def preview(self) -> Comparison | None:
        """What the edits change, where somebody wants to see it and they can be read; what does not fit the action is
        said beside its input."""
        if not self.previews or not self.is_valid():
            return None
        args = self.edited_args() or {}
        if not self.cleaned_data.get("action_type"):
            for path, words in misfits(self.approval.args_schema, args).items():
                self.add_error(self.field_of(path), words)
        found, room = list(compared(self.approval.args, args)), Room(16_000)
        lines = [line for change in found[:MOST] for line in lines_of(change, room)]
        return Comparison(lines, max(len(found) - MOST, 0), 0)

    @property
    def said(self) -> dict[str, Any]:
        """The verdict with what belongs to it, as `decide` takes it."""
        if self.answer:
            return {"verdict": "respond", "response": self._value()}
        kind = self.cleaned_data.get("action_type", "") if self.cleaned_data["verdict"] == "edit" else ""
        return {"verdict": self.cleaned_data["verdict"], "args": self.edited_args(), "action_type": kind}

    def field_of(self, problem: str) -> str | None:
        """The field that stands for what `decide` found wrong; None where it has no input of its own."""
        head, _dot, rest = problem.partition(".")
        name = problem
        if head == "args" and self.cleaned_data.get("action_type"):
            name = "other_args"
        elif head in ("args", "response") and self.schema is not None:
            name = self.schema.field_of(rest)
        return name if name in self.fields else None

    def edited_args(self) -> dict[str, Any] | None:
        """The arguments as changed, when the verdict is edit."""
        if not self._edits(self.cleaned_data):
            return None
        other = bool(self.cleaned_data.get("action_type"))
        args: dict[str, Any] = self.cleaned_data["other_args"] if other else self._value()
        return args

    def _edits(self, data: dict[str, Any]) -> bool:
        return self.previews or data.get("verdict") == "edit"

    def _value(self) -> Any:
        return self.schema.value(self.cleaned_data) if self.schema is not None else self.approval.args

    def _choices(self, explanation: Explanation) -> Iterator[dict[str, Any]]:
        for verdict, (words, hint) in _WORDS.items():
            if verdict in explanation.verdicts:
                yield {
                    "value": verdict,
                    "words": words,
                    "hint": explanation.sentence_for(verdict) or _hint(self.approval, verdict) or hint,
                    "off": bool(explanation.verdicts[verdict]) or (self.heavy and verdict == "edit"),
                    "chosen": self.data.get("verdict") == verdict,
                }

    def _add_types(self, approval: Approval) -> None:
        """Another action that may be made of it: its name, and its arguments as JSON."""
        if not approval.types:
            return
        asked = (gettext("%(kind)s (as asked)") % {"kind": approval.action_type},)
        kinds = [("", *asked), *((kind, kind) for kind in sorted(approval.types))]
        self.fields["action_type"] = forms.ChoiceField(
            required=False, choices=kinds, label=_("Make another action of it")
        )
        text = json.dumps(approval.args, ensure_ascii=False, indent=2, sort_keys=True)
        label = _("Arguments of the other action")
        self.fields["other_args"] = JSONText(blank=True, required=False, initial=text, label=label)


def _same_groups(old: DecisionForm, new: DecisionForm) -> Iterator[tuple[str, str]]:
    """What was added to and removed from groups that are the same in both revisions."""
    if old.schema is None or new.schema is None:
        return
    before = {node.name: node for node in old.schema.tree.walk()}
    for node in new.schema.tree.walk():
        one = before.get(node.name)
        if one is not None and one.kind == node.kind and node.state != one.state and same(one.was, node.was):
            yield node.name, one.state
            if node.chooser is not None:
                yield f"{node.name}-~way", one.state


def _hint(approval: Approval, verdict: str) -> Any:
    """What a verdict means on this request, where it is not what it usually is."""
    voted_on = verdict == "edit" and approval.required.need > 1
    return _("your version goes to the others as the next revision; you do not vote on it") if voted_on else ""


def _words(field: Any, typed: Any) -> str:
    """What was typed; of a choice the words that were chosen, not their number."""
    if isinstance(typed, bool):
        return gettext("Yes") if typed else gettext("No")
    return str(dict(getattr(field, "choices", ())).get(typed, typed))
