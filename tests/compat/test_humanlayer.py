"""HumanLayer's routes: what its SDK sends becomes a request, and what came of it is told in its words."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from hitl import decisions, engine
from hitl.audit import timeline
from hitl.models import Approval, IdempotencyRecord, Run
from hitl.policies import create_key
from hitl.policies.documents import apply_policy
from tests.compat.conftest import POLICY, SCOPES, Compat

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("whole_house")]
CALLS, CONTACTS = "humanlayer/v1/function_calls", "humanlayer/v1/contact_requests"
AGENT_CALLS, AGENT_CONTACTS = "humanlayer/v1/agent/function_calls", "humanlayer/v1/agent/human_contacts"


def call(call_id: str = "call-1", **spec: Any) -> dict[str, Any]:
    """A function call as the SDK sends it."""
    empty = {"channel": None, "reject_options": None, "state": None}
    body = {"fn": "refund", "kwargs": {"order": "A1", "amount": 900}, **empty, **spec}
    return {"run_id": "agent-1", "call_id": call_id, "spec": body, "status": None}


def contact(call_id: str = "call-1", **spec: Any) -> dict[str, Any]:
    """A contact as the SDK sends it."""
    empty = {"subject": None, "channel": None, "response_options": None, "state": None}
    return {"run_id": "agent-1", "call_id": call_id, "spec": {"msg": "Which region?", **empty, **spec}, "status": None}


def ask(agent: Compat, body: dict[str, Any], path: str = CALLS) -> dict[str, Any]:
    response = agent.post(path, body)
    assert response.status_code == 200, response.content
    told: dict[str, Any] = response.json()
    return told


def status(agent: Compat, path: str = CALLS, call_id: str = "call-1") -> dict[str, Any]:
    response = agent.get(f"{path}/{call_id}")
    assert response.status_code == 200, response.content
    told: dict[str, Any] = response.json()["status"]
    return told


def test_a_function_call_becomes_a_request_that_shows_all_of_it(agent: Compat) -> None:
    state = {"thread": 7}
    told = ask(agent, call(state=state))
    row = Approval.objects.get()
    assert (told["call_id"], told["run_id"], told["spec"]["state"]) == ("call-1", "agent-1", state)
    assert told["status"].keys() == {"requested_at"}
    assert (row.action_type, row.args) == ("refund", {"order": "A1", "amount": 900})
    assert row.title == 'refund(order="A1", amount=900)'
    assert (row.run.external_id, row.required.policy) == ("call-1", "refunds v1")
    assert "approved" not in status(agent)


def test_a_slack_token_is_stored_nowhere(agent: Compat) -> None:
    slack = {"channel_or_user_id": "C1", "bot_token": "xoxb-1"}
    told = ask(agent, call(channel={"slack": slack}))
    assert told["spec"]["channel"] == {"slack": {"channel_or_user_id": "C1"}}
    assert "xoxb" not in str(Approval.objects.values().get())


def test_an_approval_is_taken_by_the_first_answer_and_said_again(agent: Compat, decide: Callable[..., None]) -> None:
    ask(agent, call())
    decide("approve", comment="fine")
    first, second = status(agent), status(agent)
    assert (first["approved"], first["comment"]) == (True, "fine")
    assert first == second
    run = Run.objects.get()
    assert Approval.objects.get().consumed_at is not None
    assert run.status == "succeeded"
    assert "does not report" in run.output["note"]
    assert "hitl.act.refused" not in [line.action for line in timeline(run.stream)]


def test_a_rejection_always_has_a_comment(agent: Compat, decide: Callable[..., None]) -> None:
    ask(agent, call())
    decide("reject", comment="too much")
    told = status(agent)
    assert told["approved"] is False
    assert "too much" in told["comment"]
    assert "Do not try this again" in told["comment"]
    assert status(agent) == told
    assert Approval.objects.get().taken_at is not None


def test_a_rejection_names_the_option_that_was_meant(agent: Compat, decide: Callable[..., None]) -> None:
    options = [{"name": "too_much", "title": "Too much", "prompt_fill": "Use a lower amount", "interactive": False}]
    ask(agent, call(reject_options=options))
    assert Approval.objects.get().context["options"] == [{"name": "too_much", "title": "Too much"}]
    decide("reject", comment="Too much")
    told = status(agent)
    assert told["reject_option_name"] == "too_much"
    assert "Use a lower amount" in told["comment"]


def test_an_edit_is_a_no_that_quotes_what_was_approved(agent: Compat, decide: Callable[..., None]) -> None:
    ask(agent, call())
    decide("edit", args={"order": "A1", "amount": 90})
    told = status(agent)
    assert told["approved"] is False
    assert '"amount": 90' in told["comment"]
    assert status(agent) == told
    run = Run.objects.get()
    assert run.status == "failed"
    assert "sent back" in run.failure_text


def test_a_revision_is_asked_for_in_words(agent: Compat, decide: Callable[..., None]) -> None:
    ask(agent, call())
    decide("request_revision", comment="split it")
    told = status(agent)
    assert told["approved"] is False
    assert "split it" in told["comment"]


def test_time_is_no_persons_no(agent: Compat, pass_time: Callable[[timedelta], None]) -> None:
    ask(agent, call())
    pass_time(timedelta(hours=5))
    engine.sweep()
    told = status(agent)
    assert told["approved"] is False
    assert "not a person's no" in told["comment"]


def test_a_cancelled_call_ends_the_waiting(agent: Compat, alice: Any) -> None:
    ask(agent, call())
    decisions.cancel(Approval.objects.get(), actor=alice)
    told = status(agent)
    assert told["approved"] is False
    assert "withdrawn" in told["comment"]


def test_the_same_call_twice_is_one_request_and_another_of_its_name_none(agent: Compat) -> None:
    assert ask(agent, call()) == ask(agent, call())
    assert Approval.objects.count() == 1
    response = agent.post(CALLS, call(kwargs={"order": "B2"}))
    assert (response.status_code, response.json()["code"]) == (422, "idempotency_conflict")
    assert Approval.objects.count() == 1


def test_the_same_call_is_known_also_when_its_first_answer_is_forgotten(agent: Compat) -> None:
    first = ask(agent, call())
    IdempotencyRecord.objects.all().delete()
    assert ask(agent, call()) == first
    IdempotencyRecord.objects.all().delete()
    assert agent.post(CALLS, call(kwargs={"order": "B2"})).status_code == 422
    assert Approval.objects.count() == 1


def test_a_call_and_a_contact_of_one_name_are_two(agent: Compat) -> None:
    ask(agent, call())
    ask(agent, contact(), CONTACTS)
    assert "response" not in status(agent, CONTACTS)
    assert Approval.objects.count() == 2


def test_a_contact_is_a_question_and_its_answer_comes_back(agent: Compat, decide: Callable[..., None]) -> None:
    ask(agent, contact(subject="Region"), CONTACTS)
    row = Approval.objects.get()
    assert (row.kind, row.question, row.title) == ("question", "Which region?", "Region")
    decide("respond", response="eu")
    told = status(agent, CONTACTS)
    assert told["response"] == "eu"
    assert status(agent, CONTACTS) == told


def test_a_contact_offers_its_options(agent: Compat, decide: Callable[..., None]) -> None:
    options = [{"name": "eu", "title": "Europe"}, {"name": "us", "title": "America", "prompt_fill": "Use us-east"}]
    ask(agent, contact(response_options=options), CONTACTS)
    assert Approval.objects.get().response_schema == {"enum": ["Europe", "America"]}
    decide("respond", response="America")
    told = status(agent, CONTACTS)
    assert (told["response"], told["response_option_name"]) == ("Use us-east", "us")


def test_a_contact_that_nobody_answered_ends_with_words(agent: Compat, pass_time: Callable[[timedelta], None]) -> None:
    ask(agent, contact(), CONTACTS)
    pass_time(timedelta(hours=5))
    engine.sweep()
    assert "Nobody decided in time" in status(agent, CONTACTS)["response"]


@pytest.mark.parametrize("path", [AGENT_CALLS, AGENT_CONTACTS])
def test_an_agent_decides_nothing(agent: Compat, path: str) -> None:
    ask(agent, call())
    ask(agent, contact(), CONTACTS)
    response = agent.post(f"{path}/call-1/respond", {"approved": True, "response": "yes"})
    assert (response.status_code, response.json()["reason"]) == (403, "agent")
    assert set(Approval.objects.values_list("status", flat=True)) == {"pending"}


@pytest.mark.parametrize(
    ("ask_at", "path", "body"), [(CALLS, AGENT_CALLS, call()), (CONTACTS, AGENT_CONTACTS, contact())]
)
def test_an_escalation_reminds_and_not_too_often(
    agent: Compat, pass_time: Callable[[timedelta], None], ask_at: str, path: str, body: dict[str, Any]
) -> None:
    ask(agent, body, ask_at)
    escalation = {"escalation_msg": "please", "additional_recipients": None, "channel": None}
    soon = agent.post(f"{path}/call-1/escalate_email", escalation)
    assert (soon.status_code, soon.json()["reason"]) == (409, "too_soon")
    pass_time(timedelta(minutes=20))
    later = agent.post(f"{path}/call-1/escalate_email", escalation)
    assert (later.status_code, later.json()["call_id"]) == (200, "call-1")
    assert Approval.objects.get().reminded_at is not None


def test_what_is_decided_is_escalated_no_more(agent: Compat, decide: Callable[..., None]) -> None:
    ask(agent, call())
    decide("approve")
    response = agent.post(f"{AGENT_CALLS}/call-1/escalate_email", {"escalation_msg": "please"})
    assert response.status_code == 409


@pytest.mark.parametrize("path", [CALLS, CONTACTS])
def test_what_is_not_yours_is_not_there(agent: Compat, alice: Any, path: str) -> None:
    ask(agent, call())
    ask(agent, contact(), CONTACTS)
    other = Compat(create_key("other", owner=alice, scopes=SCOPES, actor=alice, policies=["refunds"])[1])
    assert other.get(f"{path}/call-1").status_code == 404
    assert agent.get(f"{path}/call-2").status_code == 404


@pytest.mark.parametrize("data", [None, {"humanlayer": 7}, {"humanlayer": {"spec": {}}}, {"other": 1}, [1]])
def test_a_request_of_the_api_itself_is_no_call(agent: Compat, data: Any) -> None:
    said = {"type": "x", "args": {}, "title": "x", "impact": "x"}
    made = agent.post("api/v1/approvals/", {"action": said, "external_id": "call-1", "resume_data": data})
    assert made.status_code == 201
    assert agent.get(f"{CALLS}/call-1").status_code == 404


def test_a_changed_call_that_two_must_agree_on_keeps_its_name(
    agent: Compat, alice: Any, carol: Any, decide: Callable[..., None]
) -> None:
    stage = {"reviewers": ["group:finance"], "approvals": 2}
    apply_policy({"name": "refunds", "default": {"stages": [stage]}}, actor=alice)
    ask(agent, call())
    decide("edit", args={"order": "A1", "amount": 90})
    assert status(agent).keys() == {"requested_at"}
    row = Approval.objects.pending().get()
    assert row.revision == 2
    decisions.decide(row, actor=carol, verdict="reject", digest=row.digest, comment="not at all")
    told = status(agent)
    assert told["approved"] is False
    assert "not at all" in told["comment"]


@pytest.mark.parametrize(
    "body", [{}, {"call_id": "c"}, call(fn=""), call(kwargs=[1]), call(reject_options=[{}]), {**call(), "more": 1}]
)
def test_a_body_of_another_shape_is_refused(agent: Compat, body: dict[str, Any]) -> None:
    response = agent.post(CALLS, body)
    assert (response.status_code, response.json()["code"]) == (400, "invalid")
    assert not Approval.objects.exists()


def test_nobody_comes_in_without_a_key_and_its_scope(agent: Compat, alice: Any, bob: Any) -> None:
    reader = Compat(create_key("reader", owner=alice, scopes=["runs:read"], actor=alice)[1])
    person = Compat("")
    person.client.force_login(bob, backend="django.contrib.auth.backends.ModelBackend")
    for who, refused in ((Compat(""), 401), (Compat("hitl_x_y"), 401), (reader, 403), (person, 401)):
        assert who.post(CALLS, call()).status_code == refused
        assert who.get(f"{CALLS}/call-1").status_code == refused
    assert not Approval.objects.exists()


def test_a_key_with_several_policies_cannot_say_which(alice: Any, agent: Compat) -> None:
    apply_policy({**POLICY, "name": "more"}, actor=alice)
    wide = Compat(create_key("wide", owner=alice, scopes=SCOPES, actor=alice, policies=["refunds", "more"])[1])
    response = wide.post(CALLS, call())
    assert (response.status_code, response.json()["code"]) == (400, "bad_input")
