"""Whose hands a request is in: claimed, released, handed over, assigned."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from django.utils.translation import gettext_noop as _

from hitl import notifications
from hitl.audit import person_name
from hitl.decisions.acts.scene import Scene, act, check_text
from hitl.decisions.stages import assignment, enough_people
from hitl.exceptions import InvalidDecision
from hitl.models import Approval, Assignment, people
from hitl.policies import Candidate
from hitl.policies.explain import spent

CLAIM_FOR = timedelta(minutes=15)


def claim(approval: Approval | uuid.UUID | str, *, actor: Any) -> Approval:
    """Say "mine" for 15 minutes, so that others look elsewhere. It is a courtesy: others may still decide.

    Claiming again prolongs it. Raises UnknownApproval, NotAllowed (`claimed` by somebody else, or not a reviewer),
    AlreadyDecided, ApprovalClosed or StaleApproval.
    """
    with act(approval, "claim", actor=actor) as scene:
        scene.t.set(scene.approval, claimed_by_id=scene.actor.user_pk, claimed_until=scene.t.now + CLAIM_FOR)
        scene.record("hitl.approval.claimed")
    return scene.approval


def release(approval: Approval | uuid.UUID | str, *, actor: Any) -> Approval:
    """Give back what one claimed; operators may for others. Raises like `claim`, with reason `not_claimed`."""
    with act(approval, "release", actor=actor) as scene:
        scene.t.set(scene.approval, claimed_by_id=None, claimed_until=None)
        scene.record("hitl.approval.released")
    return scene.approval


def delegate(approval: Approval | uuid.UUID | str, *, actor: Any, to: Any, reason: str = "") -> Approval:
    """Hand one's place at this request to another person. Both are shown, either may vote, and they count once.

    It goes no further: who stands in cannot hand on. Raises like `claim`, and InvalidDecision where `to` cannot stand
    in: deactivated, asked already, one of those who asked, or their vote is cast.
    """
    with act(approval, "delegate", actor=actor, reason=reason) as scene:
        _add(scene, to, "delegate", for_user=scene.actor.user_pk)
        scene.record("hitl.approval.delegated", to=person_name(to), to_user=str(to.pk), why=reason.strip())
        _tell(scene, to, "delegate", reason)
    return scene.approval


def assign(approval: Approval | uuid.UUID | str, *, actor: Any, to: Any, reason: str) -> Approval:
    """An operator asks one more person, with a reason, and never themselves. Raises like `delegate`."""
    with act(approval, "assign", actor=actor, reason=reason) as scene:
        check_text(reason, "reason", needed=True)
        _add(scene, to, "assigned")
        enough_people(scene.t, scene.approval, scene.votes)
        scene.record("hitl.approval.assigned", to=person_name(to), to_user=str(to.pk), why=reason.strip())
        _tell(scene, to, "assign", reason)
    return scene.approval


def _tell(scene: Scene, to: Any, way: str, reason: str) -> None:
    said = {"way": way, "by": scene.actor.name, "why": reason.strip()}
    notifications.tell(scene.t, "escalated", scene.approval, part=scene.t.now.isoformat(), to=to, **said)


def _add(scene: Scene, to: Any, source: str, *, for_user: Any = None) -> None:
    approval = scene.approval
    if to.pk == scene.actor.user_pk:
        raise InvalidDecision(fields={"to": _("not to yourself")})
    asked = people.asked(approval.pk, approval.stage, to.pk)
    if not asked.active or to.pk in spent(approval, scene.votes):
        raise InvalidDecision(
            fields={"to": f"{person_name(to)} cannot decide this: inactive, one who asked, or voted already"}
        )
    own = Assignment.objects.filter(approval=approval.pk, stage=approval.stage, user=to.pk).first()
    if asked.direct or (own is not None and own.ended_at is None and for_user is not None):
        raise InvalidDecision(fields={"to": f"{person_name(to)} is asked already"})
    if own is None:
        fresh = assignment(approval, approval.stage, Candidate(user_id=to.pk), source, for_user=for_user)
        scene.t.add_first(fresh)
    else:
        scene.t.set(own, source=source, for_user_id=for_user, ended_at=None, due_at=approval.expires_at)
        scene.t.write_first(own)
