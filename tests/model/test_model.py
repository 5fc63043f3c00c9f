"""Whatever people do, in whatever order: hitl and the model of its rules agree after each act."""

from __future__ import annotations

import os
from collections.abc import Iterator
from unittest import mock

import pytest
from django.db import connection
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.machine import Machine
from tests.model.world import World

EXAMPLES = int(os.environ.get("HITL_MODEL", "500"))
STEPS = 40


@pytest.fixture
def world(db: None) -> Iterator[World]:
    """The people and workflows, made once for all examples."""
    Machine.world = World()
    with mock.patch("hitl.engine.heartbeat.beat"):  # a thread of its own, and SQLite is ours for the whole test
        yield Machine.world


@pytest.mark.timeout(1800)
def test_the_model_and_hitl_agree_after_every_act(world: World) -> None:
    # PostgreSQL has the same rules behind other SQL: a tenth of the examples looks for that, and where both run, SQLite
    # has the others.
    tenth = EXAMPLES // 10
    on_sqlite = EXAMPLES - tenth if os.environ.get("HITL_TEST_SHARED") else EXAMPLES
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Machine,
        settings=settings(
            max_examples=on_sqlite if connection.vendor == "sqlite" else tenth,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            derandomize=False,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
