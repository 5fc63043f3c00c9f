"""A machine that agrees with everything proves nothing: each planted mistake is found."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.bugs import BUGS
from tests.model.machine import Machine
from tests.model.world import World

pytestmark = pytest.mark.sqlite  # the rules are the same on PostgreSQL, and so are the mistakes
EXAMPLES = 300


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", BUGS)
def test_a_planted_mistake_is_found(name: str, db: None) -> None:
    class Hunt(Machine):
        world = World()

    look = settings(
        max_examples=EXAMPLES,
        stateful_step_count=40,
        deadline=None,
        database=None,
        phases=[Phase.generate],  # that it is found is enough: nobody reads the sequence
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        print_blob=False,
    )
    machine: Any = seed(4)(Hunt)  # the same sequences each time: a test of the machine is no game of chance
    with BUGS[name](), pytest.raises(AssertionError, match=r"hitl says|after |I4") as found:
        run_state_machine_as_test(machine, settings=look)
    print(f"{name}: {str(found.value).splitlines()[0]}")
