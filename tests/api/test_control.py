"""Control over the API: who may cancel, retry, fork and resolve, what a run tells meanwhile, and what nobody may."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest

from hitl import Action, Workflow, decisions, engine
from hitl.models import Approval, Decision, Run, Step
from hitl.policies import create_key
from hitl.transitions import locked
from tests.api.conftest import Api, problem, untouched
from tests.rows import nothing_written, snapshot

NEVER = "01a1f863-9e38-7d5f-9cba-8408e9377f0d"
REFUSED = "hitl.decision.refused"


@pytest.fixture
def controller(alice: Any) -> Api:
    """An agent that controls its own runs."""
    scopes = ["runs:start", "runs:read", "runs:control", "approvals:read"]
    return Api(token=create_key("controller", owner=alice, scopes=scopes, actor=alice)[1])


@pytest.fixture
def failed(refund: Any, alice: Any, bob: Any, work: Any) -> Run:
    """Alice's run, which bob refused."""
    run = refund.start({"order_id": "A-17"}, requester=alice)
    work()
    row = Approval.objects.get()
    decisions.decide(row, actor=bob, verdict="reject", digest=row.digest, comment="no")
    return Run.objects.get(pk=run.pk)


@pytest.fixture
def uncertain(alice: Any, bob: Any) -> Step:
    """A step of alice's that nobody knows the end of."""
    flow = Workflow("unsure")
    flow.step(lambda ctx: None, name="pay", repeatable=False)
    run = flow.start(requester=alice)
    with locked(run.pk) as t:
        t.lease(t.step("pay"))
    with locked(run.pk) as t:
        t.move(t.step("pay"), "uncertain")
    return Step.objects.get(run=run)


def test_being_asked_to_decide_is_no_leave_to_start_work(
    waiting: Any, as_bob: Api, as_olga: Api, may_start: Any, as_alice: Api
) -> None:
    body = {"workflow": "test-refund", "input": {"order_id": "B-1"}}
    told = problem(untouched(lambda: as_bob.post("runs/", body)), 403, "not_allowed")
    assert told["reason"] == "may_not_start"
    assert problem(untouched(lambda: as_bob.post("runs/", {"workflow": "nonsense"})), 403, "not_allowed")
    assert as_olga.post("runs/", body).status_code == 201
    assert as_alice.post("runs/", body).status_code == 201


# -- cancel -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["as_alice", "as_olga"])
def test_a_run_is_cancelled_by_who_asked_for_it_or_operates(who: str, waiting: Any, request: Any) -> None:
    api = request.getfixturevalue(who)
    body = api.post(f"runs/{waiting.run_id}/cancel/", {"reason": "ordered <twice>"})
    assert (body.status_code, body.json()["status"], body.json()["failure_text"]) == (
        200,
        "cancelled",
        "ordered <twice>",
    )
    assert {step["status"] for step in body.json()["steps"]} == {"succeeded", "cancelled"}
    told = problem(api.post(f"runs/{waiting.run_id}/cancel/", {}), 409, "run_ended")
    assert told["current_status"] == "cancelled"


def test_a_key_cancels_its_own_runs_only(refund: Any, controller: Api, waiting: Any, work: Any) -> None:
    mine = controller.post("runs/", {"workflow": "test-refund"}).json()["id"]
    assert controller.post(f"runs/{mine}/cancel/", {}).json()["status"] == "cancelled"
    problem(untouched(lambda: controller.post(f"runs/{waiting.run_id}/cancel/", {})), 404, "unknown_run")


# -- retry and fork ----------------------------------------------------------------------------------------


def test_a_run_that_ended_badly_is_tried_again_and_asks_again(failed: Run, as_alice: Api, work: Any) -> None:
    body = as_alice.post(f"runs/{failed.pk}/retry/", {})
    assert (body.status_code, body.json()["retry_of"]) == (201, str(failed.pk))
    work()
    row = Approval.objects.get(run=body.json()["id"])
    assert (row.status, row.requester) == ("pending", failed.requester)


def test_what_goes_well_is_not_tried_again(waiting: Any, as_alice: Api) -> None:
    problem(untouched(lambda: as_alice.post(f"runs/{waiting.run_id}/retry/", {})), 400, "bad_input")


def test_a_run_is_forked_at_a_step(failed: Run, as_olga: Api, work: Any) -> None:
    body = as_olga.post(f"runs/{failed.pk}/fork/", {"step": "draft"}).json()
    assert (body["forked_from"], body["status"]) == (str(failed.pk), "running")
    work()
    assert Approval.objects.get(run=body["id"]).status == "pending"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "invalid"),
        ({"step": "nonsense"}, 404, "unknown_step"),
        ({"step": "nul\0"}, 400, "not_json"),
        ({"step": "draft", "patch": []}, 400, "invalid"),
        ({"step": "draft", "patch": {"draft": 1}}, 400, "bad_input"),
        ({"step": "draft", "patch": {"nowhere": 1}}, 400, "bad_input"),
        ({"step": "review", "patch": {"draft": {"$action": {"type": "x"}}}}, 422, "invalid_action"),
        ({"step": "review", "patch": {"draft": "x" * 1_050_000}}, 413, "too_large"),
        ({"step": "draft", "x": 1}, 400, "invalid"),
    ],
)
def test_a_fork_that_cannot_be_is_refused(body: Any, status: int, code: str, failed: Run, as_alice: Api) -> None:
    problem(untouched(lambda: as_alice.post(f"runs/{failed.pk}/fork/", body)), status, code)


# -- resolve ----------------------------------------------------------------------------------------------


def test_an_operator_says_what_became_of_a_step(uncertain: Step, as_olga: Api) -> None:
    body = as_olga.post(
        f"steps/{uncertain.pk}/resolve/", {"outcome": "succeeded", "output": {"paid": 1}, "reason": "x"}
    )
    assert (body.status_code, body.json()["status"], body.json()["output"]) == (200, "succeeded", {"paid": 1})
    again = untouched(lambda: as_olga.post(f"steps/{uncertain.pk}/resolve/", {"outcome": "failed"}))
    problem(again, 400, "bad_input")


def test_nobody_else_says_what_became_of_a_step(
    uncertain: Step, as_alice: Api, as_mallory: Api, controller: Api, agent_key: Any
) -> None:
    address, body = f"steps/{uncertain.pk}/resolve/", {"outcome": "succeeded"}
    assert problem(untouched(lambda: as_alice.post(address, body)), 403, "not_allowed")["reason"] == "not_operator"
    for who in (as_mallory, controller):
        problem(untouched(lambda who=who: who.post(address, body)), 404, "unknown_step")
    problem(untouched(lambda: as_alice.post(f"steps/{NEVER}/resolve/", body)), 404, "unknown_step")
    problem(untouched(lambda: Api(token=agent_key[1]).post(address, body)), 403, "permission_denied")


def test_a_key_says_nothing_of_its_own_uncertain_step(controller: Api, uncertain: Step) -> None:
    run = controller.post("runs/", {"workflow": "unsure"}).json()
    told = untouched(lambda: controller.post(f"steps/{run['steps'][0]['id']}/resolve/", {"outcome": "succeeded"}))
    assert problem(told, 403, "not_allowed")["reason"] == "agent"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "invalid"),
        ({"outcome": "approved"}, 400, "bad_input"),
        ({"outcome": "succeeded", "output": {"$action": {}}}, 422, "invalid_action"),
        ({"outcome": "succeeded", "output": "x" * 1_050_000}, 413, "too_large"),
        ({"outcome": "failed", "reason": "x" * 1001}, 400, "invalid"),
    ],
)
def test_what_is_no_outcome_is_refused(body: Any, status: int, code: str, uncertain: Step, as_olga: Api) -> None:
    problem(untouched(lambda: as_olga.post(f"steps/{uncertain.pk}/resolve/", body)), status, code)


# -- who may not, through every door -------------------------------------------------------------------------

CONTROL = ("cancel/", "retry/", "fork/")


@pytest.mark.parametrize("act", CONTROL)
def test_a_reviewer_sees_a_run_and_does_not_control_it(act: str, failed: Run, as_bob: Api) -> None:
    response = untouched(lambda: as_bob.post(f"runs/{failed.pk}/{act}", {"step": "draft"} if act == "fork/" else {}))
    assert problem(response, 403, "not_allowed")["reason"] == "not_operator"


@pytest.mark.parametrize("act", CONTROL)
def test_strangers_find_no_run_to_control(act: str, failed: Run, as_mallory: Api, controller: Api) -> None:
    for who in (as_mallory, controller):
        body = {"step": "draft"} if act == "fork/" else {}
        problem(untouched(lambda who=who, body=body: who.post(f"runs/{failed.pk}/{act}", body)), 404, "unknown_run")
        problem(untouched(lambda who=who, body=body: who.post(f"runs/{NEVER}/{act}", body)), 404, "unknown_run")


@pytest.mark.parametrize("act", CONTROL)
def test_without_scope_csrf_token_or_login_nothing_is_controlled(
    act: str, failed: Run, bot: Api, as_alice: Api, nobody: Api, alice: Any
) -> None:
    problem(untouched(lambda: bot.post(f"runs/{failed.pk}/{act}")), 403, "permission_denied")
    as_alice.headers.pop("X-CSRFToken")
    problem(untouched(lambda: as_alice.post(f"runs/{failed.pk}/{act}")), 403, "permission_denied")
    problem(untouched(lambda: nobody.post(f"runs/{failed.pk}/{act}")), 401, "not_authenticated")


@pytest.mark.parametrize(
    "path", ["runs/{run}/cancel/", "runs/{run}/retry/", "runs/{run}/fork/", "steps/{step}/resolve/"]
)
def test_control_takes_post_only(path: str, uncertain: Step, as_olga: Api) -> None:
    address = path.format(run=uncertain.run_id, step=uncertain.pk)
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        problem(untouched(lambda method=method: as_olga.call(method, address)), 405, "method_not_allowed")


@pytest.mark.parametrize("raw", [b"", b"[]", b"null", b"{", b'{"reason":"\\u0000"}', b'{"step":{"a":1}}', b"\xff"])
@pytest.mark.parametrize("path", ["runs/{run}/cancel/", "runs/{run}/fork/", "steps/{step}/resolve/"])
def test_a_nasty_body_is_answered_in_our_words(raw: bytes, path: str, uncertain: Step, as_olga: Api) -> None:
    response = as_olga.post(path.format(run=uncertain.run_id, step=uncertain.pk), raw=raw)
    assert response.status_code == (200 if (raw, path[-8:]) == (b"", "/cancel/") else 400), response.content


# -- what a run tells -----------------------------------------------------------------------------------------


@pytest.fixture
def talking(alice: Any, bob: Any, work: Any) -> Run:
    """A run that has published and put out things, and proposes an action."""
    flow = Workflow("talking")

    @flow.step
    def say(ctx: Any) -> Action:
        ctx.set_event("progress", 0.5)
        ctx.set_event("a/b <c>\u202e", {"deep": [1]})
        act = Action({"n": 1}, type="do", title="T", impact="I", target="x")
        ctx.set_event("act", act)
        for n in range(3):
            ctx.put_stream({"piece": n})
        return act

    flow.approval("ask", after=say, reviewers=["group:finance"], timeout=timedelta(hours=1))
    flow.step(lambda ctx: None, name="end", after="ask")
    run = flow.start(requester=alice)
    work()
    return Run.objects.get(pk=run.pk)


SHOWN = {"type": "do", "args": {"n": 1}, "title": "T", "impact": "I", "target": "x", "reversible": False}


def test_an_action_is_shown_without_what_is_ours_alone(talking: Run, as_alice: Api, alice: Any, work: Any) -> None:
    body = as_alice.get(f"runs/{talking.pk}/").json()
    assert body["steps"][0]["output"] == SHOWN
    flow = Workflow("ends-in-actions")
    for name in ("one", "two"):
        flow.step(lambda ctx: Action({"n": 1}, type="do", title="T", impact="I", target="x"), name=name)
    run = flow.start(requester=alice)
    work()
    body = as_alice.get(f"runs/{run.pk}/")
    assert "$action" not in body.content.decode()
    assert as_alice.get(f"runs/{talking.pk}/events/act/").json()["value"] == SHOWN


@pytest.mark.parametrize(("key", "value"), [("progress", 0.5), ("a/b <c>\u202e", {"deep": [1]})])
def test_an_event_is_read_by_its_key(key: str, value: Any, talking: Run, as_bob: Api) -> None:
    from urllib.parse import quote

    body = as_bob.get(f"runs/{talking.pk}/events/{quote(key)}/").json()
    assert (body["key"], body["value"]) == (key, value)
    assert body["at"]


@pytest.mark.parametrize("key", ["nothing", "%00", "x" * 5000, "..", "%ff", "a//b", "%F0%9F%98%80", "progress%20"])
def test_what_was_never_published_is_not_found(key: str, talking: Run, as_bob: Api) -> None:
    problem(as_bob.get(f"runs/{talking.pk}/events/{key}/"), 404, "not_found")


def test_the_stream_goes_on_where_it_was_left(talking: Run, as_bob: Api) -> None:
    body = as_bob.get(f"runs/{talking.pk}/stream/").json()
    assert [(p["step"], p["seq"], p["chunk"]) for p in body["results"]] == [
        ("say", n + 1, {"piece": n}) for n in range(3)
    ]
    assert body["after"] == body["results"][-1]["id"]
    rest = as_bob.get(f"runs/{talking.pk}/stream/", after=body["results"][0]["id"]).json()
    assert rest["results"] == body["results"][1:]
    assert as_bob.get(f"runs/{talking.pk}/stream/", after=body["after"]).json() == {
        "after": body["after"],
        "results": [],
    }


def test_the_timeline_tells_what_happened(talking: Run, as_bob: Api) -> None:
    body = as_bob.get(f"runs/{talking.pk}/timeline/").json()
    assert [line["seq"] for line in body["results"]] == list(range(1, body["after"] + 1))
    assert body["results"][0]["text"] == "alice started talking"
    assert body["results"][-1]["action"] == "hitl.approval.requested"
    rest = as_bob.get(f"runs/{talking.pk}/timeline/", after=1).json()
    assert rest["results"] == body["results"][1:]


@pytest.mark.parametrize("after", ["-1", "x", "1.5", "٣", "", "9" * 30, "9223372036854775808", "nul\0", "1e3"])
@pytest.mark.parametrize("what", ["stream", "timeline"])
def test_an_after_that_never_was_is_refused(after: str, what: str, talking: Run, as_bob: Api) -> None:
    problem(as_bob.get(f"runs/{talking.pk}/{what}/", after=after), 400, "bad_input")


@pytest.mark.parametrize("what", ["stream", "timeline"])
def test_the_largest_after_is_an_answer(what: str, talking: Run, as_bob: Api) -> None:
    assert as_bob.get(f"runs/{talking.pk}/{what}/", after=str(2**63 - 1)).json()["results"] == []


@pytest.mark.parametrize("what", ["events/progress/", "stream/", "timeline/"])
def test_what_others_runs_tell_is_not_there(
    what: str, talking: Run, as_mallory: Api, bot: Api, nobody: Api, alice: Any
) -> None:
    for who in (as_mallory, bot):
        for pk in (talking.pk, uuid.uuid4()):
            problem(untouched(lambda who=who, pk=pk: who.get(f"runs/{pk}/{what}")), 404, "unknown_run")
    problem(nobody.get(f"runs/{talking.pk}/{what}"), 401, "not_authenticated")
    blind = Api(token=create_key("blind", owner=alice, scopes=["signals:send"], actor=alice)[1])
    problem(blind.get(f"runs/{talking.pk}/{what}"), 403, "permission_denied")


def test_reading_changes_nothing(talking: Run, as_bob: Api) -> None:
    with nothing_written():
        for what in ("events/progress/", "stream/", "timeline/"):
            assert as_bob.get(f"runs/{talking.pk}/{what}").status_code == 200


# -- questions and revisions -----------------------------------------------------------------------------------


@pytest.fixture
def question(alice: Any, bob: Any, carol: Any, work: Any) -> Approval:
    """A question that alice's run asks of finance."""
    flow = Workflow("asks")
    flow.step(lambda ctx: ctx.ask("q", "Which?", options=["red", 2], reviewers=["group:finance"]), name="think")
    flow.start(requester=alice)
    work()
    return Approval.objects.get()


def say(api: Api, row: Approval, verdict: str, **fields: Any) -> Any:
    return api.post(f"approvals/{row.pk}/decisions/", {"verdict": verdict, "digest": row.digest, **fields})


def test_a_question_is_answered(question: Approval, as_bob: Api, as_carol: Api, work: Any) -> None:
    body = as_bob.get(f"approvals/{question.pk}/").json()
    assert (body["kind"], body["question"], body["response_schema"]) == ("question", "Which?", {"enum": ["red", 2]})
    assert (body["can"], body["answer"], body["supersedes"]) == ({"respond": ""}, None, None)
    body = say(as_bob, question, "respond", response=2, comment="two").json()
    assert (body["status"], body["decision"]["response"], body["duplicate"]) == ("answered", 2, False)
    assert say(as_bob, question, "respond", response=2).json()["duplicate"] is True
    problem(say(as_carol, question, "respond", response="red"), 409, "already_decided")
    answer = as_carol.get(f"approvals/{question.pk}/").json()["answer"]
    assert (answer["response"], answer["comment"], answer["by"]) == (2, "two", "bob")
    work()
    assert Run.objects.get().output == 2


@pytest.mark.parametrize(
    "fields", [{}, {"response": None}, {"response": "blue"}, {"response": "2"}, {"response": True}]
)
def test_an_answer_that_does_not_fit_is_told_so(fields: Any, question: Approval, as_bob: Api) -> None:
    with nothing_written(REFUSED):
        told = problem(say(as_bob, question, "respond", **fields), 422, "invalid_decision")
    assert list(told["fields"]) == ["response"]


@pytest.mark.parametrize("verdict", ["approve", "reject", "edit", "request_revision"])
def test_a_question_takes_no_other_verdict(verdict: str, question: Approval, as_bob: Api) -> None:
    with nothing_written(REFUSED):
        problem(say(as_bob, question, verdict, comment="x"), 400, "verdict_not_offered")


@pytest.mark.parametrize("verdict", ["approve", "reject", "request_revision"])
def test_a_decision_carries_no_answer(verdict: str, waiting: Approval, as_bob: Api) -> None:
    with nothing_written(REFUSED):
        told = problem(say(as_bob, waiting, verdict, comment="x", response=1), 422, "invalid_decision")
    assert list(told["fields"]) == ["response"]


def test_a_revision_is_asked_for_and_supersedes(waiting: Approval, as_bob: Api, as_carol: Api, work: Any) -> None:
    with nothing_written(REFUSED):
        told = problem(say(as_bob, waiting, "request_revision", comment=" "), 422, "invalid_decision")
    assert list(told["fields"]) == ["comment"]
    assert say(as_bob, waiting, "request_revision", comment="half").json()["status"] == "revision_requested"
    work()
    second = Approval.objects.get(revision=2)
    assert as_carol.get(f"approvals/{second.pk}/").json()["supersedes"] == str(waiting.pk)
    with nothing_written(REFUSED):
        response = say(as_carol, waiting, "approve")
    assert response.status_code in (409, 410, 412)
    assert say(as_carol, second, "approve").status_code == 200


@pytest.mark.parametrize("who", ["as_alice", "as_olga", "controller", "bot", "as_mallory"])
@pytest.mark.parametrize("verdict", ["respond", "request_revision"])
def test_who_was_not_asked_says_nothing(
    who: str, verdict: str, question: Approval, waiting: Approval, request: Any
) -> None:
    api: Api = request.getfixturevalue(who)
    row = question if verdict == "respond" else Approval.objects.get(pk=waiting.pk)
    fields = {"response": "red"} if verdict == "respond" else {"comment": "x"}
    before = snapshot(proof=False)
    response = say(api, row, verdict, **fields)
    assert response.status_code in (403, 404), response.content
    assert snapshot(proof=False) == before
    assert not Decision.objects.exists()


def test_an_operator_is_no_reviewer(question: Approval, as_olga: Api) -> None:
    assert problem(say(as_olga, question, "respond", response="red"), 403, "not_allowed")["reason"] == "not_candidate"
    assert engine.waiting().count() == 1
