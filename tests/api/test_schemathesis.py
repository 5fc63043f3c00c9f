"""Everybody calls everything, at random: the document is kept, nothing breaks, and no program decides."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, connection
from rest_framework.settings import api_settings

from hitl.api.openapi.document import document
from tests.api.conftest import Api
from tests.api.fuzzing import HOSTILE, Visitor, calls, operations_of, schema_of
from tests.api.world import World

_ALL = int(os.environ.get("HITL_FUZZ", "5000"))
# Who comes: the share of all calls, and the least share of good answers (the most, for those who may nothing).
SHARES = {
    "agent": (0.4, 0.2),
    "reviewer": (0.24, 0.15),
    "operator": (0.18, 0.2),
    "idle": (0.06, 0),
    "gone": (0.06, 0),
    "nobody": (0.06, 0),
}
_OFF_SQLITE = 0.3  # the calls are the same; what differs is what the database makes of them
_ON_SQLITE = 0.7 if os.environ.get("HITL_TEST_SHARED") else 1  # where both run, they make all of them together


class Project(WSGIHandler):
    """The whole project, as a server runs it, but that the connection stays the test's."""

    def __call__(self, environ: Any, start_response: Any) -> Any:
        """Answer; Django's own client connects these again each time it is used."""
        for moment in (request_started, request_finished):
            moment.disconnect(close_old_connections)
        return super().__call__(environ, start_response)


@pytest.fixture(scope="module")
def app() -> Iterator[Any]:
    """The project, and Django's signals as they were."""
    yield Project()
    for moment in (request_started, request_finished):
        moment.connect(close_old_connections)


@pytest.fixture(scope="module")
def operations(app: Any) -> list[Any]:
    """All calls of the document."""
    return list(operations_of(schema_of(document(), app)))


@pytest.fixture
def world(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Something for the calls to meet; nobody is throttled for asking much, and nothing is logged, which would cost
    more than the calls."""
    monkeypatch.setitem(api_settings.DEFAULT_THROTTLE_RATES, "user", "10000000/min")
    logging.disable(logging.CRITICAL)
    yield World()
    logging.disable(logging.NOTSET)


def visitor(name: str, world: World, app: Any) -> Visitor:
    """Somebody at the door."""
    keys = {"agent": "robot", "idle": "idle", "gone": "gone"}
    people = {"reviewer": "bob", "operator": "olga"}
    api = (
        Api(token=world.keys[keys[name]])
        if name in keys
        else Api(user=world.people[people[name]] if name in people else None)
    )
    cookies = {key: morsel.value for key, morsel in api.client.cookies.items()}
    return Visitor(world, api.headers, cookies, name not in people, app)


@pytest.mark.timeout(0 if "HITL_FUZZ" in os.environ else 180)
@pytest.mark.parametrize("name", SHARES)
def test_every_answer_is_as_the_document_says(name: str, world: World, app: Any, operations: list[Any]) -> None:
    share, least = SHARES[name]
    who = visitor(name, world, app)
    calls(operations, who, int(_ALL * share * (_ON_SQLITE if connection.vendor == "sqlite" else _OFF_SQLITE)))
    print(f"{name}: {who.count} calls, {who.good:.0%} good, {dict(sorted(who.seen.items()))}")
    assert not who.failures, "\n\n".join(f"{what}\n{how}" for what, how in who.failures.items())
    assert who.good >= least
    assert least or who.good == 0


def test_a_body_that_is_none_is_refused_everywhere(world: World, app: Any, operations: list[Any]) -> None:
    who = visitor("agent", world, app)
    written = [operation for operation in operations if operation.body]
    for number, body in enumerate(HOSTILE):
        for operation in written[number % 3 :: 3]:
            who.hostile(operation, body)
    assert not who.failures, "\n\n".join(f"{what}\n{how}" for what, how in who.failures.items())
    assert set(who.seen) <= {400, 403, 404, 413, 415}
    assert who.seen[400] + who.seen[413] + who.seen[415] > 100
