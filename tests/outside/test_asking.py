"""Asking from outside: every field arrives, an agent only makes it stricter, and what is refused writes nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from hitl import engine
from hitl.models import Approval, IdempotencyRecord, Run
from tests.api.conftest import Api, problem
from tests.outside.conftest import ACTION, Agent, row_of
from tests.rows import nothing_written

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("whole_house")]


def nested(levels: int) -> Any:
    value: Any = 0
    for _ in range(levels):
        value = [value]
    return value


# -- what arrives -----------------------------------------------------------------------------------


def test_every_field_arrives(agent: Agent, people: Any) -> None:
    people("frida")
    schema = {"type": "object", "properties": {"amount": {"type": "integer", "maximum": 1000}}}
    action = {"description": "why", "target": "erp", "reversible": True, "args_schema": schema}
    terms = {"risk": "high", "timeout": "2h", "on_timeout": "escalate", "editable": ["amount"], "execute_within": "1h"}
    said = {"context": {"seen": [1]}, "external_id": "A-1", "on_behalf_of": "frida", "report_within": 60}
    seen = agent.ask(action=action, **terms, **said, resume_data={"thread": 7})
    row = row_of(seen)
    assert (seen["kind"], seen["status"], seen["risk"], seen["revision"]) == ("approval", "pending", "high", 1)
    assert seen["action"] == {
        "type": "refund", "args": ACTION["args"], "target": "erp", "impact": "Money leaves", "reversible": True,
    }  # fmt: skip
    assert (seen["description"], seen["args_schema"], seen["editable"]) == ("why", schema, ["amount"])
    assert (seen["context"], seen["external_id"], seen["resume_data"]) == ({"seen": [1]}, "A-1", {"thread": 7})
    assert (seen["report_within"], row.execute_within, row.required.on_timeout) == (60, 3600, "escalate")
    assert row.expires_at - row.opened_at == timedelta(hours=2)
    assert row.on_behalf_of is not None
    assert row.on_behalf_of.get_username() == "frida"
    assert row.run.principal == f"key:{agent.row.pk}"
    assert (seen["outcome"], seen["batch"], seen["taken_at"]) == (None, None, None)
    assert f"/review/hitl/approval/{seen['id']}/" in seen["review_url"]


def test_its_own_words_stand_for_missing_ones(agent: Agent) -> None:
    """A description beside the action is shown; the action's own goes before it."""
    assert agent.ask(description="outer")["description"] == "outer"
    assert agent.ask(description="outer", action={"description": "inner"})["description"] == "inner"


def test_the_location_is_the_request(agent: Agent) -> None:
    answer = agent.api.post("approvals/", agent.body())
    assert answer["Location"].endswith(f"/api/v1/approvals/{answer.json()['id']}/")
    assert "Idempotent-Replayed" not in answer


@pytest.mark.parametrize(
    ("said", "schema"),
    [
        ({}, {"type": "string", "minLength": 1}),
        ({"options": ["eu", "us"]}, {"enum": ["eu", "us"]}),
        ({"schema": {"type": "integer"}}, {"type": "integer"}),
    ],
)
def test_a_question_has_the_schema_of_its_answer(said: Any, schema: Any, agent: Agent) -> None:
    seen = agent.question("Which region?\nThe bill goes there.", **said)
    assert (seen["kind"], seen["title"], seen["response_schema"]) == ("question", "Which region?", schema)
    assert seen["question"] == "Which region?\nThe bill goes there."


# -- an agent only makes it stricter -------------------------------------------------------------------


def test_the_only_policy_of_a_key_is_its_default(agents: Callable[..., Agent]) -> None:
    one, two = agents("one", policies=["refunds"]), agents("two", policies=["refunds", "two-eyes"])
    assert one.ask(policy=...)["requirement"]["policy"].startswith("refunds")
    with nothing_written():
        problem(two.api.post("approvals/", two.body(policy=...)), 400, "bad_input")


def test_a_policy_that_is_not_the_keys_is_refused(agents: Callable[..., Agent]) -> None:
    one, none = agents("one", policies=["refunds"]), agents("none", policies=[])
    for agent, policy in ((one, "two-eyes"), (none, "refunds"), (one, "*")):
        with nothing_written():
            told = problem(agent.api.post("approvals/", agent.body(policy=policy)), 403, "not_allowed")
        assert told["reason"] == "policy_not_listed"


@pytest.mark.parametrize(
    "said", [{"reviewers": ["group:finance"]}, {"stages": [{"reviewers": ["group:finance"]}]}], ids=["flat", "stages"]
)
def test_naming_reviewers_needs_its_scope(said: Any, agents: Callable[..., Agent]) -> None:
    plain = agents("plain")
    names = agents("names", scopes=["approvals:request", "approvals:reviewers"], policies=[])
    with nothing_written():
        told = problem(plain.api.post("approvals/", plain.body(policy=..., **said)), 403, "not_allowed")
    assert told["reason"] == "needs_reviewers_scope"
    assert row_of(names.ask(policy=..., **said)).required.stages[0].reviewers == ("group:finance",)


@pytest.mark.parametrize(
    ("policy", "level", "becomes"),
    [
        ("refunds", "", "confirm"),
        ("refunds", "verify", "verify"),
        ("strict", "", "verify"),
        ("strict", "confirm", "verify"),
        ("told", "confirm", "confirm"),
    ],
)
def test_the_level_is_only_raised(policy: str, level: str, becomes: str, agent: Agent) -> None:
    seen = agent.ask(policy=policy, level=level)
    assert (seen["level"], seen["status"]) == (becomes, "pending")


def test_what_only_informs_passes_by_its_policy_and_not_as_a_person_s_yes(agent: Agent) -> None:
    seen = agent.ask(policy="told")
    assert (seen["status"], seen["outcome"]["via"], seen["outcome"]["verdict"]) == ("approved", "policy", None)
    assert agent.take(seen)["token"]


def test_a_phrase_is_what_people_type(agent: Agent, say: Any) -> None:
    seen = agent.ask(level="verify", phrase="pay 900")
    assert row_of(seen).phrase == "pay 900"
    problem(agent.api.post("approvals/", agent.body(phrase="x")), 400, "bad_input")
    say(seen, phrase="pay 900")


@pytest.mark.parametrize(
    ("least", "asked", "becomes"),
    [
        (None, "", "medium"),
        (None, "low", "medium"),
        ("low", "low", "low"),
        ("high", "low", "high"),
        (None, "high", "high"),
    ],
)
def test_the_risk_has_a_floor(least: str | None, asked: str, becomes: str, agents: Callable[..., Agent]) -> None:
    agent = agents(limits={} if least is None else {"risk": least})
    assert agent.ask(risk=asked)["risk"] == becomes


def test_the_time_of_a_silent_yes_is_not_the_agents(agents: Callable[..., Agent], pass_time: Any) -> None:
    """By this policy silence means yes; a shorter time of the agent's own would make a yes of nothing."""
    agent = agents(limits={"risk": "low"})
    meek = {"policy": "silent", "risk": "low", "action": {"reversible": True}}
    with nothing_written():
        problem(agent.api.post("approvals/", agent.body(**meek, timeout=1)), 422, "invalid_policy")
        problem(agent.api.post("approvals/", agent.body(**meek, on_timeout="approve")), 400, "invalid")
    shorter = agent.ask(**meek, on_timeout="reject")
    whole = agent.ask(**meek)
    pass_time(timedelta(hours=5))
    engine.sweep()
    assert agent.see(shorter)["status"] == "expired"
    told = agent.take(whole)
    assert (told["status"], told["outcome"]["verdict"], told["outcome"]["via"]) == ("approved", None, "timeout")
    assert "person" not in told["outcome"]["notice"].lower()


def test_no_more_than_its_limit_wait_at_once(agents: Callable[..., Agent], say: Any) -> None:
    agent, other = agents(limits={"pending": 2}), agents("other")
    first, _ = agent.ask(), agent.question()
    with nothing_written():
        told = problem(agent.api.post("approvals/", agent.body()), 429, "over_limit")
    assert told["limit"] == 2
    other.ask()
    say(first)
    agent.ask()


# -- what is refused -----------------------------------------------------------------------------------

_SCHEMA = {"args_schema": {"type": "object", "required": ["iban"]}}
REFUSED: dict[str, tuple[dict[str, Any], int, str]] = {
    "nothing": ({"action": None}, 400, "invalid"),
    "unknown field": ({"aproval": 1}, 400, "invalid"),
    "unknown field inside": ({"action": {**ACTION, "arg": 1}}, 400, "invalid"),
    "no impact": ({"action": {**ACTION, "impact": ""}}, 400, "invalid"),
    "no title": ({"action": {**ACTION, "title": " "}}, 400, "invalid"),
    "no type": ({"action": {**ACTION, "type": ""}}, 400, "invalid"),
    "args are a list": ({"action": {**ACTION, "args": [1]}}, 400, "invalid"),
    "args are too large": ({"action": {**ACTION, "args": {"x": "y" * 70_000}}}, 413, "too_large"),
    "context is too large": ({"context": "y" * 70_000}, 413, "too_large"),
    "resume data is too large": ({"resume_data": "y" * 600_000}, 413, "too_large"),
    "args do not fit": ({"action": {**ACTION, **_SCHEMA}}, 422, "invalid_action"),
    "a callable name": ({"kind": "order"}, 400, "invalid"),
    "no policy of this name": ({"policy": "nope"}, 404, "unknown_policy"),
    "policy and reviewers": ({"reviewers": ["group:finance"]}, 400, "bad_input"),
    "policy and quorum": ({"approvals": 1}, 400, "bad_input"),
    "quorum of none": ({"approvals": 0}, 400, "invalid"),
    "level info": ({"level": "info"}, 400, "invalid"),
    "no such risk": ({"risk": "extreme"}, 400, "invalid"),
    "no time": ({"timeout": 0}, 400, "invalid"),
    "less than no time": ({"timeout": -1}, 400, "invalid"),
    "a time without end": ({"timeout": 1e300}, 400, "invalid"),
    "a time of words": ({"timeout": "tomorrow"}, 400, "invalid"),
    "good for too long": ({"execute_within": "25h"}, 400, "bad_input"),
    "report too late": ({"report_within": "8d"}, 400, "bad_input"),
    "silence is a yes": ({"on_timeout": "approve"}, 400, "invalid"),
    "editable text": ({"editable": "amount"}, 400, "invalid"),
    "nobody of this name": ({"on_behalf_of": "nobody-here"}, 422, "invalid_decision"),
    "batch without id": ({"batch": {"size": 2}}, 400, "invalid"),
    "batch without size": ({"batch": {"id": "x", "release": "all"}}, 400, "invalid"),
    "batch of none": ({"batch": {"id": "x", "size": 0}}, 400, "invalid"),
    "a question's fields": ({"options": ["a"]}, 400, "invalid"),
    "title is too long": ({"title": "x" * 501}, 400, "invalid"),
    "external id is too long": ({"external_id": "x" * 201}, 400, "invalid"),
    "batch id is too long": ({"batch": {"id": "x" * 201}}, 400, "invalid"),
    "NUL in the title": ({"action": {**ACTION, "title": "a\0b"}}, 400, "not_json"),
    "NUL in the arguments": ({"action": {**ACTION, "args": {"a": "\0"}}}, 400, "not_json"),
    "NUL in a name": ({"action": {**ACTION, "args": {"\0": 1}}}, 400, "not_json"),
    "NUL in the context": ({"context": ["\0"]}, 400, "not_json"),
    "NUL in resume data": ({"resume_data": {"a": "\0"}}, 400, "not_json"),
    "half a character": ({"resume_data": "\ud800"}, 400, "not_json"),
    "half a character shown": ({"context": "\udfff"}, 400, "not_json"),
    "too deep": ({"resume_data": nested(64)}, 400, "not_json"),
}
ASKED: dict[str, tuple[dict[str, Any], int, str]] = {
    "no words": ({"question": ""}, 400, "invalid"),
    "blank": ({"question": " \n "}, 400, "invalid"),
    "no options": ({"options": []}, 400, "bad_input"),
    "both": ({"options": ["a"], "schema": {"type": "string"}}, 400, "invalid"),
    "too many options": ({"options": list(range(201))}, 400, "invalid"),
    "an action's fields": ({"action": ACTION}, 400, "invalid"),
    "editable": ({"editable": ["x"]}, 400, "invalid"),
    "report": ({"report_within": 5}, 400, "invalid"),
    "no schema": ({"schema": {"type": "text"}}, 400, "bad_input"),
    "schema of elsewhere": ({"schema": {"$ref": "https://example.com/x"}}, 400, "bad_input"),
    "schema of itself": ({"schema": {"$ref": "#"}}, 400, "bad_input"),
    "options are too large": ({"options": ["y" * 70_000]}, 413, "too_large"),
    "only told": ({"policy": "told"}, 422, "invalid_policy"),
    "silence is a yes": ({"on_timeout": "approve"}, 400, "invalid"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_wrong_is_refused_and_nothing_is_written(name: str, agent: Agent) -> None:
    said, status, code = REFUSED[name]
    body = {**agent.body(), **said}
    with nothing_written():
        problem(agent.api.post("approvals/", body), status, code)
    assert not IdempotencyRecord.objects.exists()


@pytest.mark.parametrize("name", ASKED)
def test_a_wrong_question_is_refused_and_nothing_is_written(name: str, agent: Agent) -> None:
    said, status, code = ASKED[name]
    body = {"kind": "question", "policy": "refunds", "question": "Which?", **said}
    with nothing_written():
        problem(agent.api.post("approvals/", body), status, code)


@pytest.mark.parametrize("reviewer", ["group:nobodies", "user:nobody", "finance", "", "group:"])
def test_reviewers_that_are_none_are_refused(reviewer: str, agents: Callable[..., Agent]) -> None:
    agent = agents(scopes=["approvals:request", "approvals:reviewers"])
    with nothing_written():
        answer = agent.api.post("approvals/", agent.body(policy=..., reviewers=[reviewer]))
    assert answer.status_code in (400, 404), answer.content
    assert answer.json()["code"] in ("invalid", "bad_input", "unknown_reviewer")


def test_what_is_as_large_as_it_may_be_comes_back_whole(agent: Agent, say: Any) -> None:
    """Also the second time, which is answered from what was kept."""
    deep, answers = nested(62), []
    seen = agent.ask(resume_data=deep, context=deep)
    say(seen)
    for _ in range(2):
        answers.append(agent.act(seen, "consume", key="once"))
    assert [answer.json()["resume_data"] for answer in answers] == [deep] * 2
    output = {"token": answers[0].json()["token"], "output": nested(63)}
    for _ in range(2):
        answer = agent.act(seen, "result", output, key="twice")
        assert answer.status_code == 200, answer.content
        assert answer.json()["output"] == nested(63)


@pytest.mark.parametrize("scopes", [["approvals:read"], ["steps:work"], ["runs:start"]])
def test_asking_needs_its_scope(scopes: list[str], agents: Callable[..., Agent]) -> None:
    agent = agents(scopes=scopes)
    with nothing_written():
        answer = agent.api.post("approvals/", agent.body())
    problem(answer, 403, "permission_denied")


def test_a_person_asks_nobody_by_this_door(agent: Agent, root: Any) -> None:
    somebody = Api(user=root)
    with nothing_written():
        told = problem(somebody.post("approvals/", agent.body()), 403, "not_allowed")
    assert told["reason"] == "only_agents"


def test_the_built_in_workflows_are_nobody_s_to_start(agent: Agent, say: Any, operator: Api) -> None:
    """Nor to fork, nor to try again: each was asked by an agent, which can ask anew."""
    seen = agent.ask()
    say(seen, "reject", comment="no")
    for name in ("hitl.request", "hitl.question"):
        with nothing_written():
            assert agent.api.post("runs/", {"workflow": name, "input": {}}).status_code == 404
    with nothing_written():
        problem(operator.post(f"runs/{seen['run']}/retry/"), 400, "bad_input")
        problem(operator.post(f"runs/{seen['run']}/fork/", {"step": "act"}), 400, "bad_input")
    assert Run.objects.count() == Approval.objects.count() == 1
