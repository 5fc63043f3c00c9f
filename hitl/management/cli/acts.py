"""`hitl approvals approve`, `claim` and the like: what people say and do, each as a person who gives their password."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from django.core.management.base import CommandError

from hitl import clock, decisions
from hitl.exceptions import UnknownApproval
from hitl.management.cli.base import (
    Out,
    command,
    duration,
    json_argument,
    moment,
    plain,
    sign_in,
    signed_in,
    user_named,
)
from hitl.models import Approval

_FEWEST = 8


def add_to(approvals: Any) -> None:
    """Add the commands to the group `approvals`."""
    _add_votes(approvals)
    for name, act, words in (
        ("claim", _claim, "say 'mine' for 15 minutes; others may still decide"),
        ("release", _release, "give back what was claimed"),
        ("remind", _remind, "tell those who are asked once more"),
        ("watch", _watch, "be told what becomes of it"),
        ("unwatch", _unwatch, "be told no more"),
    ):
        _acting(approvals, name, act, words)
    for name, act, words in (
        ("escalate", _escalate, "ask the next people up the ladder now"),
        ("withdraw", _withdraw, "take back one's own vote while its stage is open"),
        ("revoke", _revoke, "take back an approval that is not used yet"),
        ("cancel", _cancel, "the side that asked wants it no more: cancels the run"),
    ):
        _acting(approvals, name, act, words).add_argument("--reason", default="", help="why; kept on record")
    for name, act, words in (
        ("delegate", _delegate, "hand one's place at this request to another person"),
        ("assign", _assign, "ask one more person; for operators"),
    ):
        handing = _acting(approvals, name, act, words)
        handing.add_argument("--to", required=True, help="login name of the other person")
        handing.add_argument("--reason", default="", required=name == "assign", help="why; kept on record")
    later = _acting(approvals, "extend", _extend, "put the deadline off, as far as the policy lets it")
    when = later.add_mutually_exclusive_group(required=True)
    when.add_argument("--until", type=moment, help="the new deadline, such as 2027-01-31T18:00Z")
    when.add_argument("--by", type=duration, help="how much later than it is now, such as 2h or 1d")
    later.add_argument("--reason", default="", help="why; kept on record")
    remark = _acting(approvals, "comment", _comment, "leave a remark for everybody who sees it")
    remark.add_argument("text")


def _add_votes(approvals: Any) -> None:
    approve = _voting(approvals, "approve", _approve, "say yes")
    approve.add_argument("--args", dest="edit", help="the whole changed arguments as a JSON object: approve with edits")
    approve.add_argument("--type", default="", help="with --args: the other action to make of it")
    approve.add_argument("--phrase", default="", help="the phrase, where the request asks for one")
    _voting(approvals, "reject", _reject, "say no")
    _voting(approvals, "request_revision", _request_revision, "send it back with what to do better in --comment")
    respond = _voting(approvals, "respond", _respond, "answer a question")
    respond.add_argument("response", help="the answer as JSON")


def _voting(parent: Any, name: str, act: Any, words: str) -> argparse.ArgumentParser:
    parser = _acting(parent, name, act, words)
    parser.add_argument(
        "--digest", required=True, help=f"what `show` printed, or at least its first {_FEWEST} characters"
    )
    parser.add_argument("--comment", default="")
    return parser


def _acting(parent: Any, name: str, act: Any, words: str) -> argparse.ArgumentParser:
    parser = command(parent, name, act, words)
    parser.add_argument("approval")
    sign_in(parser, "login name of the person who does it; asks for the password")
    return parser


# -- votes --------------------------------------------------------------------------------------------


def _approve(options: argparse.Namespace, out: Out) -> int:
    if options.edit is None and options.type:
        raise CommandError("another type has other arguments: give them with --args")
    if options.edit is None:
        return _decide(options, out, "approve", phrase=options.phrase)
    edit = json_argument(options.edit)
    return _decide(options, out, "edit", args=edit, action_type=options.type, phrase=options.phrase)


def _reject(options: argparse.Namespace, out: Out) -> int:
    return _decide(options, out, "reject")


def _request_revision(options: argparse.Namespace, out: Out) -> int:
    return _decide(options, out, "request_revision")


def _respond(options: argparse.Namespace, out: Out) -> int:
    return _decide(options, out, "respond", response=json_argument(options.response))


def _decide(options: argparse.Namespace, out: Out, verdict: str, **vote: Any) -> int:
    user = signed_in(options)
    proven = clock.now()
    try:
        row = decisions.find_visible(options.approval, user)
    except UnknownApproval:
        decisions.attempt(options.approval, verdict, actor=user, voting=True)  # which refuses on record
        raise
    given = options.digest.lower()
    digest = row.digest if len(given) >= _FEWEST and row.digest.startswith(given) else options.digest
    outcome = decisions.decide(
        row,
        actor=user,
        verdict=verdict,
        digest=digest,
        comment=options.comment,
        channel="shell",
        reauthenticated_at=proven,
        **vote,
    )
    value = {
        "id": str(outcome.approval.pk),
        "status": outcome.approval.status,
        "revision": outcome.approval.revision,
        "duplicate": outcome.duplicate,
        "have": outcome.have,
        "need": outcome.need,
    }
    words = f"{outcome.have} of {outcome.need} agree" if outcome.open else str(outcome.approval.status)
    words = f"revision {outcome.approval.revision}: {words}" if outcome.approval.pk != row.pk else words
    out.give(value, f"{words}  {outcome.approval.pk}")
    return 0


# -- acts ---------------------------------------------------------------------------------------------


def _claim(options: argparse.Namespace, out: Out) -> int:
    row = decisions.claim(options.approval, actor=signed_in(options))
    return _done(out, row, f"claimed until {row.claimed_until:%Y-%m-%d %H:%M}")


def _release(options: argparse.Namespace, out: Out) -> int:
    return _done(out, decisions.release(options.approval, actor=signed_in(options)), "released")


def _remind(options: argparse.Namespace, out: Out) -> int:
    return _done(out, decisions.remind(options.approval, actor=signed_in(options)), "reminded")


def _watch(options: argparse.Namespace, out: Out) -> int:
    return _watching(options, out, decisions.watch, "watched from now on", "was watched already")


def _unwatch(options: argparse.Namespace, out: Out) -> int:
    return _watching(options, out, decisions.unwatch, "watched no more", "was not watched")


def _watching(options: argparse.Namespace, out: Out, act: Callable[..., bool], yes: str, no: str) -> int:
    changed = act(options.approval, actor=signed_in(options))
    out.give({"id": options.approval, "changed": changed}, f"{yes if changed else no}  {options.approval}")
    return 0


def _escalate(options: argparse.Namespace, out: Out) -> int:
    return _with_reason(options, out, decisions.escalate, "escalated")


def _withdraw(options: argparse.Namespace, out: Out) -> int:
    return _with_reason(options, out, decisions.withdraw, "withdrawn")


def _revoke(options: argparse.Namespace, out: Out) -> int:
    return _with_reason(options, out, decisions.revoke, "revoked")


def _cancel(options: argparse.Namespace, out: Out) -> int:
    return _with_reason(options, out, decisions.cancel, "cancelled")


def _with_reason(options: argparse.Namespace, out: Out, act: Callable[..., Approval], words: str) -> int:
    return _done(out, act(options.approval, actor=signed_in(options), reason=options.reason), words)


def _delegate(options: argparse.Namespace, out: Out) -> int:
    return _hand(options, out, decisions.delegate, "handed to")


def _assign(options: argparse.Namespace, out: Out) -> int:
    return _hand(options, out, decisions.assign, "assigned to")


def _hand(options: argparse.Namespace, out: Out, act: Callable[..., Approval], words: str) -> int:
    user = signed_in(options)  # before the other name is looked up: who is nobody learns no names
    row = act(options.approval, actor=user, to=user_named(options.to), reason=options.reason)
    return _done(out, row, f"{words} {plain(options.to)}")


def _extend(options: argparse.Namespace, out: Out) -> int:
    user = signed_in(options)
    until = options.until
    if until is None:
        until = decisions.find_visible(options.approval, user).expires_at + options.by
    row = decisions.extend(options.approval, actor=user, until=until, reason=options.reason)
    return _done(out, row, f"open until {row.expires_at:%Y-%m-%d %H:%M}")


def _comment(options: argparse.Namespace, out: Out) -> int:
    row = decisions.comment(options.approval, actor=signed_in(options), text=options.text)
    return _done(out, row.approval, "commented")


def _done(out: Out, row: Approval, words: str) -> int:
    value = {
        "id": str(row.pk),
        "status": row.status,
        "expires_at": row.expires_at,
        "claimed_until": row.claimed_until,
    }
    out.give(value, f"{words}  {row.pk}")
    return 0
