"""`hitl key …` and `hitl delegation …`: which programs come in, and who stands in for whom."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

from django.contrib.auth.models import Group
from django.core.management.base import CommandError

from hitl import clock
from hitl.audit import SYSTEM
from hitl.management.cli.base import Out, command, group, moment, plain, positive, sign_in, signed_in, user_named
from hitl.models import ApiKey, Delegation
from hitl.notifications import callback_secret
from hitl.policies import SCOPES, create_key, revoke_key
from hitl.policies.delegations import create_delegation, revoke_delegation
from hitl.policies.keys import state_of
from hitl.policies.outside import LIMITS


def add(parent: Any) -> None:
    """Add the commands."""
    keys = group(parent, "key", "API keys of agents")
    create = command(keys, "create", _create, "create a key; its secret is shown once")
    create.add_argument("agent", help="the agent's name, as it appears in the audit")
    owner = create.add_mutually_exclusive_group(required=True)
    owner.add_argument("--owner", help="login name of the owner, who may then not decide this agent's requests")
    owner.add_argument("--owner-group", help="a team that owns it; its members may review each other")
    create.add_argument(
        "--scope", action="append", required=True, choices=SCOPES, metavar="SCOPE", help=", ".join(SCOPES)
    )
    create.add_argument(
        "--policy", action="append", default=[], help="a policy it may ask people by (repeat it); * is any"
    )
    create.add_argument(
        "--limit", action="append", default=[], type=limit, metavar="NAME=VALUE", help=f"of {', '.join(LIMITS)}"
    )
    create.add_argument("--expires", type=moment, help="when it ends by itself, such as 2027-01-31T18:00Z")
    listing = command(keys, "list", _list, "list keys, the newest first")
    listing.add_argument("--active", action="store_true", help="only those that let somebody in now")
    revoke = command(keys, "revoke", _revoke, "end a key at once")
    revoke.add_argument("prefix", help="the part after hitl_")
    callbacks = command(keys, "callback-secret", _callback_secret, "show what signs the callbacks of its requests")
    callbacks.add_argument("prefix", help="the part after hitl_")
    _add_delegations(group(parent, "delegation", "who decides in whose place, and until when"))


def _add_delegations(delegations: Any) -> None:
    hand_over = command(delegations, "create", _hand_over, "let one person decide in the place of another for a while")
    sign_in(hand_over, "login name of who does it: the person who hands over, or an operator; asks for the password")
    hand_over.add_argument("--from", dest="giver", help="login name of who hands over (default: the person of --as)")
    hand_over.add_argument("--to", required=True, help="login name of who stands in")
    hand_over.add_argument("--until", type=moment, required=True, help="when it ends, such as 2027-01-31T18:00Z")
    hand_over.add_argument("--starts", type=moment, help="when it begins (default: now)")
    hand_over.add_argument("--reason", default="")
    listing = command(delegations, "list", _delegations, "list delegations in force or to come")
    listing.add_argument("--all", action="store_true", help="also those that are over")
    take_back = command(delegations, "revoke", _take_back, "end a delegation now; votes that were cast stand")
    take_back.add_argument("delegation", type=positive, help="its number in the list")
    sign_in(take_back, "login name of one of the two, or of an operator; asks for the password")


def limit(text: str) -> tuple[str, Any]:
    """`pending=50` as a pair; the value is JSON, or a plain word."""
    name, _, value = text.partition("=")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


# -- keys ---------------------------------------------------------------------------------------------


def _create(options: argparse.Namespace, out: Out) -> int:
    if options.owner_group:
        owner: Any = Group.objects.filter(name=options.owner_group).first()
        if owner is None:
            raise CommandError(f"there is no group {options.owner_group!r}")
    else:
        owner = user_named(options.owner)
    given = {"policies": options.policy, "limits": dict(options.limit), "expires_at": options.expires}
    key, secret = create_key(options.agent, owner=owner, scopes=options.scope, actor=SYSTEM, **given)
    text = f"{secret}\nKeep it now: it is not stored and cannot be shown again."
    out.give({**_shown(key), "secret": secret}, text)
    return 0


def _list(options: argparse.Namespace, out: Out) -> int:
    rows = [_shown(key) for key in ApiKey.objects.select_related("owner_user", "owner_group").order_by("-id")]
    found = [row for row in rows if row["state"] == "active" or not options.active]
    out.give(found, table(_HEADS, [_cells(row) for row in found]) if found else "no keys")
    return 0


def _shown(key: ApiKey) -> dict[str, Any]:
    owner = f"user:{key.owner_user.get_username()}" if key.owner_user else f"group:{key.owner_group}"
    told = {"prefix": key.prefix, "agent": key.agent, "owner": owner, "state": state_of(key)}
    lists = {"scopes": key.scopes, "policies": key.policies, "limits": key.limits}
    times = ("created_at", "last_used_at", "expires_at", "revoked_at")
    return {**told, **lists, **{name: getattr(key, name) for name in times}}


_HEADS = ("KEY", "AGENT", "OWNER", "STATE", "LAST USED", "EXPIRES", "POLICIES", "LIMITS", "SCOPES")


def _cells(row: dict[str, Any]) -> list[str]:
    limits = ", ".join(f"{name}={plain(value)}" for name, value in sorted(row["limits"].items()))
    times = [f"{row[name]:%Y-%m-%d %H:%M}" if row[name] else "never" for name in ("last_used_at", "expires_at")]
    who = [f"hitl_{row['prefix']}", plain(row["agent"]), plain(row["owner"]), row["state"], *times]
    return [*who, ", ".join(map(plain, row["policies"])) or "none", limits or "none", ", ".join(row["scopes"])]


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows under their heads, each column as wide as its widest cell."""
    lines = [heads, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def _revoke(options: argparse.Namespace, out: Out) -> int:
    key = _key(options)
    revoke_key(key, actor=SYSTEM)
    out.give({"prefix": key.prefix}, f"revoked {key}")
    return 0


def _callback_secret(options: argparse.Namespace, out: Out) -> int:
    key = _key(options)
    secret = callback_secret(key)
    out.give({"prefix": key.prefix, "callback_secret": secret}, secret)
    return 0


def _key(options: argparse.Namespace) -> ApiKey:
    key = ApiKey.objects.filter(prefix=options.prefix.removeprefix("hitl_").partition("_")[0]).first()
    if key is None:
        raise CommandError(f"there is no key hitl_{options.prefix}")
    return key


# -- delegations --------------------------------------------------------------------------------------


def _hand_over(options: argparse.Namespace, out: Out) -> int:
    who = signed_in(options)
    giver = user_named(options.giver) if options.giver else who
    row = create_delegation(
        giver, user_named(options.to), ends_at=options.until, actor=who, starts_at=options.starts, reason=options.reason
    )
    out.give(_told(row), _line(_told(row)))
    return 0


def _delegations(options: argparse.Namespace, out: Out) -> int:
    rows = Delegation.objects.select_related("from_user", "to_user").order_by("ends_at", "id")
    if not options.all:
        rows = rows.filter(revoked_at=None, ends_at__gt=clock.now())
    found = [_told(row) for row in rows]
    out.give(found, "\n".join(map(_line, found)) or "no delegations")
    return 0


def _take_back(options: argparse.Namespace, out: Out) -> int:
    who = signed_in(options)
    row = Delegation.objects.filter(pk=options.delegation).first()
    if row is None:
        raise CommandError(f"there is no delegation {options.delegation}")
    ended = revoke_delegation(row, actor=who)
    out.give({"id": row.pk, "revoked": ended}, f"{'revoked' if ended else 'was revoked before'}: {row.pk}")
    return 0


def _told(row: Delegation) -> dict[str, Any]:
    return {
        "id": row.pk,
        "from": row.from_user.get_username(),
        "to": row.to_user.get_username(),
        "starts_at": row.starts_at,
        "ends_at": row.ends_at,
        "reason": row.reason,
        "revoked_at": row.revoked_at,
    }


def _line(row: dict[str, Any]) -> str:
    over = "  revoked" if row["revoked_at"] else ""
    period = f"{row['starts_at']:%Y-%m-%d %H:%M} to {row['ends_at']:%Y-%m-%d %H:%M}"
    return f"{row['id']}  {period}  {plain(row['to'])} for {plain(row['from'])}{over}  {plain(row['reason'])}".rstrip()
