"""`manage.py demo`: the main job in one command, on the embedded default."""

from __future__ import annotations

import secrets
import time
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from hitl import audit, embedded, engine, policies
from hitl.audit import SYSTEM
from hitl.management.demo_client import Reviewer
from hitl.models import Approval, Run
from hitl.states import RUN_ENDS

POLICY = {"name": "refunds", "default": {"stages": [{"reviewers": ["group:finance"]}]}}
_PATIENCE = 60


class Command(BaseCommand):
    """Serves an inbox with requests that wait, or walks one run through by itself."""

    help = "Try hitl: creates a reviewer and example runs, and serves the inbox (or --once: decides by itself)."

    def add_arguments(self, parser: CommandParser) -> None:
        """Where to serve, and whether to only walk through."""
        parser.add_argument("--once", action="store_true", help="walk one run through headless, print it, exit")
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8000)

    def handle(self, *args: Any, **options: Any) -> None:
        """Prepare, then serve or walk."""
        embedded_only = str(settings.CELERY_BROKER_URL).startswith("memory:") and connection.vendor == "sqlite"
        if not embedded_only:
            raise CommandError("The demo creates users with passwords; unset DATABASE_URL and REDIS_URL to run it.")
        call_command("migrate", verbosity=0)
        password = secrets.token_urlsafe(9)
        sam, dana = _people(password)
        policies.apply_policy(POLICY, actor=SYSTEM)
        if options["once"]:
            self._walk(sam, dana, password)
        else:
            self._serve(sam, dana, password, options["host"], options["port"])

    def _serve(self, sam: Any, dana: Any, password: str, host: str, port: int) -> None:
        for number in (17, 18, 19):
            engine.start("refund", {"order_id": f"A-{number}"}, requester=sam, idempotency_key=f"demo-{number}")
        self.stdout.write(
            f"\n  Three refunds wait for a decision.\n\n"
            f"  Open      http://{host}:{port}/\n"
            f"  Sign in   {dana.get_username()}  /  {password}\n\n"
            f"  {dana.get_full_name()} is in the group finance, which the policy asks. She may also look behind the\n"
            f"  scenes at /admin/. Mails are kept in {settings.EMAIL_FILE_PATH}. Ctrl-C stops everything.\n"
        )
        self.stdout.flush()
        embedded.serve(host, port)

    def _walk(self, sam: Any, dana: Any, password: str) -> None:
        with embedded.machinery(), embedded.server("127.0.0.1", 0) as port:
            run = engine.start("refund", {"order_id": "A-17"}, requester=sam)
            self.stdout.write(f"{sam.get_full_name()} started run {run.pk}; the agent drafts a refund of 250.")
            approval = _until(lambda: Approval.objects.filter(run=run.pk, status="pending").first(), "a request")
            self.stdout.write(f"The run waits for {dana.get_full_name()}; she signs in and approves 200 instead.")
            reviewer = Reviewer(f"http://127.0.0.1:{port}", dana.get_username(), password)
            shown = reviewer.get(f"/api/v1/approvals/{approval.pk}/")
            answer = reviewer.post(
                f"/api/v1/approvals/{approval.pk}/decisions/",
                {
                    "verdict": "edit",
                    "digest": shown["digest"],
                    "revision": shown["revision"],
                    "args": {**shown["action"]["args"], "amount": 200},
                    "comment": "The second photo shows a different parcel.",
                },
            )
            self.stdout.write(f"The API answered: {answer['status']}.\n")
            ended = _until(lambda: Run.objects.filter(pk=run.pk, status__in=RUN_ENDS).first(), "the end of the run")
        for line in audit.timeline(ended.stream):
            self.stdout.write(f"  {line.at:%H:%M:%S.%f}  {line.text}")
        self.stdout.write(f"\nWhat ran: {ended.output}")
        report = audit.verify(ended.pk)
        self.stdout.write(f"audit: {'verified' if report.code == 0 else 'NOT verified'} ({report.records} records)")
        if report.code or ended.status != "succeeded" or ended.output["refunded"] != 200:
            raise CommandError(f"the run ended as {ended.status}: {ended.failure_text}")


def _people(password: str) -> tuple[Any, Any]:
    """Sam, who asks, and Dana, who decides; Dana's password is new each time."""
    users = get_user_model().objects
    sam, _ = users.get_or_create(username="sam", defaults={"first_name": "Sam", "last_name": "Lee"})
    dana, _ = users.get_or_create(
        username="dana",
        defaults={"first_name": "Dana", "last_name": "Ortiz", "email": "dana@example.com"},
    )
    dana.is_staff = dana.is_superuser = True  # so that she can look around in /admin/; it lets her decide nothing
    dana.set_password(password)
    dana.save(update_fields=["is_staff", "is_superuser", "password"])
    dana.groups.add(Group.objects.get_or_create(name="finance")[0])
    return sam, dana


def _until(look: Any, what: str) -> Any:
    """Look again until there is something, for a minute."""
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        found = look()
        if found is not None:
            return found
        time.sleep(0.05)
    raise CommandError(f"waited {_PATIENCE} s for {what} in vain; the log above may say why")
