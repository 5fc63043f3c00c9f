"""Who is asked now, and until when: stages that open, ladders that are climbed, and people who are not enough."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext_noop as _

from hitl import notifications
from hitl.audit import SYSTEM, Actor
from hitl.decisions.quorum import tally
from hitl.definition import Stage
from hitl.models import Approval, Assignment, Decision, people
from hitl.policies import resolve, when
from hitl.policies.explain import spent
from hitl.transitions import Transition

_ALONE = _("those who are asked cannot decide it alone")


def times(stage: Stage, opened_at: datetime, now: datetime, *, rung: int = 0) -> dict[str, datetime | None]:
    """When the next reminder and the next rung of a stage are due."""
    later = [when(opened_at, after) for after in stage.remind]
    up = stage.escalate[rung].after if rung < len(stage.escalate) else None
    return {
        "remind_at": min((at for at in later if at > now), default=None),
        "escalate_at": None if up is None else when(opened_at, up),
    }


def grant_times(approval: Approval, now: datetime) -> dict[str, datetime | None]:
    """From when and until when what is approved now may start."""
    start = now + timedelta(seconds=approval.cool_off)
    return {
        "not_before": start if approval.cool_off else None,
        "execute_by": start + timedelta(seconds=approval.execute_within),
    }


def open_next(t: Transition, approval: Approval, votes: list[Decision], who: Actor, said: dict[str, Any]) -> None:
    """A stage agreed: ask the people of the next one. Its times count from now."""
    stage = approval.required.stages[approval.stage + 1]
    t.set(
        approval,
        stage=approval.stage + 1,
        stage_opened_at=t.now,
        expires_at=when(t.now, stage.timeout or 0),
        **times(stage, t.now, t.now),
        reminded_at=None,
        rung=0,
        fell_back=False,
        unsatisfiable=False,
        claimed_by=None,
        claimed_until=None,
    )
    said = {**said, "title": approval.title, "digest": approval.digest, "stage": approval.stage}
    said["stages"] = len(approval.required.stages)
    t.record("hitl.approval.stage_passed", f"approval:{approval.pk}", actor=who, **said)
    notifications.tell(t, "stage", approval, part=str(approval.stage))
    enough_people(t, approval, votes)


def enough_people(t: Transition, approval: Approval, votes: list[Decision], *, asked: Any = None) -> None:
    """Look whether the people left can reach the quorum; if not ask the fallback, and if that is not enough either, say
    so. It never approves itself. `asked` are the rows of who is asked where they are not written yet."""
    rows = list(asked) if asked is not None else _rows(approval)
    if _enough(approval, votes, rows):
        if approval.unsatisfiable:
            t.set(approval, unsatisfiable=False)
        return
    stage = approval.required.stages[approval.stage]
    if stage.fallback and not approval.fell_back:
        t.set(approval, fell_back=True)
        names = list(stage.fallback)
        t.record("hitl.approval.fell_back", f"approval:{approval.pk}", title=approval.title, to=names)
        rows += ask_also(t, approval, names, "fallback", rows=rows)
        if asked is None:
            notifications.tell(t, "escalated", approval, part=f"{approval.stage}:fallback", why=_ALONE)
    if _enough(approval, votes, rows) or approval.unsatisfiable:
        return
    t.set(approval, unsatisfiable=True)
    t.record("hitl.approval.unsatisfiable", f"approval:{approval.pk}", title=approval.title)
    notifications.tell(t, "unsatisfiable", approval, part=f"{approval.stage}:{t.now.isoformat()}")


def climb(t: Transition, approval: Approval, votes: list[Decision], *, actor: Actor = SYSTEM, why: str) -> None:
    """Ask the next rung of the ladder, or the fallback after the last one; votes that are cast stay valid. The caller
    has made sure that there is somebody."""
    stage = approval.required.stages[approval.stage]
    rows = _rows(approval)
    if approval.rung < len(stage.escalate):
        rung = stage.escalate[approval.rung]
        names, source = list(rung.to), "escalation"
        t.set(approval, rung=approval.rung + 1)
        for row in rows if rung.mode == "replace" else ():
            t.set(row, ended_at=t.now, due_at=None)
            t.write_first(row)
    else:
        names, source = list(stage.fallback), "fallback"
        t.set(approval, fell_back=True)
    t.set(approval, **times(stage, approval.stage_opened_at, t.now, rung=approval.rung))
    t.record("hitl.approval.escalated", f"approval:{approval.pk}", actor=actor, title=approval.title, to=names, why=why)
    rows = [row for row in rows if row.ended_at is None] + ask_also(t, approval, names, source)
    by = {} if actor == SYSTEM else {"by": actor.name}
    notifications.tell(t, "escalated", approval, part=f"{approval.stage}:{approval.rung}:{source}", why=why, **by)
    enough_people(t, approval, votes, asked=rows)


def ask_also(
    t: Transition, approval: Approval, names: list[str], source: str, *, rows: list[Assignment] | None = None
) -> list[Assignment]:
    """Ask more people at this stage; who is asked already is not asked twice. Returns the rows that are new."""
    known = Assignment.objects.filter(approval=approval.pk, stage=approval.stage)
    have = {(row.user_id, row.group_id): row for row in (*known, *(rows or ()))}
    new = []
    for candidate in resolve(names, skip_unknown=True):
        row = have.get((candidate.user_id, candidate.group_id))
        if row is None:
            row = assignment(approval, approval.stage, candidate, source)
            t.add_first(row)
            new.append(row)
        elif row.ended_at is not None or row.for_user_id is not None:
            t.set(row, ended_at=None, for_user=None, source=source, due_at=approval.expires_at)
            t.write_first(row)
            new.append(row)
    return new


def assignment(approval: Approval, stage: int, candidate: Any, source: str, *, for_user: Any = None) -> Assignment:
    """One more who is asked; in their inbox while the request waits at this stage."""
    shown = approval.is_pending and stage == approval.stage
    return Assignment(
        approval=approval,
        stage=stage,
        user_id=candidate.user_id,
        group_id=candidate.group_id,
        source=source,
        for_user_id=for_user,
        due_at=approval.expires_at if shown else None,
    )


def _rows(approval: Approval) -> list[Assignment]:
    return list(Assignment.objects.filter(approval=approval.pk, stage=approval.stage, ended_at=None))


def _enough(approval: Approval, votes: list[Decision], rows: list[Assignment]) -> bool:
    here = [vote.verdict for vote in votes if vote.stage == approval.stage]
    count = tally(approval.required.stages[approval.stage], here)
    direct = [row for row in rows if row.for_user_id is None and row.stage == approval.stage]
    users = [row.user_id for row in direct if row.user_id is not None]
    groups = [row.group_id for row in direct if row.group_id is not None]
    missing = count.need - count.have
    return len(people.reachable(users, groups, spent(approval, votes), missing)) >= missing
