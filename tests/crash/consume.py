"""Run by a crash test in a process of its own: consume a grant and stop there, or look what became of it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
os.environ["DJANGO_SETTINGS_MODULE"] = "project.settings"


def main(act: str) -> None:
    """`consume` or `look`."""
    import django
    from django.core.management import call_command

    django.setup()
    from django.contrib.auth import get_user_model

    from hitl import SYSTEM, audit, decisions, dispatch, engine
    from hitl.engine.claim import claim, pick
    from hitl.models import Approval, Step
    from tests.crash.flow import make

    if act == "consume":
        call_command("migrate", verbosity=0)
        dispatch._send = lambda *args: None
        bob = get_user_model().objects.create(username="bob")
        make()
        engine.start("crash-refund", requester=SYSTEM)
        engine.drain("default")
        approval = Approval.objects.get()
        decisions.decide(approval, actor=bob, verdict="approve", digest=approval.digest)
        assert claim(pick("default")[0]) is not None
    approval = Approval.objects.get()
    told = ["consumed" if approval.consumed_at else "not consumed"]
    if act == "look":
        step = Step.objects.get(name="pay")
        report = audit.verify(approval.run_id)
        told = [*told, approval.status, step.name, step.status, "verified" if report.code == 0 else str(report)]
    print(*told)


if __name__ == "__main__":
    main(sys.argv[1])
