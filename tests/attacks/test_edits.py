"""Edits as a way round: the quorum, the rules, the locked arguments, and what is left when an edit is refused."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from hitl import Action, Complete, Continue, Workflow, decisions
from hitl.exceptions import HitlError, InvalidDecision
from hitl.models import Approval, Run
from hitl.policies import apply_policy
from tests.rows import nothing_written

FINANCE = ["group:finance"]
TWO = {"stages": [{"reviewers": FINANCE, "approvals": 2}]}
ONE = {"stages": [{"reviewers": FINANCE}]}
HOUR = timedelta(hours=1)


def test_an_edit_whose_reviewers_are_gone_is_refused_and_writes_nothing(
    gate: Any, decide: Any, bob: Any, finance: Any
) -> None:
    approval = gate(reviewers=FINANCE, approvals=2)
    finance.name = "money"
    finance.save()
    with nothing_written("hitl.decision.refused"), pytest.raises(HitlError):
        decide(approval, bob, "edit", args={"n": 2})
    assert Approval.objects.get().status == "pending"


@pytest.mark.parametrize(
    "rules",
    [
        [{"when": "args.n < 100", "name": "amount", **ONE}, {"when": "args.n >= 100", "name": "amount", **TWO}],
        [{"when": "args.n >= 100", "name": "default", **TWO}],
    ],
    ids=["two rules of one name", "a rule named default"],
)
def test_an_edit_into_a_stricter_rule_of_the_same_name_goes_to_the_others(
    rules: Any, gate: Any, decide: Any, bob: Any
) -> None:
    outcome = decide(gate(reviewers=FINANCE, rules=rules), bob, "edit", args={"n": 1_000_000})
    assert (outcome.approval.status, outcome.approval.revision) == ("pending", 2)


def test_naming_the_own_type_does_not_unlock_arguments(gate: Any, decide: Any, bob: Any) -> None:
    approval = gate({"n": 1, "note": ""}, reviewers=FINANCE, editable=["note"], types={"do": None})
    with pytest.raises(InvalidDecision):
        decide(approval, bob, "edit", args={"n": 999, "note": ""}, action_type="do")


def test_an_action_that_was_switched_once_is_not_free_for_one_alone(
    gate: Any, decide: Any, bob: Any, carol: Any
) -> None:
    approval = gate({"n": 1, "note": ""}, reviewers=FINANCE, editable=["note"], types={"other": None})
    switched = decide(approval, bob, "edit", args={"n": 1, "note": ""}, action_type="other").approval
    with pytest.raises(InvalidDecision):
        decide(switched, carol, "edit", args={"n": 999, "note": ""}, action_type="other")


@pytest.mark.parametrize(
    ("before", "after"),
    [({"l": [1]}, {"l": [True]}), ({"note.n": 1}, {"note.n": 2})],
    ids=["1 and true in a list", "a dot in a name"],
)
def test_a_locked_argument_stays_what_it_is(before: Any, after: Any, gate: Any, decide: Any, bob: Any) -> None:
    approval = gate({"note": "", **before}, reviewers=FINANCE, editable=["note"])
    with pytest.raises(InvalidDecision):
        decide(approval, bob, "edit", args={"note": "", **after})


def test_a_schema_that_cannot_be_applied_refuses_the_edit(gate: Any, decide: Any, bob: Any) -> None:
    approval = gate(reviewers=FINANCE, types={"other": {"$ref": "http://nowhere.invalid/x"}})
    with pytest.raises(InvalidDecision):
        decide(approval, bob, "edit", args={"n": 1}, action_type="other")


def test_silence_does_not_pass_an_action_that_one_person_made_of_it(
    gate: Any, decide: Any, bob: Any, work: Any, pass_time: Any
) -> None:
    options: Any = {"risk": "low", "on_timeout": "approve", "timeout": HOUR, "types": {"delete": None}}
    approval = gate(reversible=True, reviewers=FINANCE, **options)
    fresh = decide(approval, bob, "edit", args={"n": 1}, action_type="delete").approval
    pass_time(2 * HOUR)
    decisions.expire(fresh)
    work()
    assert Run.objects.get().output != {"ran": "delete", "n": 1}


# -- asked inside a handler ---------------------------------------------------------------------------


def test_the_requester_does_not_confirm_alone_what_the_rule_gave_to_others(
    ask_inside: Any, decide: Any, alice: Any
) -> None:
    small = {"when": "args.n < 100", "stages": [{"reviewers": ["requester"]}]}
    outcome = decide(ask_inside({"n": 1}, reviewers=FINANCE, rules=[small]), alice, "edit", args={"n": 1_000_000})
    assert outcome.approval.status == "pending"


def test_an_edit_does_not_lose_the_rules_of_the_handler(
    ask_inside: Any, decide: Any, alice: Any, bob: Any, people: Any
) -> None:
    people("dan", "finance")
    apply_policy({"name": "p", "default": ONE}, actor=alice)
    approval = ask_inside({"n": 500}, policy="p", rules=[{"when": "args.n >= 100", **TWO}])
    assert approval.required.need == 2
    assert decide(approval, bob, "edit", args={"n": 600}).need == 2


def test_an_edit_does_not_lose_what_silence_means(
    ask_inside: Any, decide: Any, alice: Any, bob: Any, people: Any
) -> None:
    people("dan", "finance")
    apply_policy({"name": "p", "default": {**TWO, "on_timeout": "approve"}}, actor=alice)
    approval = ask_inside({"n": 1}, reversible=True, policy="p", risk="low", on_timeout="reject")
    assert approval.required.on_timeout == "reject"
    assert decide(approval, bob, "edit", args={"n": 2}).approval.required.on_timeout == "reject"


def test_an_edit_is_judged_in_the_iteration_that_asked(
    decide: Any, work: Any, alice: Any, bob: Any, carol: Any, people: Any
) -> None:
    people("dan", "finance")
    apply_policy({"name": "p", "rules": [{"when": "iteration >= 1", **TWO}], "default": ONE}, actor=alice)
    flow = Workflow("attacked-loop")

    def act(ctx: Any) -> Any:
        if ctx.iteration == 0:
            return Continue({})
        return Complete(ctx.approve("sure", Action({"n": 1}, type="do", title="Do", impact="x"), policy="p").status)

    flow.agent_loop("agent", act, max_iterations=4)
    flow.start(requester=alice)
    work()
    approval = Approval.objects.get()
    assert approval.required.need == 2
    assert decide(approval, bob, "edit", args={"n": 5}).approval.required.need == 2
