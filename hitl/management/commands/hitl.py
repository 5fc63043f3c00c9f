"""`manage.py hitl …`: what operators do from a shell."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from hitl.exceptions import HitlError
from hitl.management.cli import access, approvals, control, doctor, policies, proofs, runs, serve, webhooks
from hitl.management.cli.base import Out, safe


class Command(BaseCommand):
    """The groups of commands; each module of `management/cli` adds its own."""

    help = (
        "Operate hitl: runs, requests, signals, feedback, policies, delegations, keys, webhooks, audit, sweep, doctor, "
        "and the embedded server."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """One subparser a command."""
        commands: Any = parser.add_subparsers(
            required=True,
            metavar="COMMAND",
            parser_class=type("Sub", (CommandParser,), {"called_from_command_line": True}),
        )
        for module in (runs, approvals, control, doctor, proofs, policies, access, webhooks, serve):
            module.add(commands)

    def handle(self, *args: Any, **options: Any) -> None:
        """Call what was chosen; its number is the exit code."""
        from argparse import Namespace

        given = Namespace(**options)
        try:
            code = given.act(given, Out(self.stdout, given.json))
        except HitlError as error:
            raise CommandError(safe(f"{error.message} ({error.code})"), returncode=2) from error
        except CommandError as error:
            # Django's own 1 would say that what was looked at is not well; nothing was looked at.
            raise CommandError(safe(str(error)), returncode=2) from error
        if code:
            sys.exit(code)
