"""`hitl approvals list|show|explain`: what people are asked, where it stands, and who can do what about it."""

from __future__ import annotations

import argparse
from typing import Any

from django.core.management.base import CommandError

from hitl import clock, decisions
from hitl.audit import SYSTEM
from hitl.decisions.inbox import view
from hitl.management.cli import acts
from hitl.management.cli.base import Out, command, group, plain, positive, user_named
from hitl.models import Approval, Assignment, Decision
from hitl.policies import REASONS, Explanation, explain

VIEWS = ("claimed", "escalated", "delegated", "asked", "decided", "all")
_NEXT = {
    "remind": "people are reminded",
    "escalate": "more people are asked",
    "reject": "silence rejects it",
    "approve": "silence approves it",
    "expire": "it expires",
}


def add(parent: Any) -> None:
    """Add the commands."""
    approvals = group(parent, "approvals", "what people are asked: list, show, explain, decide, act")
    listing = command(approvals, "list", _list, "list pending requests, due soonest first")
    listing.add_argument("--as", dest="user", help="login name of a reviewer: only what awaits them")
    listing.add_argument("--view", choices=VIEWS, help=f"with --as, instead of what awaits them: {', '.join(VIEWS)}")
    listing.add_argument("--limit", type=positive, default=20)
    show = command(approvals, "show", _show, "show one request with its digest, and how its votes stand")
    show.add_argument("approval")
    tell = command(approvals, "explain", _explain, "who is needed, what comes next, and what a person may do and why")
    tell.add_argument("approval")
    tell.add_argument("--as", dest="user", help="login name of the person it is about")
    acts.add_to(approvals)


def _list(options: argparse.Namespace, out: Out) -> int:
    if options.view and not options.user:
        raise CommandError("--view is somebody's: name them with --as")
    if options.view:
        rows: Any = view(options.view, user_named(options.user)).select_related("run__workflow")[: options.limit]
    elif options.user:
        rows = decisions.inbox(user_named(options.user), limit=options.limit)
    else:
        pending = Approval.objects.pending().select_related("run__workflow")
        rows = pending.order_by("expires_at", "id")[: options.limit]
    found = [
        {
            "id": str(row.pk),
            "title": row.title,
            "status": row.status,
            "risk": row.risk,
            "workflow": row.run.workflow.name,
            "run": str(row.run_id),
            "expires_at": row.expires_at,
        }
        for row in rows
    ]
    out.give(found, "\n".join(_line(row, status=bool(options.view)) for row in found) or "no requests")
    return 0


def _line(row: dict[str, Any], *, status: bool) -> str:
    said = f"{row['status']:<10} " if status else ""
    return (
        f"{row['id']}  {row['expires_at']:%Y-%m-%d %H:%M}  {said}{row['risk']:<8} {plain(row['workflow']):<24} "
        f"{plain(row['title'])}"
    )


# -- one request --------------------------------------------------------------------------------------


def _show(options: argparse.Namespace, out: Out) -> int:
    row = decisions.find_visible(options.approval, SYSTEM)
    value = {
        "id": str(row.pk),
        "run": str(row.run_id),
        "step": row.step.name,
        "kind": row.kind,
        "status": row.status,
        "title": row.title,
        "impact": row.impact,
        "description": row.description,
        "type": row.action_type,
        "args": row.args,
        "other_types": sorted(row.types or {}),
        "question": row.question,
        "response_schema": row.response_schema,
        "risk": row.risk,
        "reversible": row.reversible,
        "phrase": row.phrase,
        "revision": row.revision,
        "expires_at": row.expires_at,
        "digest": row.digest,
        **_standing(row),
    }
    lines = [f"{name:<16} {plain(item)}" for name, item in value.items() if item not in ("", None, [])]
    out.give(value, "\n".join(lines))
    return 0


def _standing(row: Approval) -> dict[str, Any]:
    """By which rule it is asked, of whom, and what was said so far."""
    held = row.claimed_until is not None and row.claimed_until > clock.now()
    asked = Assignment.objects.filter(approval=row.pk, stage=row.stage, ended_at=None).order_by("id")
    votes = Decision.objects.filter(approval=row.pk, withdrawn_at=None).order_by("decided_at")
    return {
        "policy": row.required.policy,
        "rule": row.required.rule,
        "stage": row.stage + 1,
        "stages": len(row.required.stages),
        "reviewers": list(row.required.stages[row.stage].reviewers),
        "asked": [_asked(one) for one in asked.select_related("user", "group", "for_user")],
        "unsatisfiable": row.unsatisfiable or None,
        "claimed_by": row.claimed_by.get_username() if held and row.claimed_by else "",
        "votes": [_vote(vote) for vote in votes.select_related("actor", "for_user")],
    }


def _asked(row: Assignment) -> str:
    who = f"group:{row.group.name}" if row.group is not None else f"user:{row.user.get_username()}"
    if row.for_user is not None:
        return f"{who} in the place of {row.for_user.get_username()}"
    return who if row.source == "policy" else f"{who} ({row.source})"


def _vote(vote: Decision) -> dict[str, Any]:
    return {
        "stage": vote.stage + 1,
        "by": vote.actor.get_username(),
        "for": vote.for_user.get_username() if vote.for_user is not None else None,
        "verdict": vote.verdict,
        "comment": vote.comment,
        "at": vote.decided_at,
    }


# -- what can be done about it ------------------------------------------------------------------------


def _explain(options: argparse.Namespace, out: Out) -> int:
    row = decisions.find_visible(options.approval, SYSTEM)
    who = user_named(options.user) if options.user else SYSTEM
    told = explain(row, who, fresh=True)  # whoever decides here has just given their password
    value = {
        "id": str(row.pk),
        "status": row.status,
        "stage": told.stage,
        "stages": told.stages,
        "have": told.have,
        "need": told.need,
        "refusals": told.refusals,
        "refusals_need": told.refusals_need,
        "can_still": list(told.can_still),
        "satisfiable": told.satisfiable,
        "next": [{"what": one.what, "at": one.at} for one in told.next],
    }
    if options.user:
        value |= {
            "user": options.user,
            "stands_for": list(told.stands_for),
            "verdicts": told.verdicts,
            "acts": told.acts,
        }
    out.give(value, "\n".join([*_situation(row, told), *(_possible(options.user, told) if options.user else ())]))
    return 0


def _situation(row: Approval, told: Explanation) -> list[str]:
    lines = [
        f"{plain(row.title)}: {row.status}, stage {told.stage} of {told.stages}",
        f"{told.have} of {told.need} agree, {told.refusals} of {told.refusals_need} refuse",
    ]
    if row.is_pending:
        lines.append(f"can still agree: {plain(', '.join(told.can_still)) or 'nobody'}")
    if not told.satisfiable:
        lines.append("these are too few: an operator can ask others, with 'approvals assign' or 'approvals escalate'")
    return lines + [f"{one.at:%Y-%m-%d %H:%M}  {_NEXT.get(one.what, one.what)}" for one in told.next]


def _possible(name: str, told: Explanation) -> list[str]:
    place = f", in the place of {plain(', '.join(told.stands_for))}" if told.stands_for else ""
    lines = [f"{plain(name)}{place}:"]
    for what, reason in [*told.verdicts.items(), *told.acts.items()]:
        lines.append(f"  {what:<18} " + (f"no: {REASONS.get(reason, '')} ({reason})" if reason else "possible"))
    return lines
