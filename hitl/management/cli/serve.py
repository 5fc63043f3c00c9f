"""`hitl up`."""

from __future__ import annotations

import argparse
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError

from hitl import embedded
from hitl.management.cli.base import Out, command


def add(parent: Any) -> None:
    """Add the command."""
    up = command(parent, "up", _up, "migrate, then run web, worker and beat in this one process")
    up.add_argument("--host", default="127.0.0.1")
    up.add_argument("--port", type=int, default=8000)


def _up(options: argparse.Namespace, out: Out) -> int:
    if not str(settings.CELERY_BROKER_URL).startswith("memory:"):
        raise CommandError(
            "REDIS_URL is set: run web, worker and beat as processes of their own (docker-compose.yml shows how)"
        )
    call_command("migrate", verbosity=0)
    out.say(f"hitl serves http://{options.host}:{options.port}/ (Ctrl-C stops it)")
    out.stream.flush()
    embedded.serve(options.host, options.port)
    return 0
