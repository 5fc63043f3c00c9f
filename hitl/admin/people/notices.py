"""How a person wants to hear: each kind of message at once, in a digest or not at all, and their quiet hours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from hitl.models import Profile
from hitl.models.notifications import Digest, Mode
from hitl.notifications import choose, modes_of
from hitl.notifications.kinds import KINDS, Kind
from hitl.policies.acts import is_operator

if TYPE_CHECKING:
    _Form = forms.ModelForm[Profile]
else:
    _Form = forms.ModelForm

_GROUPS = {
    _("What waits for your decision"): ("reviewers",),
    _("What you asked for or watch"): ("askers", "watchers"),
    _("What you were asked before"): ("told", "approvers", "named"),
    _("What operators are told"): ("operators",),
}


class Group(NamedTuple):
    """Kinds of messages that stand together: their heading and their fields."""

    title: Any
    fields: list[forms.BoundField]


class NoticesForm(_Form):
    """What is needed can be put off and not turned off; what is urgent is not put off, whatever is chosen here."""

    class Meta:
        model = Profile
        fields = ("digest", "quiet_from", "quiet_until")
        labels = {"digest": _("Digest"), "quiet_from": _("Quiet hours from"), "quiet_until": _("Quiet hours until")}
        help_texts = {
            "digest": _("Messages of low and medium risk in one mail, once an hour or at nine in the morning."),
            "quiet_until": _("In your time zone, also over midnight. Only what is critical is sent in them."),
        }
        widgets = {
            name: forms.TimeInput(attrs={"type": "time"}, format="%H:%M") for name in ("quiet_from", "quiet_until")
        }

    def __init__(self, user: Any, data: Any = None) -> None:
        super().__init__(data, instance=getattr(user, "profile", None), label_suffix="")
        self.user = user
        digest: Any = self.fields["digest"]
        digest.choices = [("", _("No: each message at once")), *Digest.choices]
        chosen = modes_of(user)
        told = [name for name, kind in KINDS.items() if kind.to != "operators" or is_operator(user)]
        self.kinds = {f"kind_{name}": name for name in told}
        for field, name in self.kinds.items():
            self.fields[field] = forms.ChoiceField(
                label=KINDS[name].words, choices=_offered(KINDS[name]), initial=chosen.get(name, ""), required=False
            )
        for name, shown in self.fields.items():
            shown.widget.attrs["aria-describedby"] = f"help-{name} error-{name}"

    @property
    def times(self) -> list[forms.BoundField]:
        """When messages come."""
        return [self[name] for name in self._meta.fields or ()]

    @property
    def groups(self) -> list[Group]:
        """The kinds, by why one hears of them."""
        found = [
            Group(title, [self[field] for field, name in self.kinds.items() if KINDS[name].to in to])
            for title, to in _GROUPS.items()
        ]
        return [group for group in found if group.fields]

    def clean(self) -> dict[str, Any]:
        """Quiet hours have two ends."""
        data = super().clean() or self.cleaned_data
        ends = {data.get(name) for name in ("quiet_from", "quiet_until")}
        if not self.errors and len(ends - {None}) != (0 if ends == {None} else 2):
            self.add_error("quiet_until", gettext("Give both, and not the same: when it begins and when it ends."))
        return data

    @property
    def profile(self) -> dict[str, Any]:
        """What belongs to the profile."""
        return {name: self.cleaned_data[name] for name in self._meta.fields or ()}

    def keep(self) -> None:
        """Write down what was chosen for each kind."""
        choose(self.user, {name: self.cleaned_data[field] for field, name in self.kinds.items()})


def _offered(kind: Kind) -> list[tuple[str, Any]]:
    """What can be chosen: nobody puts off that something went wrong, and nobody turns off what waits for them."""
    if kind.to == "operators":
        return [("", Mode.NOW.label), (Mode.OFF.value, Mode.OFF.label)]
    offered: list[tuple[str, Any]] = [("", _("As chosen above")), *Mode.choices]
    return [(value, words) for value, words in offered if value != Mode.OFF or not kind.needed]
