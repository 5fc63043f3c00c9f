"""Which workflows there are, over the API."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from hitl import Workflow
from hitl.definition import registry
from hitl.models import Workflow as Row
from tests.api.conftest import Api, problem, untouched


class Order(BaseModel):
    """The input of a workflow."""

    order_id: str


@pytest.fixture
def reader(alice: Any) -> Api:
    """An agent that may read."""
    from hitl.policies import create_key

    return Api(token=create_key("reader", owner=alice, scopes=["runs:read"], actor=alice)[1])


def listed(api: Api) -> dict[str, dict[str, Any]]:
    body = api.get("workflows/").json()
    assert (body["next"], body["previous"]) == (None, None)
    assert [row["name"] for row in body["results"]] == sorted(row["name"] for row in body["results"])
    return {row["name"]: row for row in body["results"]}


def test_what_can_be_started_is_listed_before_its_first_run_and_after(refund: Any, reader: Api, alice: Any) -> None:
    before = listed(reader)["test-refund"]
    assert (before["title"], before["version"], before["startable"]) == ("Refund an order", None, True)
    refund.start(requester=alice)
    after = listed(reader)["test-refund"]
    assert after == {**before, "version": 1}
    assert after["digest"] == refund.definition().digest


def test_what_the_code_has_no_more_is_listed_and_cannot_be_started(refund: Any, reader: Api, alice: Any) -> None:
    refund.start(requester=alice)
    registry._workflows.pop("test-refund")
    row = listed(reader)["test-refund"]
    assert (row["startable"], row["version"]) == (False, 1)
    found = reader.get("workflows/test-refund/").json()
    assert (found["startable"], [step["name"] for step in found["definition"]["steps"]]) == (
        False,
        ["draft", "review", "pay"],
    )


def test_a_workflow_is_shown_with_its_definition_its_input_and_its_graph(reader: Api) -> None:
    flow = Workflow("orders", title="Orders", input=Order)
    flow.step(lambda ctx: None, name="draft")
    flow.approval("look", after="draft", reviewers=["user:bob"])
    flow.step(lambda ctx: None, name="send", after="look")
    found = reader.get("workflows/orders/").json()
    assert found["input_schema"]["properties"]["order_id"]["type"] == "string"
    assert found["graph"] == flow.graph()
    assert found["graph"].startswith("flowchart TD")
    assert [step["name"] for step in found["definition"]["steps"]] == ["draft", "look", "send"]
    assert (found["name"], found["title"], found["version"], found["versions"]) == ("orders", "Orders", None, [])


def test_a_workflow_with_a_mistake_cannot_be_started_and_hides_no_other(refund: Any, reader: Api) -> None:
    flow = Workflow("mistaken")
    flow.approval("guards-nothing", reviewers=["user:bob"])
    assert set(listed(reader)) & {"mistaken", "test-refund"} == {"test-refund"}
    problem(reader.get("workflows/mistaken/"), 404, "unknown_workflow")


def test_each_version_is_shown_as_it_was(reader: Api, alice: Any) -> None:
    first = Workflow("orders", title="Old")
    first.step(lambda ctx: None, name="one")
    first.start(requester=alice)
    registry._workflows.pop("orders")
    second = Workflow("orders", title="New")
    second.step(lambda ctx: None, name="two")
    second.start(requester=alice)
    found = reader.get("workflows/orders/").json()
    assert (found["version"], found["title"]) == (2, "New")
    assert [(row["version"], row["digest"]) for row in found["versions"]] == [
        (2, second.definition().digest),
        (1, first.definition().digest),
    ]
    assert all(row["created_at"] and row["retired_at"] is None for row in found["versions"])
    old = reader.get("workflows/orders/", version=1).json()
    assert (old["version"], old["title"], old["digest"]) == (1, "Old", first.definition().digest)
    assert [step["name"] for step in old["definition"]["steps"]] == ["one"]
    problem(reader.get("workflows/orders/", version=3), 404, "unknown_workflow")


@pytest.mark.parametrize("name", ["nonsense", "nul%00", "x" * 300, "a.b"])
def test_what_is_not_there_is_not_found(name: str, reader: Api) -> None:
    problem(untouched(lambda: reader.get(f"workflows/{name}/")), 404, "unknown_workflow")


@pytest.mark.parametrize("version", ["x", "-1", "1.0", "9" * 30])
def test_a_version_is_a_number(version: str, refund: Any, reader: Api) -> None:
    assert "version" in problem(reader.get("workflows/test-refund/", version=version), 400, "bad_input")["detail"]


def test_people_see_what_they_may_start_or_what_they_were_asked_about(
    waiting: Any, as_alice: Api, as_bob: Api, as_mallory: Api, as_olga: Api, alice: Any
) -> None:
    Workflow("other").step(lambda ctx: None, name="only")
    assert set(listed(as_alice)) == set(listed(as_bob)) == {"test-refund"}
    assert set(listed(as_mallory)) == set()
    assert {"test-refund", "other"} <= set(listed(as_olga))
    assert as_bob.get("workflows/test-refund/").status_code == 200
    problem(as_bob.get("workflows/other/"), 404, "unknown_workflow")
    problem(as_mallory.get("workflows/test-refund/"), 404, "unknown_workflow")


def test_who_may_start_runs_sees_what_can_be_started(may_start: Any, as_alice: Api, refund: Any) -> None:
    assert listed(as_alice)["test-refund"]["startable"] is True


def test_without_scope_or_login_there_is_nothing(alice: Any, nobody: Api, refund: Any) -> None:
    from hitl.policies import create_key

    other = Api(token=create_key("other", owner=alice, scopes=["runs:start"], actor=alice)[1])
    for path in ("workflows/", "workflows/test-refund/"):
        problem(other.get(path), 403, "permission_denied")
        problem(nobody.get(path), 401, "not_authenticated")


def test_reading_keeps_no_version(refund: Any, reader: Api) -> None:
    reader.get("workflows/")
    reader.get("workflows/test-refund/")
    assert not Row.objects.exists()
