"""`hitl policy …` and `hitl key …`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import yaml
from django.contrib.auth.models import Group
from django.core.management.base import CommandError
from django.db import transaction

from hitl.audit import SYSTEM
from hitl.exceptions import UnknownPolicy
from hitl.management.cli.base import Out, command, group, user_named
from hitl.models import ApiKey, Policy
from hitl.policies import SCOPES, apply_policy, create_key, revoke_key


def add(parent: Any) -> None:
    """Add the commands."""
    policies = group(parent, "policy", "named policies")
    apply = command(policies, "apply", _apply, "make the documents of a YAML or JSON file the active versions")
    apply.add_argument("file", type=Path)
    apply.add_argument("--as", dest="user", help="login name of the author (default: the system)")
    show = command(policies, "show", _show, "show the active version of a policy, or list all")
    show.add_argument("name", nargs="?")
    keys = group(parent, "key", "API keys of agents")
    create = command(keys, "create", _create, "create a key; its secret is shown once")
    create.add_argument("agent", help="the agent's name, as it appears in the audit")
    owner = create.add_mutually_exclusive_group(required=True)
    owner.add_argument("--owner", help="login name of the owner, who may then not decide this agent's requests")
    owner.add_argument("--owner-group", help="a team that owns it; its members may review each other")
    create.add_argument(
        "--scope", action="append", required=True, choices=SCOPES, metavar="SCOPE", help=", ".join(SCOPES)
    )
    command(keys, "list", _list, "list keys")
    revoke = command(keys, "revoke", _revoke, "end a key at once")
    revoke.add_argument("prefix", help="the part after hitl_")


def _apply(options: argparse.Namespace, out: Out) -> int:
    try:
        documents = [doc for doc in yaml.safe_load_all(options.file.read_text()) if doc is not None]
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise CommandError(f"{options.file}: {error}") from error
    who = SYSTEM if options.user is None else user_named(options.user)
    if not documents:
        raise CommandError(f"{options.file}: there is no policy in it")
    with transaction.atomic():  # all documents of a file or none
        applied = [apply_policy(document, actor=who) for document in documents]
    out.give([{"name": p.name, "version": p.version} for p in applied], "\n".join(f"active: {p}" for p in applied))
    return 0


def _show(options: argparse.Namespace, out: Out) -> int:
    rows = Policy.objects.filter(active=True).order_by("name")
    if options.name:
        rows = rows.filter(name=options.name)
        if not rows:
            raise UnknownPolicy(f"there is no policy {options.name!r}")
    found = [{"version": p.version, **p.document} for p in rows]
    out.give(found, yaml.safe_dump_all(found, sort_keys=False).rstrip() if found else "no policies")
    return 0


def _create(options: argparse.Namespace, out: Out) -> int:
    if options.owner_group:
        owner: Any = Group.objects.filter(name=options.owner_group).first()
        if owner is None:
            raise CommandError(f"there is no group {options.owner_group!r}")
    else:
        owner = user_named(options.owner)
    key, secret = create_key(options.agent, owner=owner, scopes=options.scope, actor=SYSTEM)
    text = f"{secret}\nKeep it now: it is not stored and cannot be shown again."
    out.give({"prefix": key.prefix, "secret": secret, "scopes": key.scopes}, text)
    return 0


def _list(options: argparse.Namespace, out: Out) -> int:
    rows = [
        {
            "prefix": k.prefix,
            "agent": k.agent,
            "scopes": k.scopes,
            "revoked_at": k.revoked_at,
            "last_used_at": k.last_used_at,
        }
        for k in ApiKey.objects.order_by("-id")
    ]
    lines = [
        f"hitl_{r['prefix']}_…  {r['agent']:<24} {'revoked' if r['revoked_at'] else ', '.join(r['scopes'])}"
        for r in rows
    ]
    out.give(rows, "\n".join(lines) or "no keys")
    return 0


def _revoke(options: argparse.Namespace, out: Out) -> int:
    key = ApiKey.objects.filter(prefix=options.prefix.removeprefix("hitl_").partition("_")[0]).first()
    if key is None:
        raise CommandError(f"there is no key hitl_{options.prefix}")
    revoke_key(key, actor=SYSTEM)
    out.give({"prefix": key.prefix}, f"revoked {key}")
    return 0
