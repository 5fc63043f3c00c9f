"""The tests shown in docs/howto/test-a-workflow.md are run as they stand."""

from __future__ import annotations

from typing import Any

import pytest

from tests.docs.test_docs import run_block, workflow_block

NAMES = ["test_what_was_approved_is_sent", "test_a_no_stops_it", "test_a_parcel_is_lost"]


@pytest.mark.django_db
@pytest.mark.parametrize("name", NAMES)
def test_the_pages_tests_pass(name: str) -> None:
    shown: dict[str, Any] = run_block(workflow_block("docs/howto/test-a-workflow.md", "parcel"))
    assert [key for key in shown if key.startswith("test_")] == NAMES
    shown[name]()
