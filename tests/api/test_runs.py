"""Runs over the API: starting them once, listing and reading one's own, and what a bad body is told."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from pydantic import BaseModel

from hitl import Workflow, audit, engine
from hitl.models import Run, Step
from hitl.policies import create_key
from tests.api.conftest import Api, problem
from tests.rows import nothing_written, snapshot

START = {"workflow": "test-refund", "input": {"order_id": "A-17"}}


class Order(BaseModel):
    """The input of a workflow that is particular."""

    order_id: str
    amount: int = 1


def untouched(answer: Any) -> Any:
    """Do it, and assert that no row but the key's last use changed; returns the answer."""
    before = snapshot(proof=False)
    response = answer()
    assert snapshot(proof=False) == before
    return response


def test_a_run_starts_and_is_shown_with_its_steps(refund: Any, bot: Api, agent_key: Any) -> None:
    response = bot.post("runs/", {**START, "external_id": "ticket-9"})
    assert response.status_code == 201
    body = response.json()
    run = Run.objects.get()
    assert (body["id"], body["workflow"], body["version"]) == (str(run.pk), "test-refund", 1)
    assert (body["status"], body["input"], body["external_id"]) == ("running", {"order_id": "A-17"}, "ticket-9")
    assert body["principal"] == f"key:{agent_key[0].pk}"
    assert [(s["name"], s["status"]) for s in body["steps"]] == [
        ("draft", "ready"),
        ("review", "pending"),
        ("pay", "pending"),
    ]
    assert audit.records_of(run.stream).first().actor == body["principal"]


def test_without_an_idempotency_key_each_call_starts_a_run(refund: Any, bot: Api) -> None:
    assert bot.post("runs/", START).json()["id"] != bot.post("runs/", START).json()["id"]
    assert Run.objects.count() == 2


def test_the_same_idempotency_key_gives_the_first_run_again(refund: Any, bot: Api) -> None:
    first = bot.post("runs/", START, key="k-1")
    again = untouched(lambda: bot.post("runs/", START, key="k-1"))
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert Run.objects.count() == 1


def test_the_same_idempotency_key_with_another_input_is_a_conflict(refund: Any, bot: Api) -> None:
    bot.post("runs/", START, key="k-1")
    response = untouched(lambda: bot.post("runs/", {**START, "input": {"order_id": "B-1"}}, key="k-1"))
    problem(response, 422, "idempotency_conflict")


def test_idempotency_keys_of_two_principals_do_not_meet(refund: Any, bot: Api, as_alice: Api, may_start: Any) -> None:
    one, other = bot.post("runs/", START, key="k-1"), as_alice.post("runs/", START, key="k-1")
    assert one.json()["id"] != other.json()["id"]


@pytest.mark.parametrize("key", ["", "x" * 201])
def test_an_idempotency_key_has_a_length(key: str, refund: Any, bot: Api) -> None:
    problem(untouched(lambda: bot.post("runs/", START, key=key)), 400, "bad_input")


def test_an_unknown_workflow_is_not_found(bot: Api) -> None:
    response = untouched(lambda: bot.post("runs/", {"workflow": "nonsense"}))
    assert "nonsense" in problem(response, 404, "unknown_workflow")["detail"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "workflow"),
        ({"workflow": ""}, "workflow"),
        ({"workflow": None}, "workflow"),
        ({"workflow": ["test-refund"]}, "workflow"),
        ({"workflow": True}, "workflow"),
        ({**START, "external_id": "x" * 201}, "external_id"),
        ({**START, "inptu": {}}, "inptu"),
        ({**START, "requester": 1}, "requester"),
        ({**START, "on_behalf_of": 1}, "on_behalf_of"),
    ],
)
def test_a_wrong_or_unknown_field_is_named(body: Any, field: str, refund: Any, bot: Api) -> None:
    answer = problem(untouched(lambda: bot.post("runs/", body)), 400, "invalid")
    assert list(answer["fields"]) == [field]


@pytest.mark.parametrize(
    ("value", "told"), [({"order_id": 5}, "order_id"), ({}, "order_id"), ([], ""), ({"order_id": "A", "x": 1}, "x")]
)
def test_the_workflows_model_checks_the_input(value: Any, told: str, bot: Api) -> None:
    flow = Workflow("particular", input=Order)
    flow.step(lambda ctx: None, name="only")
    response = untouched(lambda: bot.post("runs/", {"workflow": "particular", "input": value}))
    assert told in problem(response, 400, "bad_input")["detail"]


@pytest.mark.parametrize(
    ("raw", "status", "code"),
    [
        (b'{"workflow": "test-refund", "input": NaN}', 400, "not_json"),
        (b'{"workflow": "test-refund", "input": -Infinity}', 400, "not_json"),
        (b'{"workflow": "test-refund", "input": 1e999}', 400, "not_json"),
        (b'{"workflow": "test-refund", "workflow": "other"}', 400, "not_json"),
        (b'{"workflow": "test-refund", "input": {"a": 1, "a": 2}}', 400, "not_json"),
        (b'{"workflow": "test-refund", "input": "\\u0000"}', 400, "not_json"),
        (b'{"workflow": "test-refund", "input": {"\\u0000": 1}}', 400, "not_json"),
        (b'{"workflow": "test-refund", "input": "\\ud800"}', 400, "not_json"),
        (b'{"workflow": "test-refund", "input": ' + b"[" * 70 + b"]" * 70 + b"}", 400, "not_json"),
        (b"[" * 100_000, 400, "not_json"),
        (b'{"workflow": "test-refund", "input": ' + b"9" * 5000 + b"}", 400, "not_json"),
        (b'{"workflow": "test-refund", "input": "' + b"x" * 1_100_000 + b'"}', 413, "too_large"),
        (b'{"workflow": "test-refund", "input": "' + b"x" * 3_000_000 + b'"}', 413, "too_large"),
        (b'{"workflow"', 400, "not_json"),
        (b"\xff\xfe\x00", 400, "not_json"),
        (b"[]", 400, "bad_input"),
        (b"null", 400, "bad_input"),
        (b'"text"', 400, "bad_input"),
    ],
)
def test_a_bad_body_is_refused_and_nothing_starts(raw: bytes, status: int, code: str, refund: Any, bot: Api) -> None:
    problem(untouched(lambda: bot.post("runs/", raw=raw)), status, code)
    assert not Run.objects.exists()


def test_only_json_is_read(refund: Any, bot: Api) -> None:
    response = bot.client.post("/api/v1/runs/", {"workflow": "test-refund"}, headers=bot.headers)
    problem(response, 415, "unsupported_media_type")
    assert not Run.objects.exists()


def test_a_large_integer_arrives_whole(bot: Api) -> None:
    flow = Workflow("echo")
    flow.step(lambda ctx: ctx.input, name="only")
    body = bot.post("runs/", {"workflow": "echo", "input": 2**80}).json()
    engine.drain("default")
    assert bot.get(f"runs/{body['id']}/").json()["output"] == 2**80


def test_the_list_has_ones_own_runs_newest_first(
    refund: Any, bot: Api, as_alice: Api, may_start: Any, as_mallory: Api
) -> None:
    mine = [bot.post("runs/", START).json()["id"] for _ in range(3)]
    hers = as_alice.post("runs/", START).json()["id"]
    assert [row["id"] for row in bot.get("runs/").json()["results"]] == mine[::-1]
    assert [row["id"] for row in as_alice.get("runs/").json()["results"]] == [hers, *mine[::-1]]  # and her agent's
    assert as_mallory.get("runs/").json()["results"] == []


def test_the_list_is_filtered(refund: Any, bot: Api, work: Any) -> None:
    flow = Workflow("quick")
    flow.step(lambda ctx: None, name="only")
    waiting, quick = bot.post("runs/", START).json()["id"], bot.post("runs/", {"workflow": "quick"}).json()["id"]
    work()

    def ids(**query: str) -> list[str]:
        return [row["id"] for row in bot.get("runs/", **query).json()["results"]]

    assert ids(status="waiting") == [waiting]
    assert ids(workflow="quick") == [quick]
    assert ids(workflow="quick", status="waiting") == []
    assert ids(workflow="nonsense") == []


def test_the_cursor_leads_over_all_pages_while_rows_are_added(refund: Any, bot: Api) -> None:
    made = [bot.post("runs/", START).json()["id"] for _ in range(5)]
    page = bot.get("runs/", page_size=2).json()
    seen = [row["id"] for row in page["results"]]
    bot.post("runs/", START)
    while page["next"]:
        page = bot.client.get(page["next"], headers=bot.headers).json()
        seen += [row["id"] for row in page["results"]]
    assert seen == made[::-1]


@pytest.mark.parametrize(
    "cursor", ["nonsense", "cD1ub25zZW5zZQ==", "cD0lMDA=", "bz05OTk5OTk5OTk5OTk5", "cj1i", "\xff", "b3g="]
)
def test_a_broken_cursor_is_not_found(cursor: str, refund: Any, bot: Api) -> None:
    response = bot.get("runs/", cursor=cursor)
    assert response.status_code in (200, 404)
    if response.status_code == 404:
        problem(response, 404, "not_found")


def test_a_page_is_never_larger_than_it_may_be(refund: Any, bot: Api) -> None:
    for size in ("0", "-1", "x", "99999999999999999999"):
        assert bot.get("runs/", page_size=size).status_code == 200


def test_somebody_elses_run_is_not_there(refund: Any, bot: Api, alice: Any, as_mallory: Api) -> None:
    run = bot.post("runs/", START).json()["id"]
    other = Api(token=create_key("other", owner=alice, scopes=["runs:read"], actor=alice)[1])
    assert bot.get(f"runs/{run}/").status_code == 200
    for stranger in (other, as_mallory):
        told = problem(untouched(lambda who=stranger: who.get(f"runs/{run}/")), 404, "unknown_run")
        assert told["detail"] == f"there is no run {run} that you may see"
        never = uuid.uuid4()
        told = problem(stranger.get(f"runs/{never}/"), 404, "unknown_run")
        assert told["detail"] == f"there is no run {never} that you may see"


def test_a_reviewer_sees_the_run_they_are_asked_about(waiting: Any, as_bob: Api) -> None:
    body = as_bob.get(f"runs/{waiting.run_id}/").json()
    assert (body["status"], len(body["steps"])) == ("waiting", 3)


def test_an_operator_sees_every_run(waiting: Any, root: Any) -> None:
    assert Api(user=root).get(f"runs/{waiting.run_id}/").status_code == 200


@pytest.mark.parametrize("pk", ["nonsense", "1", "01a1f863-9e38-7d5f-9cba-8408e9377f0", "%00", "../../admin"])
def test_a_malformed_id_is_not_found(pk: str, bot: Api) -> None:
    assert bot.get(f"runs/{pk}/").status_code == 404
    assert bot.post(f"runs/{pk}/signals/go/").status_code == 404
    assert bot.get(f"approvals/{pk}/").status_code == 404


def test_a_person_needs_no_scope_but_leave_to_start(refund: Any, as_alice: Api, may_start: Any, alice: Any) -> None:
    body = as_alice.post("runs/", START).json()
    assert Run.objects.get(pk=body["id"]).requester == alice
    assert Step.objects.filter(run=body["id"]).count() == 3


def test_nobody_starts_nothing(refund: Any, nobody: Api) -> None:
    with nothing_written():
        problem(nobody.post("runs/", START), 401, "not_authenticated")
        problem(nobody.get("runs/"), 401, "not_authenticated")


def test_the_owner_of_a_key_sees_its_agents_runs(refund: Any, agent_key: Any, alice: Any, mallory: Any) -> None:
    from django.test import Client

    run = refund.start(requester=agent_key[0])
    for who, status in ((alice, 200), (mallory, 404)):
        client = Client()
        client.force_login(who)
        assert client.get(f"/api/v1/runs/{run.pk}/").status_code == status


def test_a_program_may_raise_the_risk_of_its_run(bot: Any, refund: Any, work: Any) -> None:
    from hitl.models import Approval

    assert bot.post("runs/", {**START, "risk": "high"}).status_code == 201
    work()
    assert Approval.objects.get().risk == "high"
    wrong = untouched(lambda: bot.post("runs/", {**START, "risk": "none"}))
    assert (wrong.status_code, wrong.json()["code"]) == (400, "bad_input")
