"""What the tests of the pages of runs share."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from hitl import Workflow
from hitl.models import Run, Step
from hitl.transitions import locked
from tests.admin.conftest import browse, post
from tests.conftest import _user

RUNS = "/review/runs/"


def page(run: Run, **query: str) -> str:
    """The address of a run, or of one of its parts."""
    return f"{RUNS}{run.pk}/" + "".join(f"?{name}={value}" for name, value in query.items())


def text_of(who: Any, address: str) -> str:
    """What somebody reads there."""
    response = browse(who).get(address)
    assert response.status_code == 200, address
    return str(response.content.decode())


def act(who: Any, run: Run, name: str, **fields: Any) -> Any:
    """Send the form of an act as the page would."""
    client = who if isinstance(who, Client) else browse(who)
    return post(client, f"{page(run)}act/{name}/", {"once": "page:one", **fields})


@pytest.fixture
def operator(db: None) -> Any:
    """Somebody with the permission to operate and no other."""
    user = _user("olga")
    user.user_permissions.add(Permission.objects.get(codename="operate"))
    return user


@pytest.fixture
def starter(db: None) -> Any:
    """Somebody who may start runs."""
    user = _user("stan")
    user.user_permissions.add(Permission.objects.get(codename="add_run"))
    return user


@pytest.fixture
def failed(alice: Any, work: Any) -> Run:
    """A run of alice's whose second step failed."""
    flow = Workflow("broken", title="Break things")
    flow.step(lambda ctx: {"amount": 5}, name="draft")
    flow.step(_break, name="pay", after="draft", max_attempts=1)
    run = flow.start({"order": "A-17"}, requester=alice)
    work()
    return Run.objects.get(pk=run.pk)


@pytest.fixture
def listening(alice: Any, work: Any) -> Run:
    """A run of alice's that waits for the signal `parcel`."""
    flow = Workflow("parcels", title="Wait for a parcel")
    flow.wait_for_signal("arrival", signal="parcel")
    run = flow.start(requester=alice)
    work()
    return Run.objects.get(pk=run.pk)


@pytest.fixture
def uncertain(alice: Any) -> Run:
    """A run of alice's with a step that nobody knows the end of."""
    flow = Workflow("unsure", title="Pay once")
    flow.step(lambda ctx: None, name="pay", repeatable=False)
    run = flow.start(requester=alice)
    with locked(run.pk) as t:
        t.lease(t.step("pay"))
    with locked(run.pk) as t:
        t.move(t.step("pay"), "uncertain")
    assert Step.objects.get(run=run).status == "uncertain"
    return Run.objects.get(pk=run.pk)


def _break(ctx: Any) -> None:
    raise ValueError("the account is closed <b>now</b>")
