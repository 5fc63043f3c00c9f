"""Who walks, and how: people at the API's door, `drain` as the worker, `sweep` as Beat."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, time, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from hitl import audit, clock, engine
from hitl.models import Approval, Policy, Run
from project import examples
from project.examples import psp, world
from tests.api.conftest import Api


class Person:
    """One signed-in person, who sees and does only what the doors let them."""

    def __init__(self, user: Any) -> None:
        self.user = user
        self.sign_in()

    def sign_in(self) -> None:
        """Begin a session; who changed their password has to."""
        self.api = Api(user=self.user)

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

    def act(self, request: dict[str, Any], name: str, **body: Any) -> Any:
        """Do something else with a request than vote; the API's response."""
        return self.api.post(f"approvals/{request['id']}/{name}/", body)

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


def doctor() -> str:
    """What the doctor prints; what needs a person is also its exit code."""
    out = StringIO()
    with suppress(SystemExit):
        call_command("hitl", "doctor", stdout=out)
    assert "could not check" not in out.getvalue()
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
def policies(meet: Callable[..., Person]) -> None:
    """The policies of the examples hold."""
    for group in ("finance", "managers", "ops", "treasury"):
        meet(f"one-of-{group}", group)
    manage("policy", "apply", str(Path(examples.__file__).with_name("policies.yaml")))


@pytest.fixture
def last_day(policies: None, pass_time: Callable[[timedelta], None]) -> None:
    """It is noon on the last day of the rules that let things pass by themselves."""
    [day] = {rule.until for row in Policy.objects.all() for rule in row.value.rules if rule.until}
    pass_time(datetime.combine(day, time(12), UTC) - clock.now())


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
def fay(meet: Callable[..., Person], policies: None) -> Person:
    """Fay of the group finance, whom the policy `refunds` asks."""
    return meet("fay", "finance")


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
