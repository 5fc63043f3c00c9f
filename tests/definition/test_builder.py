"""Workflow: what authors write, and what they are told at start-up when it cannot be right."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel, Field

from hitl import Workflow
from hitl.checks import check_workflows
from hitl.definition import Definition, StepRef, registry
from hitl.definition.specs import read_definition
from hitl.exceptions import BadInput, HitlError, InvalidWorkflow, UnknownWorkflow

OPS = ["group:ops"]


def handler(ctx: Any) -> Any:
    return ctx


def other(ctx: Any) -> Any:
    return ctx


def told(build: Callable[[Workflow], Any]) -> str:
    """What an author is told about a workflow built like this."""
    flow = Workflow("flow")
    with pytest.raises(InvalidWorkflow) as error:
        _finish(flow, build)
    assert error.value.code == "invalid_workflow"
    return error.value.message


def _finish(flow: Workflow, build: Callable[[Workflow], Any]) -> None:
    build(flow)
    flow.definition()


def reviewed(flow: Workflow, **options: Any) -> Workflow:
    """draft → ask → act with these options of the gate."""
    flow.step(handler, name="draft")
    flow.approval("ask", **{"after": "draft", "reviewers": OPS, **options})
    flow.step(other, name="act", after="ask")
    return flow


# -- names --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "with space", "a/b", "a:b", "a\n", "x" * 101, "<b>", "tab\t", "a*b"])
def test_a_bad_name_is_refused(name: str) -> None:
    said = f"{name!r} is no name for a {{}}: up to 100 letters, digits, '-', '_' and '.'"
    with pytest.raises(InvalidWorkflow) as error:
        Workflow(name)
    assert error.value.message == said.format("workflow")
    assert told(lambda flow: flow.approval(name, after="x", reviewers=OPS)) == said.format("step")


@pytest.mark.parametrize("name", ["a", "x" * 100, "Pay-out_2.final", "größe"])
def test_a_good_name_is_taken(name: str) -> None:
    assert Workflow(name).name == name


def test_a_lambda_needs_a_name() -> None:
    assert told(lambda flow: flow.step(lambda ctx: 1)).startswith("'<lambda>' is no name for a step")


def test_two_workflows_of_one_name_are_refused() -> None:
    first = Workflow("twice")
    with pytest.raises(InvalidWorkflow) as error:
        Workflow("twice")
    assert error.value.message == "two workflows are named 'twice'; names are how runs find their code"
    assert registry.get("twice") is first


def test_two_steps_of_one_name_are_refused() -> None:
    said = told(lambda flow: (flow.step(handler, name="pay"), flow.step(other, name="pay")))
    assert said == "workflow 'flow' has two steps named 'pay'; give one `name=`"


def test_an_unknown_workflow_is_told_what_it_may_have_meant() -> None:
    Workflow("known-one")
    with pytest.raises(UnknownWorkflow) as error:
        registry.get("known-on")
    assert error.value.code == "unknown_workflow"
    assert error.value.message == "no workflow is named 'known-on'; did you mean 'known-one'?"
    with pytest.raises(UnknownWorkflow, match=r"^no workflow is named 'nope'$"):
        registry.get("nope")
    assert registry.find("nope") is None


def test_a_title_is_made_from_the_name() -> None:
    assert Workflow("pay-out_now").title == "Pay out now"
    assert Workflow("p", title="Pay").definition is not None


# -- order --------------------------------------------------------------------------------------------


def test_a_workflow_without_steps_is_refused() -> None:
    assert told(lambda flow: None) == "workflow 'flow' has no steps"


def test_an_unknown_step_behind_after_is_refused_with_those_there_are() -> None:
    said = told(lambda flow: (flow.step(handler, name="draft"), flow.step(other, name="pay", after="darft")))
    assert said == "step 'pay' of workflow 'flow' comes after 'darft', which does not exist (draft)"


def test_an_unknown_step_is_refused_where_there_is_no_other() -> None:
    said = told(lambda flow: flow.step(handler, name="pay", after="draft"))
    assert said == "step 'pay' of workflow 'flow' comes after 'draft', which does not exist (none yet)"


@pytest.mark.parametrize(
    ("order", "circle"),
    [
        ({"a": ["a"]}, "a"),
        ({"a": ["b"], "b": ["a"]}, "a, b"),
        ({"start": [], "a": ["start", "c"], "b": ["a"], "c": ["b"]}, "a, b, c"),
        ({"a": ["b"], "b": ["a"], "end": ["a"]}, "a, b, end"),
    ],
)
def test_a_circle_is_refused(order: dict[str, list[str]], circle: str) -> None:
    said = told(lambda flow: [flow.step(handler, name=name, after=after) for name, after in order.items()])
    assert said == f"workflow 'flow' goes in a circle through {circle}"


def test_a_step_of_another_workflow_is_refused() -> None:
    foreign = reviewed(Workflow("foreign"))
    ref = foreign.approval("again", after="act", reviewers=OPS)
    said = told(lambda flow: flow.step(handler, after=ref))
    assert said == "'again' is a step of workflow 'foreign', not of 'flow'"


def test_a_function_that_is_no_step_is_refused() -> None:
    said = told(lambda flow: flow.step(handler, name="pay", after=other))
    assert said == "'pay' of workflow 'flow' names the function 'other', which is not a step of it"


def test_a_function_used_for_two_steps_is_refused_as_a_name() -> None:
    def build(flow: Workflow) -> None:
        flow.step(handler, name="one")
        flow.step(handler, name="two")
        flow.step(other, name="three", after=handler)

    said = told(build)
    assert said == (
        "'three' of workflow 'flow' names the function 'handler', "
        "which is the handler of 2 steps; write the step's name"
    )


def test_after_takes_names_functions_and_references_and_each_once() -> None:
    flow = Workflow("flow")
    flow.step(handler, name="draft")
    ask = flow.approval("ask", after=handler, reviewers=OPS)
    assert ask == StepRef("flow", "ask")
    flow.step(other, name="act", after=[ask, "ask", handler, "draft"])
    assert flow.definition().by_name["act"].after == ("ask", "draft")


@pytest.mark.parametrize("attempts", [0, -1])
def test_a_step_needs_an_attempt(attempts: int) -> None:
    said = told(lambda flow: flow.step(handler, name="pay", max_attempts=attempts))
    assert said == f"step 'pay' of workflow 'flow': max_attempts is {attempts}; at least 1 is needed"


# -- gates --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reviewers": None}, "needs one of policy=, reviewers= and stages=: no reviewers means nobody can answer"),
        ({"policy": "refunds"}, "needs one of policy=, reviewers= and stages=: no reviewers means nobody can answer"),
        ({"reviewers": []}, "reviewers: Tuple should have at least 1 item"),
        ({"reviewers": "group:ops"}, "reviewers= is a list, not 'group:ops'"),
        ({"reviewers": ["ops"]}, "'ops' is no reviewer: write 'group:NAME' or 'user:NAME'"),
        ({"reviewers": ["group:"]}, "'group:' is no reviewer"),
        ({"reviewers": ["group: ops"]}, "'group: ops' is no reviewer"),
        ({"reviewers": ["user:bob"], "approvals": 2}, "2 approvals are asked of 1 people"),
        ({"reviewers": ["user:bob", "user:bob"], "approvals": 2}, "2 approvals are asked of 1 people"),
        ({"approvals": 0}, "approvals: Input should be greater than or equal to 1"),
        ({"approvals": 101}, "approvals: Input should be less than or equal to 100"),
        ({"rejections": 0}, "rejections: Input should be greater than or equal to 1"),
        ({"comment": "sometimes"}, "comment: Input should be"),
        ({"level": "verify"}, "level='verify' needs the phrase= that people type"),
        ({"phrase": "DELETE"}, "phrase= belongs to level='verify'"),
        ({"level": "confirm", "phrase": "DELETE"}, "phrase= belongs to level='verify'"),
        ({"level": "shout"}, "level: Input should be 'info', 'confirm' or 'verify'"),
        ({"risk": "huge"}, "risk: Input should be"),
        ({"on_timeout": "shrug"}, "on_timeout: Input should be"),
        ({"timeout": timedelta(0)}, "timeout must be longer than nothing"),
        ({"timeout": timedelta(seconds=-1)}, "timeout must be longer than nothing"),
        ({"execute_within": timedelta(0)}, "execute_within must be longer than nothing"),
    ],
)
def test_a_gate_that_cannot_work_is_refused(options: dict[str, Any], message: str) -> None:
    said = told(lambda flow: reviewed(flow, **options))
    assert said.startswith("gate 'ask' of workflow 'flow'")
    assert message in said


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"risk": "low"},
        {"reversible": True},
        {"risk": "high", "reversible": True},
        {"risk": handler, "reversible": True},
    ],
)
def test_silence_means_yes_only_where_it_can_be_undone(options: dict[str, Any]) -> None:
    said = told(lambda flow: reviewed(flow, on_timeout="approve", **options))
    assert said == ("gate 'ask' of workflow 'flow': on_timeout='approve' is for low risk and reversible actions only")


def test_silence_may_mean_yes_at_low_risk() -> None:
    flow = reviewed(Workflow("flow"), on_timeout="approve", risk="low", reversible=True)
    asks = flow.definition().by_name["ask"].asks
    assert asks is not None
    assert asks.on_timeout == "approve"


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(TypeError, match="revewers"):
        Workflow("flow").approval("ask", revewers=OPS)


def test_a_gate_protects_exactly_one_step() -> None:
    said = told(lambda flow: (flow.step(handler, name="draft"), flow.approval("ask", after="draft", reviewers=OPS)))
    assert said == (
        "gate 'ask' of workflow 'flow' must protect exactly one step, not none: "
        "an approval is used up by the one step it was given for"
    )
    registry._workflows.pop("flow")
    said = told(lambda flow: reviewed(flow).step(handler, name="also", after="ask"))
    assert "must protect exactly one step, not 'act' and 'also'" in said


@pytest.mark.parametrize("after", [None, ["draft", "more"]])
def test_a_gate_must_know_what_it_proposes(after: Any) -> None:
    def build(flow: Workflow) -> None:
        flow.step(handler, name="more")
        reviewed(flow, after=after)

    count = 0 if after is None else 2
    assert told(build) == (
        f"gate 'ask' of workflow 'flow' comes after {count} steps; "
        "give it action=, a function that returns the Action to propose"
    )


@pytest.mark.parametrize("after", [None, ["draft", "more"]])
def test_a_gate_with_an_action_of_its_own_may_come_after_any_number(after: Any) -> None:
    flow = Workflow("flow")
    flow.step(handler, name="more")
    reviewed(flow, after=after, action=other)
    asks = flow.definition().by_name["ask"].asks
    assert asks is not None
    assert asks.calls_action
    assert flow.actions == {"ask": other}


def test_a_risk_that_is_asked_for_is_kept_by_the_gate() -> None:
    flow = reviewed(Workflow("flow"), risk=handler)
    asks = flow.definition().by_name["ask"].asks
    assert asks is not None
    assert (asks.calls_risk, flow.risks) == (True, {"ask": handler})


def test_a_gate_may_be_put_in_front_of_a_step() -> None:
    flow = Workflow("flow")
    flow.step(handler, name="draft")
    flow.step(other, name="act", after=handler)
    flow.approval("ask", before=other, reviewers=OPS)
    steps = flow.definition().by_name
    assert (steps["ask"].after, steps["act"].after) == (("draft",), ("draft", "ask"))
    assert steps["act"].gates == ("ask",)


def test_a_gate_in_front_of_nothing_is_refused() -> None:
    def build(flow: Workflow) -> None:
        flow.step(handler, name="draft")
        flow.approval("ask", after="draft", before="act", reviewers=OPS)

    assert "must protect exactly one step, not none" in told(build)


def test_a_gate_in_front_of_a_function_that_is_no_step_is_refused() -> None:
    said = told(lambda flow: flow.approval("ask", before=other, reviewers=OPS))
    assert said == "'before=' of workflow 'flow' names the function 'other', which is not a step of it"


def test_the_options_of_a_gate_are_kept_in_seconds_and_tuples() -> None:
    flow = reviewed(
        Workflow("flow"),
        timeout=timedelta(hours=4),
        execute_within=timedelta(minutes=1.5),
        cool_off=timedelta(seconds=5),
        editable=["amount"],
        subject="approval.pay",
        approvals=2,
        comment="always",
        prevent_self_review=False,
    )
    asks = flow.definition().by_name["ask"].asks
    assert asks is not None
    assert asks.requirement is not None
    assert (asks.timeout, asks.execute_within, asks.cool_off) == (14400, 90, 5)
    assert (asks.editable, asks.topic) == (("amount",), "approval.pay")
    assert (asks.requirement.stages[0].approvals, asks.requirement.comment) == (2, "always")
    assert not asks.requirement.prevent_self_review


# -- functions stay functions -------------------------------------------------------------------------


def test_decorated_functions_stay_callable() -> None:
    flow = Workflow("flow")

    @flow.step
    def plain(ctx: int) -> int:
        return ctx + 1

    @flow.step(after=plain, max_attempts=1, when=lambda ctx: True, queue="slow", repeatable=False)
    def given(ctx: int) -> int:
        return ctx + 2

    assert (plain(1), given(1)) == (2, 3)
    assert flow.handlers == {"plain": plain, "given": given}
    assert list(flow.whens) == ["given"]
    spec = flow.definition().by_name["given"]
    assert (spec.after, spec.max_attempts, spec.when, spec.queue) == (("plain",), 1, True, "slow")
    assert spec.guarded
    assert not flow.definition().by_name["plain"].guarded


def test_a_workflow_tells_its_name() -> None:
    assert repr(Workflow("flow")) == "<Workflow flow>"


def test_starting_without_django_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hitl.definition.registry._verbs", {})
    with pytest.raises(HitlError) as error:
        Workflow("flow").start(requester=None)
    assert error.value.message.startswith("start() needs Django")


# -- the definition -----------------------------------------------------------------------------------


def definition_of(**options: Any) -> Definition:
    with registry.isolated():
        return reviewed(Workflow("flow"), **options).definition()


def test_the_digest_is_the_same_for_the_same_workflow() -> None:
    assert definition_of().digest == definition_of().digest
    assert len(definition_of().digest) == 64


def test_the_digest_does_not_depend_on_what_is_said_aloud_or_not() -> None:
    said = definition_of(rejections=1, risk="medium", reversible=False, title="", cool_off=timedelta(0))
    assert said.digest == definition_of().digest
    assert b"max_attempts" not in said.body


def test_the_digest_does_not_wander_with_how_a_duration_is_written() -> None:
    one, other_way = definition_of(timeout=timedelta(hours=1)), definition_of(timeout=timedelta(seconds=3600.0))
    assert one.digest == other_way.digest
    assert b'"timeout":3600' in one.body


@pytest.mark.parametrize(
    "options",
    [
        {"timeout": timedelta(hours=1)},
        {"reviewers": ["group:others"]},
        {"approvals": 2},
        {"risk": "high"},
        {"level": "verify", "phrase": "YES"},
        {"editable": []},
        {"action": other},
        {"impact": "Money leaves"},
    ],
)
def test_the_digest_changes_with_each_option_of_a_gate(options: dict[str, Any]) -> None:
    assert definition_of(**options).digest != definition_of().digest


@pytest.mark.parametrize(
    "options",
    [
        {"name": "draft2"},
        {"max_attempts": 5},
        {"timeout": timedelta(seconds=5)},
        {"backoff": timedelta(seconds=5)},
        {"queue": "slow"},
        {"repeatable": False},
        {"when": handler},
    ],
)
def test_the_digest_changes_with_each_option_of_a_step(options: dict[str, Any]) -> None:
    def digest(**given: Any) -> str:
        with registry.isolated():
            flow = Workflow("flow")
            flow.step(handler, **{"name": "draft", **given})
            return flow.definition().digest

    assert digest(**options) != digest()


def test_a_step_added_later_is_in_the_next_definition() -> None:
    flow = reviewed(Workflow("flow"))
    before = flow.definition()
    assert flow.definition() is before
    flow.step(handler, name="more", after="act")
    assert [spec.name for spec in flow.definition().steps] == ["draft", "ask", "act", "more"]
    assert flow.definition().digest != before.digest


def test_a_stored_definition_is_read_as_it_was() -> None:
    flow = reviewed(Workflow("flow", input=Order, deadline=timedelta(days=1)), timeout=timedelta(hours=1))
    definition = flow.definition()
    read = read_definition(definition.body.decode())
    assert read == definition
    assert (read.digest, read.body, read.deadline) == (definition.digest, definition.body, 86400)


def test_a_wrong_workflow_is_a_system_check_that_says_what_to_change() -> None:
    flow = Workflow("no-steps")
    found = [message for message in check_workflows() if message.obj is flow]
    assert [(message.id, message.msg) for message in found] == [("hitl.E001", "workflow 'no-steps' has no steps")]


# -- input --------------------------------------------------------------------------------------------


class Order(BaseModel):
    order_id: str
    amount: int = Field(default=1, ge=1)


@pytest.mark.parametrize("value", [None, 5, "x", [1], {"a": 1}])
def test_without_a_model_any_input_is_taken(value: Any) -> None:
    assert Workflow("flow").read_input(value) == value


def test_an_input_is_read_by_its_model_with_defaults() -> None:
    flow = Workflow("flow", input=Order)
    assert flow.read_input({"order_id": "A"}) == {"order_id": "A", "amount": 1}
    assert flow.read_input(Order(order_id="A", amount=2)) == {"order_id": "A", "amount": 2}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({}, "order_id: Field required"),
        ({"order_id": "A", "amount": 0}, "amount: Input should be greater than or equal to 1"),
        ({"order_id": 5, "amount": "x"}, "order_id: Input should be a valid string; amount: Input should be"),
        (None, "Input should be a valid dictionary"),
        ([1], "Input should be a valid dictionary"),
    ],
)
def test_an_input_that_fails_its_model_is_told_field_by_field(value: Any, message: str) -> None:
    with pytest.raises(BadInput) as error:
        Workflow("flow", input=Order).read_input(value)
    assert error.value.code == "bad_input"
    assert error.value.message.startswith("input of workflow 'flow': ")
    assert message in error.value.message


def test_an_input_with_unknown_fields_is_refused_by_name() -> None:
    with pytest.raises(BadInput) as error:
        Workflow("flow", input=Order).read_input({"order_id": "A", "ammount": 2, "zip": 1})
    assert error.value.message == "input of workflow 'flow' has unknown fields: ammount, zip"


def test_a_model_that_is_open_on_purpose_keeps_unknown_fields() -> None:
    class Loose(Order):
        model_config = {"extra": "allow"}

    value = {"order_id": "A", "amount": 1, "more": 2}
    assert Workflow("flow", input=Loose).read_input(value) == value


def test_a_loop_has_a_handler_or_is_external() -> None:
    flow = Workflow("loops-outside")
    with pytest.raises(InvalidWorkflow, match="needs a handler, or external=True"):
        flow.agent_loop("think")
    flow.agent_loop("think", external=True, queue="llm")
    spec = flow.definition().by_name["think"]
    assert (spec.external, spec.row_queue, spec.kind) == (True, "external:llm", "loop")
