"""The kinds of notices: who hears of each, whether it may be put off into a digest, and whether one may turn it off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind. `to` names its audience (see `audience`); `ends`: the request is over then, so that it is told although
    nothing is pending; `needed`: nobody can turn it off; `words` is what preferences call it."""

    to: str
    words: Any
    needed: bool = False
    ends: bool = False


KINDS: dict[str, Kind] = {
    "requested": Kind("reviewers", _("A request waits for you"), needed=True),
    "revision": Kind("reviewers", _("A new revision waits for you"), needed=True),
    "stage": Kind("reviewers", _("The next stage waits for you"), needed=True),
    "escalated": Kind("reviewers", _("A request was escalated to you"), needed=True),
    "reminder": Kind("reviewers", _("Reminders")),
    "closed": Kind("told", _("A request you were asked about needs you no longer"), ends=True),
    "approved": Kind("askers", _("What you asked for was approved"), ends=True),
    "rejected": Kind("askers", _("What you asked for was refused"), ends=True),
    "answered": Kind("askers", _("What you asked was answered"), ends=True),
    "expired": Kind("askers", _("Nobody decided what you asked for in time"), ends=True),
    "cancelled": Kind("askers", _("What you asked for was cancelled"), ends=True),
    "revoked": Kind("askers", _("An approval was revoked"), ends=True),
    "comment": Kind("watchers", _("Comments on what you watch, and where you are mentioned"), ends=True),
    "failed": Kind("approvers", _("What you approved failed"), ends=True),
    "info": Kind("named", _("News that ask nothing of you"), ends=True),
    "unsatisfiable": Kind("operators", _("Nobody is left who could decide")),
    "uncertain": Kind("operators", _("Nobody knows whether a step happened"), ends=True),
    "dead": Kind("operators", _("A message could not be delivered"), ends=True),
}
TOLD_TO_PROGRAMS = frozenset(KINDS) - {"info", "dead", "closed", "failed", "uncertain"}
CLOSING = frozenset({"approved", "rejected", "answered", "expired", "cancelled"})
