"""How every act begins and ends: the run and the request locked, the rules asked, a refusal put on record."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_noop as _

from hitl.audit import Actor
from hitl.decisions.checks import check_open, text_problem
from hitl.decisions.inbox import as_id, find_visible, run_of
from hitl.definition.text import clean
from hitl.exceptions import AlreadyConsumed, ApprovalClosed, HitlError, InvalidDecision, NotAllowed
from hitl.models import Approval, Decision, sql
from hitl.policies import acts
from hitl.policies.eligibility import REASONS, gather
from hitl.transitions import Transition, locked


@dataclass(slots=True)
class Scene:
    """One locked request, its votes that stand, and who does something with it."""

    t: Transition
    approval: Approval
    votes: list[Decision]
    actor: Actor
    who: Any

    def allow(self, act: str) -> None:
        """Raise what keeps this actor from this act; the expiry that is found on the way is done."""
        if act in acts.PENDING:
            check_open(self.t, self.approval, self.votes)
        facts = gather(self.approval, self.actor, self.votes)
        asked = acts.Scene(self.approval, self.actor, facts, acts.is_operator(self.who), self.t.now)
        reason = acts.act_problem(act, asked)
        if reason == "consumed":
            raise AlreadyConsumed(REASONS[reason], consumed_at=str(self.approval.consumed_at))
        if reason == "not_approved":
            raise ApprovalClosed(f"there is no approval to take back: {self.approval.status}")
        if reason:
            raise NotAllowed(REASONS[reason], reason=reason)

    def record(self, action: str, **data: Any) -> None:
        """Put the act on record."""
        subject = f"approval:{self.approval.pk}"
        self.t.record(action, subject, actor=self.actor, title=self.approval.title, **data)


@contextmanager
def acting(
    approval: Approval | uuid.UUID | str, *, actor: Any, refusal: str = "hitl.act.refused", **said: Any
) -> Iterator[Scene]:
    """Lock a request for one act. An error in the body drops what was collected, leaves one audit line, and is raised
    after the commit; who may not even see the request is told that there is none.

    An expiry, or a rung of the ladder, that was due and found on the way is kept.
    """
    with locked(run_of(approval)) as t:
        row = sql.lock_approval(as_id(approval))
        scene = Scene(t, row, sql.votes_of(row.pk), Actor.of(actor), actor)
        try:
            if row.is_pending and t.now >= row.expires_at:
                find_visible(row, actor)  # before time does anything: who sees nothing changes nothing
            yield scene
        except HitlError as error:
            told = _as_seen(error, row, actor)
            reason = {"reason": told.details["reason"]} if "reason" in told.details else {}
            subject = f"approval:{row.pk}"
            found = told is error and t.knows(row)  # who sees nothing changes nothing
            t.refuse(told, refusal, subject, actor=scene.actor, keep=found, title=row.title, **said, **reason)


@contextmanager
def act(approval: Approval | uuid.UUID | str, name: str, *, actor: Any, reason: str = "") -> Iterator[Scene]:
    """`acting` for one named act, allowed; `reason` is what the actor says about it."""
    with acting(approval, actor=actor, act=name) as scene:
        find_visible(scene.approval, actor)  # not every act is for those who are asked
        scene.allow(name)
        check_text(reason, "reason")
        yield scene


def attempt(approval: Approval | uuid.UUID | str, name: str, *, actor: Any, voting: bool = False) -> None:
    """For doors that look before they act: put on record that somebody tried this act, or this verdict, on a request
    they cannot see, and raise UnknownApproval; nothing where they can see it."""
    said = {"verdict": clean(name)[:40]} if voting else {"act": name}
    refusal = "hitl.decision.refused" if voting else "hitl.act.refused"
    with acting(approval, actor=actor, refusal=refusal, **said) as scene:
        find_visible(scene.approval, actor)


def check_text(text: str, name: str, *, needed: bool = False) -> None:
    """Raise InvalidDecision for a text that is missing, too long, or none that could be kept."""
    if needed and not text.strip():
        raise InvalidDecision(fields={name: _("say it in words: it is kept on record")})
    problem = text_problem(text, name)
    if problem:
        raise InvalidDecision(fields=problem)


def _as_seen(error: HitlError, row: Approval, actor: Any) -> HitlError:
    try:
        find_visible(row, actor)  # asked only now: who may act sees it anyway
    except HitlError as unseen:
        return unseen
    return error
