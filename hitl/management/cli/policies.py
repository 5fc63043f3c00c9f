"""`hitl policy apply|diff|show|versions`: what holds, what would, and what held. `policy test` is in `trial`."""

from __future__ import annotations

import argparse
import difflib
from pathlib import Path
from typing import Any

import yaml
from django.core.management.base import CommandError
from django.db import transaction

from hitl.audit import SYSTEM
from hitl.exceptions import UnknownPolicy
from hitl.management.cli import trial
from hitl.management.cli.base import Out, command, documents, group, plain, user_named
from hitl.models import Policy
from hitl.policies import apply_policy

Change = tuple[Policy | None, Policy]


def add(parent: Any) -> None:
    """Add the commands."""
    policies = group(parent, "policy", "named policies")
    apply = command(policies, "apply", _apply, "make the documents of a YAML or JSON file the active versions")
    apply.add_argument("file", type=Path)
    apply.add_argument("--as", dest="user", help="login name of the author (default: the system)")
    apply.add_argument("--dry-run", action="store_true", help="check everything and change nothing")
    diff = command(policies, "diff", _diff, "what applying a file would change; exit 0 nothing, 1 something")
    diff.add_argument("file", type=Path)
    show = command(policies, "show", _show, "show the active version of a policy, or list all")
    show.add_argument("name", nargs="?")
    versions = command(policies, "versions", _versions, "list the versions of a policy, the newest first")
    versions.add_argument("name")
    trial.add_to(policies)


def _apply(options: argparse.Namespace, out: Out) -> int:
    changes = _applied(options.file, SYSTEM if options.user is None else user_named(options.user), dry=options.dry_run)
    found = [
        {"name": new.name, "version": new.version} | ({"changed": _differ(old, new)} if options.dry_run else {})
        for old, new in changes
    ]
    words = [_outcome(old, new, dry=options.dry_run) for old, new in changes]
    out.give(found, "\n".join(words))
    return 0


def _outcome(old: Policy | None, new: Policy, *, dry: bool) -> str:
    if not dry:
        return f"active: {new}"
    return f"would be active: {new}" if _differ(old, new) else f"unchanged: {new}"


def _diff(options: argparse.Namespace, out: Out) -> int:
    changes = _applied(options.file, SYSTEM, dry=True)
    diffs = [_compared(old, new, str(options.file)) for old, new in changes]
    found = [
        {"name": new.name, "active": old.version if old else None, "changes": _differ(old, new), "diff": diff}
        for (old, new), diff in zip(changes, diffs, strict=True)
    ]
    out.give(found, "\n".join(line for diff in diffs for line in diff) or "nothing would change")
    return 1 if any(one["changes"] for one in found) else 0


def _applied(path: Path, who: Any, *, dry: bool) -> list[Change]:
    """Each policy of a file with what was active before. `dry`: all of it is done and then undone, so that it says
    exactly what applying would."""
    found = documents(path)
    if not found:
        raise CommandError(f"{path}: there is no policy in it")
    with transaction.atomic():  # all documents of a file or none
        before = {policy.name: policy for policy in Policy.objects.filter(active=True)}
        changes: list[Change] = []
        for document in found:
            policy = apply_policy(document, actor=who)
            changes.append((before.get(policy.name), policy))
            before[policy.name] = policy
        if dry:
            transaction.set_rollback(True)
    return changes


def _differ(old: Policy | None, new: Policy) -> bool:
    return old is None or old.version != new.version


def _compared(old: Policy | None, new: Policy, path: str) -> list[str]:
    before = _lines(old.document) if old else []
    names = (str(old) if old else f"{new.name}: none"), f"{new.name} in {path}"
    after = _lines(new.document) if _differ(old, new) else before
    return [plain(line) for line in difflib.unified_diff(before, after, *names, lineterm="")]


def _lines(document: Any) -> list[str]:
    # Sorted: PostgreSQL gives a document back in an order of its own, which is no difference.
    return yaml.safe_dump(document, sort_keys=True, allow_unicode=True).splitlines()


def _show(options: argparse.Namespace, out: Out) -> int:
    rows = Policy.objects.filter(active=True).order_by("name")
    if options.name:
        rows = rows.filter(name=options.name)
        if not rows:
            raise UnknownPolicy(f"there is no policy {options.name!r}")
    found = [{"version": p.version, **p.document} for p in rows]
    out.give(found, yaml.safe_dump_all(found, sort_keys=False).rstrip() if found else "no policies")
    return 0


def _versions(options: argparse.Namespace, out: Out) -> int:
    rows = Policy.objects.filter(name=options.name).select_related("author").order_by("-version")
    found = [
        {
            "version": row.version,
            "active": row.active,
            "created_at": row.created_at,
            "author": row.author.get_username() if row.author is not None else None,
        }
        for row in rows
    ]
    if not found:
        raise UnknownPolicy(f"there is no policy {options.name!r}")
    lines = [
        f"v{row['version']:<5} {row['created_at']:%Y-%m-%d %H:%M}  {'active' if row['active'] else '':<6}  "
        f"{plain(row['author'] or 'the system')}"
        for row in found
    ]
    out.give(found, "\n".join(lines))
    return 0
