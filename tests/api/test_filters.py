"""Lists are narrowed by what their query says, and a query that says something else is refused."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest

from hitl import Workflow, clock
from hitl.api.approvals.views import Approvals
from hitl.api.runs.audit import Audit
from hitl.api.runs.views import Runs
from hitl.models import Approval, Run
from hitl.policies import create_key
from tests.api.conftest import Api, problem

POLICY = {"name": "usual", "default": {"stages": [{"reviewers": ["group:finance"]}]}}


def ids(api: Api, path: str, **query: Any) -> list[str]:
    response = api.get(path, **query)
    assert response.status_code == 200, response.content
    return [row["id"] for row in response.json()["results"]]


@pytest.fixture
def asking(alice: Any, bob: Any) -> Api:
    """An agent that asks people by a policy."""
    from hitl.policies import apply_policy

    apply_policy(POLICY, actor=bob)
    scopes = ["approvals:request", "approvals:read", "runs:read"]
    return Api(token=create_key("asker", owner=alice, scopes=scopes, policies=["usual"], actor=alice)[1])


def ask(api: Api, **more: Any) -> dict[str, Any]:
    action = {"type": "refund", "args": {"amount": 9}, "title": "Refund 9", "impact": "Money leaves"}
    response = api.post("approvals/", {"action": action, **more})
    assert response.status_code == 201, response.content
    found: dict[str, Any] = response.json()
    return found


@pytest.fixture
def two(asking: Api) -> tuple[dict[str, Any], dict[str, Any]]:
    """A request in a batch, and a question of high risk."""
    first = ask(asking, external_id="ticket-1", batch={"id": "turn-7", "size": 2, "release": "all"})
    answer = asking.post("approvals/", {"kind": "question", "question": "Which region?", "risk": "high"})
    return first, answer.json()


@pytest.mark.parametrize(
    ("query", "fits"),
    [
        ({"kind": "approval"}, [0]),
        ({"kind": "question"}, [1]),
        ({"batch": "turn-7"}, [0]),
        ({"batch": "turn-8"}, []),
        ({"external_id": "ticket-1"}, [0]),
        ({"external_id": "ticket"}, []),
        ({"workflow": "hitl.question"}, [1]),
        ({"risk": "high"}, [1]),
        ({"risk": "high", "kind": "approval"}, []),
        ({"status": "pending"}, [0, 1]),
        ({"status": "cancelled"}, []),
        ({"kind": "", "batch": ""}, [0, 1]),
    ],
)
@pytest.mark.parametrize("view", ["all", "inbox"])
def test_requests_are_narrowed_alike_in_the_list_and_in_the_inbox(
    query: Any, fits: list[int], view: str, two: Any, as_bob: Api
) -> None:
    assert sorted(ids(as_bob, "approvals/", view=view, **query)) == sorted(two[n]["id"] for n in fits)


@pytest.mark.parametrize("view", ["all", "inbox"])
def test_the_requests_of_one_run_are_found(view: str, two: Any, as_bob: Api) -> None:
    first, other = two
    assert ids(as_bob, "approvals/", view=view, run=first["run"]) == [first["id"]]
    assert ids(as_bob, "approvals/", view=view, run=other["run"].upper()) == [other["id"]]
    assert ids(as_bob, "approvals/", view=view, run=str(uuid.uuid4())) == []


def test_a_filter_shows_nothing_that_may_not_be_seen(two: Any, waiting: Approval, asking: Api, as_mallory: Api) -> None:
    assert ids(as_mallory, "approvals/", run=two[0]["run"]) == []
    assert ids(asking, "approvals/", run=str(waiting.run_id)) == []
    assert ids(asking, "runs/", principal=waiting.run.principal) == []


@pytest.fixture
def runs(alice: Any, finance: Any, bob: Any, work: Any, refund: Any, pass_time: Any) -> dict[str, str]:
    """Runs of alice's that wait for different things, an hour apart."""
    wait, quick = Workflow("wait"), Workflow("quick")
    wait.step(lambda ctx: ctx.wait_for_signal("parcel", timeout=timedelta(days=9)), name="only")
    quick.step(lambda ctx: None, name="only")
    made: dict[str, str] = {}
    for flow in (wait, quick, refund):
        made[flow.name] = str(flow.start(requester=alice, external_id=f"of-{flow.name}").pk)
        work()
        pass_time(timedelta(hours=1))
    return made


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ({"waiting_for": "signal"}, "wait"),
        ({"waiting_for": "signal:parcel"}, "wait"),
        ({"waiting_for": "approval"}, "test-refund"),
        ({"waiting_for": "approval:"}, "test-refund"),
        ({"external_id": "of-quick"}, "quick"),
        ({"status": "succeeded"}, "quick"),
        ({"workflow": "quick"}, "quick"),
        ({"waiting_for": "signal:other"}, None),
        ({"waiting_for": "sleep"}, None),
        ({"principal": "system"}, None),
    ],
)
def test_runs_are_narrowed(query: Any, name: str | None, runs: dict[str, str], as_alice: Api) -> None:
    assert ids(as_alice, "runs/", **query) == ([] if name is None else [runs[name]])


def test_runs_of_one_principal_are_found(runs: dict[str, str], alice: Any, as_olga: Api) -> None:
    assert sorted(ids(as_olga, "runs/", principal=f"user:{alice.pk}")) == sorted(runs.values())


def test_runs_of_a_span_are_found(runs: dict[str, str], as_alice: Api) -> None:
    at = Run.objects.get(pk=runs["quick"]).created_at
    assert ids(as_alice, "runs/", created_after=at.isoformat()) == [runs["test-refund"], runs["quick"]]
    assert ids(as_alice, "runs/", created_before=at.isoformat()) == [runs["wait"]]
    later = (at + timedelta(minutes=30)).isoformat()
    assert ids(as_alice, "runs/", created_after=at.isoformat(), created_before=later) == [runs["quick"]]
    assert ids(as_alice, "runs/", created_after=clock.now().isoformat()) == []


@pytest.mark.parametrize(
    ("path", "query", "told"),
    [
        ("runs/", {"status": "nonsense"}, "pending, running, waiting"),
        ("runs/", {"status": "nul\0"}, "status"),
        ("runs/", {"workflow": "nul\0"}, "workflow holds a NUL"),
        ("runs/", {"waiting_for": "nothing"}, "approval, signal"),
        ("runs/", {"created_after": "yesterday"}, "zone"),
        ("runs/", {"created_after": "2026-03-01T12:00:00"}, "zone"),
        ("runs/", {"created_before": "0001-01-01T00:00:00+14:00"}, "created_before"),
        ("runs/", {"statsu": "waiting"}, "there is no parameter statsu; there are created_after"),
        ("runs/", {"view": "inbox"}, "there is no parameter view"),
        ("runs/", {"status": ["waiting", "failed"]}, "status stands there twice"),
        ("approvals/", {"status": "waiting"}, "approved"),
        ("approvals/", {"risk": "none"}, "low, medium, high, critical"),
        ("approvals/", {"kind": "vote"}, "approval, question"),
        ("approvals/", {"run": "1"}, "is no id"),
        ("approvals/", {"agent": "x", "batsh": "y"}, "there is no parameter agent, batsh"),
        ("approvals/", {"view": "inbox", "status": "nonsense"}, "status"),
        ("approvals/", {"view": "inbox", "statsu": "pending"}, "there is no parameter statsu"),
        ("workflows/", {"name": "x"}, "there is no parameter name"),
    ],
)
def test_what_no_list_understands_is_refused(path: str, query: Any, told: str, as_bob: Api) -> None:
    assert told in problem(as_bob.get(path, **query), 400, "bad_input")["detail"]


def test_a_page_keeps_its_filters(two: Any, asking: Api, as_bob: Api) -> None:
    for number in range(3):
        ask(asking, external_id=f"more-{number}", batch={"id": "more", "size": 3, "release": "all"})
    page = as_bob.get("approvals/", batch="more", page_size=2, wait=1).json()
    assert [row["external_id"] for row in map(_read(as_bob), page["results"])] == ["more-2", "more-1"]
    rest = as_bob.client.get(page["next"]).json()
    assert [row["external_id"] for row in map(_read(as_bob), rest["results"])] == ["more-0"]
    assert rest["next"] is None


@pytest.mark.parametrize("view", [Runs, Approvals, Audit])
def test_every_filter_is_in_the_apis_description(view: Any) -> None:
    told = view.filter_backends[0]().get_schema_operation_parameters(view())
    assert {one["name"] for one in told} == set(view.filters)
    assert all(one["in"] == "query" and one["description"].endswith(".") and one["schema"]["type"] for one in told)


def _read(api: Api) -> Any:
    return lambda row: api.get(f"approvals/{row['id']}/").json()
