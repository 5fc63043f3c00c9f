"""Who walks, and how: people at the API's door, `drain` as the worker, `sweep` as Beat."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from hitl import audit, engine
from hitl.models import Approval, Run
from project.examples import psp, world
from tests.api.conftest import Api


class Person:
    """One signed-in person, who sees and does only what the doors let them."""

    def __init__(self, user: Any) -> None:
        self.user = user
        self.api = Api(user=user)

    def start(self, workflow: str, input: Any = None) -> Run:
        """Start a run over the API and let the workers go as far as they can."""
        response = self.api.post("runs/", {"workflow": workflow, "input": input})
        assert response.status_code == 201, response.content
        engine.drain("default")
        return Run.objects.get(pk=response.json()["id"])

    def inbox(self) -> list[dict[str, Any]]:
        """What waits for this person."""
        response = self.api.get("approvals/", view="inbox")
        assert response.status_code == 200, response.content
        found: list[dict[str, Any]] = response.json()["results"]
        return found

    def asked(self, run: Run) -> dict[str, Any]:
        """The one request of a run that waits for this person, as they see it."""
        [row] = [row for row in self.inbox() if row["run"] == str(run.pk)]
        shown: dict[str, Any] = self.api.get(f"approvals/{row['id']}/").json()
        return shown

    def vote(self, request: dict[str, Any], verdict: str = "approve", **options: Any) -> Any:
        """Decide about what was seen; the API's response."""
        seen = {"verdict": verdict, "digest": request["digest"], "revision": request["revision"]}
        response = self.api.post(f"approvals/{request['id']}/decisions/", {**seen, **options})
        engine.drain("default")
        return response

    def say(self, run: Run, verdict: str = "approve", **options: Any) -> dict[str, Any]:
        """Decide about the one request of a run that waits for this person; what they saw."""
        request = self.asked(run)
        response = self.vote(request, verdict, **options)
        assert response.status_code in (200, 202), response.content
        return request

    def answer(self, run: Run, response: Any) -> None:
        """Answer the question of a run that waits for this person."""
        reply = self.vote(self.asked(run), "respond", response=response)
        assert reply.status_code == 200, reply.content

    def tell(self, run: Run, name: str, payload: Any) -> Any:
        """Send a signal over the API."""
        response = self.api.post(f"runs/{run.pk}/signals/{name}/", {"payload": payload})
        engine.drain("default")
        return response

    def status(self, run: Run) -> dict[str, Any]:
        """The run as the API shows it."""
        shown: dict[str, Any] = self.api.get(f"runs/{run.pk}/").json()
        return shown


def ended(run: Run, status: str = "succeeded", code: str = "") -> Any:
    """Assert how a run ended and that its audit is whole; its output."""
    found = Run.objects.get(pk=run.pk)
    assert (found.status, found.failure_code) == (status, code), found.failure_text
    assert not Approval.objects.filter(run=run, status="pending").exists()
    assert audit.verify(run.pk).code == 0
    return found.output


def steps(run: Run) -> dict[str, str]:
    """The newest row of each step and how it stands."""
    return dict(run.steps.order_by("revision").values_list("name", "status"))


def manage(*words: str) -> str:
    """What a command prints."""
    out = StringIO()
    call_command("hitl", *words, stdout=out)
    return out.getvalue()


@pytest.fixture(autouse=True)
def _nothing_done_yet(db: None) -> None:
    """The scripted outside world is empty."""
    world.done.clear()
    psp.ledger.clear()


@pytest.fixture
def meet(db: None) -> Callable[..., Person]:
    """`meet("olga", "ops")`: a person who is in these groups; people and groups are made when first met.

    Who is in no group reviews nothing and may start runs.
    """
    from django.contrib.auth import get_user_model
    from django.contrib.auth.models import Group, Permission

    def find(name: str, *groups: str) -> Person:
        user, _ = get_user_model().objects.get_or_create(username=name, defaults={"email": f"{name}@example.com"})
        user.groups.add(*(Group.objects.get_or_create(name=group)[0] for group in groups))
        if not groups:
            user.user_permissions.add(Permission.objects.get(codename="add_run", content_type__app_label="hitl"))
        return Person(user)

    return find


@pytest.fixture
def asker(meet: Callable[..., Person]) -> Person:
    """Whoever starts the runs, and decides nothing."""
    return meet("anna")


@pytest.fixture
def ops(meet: Callable[..., Person]) -> Person:
    """Olga of the group ops."""
    return meet("olga", "ops")


@pytest.fixture
def manager(meet: Callable[..., Person]) -> Person:
    """Mia of the group managers."""
    return meet("mia", "managers")


@pytest.fixture
def editor(meet: Callable[..., Person]) -> Person:
    """Ed of the group editors."""
    return meet("ed", "editors")


@pytest.fixture
def helper(meet: Callable[..., Person]) -> Person:
    """Sue of the group support."""
    return meet("sue", "support")


@pytest.fixture
def later(pass_time: Callable[[timedelta], None]) -> Callable[..., None]:
    """Time passes, Beat sweeps, workers work."""

    def go(**delta: float) -> None:
        pass_time(timedelta(**delta))
        engine.sweep()
        engine.drain("default")

    return go
