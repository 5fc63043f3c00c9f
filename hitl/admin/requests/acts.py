"""The other acts on a request: what each wants to know, what its button says, and which verb it calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.timesince import timesince
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from hitl import decisions
from hitl.admin.fields.inputs import Lines, Person
from hitl.exceptions import InvalidDecision
from hitl.models import Approval
from hitl.policies import REASONS, Explanation
from hitl.policies.acts import latest_deadline

_BACK = ("withdraw", "revoke")
_STEPS = (timedelta(hours=1), timedelta(hours=4), timedelta(days=1), timedelta(days=3), timedelta(days=7))


class ActForm(forms.Form):
    """What one act wants to know: nothing, where it is only a button. Ids carry its name: a page has many of these."""

    def __init__(self, data: Any = None, *, name: str, approval: Approval) -> None:
        super().__init__(data, auto_id=f"id_{name}_%s")
        self.name, self.approval = name, approval
        for field, made in self.fields.items():
            made.widget.attrs.setdefault("autocomplete", "off")
            made.widget.attrs["aria-describedby"] = f"error_{name}_{field}"

    @property
    def said(self) -> dict[str, Any]:
        """What was typed, as the verb takes it."""
        return dict(self.cleaned_data)

    @property
    def typed(self) -> list[tuple[str, str]]:
        """What was typed, to be given back where the form itself is gone."""
        return [(str(field.label), str(field.value())) for field in self if field.value()]

    def put(self, error: InvalidDecision) -> None:
        """Put each field's error beside its input."""
        for name, told in error.details["fields"].items():
            self.add_error(name if name in self.fields else None, gettext(told))


class ReasonForm(ActForm):
    """Why, if one wants to say it."""

    reason = forms.CharField(required=False, label=_("Why"))


class HandOver(ReasonForm):
    """Who shall decide in one's place."""

    to = Person(label=_("To whom"), help_text=_("The name they sign in with"))
    field_order = ("to", "reason")


class Assign(HandOver):
    """Whom an operator asks as well, and why."""

    reason = forms.CharField(required=True, label=_("Why"))


class Extend(ReasonForm):
    """How much later. What travels is the new deadline, so that a second click does not put it off twice."""

    until = forms.ChoiceField(label=_("By"))
    field_order = ("until", "reason")

    def __init__(self, data: Any = None, *, name: str, approval: Approval) -> None:
        super().__init__(data, name=name, approval=approval)
        field: Any = self.fields["until"]
        field.choices = [(at.isoformat(), words) for at, words in _later(approval)]
        field.error_messages["invalid_choice"] = _("The deadline has changed meanwhile; choose again.")

    @property
    def said(self) -> dict[str, Any]:
        """The deadline as a time."""
        return {**self.cleaned_data, "until": datetime.fromisoformat(self.cleaned_data["until"])}


class Remark(ActForm):
    """What one has to say."""

    text = Lines(label=_("Add to the discussion"), strip=True)


@dataclass(frozen=True, slots=True)
class Act:
    """One act: its button, what it does in a sentence, what is said when it is done, its verb, and its form. `rule` is
    the name it has in an explanation where that is another one."""

    label: Any
    hint: Any
    done: Any
    verb: Callable[..., Any]
    form: type[ActForm] = ActForm
    rule: str = ""


ACTS: dict[str, Act] = {
    "claim": Act(
        _("Claim"), _("Others see that you are at it, for 15 minutes."), _("You have claimed it."), decisions.claim
    ),
    "release": Act(_("Release"), _("Give back what is claimed."), _("It is free again."), decisions.release),
    "remind": Act(_("Remind"), _("Tell those who are asked once more."), _("They were reminded."), decisions.remind),
    "watch": Act(
        _("Watch"),
        _("Others see that you follow it."),
        _("You are listed as following it."),
        decisions.watch,
        rule="watch",
    ),
    "unwatch": Act(_("Stop watching"), "", _("You do not watch it any more."), decisions.unwatch, rule="watch"),
    "delegate": Act(
        _("Delegate"),
        _("They may decide in your place; the two of you count once."),
        _("It is handed over: either of you may decide."),
        decisions.delegate,
        HandOver,
    ),
    "extend": Act(_("Extend"), _("Put the deadline off."), _("The deadline is put off."), decisions.extend, Extend),
    "escalate": Act(
        _("Escalate"),
        _("Ask those further up now."),
        _("Those further up are asked now."),
        decisions.escalate,
        ReasonForm,
    ),
    "assign": Act(_("Assign"), _("Ask one more person."), _("They are asked as well."), decisions.assign, Assign),
    "withdraw": Act(
        _("Withdraw my vote"),
        _("Take your vote back; you may vote again."),
        _("Your vote is taken back."),
        decisions.withdraw,
        ReasonForm,
    ),
    "revoke": Act(
        _("Revoke approval"),
        _("Take the approval back before it is used: nothing is done."),
        _("The approval is revoked; nothing was done."),
        decisions.revoke,
        ReasonForm,
    ),
    "cancel": Act(
        _("Cancel the request"),
        _("Nobody has to decide any more; the run ends."),
        _("The request is cancelled, and its run ended."),
        decisions.cancel,
        ReasonForm,
    ),
    "comment": Act(_("Comment"), "", _("Your comment is kept."), decisions.comment, Remark),
}


def shown(approval: Any, explanation: Explanation, bound: ActForm | None = None) -> dict[str, Any]:
    """The forms of the acts that are possible now: mere buttons, those that want to know something, those that take
    one's own answer back, the comment's; and the act that was tried, with whether it is not among them any more."""
    left_out = "watch" if approval.watched else "unwatch"
    possible = [
        name for name, act in ACTS.items() if not explanation.acts.get(act.rule or name, "") and name != left_out
    ]
    rows = [_row(name, approval, bound) for name in possible if name != "comment"]
    return {
        "act_buttons": [row for row in rows if not row["form"].fields],
        "act_forms": [row for row in rows if row["form"].fields and row["name"] not in _BACK],
        "act_backs": [row for row in rows if row["name"] in _BACK],
        "remark": _row("comment", approval, bound)["form"] if "comment" in possible else None,
        "act": bound,
        "act_gone": bound is not None and bound.name not in possible,
        "act_why": gettext(REASONS.get(explanation.acts.get(ACTS[bound.name].rule or bound.name, ""), ""))
        if bound
        else "",
    }


def _row(name: str, approval: Approval, bound: ActForm | None) -> dict[str, Any]:
    act, mine = ACTS[name], bound is not None and bound.name == name
    form = bound if mine else act.form(name=name, approval=approval)
    return {"name": name, "label": act.label, "hint": act.hint, "form": form, "open": mine}


def _later(approval: Approval) -> list[tuple[datetime, str]]:
    """The deadlines to choose from, the policy's cap as the last of them."""
    cap, now = latest_deadline(approval), approval.expires_at
    found = [(now + step, timesince(now, now + step)) for step in _STEPS if now + step < cap]
    rows = [*found, (cap, gettext("as much as its policy allows"))] if cap > now else found
    told, shape = gettext("%(span)s, to %(at)s"), gettext("j M H:i")
    return [(at, told % {"span": words, "at": date_format(timezone.localtime(at), shape)}) for at, words in rows]
