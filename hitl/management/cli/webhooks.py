"""`hitl webhook …`: which programs are told of requests, and what became of it. As the system, like keys."""

from __future__ import annotations

import argparse
import uuid
from typing import Any

from django.core.management.base import CommandError
from django.db.models import Count, Q

from hitl.audit import SYSTEM
from hitl.management.cli.access import table
from hitl.management.cli.base import Out, command, group, plain
from hitl.models import Notification, WebhookEndpoint
from hitl.notifications import endpoints
from hitl.notifications.kinds import TOLD_TO_PROGRAMS
from hitl.states import NotificationStatus

_HEADS = ("ID", "URL", "STATE", "FAILING SINCE", "DEAD", "KINDS", "TOPICS")


def add(parent: Any) -> None:
    """Add the commands."""
    webhooks = group(parent, "webhook", "programs that are told of requests")
    create = command(webhooks, "create", _create, "set one up; its secret is shown once")
    create.add_argument("url", help="where to send to: https, at port 443 or 8443")
    create.add_argument("--description", default="", help="whose it is, for people")
    create.add_argument(
        "--kind", action="append", default=[], choices=sorted(TOLD_TO_PROGRAMS), metavar="KIND",
        help="what it hears of (repeat it; default: all)",
    )  # fmt: skip
    create.add_argument("--topic", action="append", default=[], help="a gate's topic (repeat it; default: all)")
    command(webhooks, "list", _list, "list them, the newest first")
    _one(webhooks, "rotate", _rotate, "give it a new secret, shown once; the old one counts 24 hours more")
    _one(webhooks, "disable", _disable, "send nothing there any more").add_argument("--reason", default="")
    _one(webhooks, "enable", _enable, "send there again what happens from now on")
    replay = _one(webhooks, "replay", _replay, "send again what is dead of it")
    replay.add_argument("--delivery", type=uuid.UUID, help="one delivery alone, also one that arrived")


def _one(parent: Any, name: str, act: Any, words: str) -> argparse.ArgumentParser:
    parser = command(parent, name, act, words)
    parser.add_argument("webhook", type=uuid.UUID, help="its id in the list")
    return parser


def _create(options: argparse.Namespace, out: Out) -> int:
    given = {"description": options.description, "kinds": options.kind, "topics": options.topic}
    row, secret = endpoints.create_endpoint(options.url, actor=SYSTEM, **given)
    out.give({"id": row.pk, "url": row.url, "secret": secret}, f"{row.pk}\n{_kept(secret)}")
    return 0


def _list(options: argparse.Namespace, out: Out) -> int:
    dead = Count("deliveries", filter=Q(deliveries__status=NotificationStatus.DEAD))
    found = [_shown(row) for row in WebhookEndpoint.objects.annotate(dead=dead).order_by("-id")]
    cells = [
        [
            str(row["id"]), plain(row["url"]), "off" if row["disabled_at"] else "on",
            f"{row['failing_since']:%Y-%m-%d %H:%M}" if row["failing_since"] else "", str(row["dead"]),
            ", ".join(row["kinds"]) or "all", ", ".join(map(plain, row["topics"])) or "all",
        ]
        for row in found
    ]  # fmt: skip
    out.give(found, table(_HEADS, cells) if found else "no webhooks")
    return 0


def _shown(row: Any) -> dict[str, Any]:
    names = ("id", "url", "description", "kinds", "topics", "created_at", "failing_since", "disabled_at", "dead")
    return {name: getattr(row, name) for name in names}


def _rotate(options: argparse.Namespace, out: Out) -> int:
    row = _found(options)
    secret = endpoints.rotate_secret(row, actor=SYSTEM)
    out.give({"id": row.pk, "secret": secret}, _kept(secret))
    return 0


def _disable(options: argparse.Namespace, out: Out) -> int:
    row = _found(options)
    done = endpoints.disable_endpoint(row, actor=SYSTEM, why=options.reason)
    out.give({"id": row.pk, "disabled": done}, f"{'turned off' if done else 'was off before'}: {plain(row.url)}")
    return 0


def _enable(options: argparse.Namespace, out: Out) -> int:
    row = _found(options)
    done = endpoints.enable_endpoint(row, actor=SYSTEM)
    out.give({"id": row.pk, "enabled": done}, f"{'turned on' if done else 'was on before'}: {plain(row.url)}")
    return 0


def _replay(options: argparse.Namespace, out: Out) -> int:
    row = _found(options)
    if options.delivery is None:
        count = endpoints.replay(row, actor=SYSTEM)
    else:
        one = Notification.objects.filter(endpoint=row.pk, pk=options.delivery).first()
        if one is None:
            raise CommandError(f"this webhook has no delivery {options.delivery}")
        endpoints.resend(one, actor=SYSTEM)
        count = 1
    out.give({"id": row.pk, "count": count}, f"sent again: {count}")
    return 0


def _found(options: argparse.Namespace) -> WebhookEndpoint:
    row = WebhookEndpoint.objects.filter(pk=options.webhook).first()
    if row is None:
        raise CommandError(f"there is no webhook {options.webhook}")
    return row


def _kept(secret: str) -> str:
    return f"{secret}\nKeep it now: it is not shown again."
