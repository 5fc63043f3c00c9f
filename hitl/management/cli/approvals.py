"""`hitl approvals …`: read requests, and decide them as a named person who gives their password."""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from typing import Any

from django.contrib.auth import authenticate
from django.core.management.base import CommandError

from hitl import decisions
from hitl.audit import SYSTEM
from hitl.management.cli.base import Out, command, group, json_argument, positive, user_named
from hitl.models import Approval

_FEWEST = 8


def add(parent: Any) -> None:
    """Add the commands."""
    approvals = group(parent, "approvals", "what people are asked: list, show, decide")
    listing = command(approvals, "list", _list, "list pending requests, due soonest first")
    listing.add_argument("--as", dest="user", help="login name of a reviewer: only what awaits them")
    listing.add_argument("--limit", type=positive, default=20)
    show = command(approvals, "show", _show, "show one request with its digest")
    show.add_argument("approval")
    approve = _voting(approvals, "approve", _approve, "say yes")
    approve.add_argument("--args", dest="edit", help="the whole changed arguments as a JSON object: approve with edits")
    approve.add_argument("--phrase", default="", help="the phrase, where the request asks for one")
    _voting(approvals, "reject", _reject, "say no")
    respond = _voting(approvals, "respond", _respond, "answer a question")
    respond.add_argument("response", help="the answer as JSON")


def _voting(parent: Any, name: str, act: Any, words: str) -> argparse.ArgumentParser:
    parser = command(parent, name, act, words)
    parser.add_argument("approval")
    parser.add_argument("--as", dest="user", required=True, help="login name of the person who decides")
    parser.add_argument(
        "--digest", required=True, help=f"what `show` printed, or at least its first {_FEWEST} characters"
    )
    parser.add_argument("--comment", default="")
    parser.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
    return parser


def _list(options: argparse.Namespace, out: Out) -> int:
    if options.user:
        rows: Any = decisions.inbox(user_named(options.user))
    else:
        rows = Approval.objects.pending().select_related("run__workflow", "step").order_by("expires_at", "id")
    found = [
        {
            "id": str(row.pk),
            "title": row.title,
            "risk": row.risk,
            "workflow": row.run.workflow.name,
            "run": str(row.run_id),
            "expires_at": row.expires_at,
        }
        for row in rows[: options.limit]
    ]
    lines = [
        f"{row['id']}  {row['expires_at']:%Y-%m-%d %H:%M}  {row['risk']:<8} {row['workflow']:<24} {row['title']}"
        for row in found
    ]
    out.give(found, "\n".join(lines) or "no requests")
    return 0


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
        "question": row.question,
        "response_schema": row.response_schema,
        "risk": row.risk,
        "reversible": row.reversible,
        "phrase": row.phrase,
        "revision": row.revision,
        "expires_at": row.expires_at,
        "reviewers": list(row.required.stages[row.stage].reviewers),
        "digest": row.digest,
    }
    lines = [f"{name:<16} {_plain(item)}" for name, item in value.items() if item not in ("", None)]
    out.give(value, "\n".join(lines))
    return 0


def _approve(options: argparse.Namespace, out: Out) -> int:
    if options.edit is None:
        return _decide(options, out, "approve", phrase=options.phrase)
    return _decide(options, out, "edit", args=json_argument(options.edit), phrase=options.phrase)


def _reject(options: argparse.Namespace, out: Out) -> int:
    return _decide(options, out, "reject")


def _respond(options: argparse.Namespace, out: Out) -> int:
    return _decide(options, out, "respond", response=json_argument(options.response))


def _decide(options: argparse.Namespace, out: Out, verdict: str, **vote: Any) -> int:
    user = _signed_in(options)
    row = decisions.find_visible(options.approval, user)
    given = options.digest.lower()
    digest = row.digest if len(given) >= _FEWEST and row.digest.startswith(given) else options.digest
    outcome = decisions.decide(
        row, actor=user, verdict=verdict, digest=digest, comment=options.comment, channel="shell", **vote
    )
    value = {
        "id": str(row.pk),
        "status": outcome.approval.status,
        "duplicate": outcome.duplicate,
        "have": outcome.have,
        "need": outcome.need,
    }
    words = f"{outcome.have} of {outcome.need} agree" if outcome.open else str(outcome.approval.status)
    out.give(value, f"{words}  {row.pk}")
    return 0


def _signed_in(options: argparse.Namespace) -> Any:
    """The person, after their password was right. Nothing tells a wrong name from a wrong password."""
    if options.password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = getpass.getpass(f"Password of {options.user}: ")
    user = authenticate(None, username=options.user, password=password)
    if user is None:
        raise CommandError("the name or the password is wrong")
    return user


def _plain(item: Any) -> str:
    """For a terminal: text stays text but for what would move its cursor, the rest is JSON."""
    text = item if isinstance(item, str) else json.dumps(item, ensure_ascii=False, default=str)
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)
