"""Arguments and silences that would let something pass with fewer people than the policy says."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from hitl import engine
from hitl.definition.policy import Rule

HOUR = timedelta(hours=1)
FINANCE = ["group:finance"]


@pytest.mark.parametrize("n", ["5000", None, [1], {"a": 1}, True])
def test_a_doubt_does_not_ask_fewer_people_than_without_the_rule(n: Any, gate: Any) -> None:
    easy = {"when": "args.n < 100", "stages": [{"reviewers": ["requester"]}]}
    approval = gate({"n": n}, reviewers=FINANCE, approvals=2, rules=[easy])
    assert not approval.required.by_requester
    assert approval.required.need == 2


def test_silence_does_not_approve_what_nobody_could(gate: Any, work: Any, pass_time: Any) -> None:
    approval = gate(reversible=True, reviewers=FINANCE, risk="low", on_timeout="approve", timeout=HOUR, approvals=3)
    assert approval.unsatisfiable
    pass_time(2 * HOUR)
    engine.sweep()
    work()
    approval.refresh_from_db()
    assert approval.status != "approved"


@pytest.mark.parametrize(
    "when",
    ["args.x.map//!\n(type, type) == [1]", r'''r"\" != "" + string(args.x.map(type, type)[0]) || "a" == "b"'''],
    ids=["behind a comment", "between raw texts"],
)
def test_a_condition_hides_no_call(when: str) -> None:
    with pytest.raises(ValueError, match=r"map|comments"):
        Rule.model_validate({"when": when, "level": "verify"})
