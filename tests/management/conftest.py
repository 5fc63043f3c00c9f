"""Who gives a password at the shell."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

PASSWORD = "correct horse"


@pytest.fixture
def signs_in(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """These people have the password that is typed at every prompt."""
    monkeypatch.setattr("getpass.getpass", lambda prompt: PASSWORD)

    def prepare(*people: Any) -> None:
        for person in people:
            person.set_password(PASSWORD)
            person.save()

    return prepare


@pytest.fixture
def ask(finance: Any, alice: Any, bob: Any, carol: Any, work: Any) -> Callable[..., Any]:
    """Open a request of alice's by a gate with these options; carol is no member where `stages` name people."""
    from hitl import Action, Workflow
    from hitl.models import Approval

    def opened(**options: Any) -> Any:
        flow = Workflow(f"cli-asks-{Approval.objects.count()}")
        action = {
            "title": "Pay 250",
            "impact": "Money leaves",
            "type": "pay",
            "reversible": options.pop("reversible", 0),
        }
        flow.step(lambda ctx: Action({"amount": 250}, **action), name="draft")
        gate = flow.approval("review", after="draft", **{"timeout": timedelta(hours=4), **options})
        flow.step(lambda ctx: ctx.action.amount, name="pay", after=gate)
        run = flow.start(requester=alice)
        work()
        return Approval.objects.get(run=run)

    return opened
