"""Stopping one run over the API, and publishing for it."""

from __future__ import annotations

from typing import Any

import pytest

from hitl import Workflow, engine
from hitl.models import Event, Freeze, Run, Step
from hitl.models.audit import AuditRecord
from hitl.policies import create_key
from tests.api.conftest import Api, problem, untouched
from tests.rows import nothing_written


def agent(owner: Any, *scopes: str) -> Api:
    """An agent of theirs."""
    return Api(token=create_key("agent", owner=owner, scopes=list(scopes), actor=owner)[1])


@pytest.fixture
def controller(alice: Any) -> Api:
    """An agent that controls its own runs."""
    return agent(alice, "runs:start", "runs:read", "runs:control")


@pytest.fixture
def own(controller: Api) -> Run:
    """A run of that agent with one step to do."""
    Workflow("one").step(lambda ctx: "done", name="only")
    return Run.objects.get(pk=controller.post("runs/", {"workflow": "one"}).json()["id"])


def freeze(api: Api, run: Run, what: str = "freeze", **body: Any) -> Any:
    return api.post(f"runs/{run.pk}/{what}/", body)


# -- freezing -----------------------------------------------------------------------------------------


def test_a_frozen_run_does_nothing_until_it_is_let_go(own: Run, controller: Api, work: Any) -> None:
    body = freeze(controller, own, reason="something is odd").json()
    assert (body["run"], body["frozen"], body["running"]) == (str(own.pk), True, [])
    assert [(one["target"], one["reason"]) for one in body["freezes"]] == [(f"run:{own.pk}", "something is odd")]
    work()
    assert Step.objects.get(run=own).status == "ready"
    body = freeze(controller, own, "unfreeze").json()
    assert body == {"run": str(own.pk), "frozen": False, "freezes": [], "running": []}
    work()
    assert Run.objects.get(pk=own.pk).status == "succeeded"
    assert list(AuditRecord.objects.filter(stream="system").order_by("seq").values_list("action", flat=True)) == [
        "hitl.freeze.set",
        "hitl.freeze.lifted",
    ]


def test_freezing_twice_is_freezing_once(own: Run, controller: Api) -> None:
    first = freeze(controller, own)
    again = untouched(lambda: freeze(controller, own))
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json() == first.json()
    freeze(controller, own, "unfreeze")
    assert untouched(lambda: freeze(controller, own, "unfreeze")).status_code == 200


def test_steps_in_flight_are_named(own: Run, controller: Api) -> None:
    from hitl.transitions import locked

    with locked(own.pk) as t:
        t.lease(t.step("only"))
    assert freeze(controller, own).json()["running"] == ["only"]


def test_letting_a_run_go_leaves_wider_freezes(own: Run, controller: Api, root: Any, work: Any) -> None:
    engine.freeze("workflow:one", actor=root, reason="moving")
    freeze(controller, own)
    body = freeze(controller, own, "unfreeze").json()
    assert (body["frozen"], [one["target"] for one in body["freezes"]]) == (True, ["workflow:one"])
    work()
    assert Step.objects.get(run=own).status == "ready"


def test_who_asked_for_a_run_and_operators_freeze_it(waiting: Any, as_alice: Api, as_olga: Api, olga: Any) -> None:
    assert freeze(as_alice, waiting.run).status_code == 200
    assert freeze(as_alice, waiting.run, "unfreeze").json()["frozen"] is False
    assert freeze(as_olga, waiting.run, reason="look first").status_code == 200
    assert Freeze.objects.get(lifted_at=None).by == olga


def test_an_operators_freeze_is_not_lifted_by_the_side_that_asks(
    own: Run, waiting: Any, controller: Api, as_alice: Api, as_olga: Api, work: Any
) -> None:
    for run, side in ((own, controller), (waiting.run, as_alice)):
        freeze(as_olga, run)
        with nothing_written():
            answer = problem(freeze(side, run, "unfreeze"), 403, "not_allowed")
        assert answer["reason"] == "not_operator"
    assert Freeze.objects.filter(lifted_at=None).count() == 2


def test_an_operator_takes_over_the_freeze_of_the_side_that_asks(own: Run, controller: Api, as_olga: Api) -> None:
    freeze(controller, own)
    assert freeze(as_olga, own, reason="look first").json()["freezes"][0]["reason"] == "look first"
    problem(freeze(controller, own, "unfreeze"), 403, "not_allowed")
    assert Freeze.objects.filter(lifted_at=None).count() == 1
    first = freeze(as_olga, own)
    again = untouched(lambda: freeze(as_olga, own))
    assert again.json() == first.json()


def test_a_freeze_of_the_command_line_is_not_lifted_by_a_key(own: Run, controller: Api) -> None:
    from hitl import SYSTEM

    engine.freeze(f"run:{own.pk}", actor=SYSTEM)
    problem(freeze(controller, own, "unfreeze"), 403, "not_allowed")


def test_an_operator_lifts_what_anybody_set(own: Run, controller: Api, as_olga: Api) -> None:
    freeze(controller, own)
    assert freeze(as_olga, own, "unfreeze").json()["frozen"] is False


@pytest.mark.parametrize("what", ["freeze", "unfreeze"])
def test_nobody_else_stops_a_run(what: str, own: Run, waiting: Any, alice: Any, as_bob: Api, as_mallory: Api) -> None:
    with nothing_written():
        problem(freeze(as_bob, waiting.run, what), 403, "not_allowed")
        problem(freeze(as_mallory, waiting.run, what), 404, "unknown_run")
    other = agent(alice, "runs:control")
    problem(untouched(lambda: freeze(other, own, what)), 404, "unknown_run")
    unscoped = agent(alice, "runs:read")
    problem(untouched(lambda: freeze(unscoped, own, what)), 403, "permission_denied")
    problem(untouched(lambda: freeze(as_bob, own, what, nonsense=1)), 404, "unknown_run")


@pytest.mark.parametrize(("what", "body"), [("freeze", {"why": "x"}), ("unfreeze", {"reason": "x"})])
def test_a_field_that_is_not_there_is_refused(what: str, body: Any, own: Run, controller: Api) -> None:
    problem(untouched(lambda: freeze(controller, own, what, **body)), 400, "invalid")


# -- publishing from outside --------------------------------------------------------------------------


def put(api: Api, run: Run, key: str, body: Any) -> Any:
    import json

    path = f"/api/v1/runs/{run.pk}/events/{key}/"
    return api.client.put(path, json.dumps(body), content_type="application/json", headers=api.headers)


@pytest.mark.parametrize("value", [None, 0, False, "", [1, {"a": None}], {"done": 3, "of": 7}, "„☑“"])
def test_what_is_published_is_read_again(value: Any, own: Run, controller: Api) -> None:
    answer = put(controller, own, "progress/a", {"value": value})
    assert (answer.status_code, answer.json()["key"], answer.json()["value"]) == (200, "progress/a", value)
    assert controller.get(f"runs/{own.pk}/events/progress/a/").json() == answer.json()


def test_the_same_again_changes_nothing_and_another_value_does(own: Run, controller: Api) -> None:
    first = put(controller, own, "k", {"value": {"n": 1}})
    again = untouched(lambda: put(controller, own, "k", {"value": {"n": 1}}))
    assert again.json() == first.json()
    assert put(controller, own, "k", {"value": {"n": 2}}).json()["value"] == {"n": 2}
    assert Event.objects.get().value == {"n": 2}


def test_the_handler_reads_it_and_may_go_over_it(controller: Api, work: Any) -> None:
    flow = Workflow("reads")

    @flow.step
    def only(ctx: Any) -> Any:
        seen = ctx.get_event("from-outside")
        ctx.set_event("from-outside", "mine now")
        return seen

    run = Run.objects.get(pk=controller.post("runs/", {"workflow": "reads"}).json()["id"])
    put(controller, run, "from-outside", {"value": 5})
    work()
    assert Run.objects.get(pk=run.pk).output == 5
    assert controller.get(f"runs/{run.pk}/events/from-outside/").json()["value"] == "mine now"


def test_a_run_that_has_ended_publishes_no_more(own: Run, controller: Api, work: Any) -> None:
    put(controller, own, "k", {"value": 1})
    work()
    answer = problem(untouched(lambda: put(controller, own, "k", {"value": 2})), 409, "run_ended")
    assert answer["current_status"] == "succeeded"


@pytest.mark.parametrize(
    ("key", "body", "status", "code"),
    [
        ("k", {}, 400, "invalid"),
        ("k", {"value": 1, "at": 2}, 400, "invalid"),
        ("k", [1], 400, "bad_input"),
        ("x" * 201, {"value": 1}, 400, "bad_input"),
        ("nul%00", {"value": 1}, 400, "not_json"),
        ("k", {"value": "x" * 1_060_000}, 413, "too_large"),
        ("k", {"value": {"$action": {"type": "x"}}}, 422, "invalid_action"),
    ],
)
def test_what_cannot_be_published_is_refused(
    key: str, body: Any, status: int, code: str, own: Run, controller: Api
) -> None:
    problem(untouched(lambda: put(controller, own, key, body)), status, code)
    assert not Event.objects.exists()


def test_nobody_publishes_for_the_run_of_another(
    own: Run, waiting: Any, alice: Any, as_bob: Api, as_alice: Api
) -> None:
    problem(untouched(lambda: put(as_bob, waiting.run, "k", {"value": 1})), 403, "not_allowed")
    other, reader = agent(alice, "runs:control"), agent(alice, "runs:read")
    problem(put(other, own, "k", {"value": 1}), 404, "unknown_run")
    problem(put(reader, own, "k", {"value": 1}), 403, "permission_denied")
    assert not Event.objects.exists()
    assert put(as_alice, waiting.run, "k", {"value": 1}).status_code == 200
