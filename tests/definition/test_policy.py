"""Policies as values: what a document may say, which rule holds, and what is closed on doubt."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from hitl.definition import PolicyDocument, Requirement, Rule, choose
from hitl.definition.values import Stage
from hitl.exceptions import ConditionFailed, InvalidPolicy

TODAY = date(2026, 11, 20)
FINANCE = {"reviewers": ["group:finance"]}
REFUNDS: dict[str, Any] = {
    "name": "refunds",
    "rules": [
        {"when": 'args.amount <= 100 && risk == "low"', "auto": "approve", "until": "2027-01-31"},
        {
            "when": 'args.amount > 5000 || risk == "critical"',
            "name": "large or critical",
            "level": "verify",
            "stages": [FINANCE, {"reviewers": ["group:directors"], "approvals": 2, "rejections": 1}],
        },
    ],
    "default": {
        "stages": [
            {
                "reviewers": ["group:finance", "user:dana"],
                "timeout": "4h",
                "remind": ["1h", "3h"],
                "escalate": [{"after": "2h", "to": ["group:managers"], "mode": "add"}],
                "fallback": ["group:admins-on-call"],
            }
        ]
    },
    "on_timeout": "reject",
    "comment": "on_reject",
    "step_up": {"critical": "password"},
}


def chosen(facts: dict[str, Any], *, today: date = TODAY, **changes: Any) -> Requirement:
    document = PolicyDocument.read({**REFUNDS, **changes})
    all_facts = {"args": {}, "type": "refund", "target": "", "reversible": True, "risk": "medium", "confidence": None}
    all_facts |= {"agent": "", "requester": "alice", "workflow": "refund", "step": "pay", "iteration": 0}
    return choose(document.rules, document.requirement(3), {**all_facts, **facts}, today=today)


def problem(**changes: Any) -> str:
    with pytest.raises(InvalidPolicy) as error:
        PolicyDocument.read({**REFUNDS, **changes})
    return error.value.message


@pytest.mark.parametrize(
    ("facts", "auto", "stages", "rule"),
    [
        ({"args": {"amount": 50}, "risk": "low"}, True, 1, "rule 1"),
        ({"args": {"amount": 100}, "risk": "low"}, True, 1, "rule 1"),
        ({"args": {"amount": 100.5}, "risk": "low"}, False, 1, "default"),
        ({"args": {"amount": 50}}, False, 1, "default"),
        ({"args": {"amount": 5001}}, False, 2, "large or critical"),
        ({"args": {"amount": 1}, "risk": "critical"}, False, 2, "large or critical"),
    ],
)
def test_the_first_rule_that_matches_holds(facts: dict[str, Any], auto: bool, stages: int, rule: str) -> None:
    found = chosen(facts)
    assert (found.auto, len(found.stages), found.rule.partition(":")[0]) == (auto, stages, rule)
    assert found.policy == "refunds v3"


def test_a_rule_that_cannot_be_evaluated_asks_people() -> None:
    found = chosen({"args": {"sum": 50}, "risk": "low"})
    assert (found.auto, len(found.stages), found.level) == (False, 2, "verify")
    assert "could not be evaluated" in found.rule


def test_after_a_doubt_nothing_passes_by_itself() -> None:
    rules = [
        {"when": "args.missing > 1", "auto": "approve", "until": "2027-01-31"},
        {"when": "true", "auto": "approve", "until": "2027-01-31"},
    ]
    found = chosen({}, rules=rules)
    assert found.auto is False
    assert found.rule.startswith("default (could not be evaluated")


@pytest.mark.parametrize("risk", ["high", "critical"])
def test_what_is_dangerous_never_passes_by_itself(risk: str) -> None:
    rules = [{"when": "true", "auto": "approve", "until": "2027-01-31"}]
    assert chosen({"risk": risk}, rules=rules).auto is False
    assert chosen({"risk": "medium"}, rules=rules).auto is True


def test_a_rule_that_lets_pass_ends() -> None:
    small = {"args": {"amount": 1}, "risk": "low"}
    assert chosen(small, today=date(2027, 1, 31)).auto is True
    assert chosen(small, today=date(2027, 2, 1)).auto is False


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"when": "args.amount <= 100 and true", "level": "verify"}, "write && for and"),
        ({"when": "amount > 1", "level": "verify"}, "asks for amount; there are args, type"),
        ({"when": "nobody(args.word)", "level": "verify"}, "calls nobody; there are all"),
        ({"when": "args.items.map(x, x) == []", "level": "verify"}, "calls map; there are all"),
        ({"when": "args . items . filter (x, x > 1) == []", "level": "verify"}, "calls filter; there are all"),
        ({"when": "args.a.all(x, args.a.all(y, args.a.all(z, z > x)))", "level": "verify"}, "too much"),
        ({"when": "(" * 21 + "true" + ")" * 21, "level": "verify"}, "20 deep"),
        ({"when": "true" + " || true" * 200, "level": "verify"}, "at most 1000 characters"),
        ({"when": "true"}, "says stages, level or on_timeout"),
        ({"when": "true", "auto": "approve"}, "has an end"),
        ({"when": "true", "auto": "approve", "until": "2027-01-31", "level": "verify"}, "asks nobody"),
        ({"when": "true", "level": "verify", "until": "2027-01-31"}, "or auto: approve with until:"),
        ({"when": "true", "auto": "reject", "until": "2027-01-31"}, "Input should be 'approve'"),
        ({"when": "true", "level": "verify", "colour": "red"}, "Extra inputs are not permitted"),
        ({"when": "", "level": "verify"}, "at least 1 character"),
        ({"when": "true", "stages": [{"reviewers": []}]}, "at least 1 item"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(rule: dict[str, Any], words: str) -> None:
    assert words in problem(rules=[rule])


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        ({"reviewers": ["finance"]}, "'finance' is no reviewer"),
        ({"reviewers": ["user:a", "user:b"], "approvals": 3}, "3 approvals are asked of 2 people"),
        ({"reviewers": ["group:f"], "timeout": "soon"}, "'soon' is no duration"),
        ({"reviewers": ["group:f"], "timeout": "-1h"}, "is no duration"),
        ({"reviewers": ["group:f"], "timeout": "367d"}, "less than or equal to"),
        ({"reviewers": ["group:f"], "timeout": "2h", "remind": ["3h"]}, "before the timeout"),
        ({"reviewers": ["group:f"], "remind": ["3h", "1h"]}, "in their order"),
        ({"reviewers": ["group:f"], "escalate": [{"after": "1h", "to": ["requester"]}]}, "never escalated"),
        ({"reviewers": ["group:f"], "escalate": [{"after": "1h", "to": []}]}, "at least 1 item"),
        ({"reviewers": ["group:f", "requester"]}, "confirms alone"),
        ({"reviewers": ["requester"], "approvals": 2}, "confirms alone"),
        ({"reviewers": ["group:f"], "fallback": ["requester"]}, "no fallback"),
    ],
)
def test_a_stage_that_cannot_work_is_refused(stage: dict[str, Any], words: str) -> None:
    assert words in problem(default={"stages": [stage]})


def test_a_confirmation_by_the_requester_is_no_stage_of_several() -> None:
    assert "never one stage of several" in problem(default={"stages": [{"reviewers": ["requester"]}, FINANCE]})


@pytest.mark.parametrize("risk", ["high", "critical"])
def test_the_requester_alone_confirms_nothing_dangerous(risk: str) -> None:
    requirement = Requirement(stages=(Stage(reviewers=("requester",)),))
    with pytest.raises(InvalidPolicy, match="not for the requester"):
        requirement.at(risk, reversible=True)
    settled = requirement.at("medium", reversible=True)
    assert (settled.by_requester, settled.prevent_self_review) == (True, False)


def test_critical_takes_a_phrase_and_two_people_unless_somebody_said_otherwise() -> None:
    requirement = Requirement(stages=(Stage(reviewers=("group:f",)),), step_up={"critical": "password"})
    at = requirement.at("critical", reversible=False)
    assert (at.level, at.need, at.step_up) == ("verify", 2, {"critical": "password"})
    assert (requirement.at("high", reversible=False).level, requirement.at("high", reversible=False).need) == (
        "confirm",
        1,
    )
    said = Requirement(stages=(Stage(reviewers=("group:f",), approvals=1),), level="confirm")
    assert (said.at("critical", reversible=False).level, said.at("critical", reversible=False).need) == ("confirm", 1)
    two = Requirement(stages=(Stage(reviewers=("group:f",)), Stage(reviewers=("group:g",))))
    assert two.at("critical", reversible=False).need == 2


def test_critical_cannot_take_two_people_of_one() -> None:
    with pytest.raises(InvalidPolicy, match=r"at critical risk: .*2 approvals are asked of 1 people"):
        Requirement(stages=(Stage(reviewers=("user:dana",)),)).at("critical", reversible=False)


@pytest.mark.parametrize(
    ("risk", "reversible", "silence"),
    [("low", True, "approve"), ("low", False, "reject"), ("medium", True, "reject"), ("critical", True, "reject")],
)
def test_silence_passes_only_what_is_harmless(risk: str, reversible: bool, silence: str) -> None:
    requirement = Requirement(stages=(Stage(reviewers=("group:f",)),), on_timeout="approve")
    assert requirement.at(risk, reversible=reversible).on_timeout == silence


def test_what_would_come_after_the_end_of_a_stage_is_left_out() -> None:
    stage = Stage.model_validate({**FINANCE, "remind": ["1h", "3h"], "escalate": [{"after": "2h", "to": ["group:m"]}]})
    short = Requirement(stages=(stage,)).at("low", reversible=True, timeout=2 * 3600).stages[0]
    assert (short.timeout, short.remind, short.escalate) == (7200, (3600,), ())
    own = Stage.model_validate({**FINANCE, "timeout": "1d"})
    assert Requirement(stages=(own,)).at("low", reversible=True, timeout=60).stages[0].timeout == 86400


def test_a_condition_that_is_no_yes_or_no_is_a_doubt() -> None:
    rule = Rule(when="args.amount", level="verify")
    with pytest.raises(ConditionFailed, match="neither true nor false"):
        rule.matches({"args": {"amount": 5}})


def test_a_long_list_is_not_looked_through() -> None:
    rule = Rule(when="args.items.exists(x, x == 1)", level="verify")
    assert rule.matches({"args": {"items": [0] * 999 + [1]}}) is True
    twice = Rule(when="args.items.exists(x, args.items.exists(y, x == y))", level="verify")
    assert twice.matches({"args": {"items": [1] * 100}}) is True
    with pytest.raises(ConditionFailed, match="more than 100 items"):
        twice.matches({"args": {"items": [1] * 101}})
    for long in ({"items": [1] * 1001}, {"deep": {"items": [[0, *[1] * 1001]]}}):
        with pytest.raises(ConditionFailed, match="more than 1000 items"):
            rule.matches({"args": long})


def test_everybody_a_policy_may_ask_is_known() -> None:
    asked = PolicyDocument.read(REFUNDS).everybody
    assert asked == ["group:finance", "user:dana", "group:admins-on-call", "group:directors", "group:managers"]


def test_on_timeout_may_stand_beside_the_default_or_in_it() -> None:
    inside = {"stages": [FINANCE], "on_timeout": "escalate"}
    assert PolicyDocument.read({"name": "x", "default": inside}).default.on_timeout == "escalate"
    beside = {"name": "x", "default": {"stages": [FINANCE]}, "on_timeout": "escalate"}
    assert PolicyDocument.read(beside).default.on_timeout == "escalate"


def test_a_text_that_looks_like_a_call_is_a_text() -> None:
    rule = Rule(when='args.name.matches("^map(s)?$") || args.name == \'say "filter(x)"\'', level="verify")
    assert rule.matches({"args": {"name": "maps"}}) is True


@pytest.mark.parametrize(
    "when", ['requester == "bob"', 'target == "http://x"', 'args.q == "say \\"b\\" r"', "type == ''"]
)
def test_texts_may_end_in_anything(when: str) -> None:
    assert Rule(when=when, level="verify").when == when


@pytest.mark.parametrize(
    "when", ['r"x" == type', "b'x' == type", '"""x""" == type', "type == 'x' // so", "rb'x' == type"]
)
def test_what_could_hide_a_call_is_refused(when: str) -> None:
    assert "no comments" in problem(rules=[{"when": when, "level": "verify"}])
