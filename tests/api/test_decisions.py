"""Deciding over the API: every status code, and that a refusal leaves one audit line and nothing else."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import timedelta
from typing import Any

import pytest

from hitl import engine
from hitl.models import Approval, Decision
from hitl.policies import apply_policy
from tests.api.conftest import Api, problem
from tests.rows import nothing_written, snapshot

REFUSED = "hitl.decision.refused"


def decide(api: Api, approval: Approval, verdict: Any = "approve", **options: Any) -> Any:
    body = {"verdict": verdict, "digest": approval.digest, **options}
    return api.post(f"approvals/{approval.pk}/decisions/", {k: v for k, v in body.items() if v is not ...})


@pytest.fixture
def for_two(gate: Any) -> Approval:
    """A request that needs two."""
    return gate(approvals=2)


def test_a_decision_is_answered_with_what_came_of_it(waiting: Approval, as_bob: Api, bob: Any) -> None:
    response = decide(as_bob, waiting, comment="fine", revision=1)
    body = response.json()
    assert response.status_code == 200
    assert (body["status"], body["duplicate"], body["have"], body["need"]) == ("approved", False, 1, 1)
    row = Decision.objects.get()
    assert (row.actor, row.channel, row.comment, str(row.pk)) == (bob, "api", "fine", body["decision"]["id"])
    assert body["decision"]["digest"] == waiting.digest
    assert (body["approval"], body["revision"], body["digest"]) == (str(waiting.pk), 1, waiting.digest)


def test_a_vote_of_a_quorum_is_accepted(for_two: Approval, as_bob: Api, as_carol: Api) -> None:
    first = decide(as_bob, for_two)
    assert first.status_code == 202
    assert (first.json()["status"], first.json()["have"], first.json()["need"]) == ("pending", 1, 2)
    second = decide(as_carol, for_two)
    assert (second.status_code, second.json()["status"], second.json()["have"]) == (200, "approved", 2)


def test_the_same_decision_again_is_a_duplicate(waiting: Approval, as_bob: Api) -> None:
    first = decide(as_bob, waiting).json()
    with nothing_written():
        again = decide(as_bob, waiting)
    assert again.status_code == 200
    assert again.json() == first | {"duplicate": True}


def test_the_same_vote_again_while_others_are_missing_is_a_duplicate(for_two: Approval, as_bob: Api) -> None:
    decide(as_bob, for_two)
    with nothing_written():
        again = decide(as_bob, for_two)
    assert (again.status_code, again.json()["duplicate"]) == (202, True)


def test_an_edit_is_recorded(waiting: Approval, as_bob: Api, work: Any, refund: Any) -> None:
    assert decide(as_bob, waiting, "edit", args={"order_id": "A-17", "amount": 5}).status_code == 200
    work()
    assert refund.paid == [("A-17", 5)]


def test_an_edit_where_two_must_agree_goes_to_the_others(
    for_two: Approval, as_bob: Api, as_carol: Api, dave: Any, finance: Any
) -> None:
    dave.groups.add(finance)
    response = decide(as_bob, for_two, "edit", args={"n": 2})
    body = response.json()
    fresh = Approval.objects.get(revision=2)
    assert (response.status_code, body["status"], body["have"], body["need"]) == (202, "pending", 0, 2)
    assert (body["approval"], body["revision"], body["digest"]) == (str(fresh.pk), 2, fresh.digest)
    shown = as_carol.get(f"approvals/{fresh.pk}/").json()
    assert (shown["edited_by"], shown["supersedes"], shown["action"]["args"]) == ("bob", str(for_two.pk), {"n": 2})
    with nothing_written():
        again = decide(as_bob, for_two, "edit", args={"n": 2})
    assert (again.status_code, again.json()["duplicate"], again.json()["approval"]) == (202, True, str(fresh.pk))
    with nothing_written(REFUSED):
        assert problem(decide(as_carol, for_two), 412, "stale_approval")["digest"] == fresh.digest
    with nothing_written(REFUSED):
        assert problem(decide(as_bob, fresh), 403, "not_allowed")["reason"] == "own_edit"
    assert decide(as_carol, fresh).status_code == 202
    assert decide(Api(user=dave), fresh).status_code == 200


def test_an_edit_may_make_another_action_of_it(gate: Any, as_bob: Api, as_carol: Api) -> None:
    row = gate(types={"undo": None})
    assert set(as_bob.get(f"approvals/{row.pk}/").json()["types"]) == {"undo"}
    with nothing_written(REFUSED):
        body = problem(decide(as_bob, row, "edit", args={"n": 1}, action_type="drop"), 422, "invalid_decision")
    assert list(body["fields"]) == ["action_type"]
    response = decide(as_bob, row, "edit", args={"n": 1}, action_type="undo")
    assert (response.status_code, response.json()["decision"]["edited_type"]) == (202, "undo")
    fresh = Approval.objects.get(revision=2)
    assert decide(as_carol, fresh).json()["status"] == "approved"


def test_a_policy_that_forbids_the_other_action_refuses_the_edit(gate: Any, as_bob: Api, alice: Any) -> None:
    alone = [{"reviewers": ["requester"]}]
    document = {
        "name": "house",
        "rules": [{"when": 'type == "undo"', "stages": alone}],
        "default": {"stages": [{"reviewers": ["group:finance"]}]},
    }
    apply_policy(document, actor=alice)
    row = gate(policy="house", risk="high", types={"undo": None})
    with nothing_written(REFUSED):
        problem(decide(as_bob, row, "edit", args={"n": 1}, action_type="undo"), 422, "invalid_policy")


def test_who_comes_second_learns_the_outcome(waiting: Approval, as_bob: Api, as_carol: Api, bob: Any) -> None:
    decide(as_bob, waiting)
    with nothing_written(REFUSED):
        body = problem(decide(as_carol, waiting, "reject", comment="no"), 409, "already_decided")
    assert (body["current_status"], body["decided_by"], body["decided_via"]) == ("approved", [str(bob.pk)], "human")
    assert body["decided_at"]


def test_who_comes_too_late_learns_that_it_is_over(waiting: Approval, as_bob: Api, pass_time: Any) -> None:
    pass_time(timedelta(hours=4, seconds=1))
    assert problem(decide(as_bob, waiting), 410, "approval_closed")["current_status"] == "expired"
    with nothing_written(REFUSED):
        problem(decide(as_bob, waiting), 410, "approval_closed")
    assert not Decision.objects.exists()


def test_a_cancelled_request_is_gone(waiting: Approval, as_bob: Api, root: Any) -> None:
    engine.cancel(waiting.run_id, actor=root)
    with nothing_written(REFUSED):
        assert problem(decide(as_bob, waiting), 410, "approval_closed")["current_status"] == "cancelled"


@pytest.mark.parametrize("stale", [{"digest": "0" * 64}, {"revision": 2}, {"digest": "x"}])
def test_a_stale_decision_is_told_the_current_digest(stale: dict[str, Any], waiting: Approval, as_bob: Api) -> None:
    with nothing_written(REFUSED):
        body = problem(decide(as_bob, waiting, **stale), 412, "stale_approval")
    assert (body["digest"], body["revision"], body["approval"]) == (waiting.digest, 1, str(waiting.pk))


@pytest.mark.parametrize(("who", "reason"), [("as_alice", "own_request"), ("as_root", "not_candidate")])
def test_who_may_not_is_told_why(who: str, reason: str, waiting: Approval, as_alice: Api, root: Any) -> None:
    api = as_alice if who == "as_alice" else Api(user=root)
    with nothing_written(REFUSED):
        assert problem(decide(api, waiting), 403, "not_allowed")["reason"] == reason


def test_a_second_thought_about_a_vote_is_refused(for_two: Approval, as_bob: Api) -> None:
    decide(as_bob, for_two)
    with nothing_written(REFUSED):
        body = problem(decide(as_bob, for_two, "reject", comment="no"), 403, "not_allowed")
    assert body["reason"] == "already_voted"


def test_each_stage_takes_other_people(gate: Any, as_bob: Api, as_carol: Api, dave: Any, as_dave: Api) -> None:
    row = gate(stages=[{"reviewers": ["group:finance"]}, {"reviewers": ["group:finance", "user:dave"]}])
    with nothing_written(REFUSED):
        assert problem(decide(as_dave, row), 403, "not_allowed")["reason"] == "stage_not_open"
    first = decide(as_bob, row)
    assert (first.status_code, first.json()["status"]) == (202, "pending")
    with nothing_written():
        assert decide(as_bob, row).json()["duplicate"] is True
    with nothing_written(REFUSED):
        body = problem(decide(as_bob, row, "reject", comment="no"), 403, "not_allowed")
    assert body["reason"] == "voted_earlier_stage"
    assert decide(as_dave, row).json()["status"] == "approved"


def test_a_place_is_taken_once(gate: Any, as_bob: Api, as_dave: Api) -> None:
    row = gate(approvals=2)
    as_bob.post(f"approvals/{row.pk}/delegate/", {"to": "dave"})
    assert decide(as_dave, row).status_code == 202
    with nothing_written(REFUSED):
        assert problem(decide(as_bob, row), 403, "not_allowed")["reason"] == "place_taken"


def test_revisions_come_to_an_end(gate: Any, as_bob: Api) -> None:
    row = gate(approvals=2, max_revisions=0)
    with nothing_written(REFUSED):
        body = problem(decide(as_bob, row, "edit", args={"n": 2}), 403, "not_allowed")
    assert body["reason"] == "max_revisions"


def test_who_was_deactivated_has_no_session(waiting: Approval, as_bob: Api, bob: Any) -> None:
    bob.is_active = False
    bob.save()
    with nothing_written():
        problem(decide(as_bob, waiting), 401, "not_authenticated")


def test_what_was_taken_back_is_decided(gate: Any, as_bob: Api, as_carol: Api) -> None:
    row = gate(cool_off=timedelta(minutes=1))
    decide(as_bob, row)
    as_bob.post(f"approvals/{row.pk}/revoke/", {})
    with nothing_written(REFUSED):
        body = problem(decide(as_carol, row), 409, "already_decided")
    assert body["current_status"] == "revoked"


def test_an_outsider_learns_nothing(waiting: Approval, as_mallory: Api) -> None:
    with nothing_written(REFUSED):
        problem(decide(as_mallory, waiting), 404, "unknown_approval")


def test_a_key_never_decides(asked_by_bot: Approval, bot: Api) -> None:
    with nothing_written(REFUSED):
        assert problem(decide(bot, asked_by_bot), 403, "not_allowed")["reason"] == "agent"
    assert not Decision.objects.exists()


def test_a_key_is_a_key_even_beside_a_session(asked_by_bot: Approval, as_bob: Api, agent_key: Any) -> None:
    as_bob.headers["Authorization"] = f"Bearer {agent_key[1]}"
    with nothing_written(REFUSED):
        assert problem(decide(as_bob, asked_by_bot), 403, "not_allowed")["reason"] == "agent"


def test_nobody_decides_nothing(waiting: Approval, nobody: Api) -> None:
    with nothing_written():
        problem(decide(nobody, waiting), 401, "not_authenticated")


@pytest.mark.parametrize("token", [None, "", "wrong", "d" * 32])
def test_a_session_needs_its_csrf_token(token: str | None, waiting: Approval, as_bob: Api) -> None:
    del as_bob.headers["X-CSRFToken"]
    if token is not None:
        as_bob.headers["X-CSRFToken"] = token
    with nothing_written():
        assert "CSRF" in problem(decide(as_bob, waiting), 403, "permission_denied")["detail"]


def test_a_verdict_that_is_not_offered_is_refused(waiting: Approval, as_bob: Api) -> None:
    with nothing_written(REFUSED):
        body = problem(decide(as_bob, waiting, "maybe"), 400, "verdict_not_offered")
    assert body["offered"] == ["approve", "edit", "request_revision", "reject"]


@pytest.mark.parametrize(
    ("verdict", "options", "field"),
    [
        ("reject", {}, "comment"),
        ("reject", {"comment": " \n "}, "comment"),
        ("approve", {"comment": "x" * 10_001}, "comment"),
        ("approve", {"args": {"order_id": "A-17", "amount": 1}}, "args"),
        ("edit", {}, "args"),
        ("edit", {"args": "text"}, "args"),
        ("edit", {"args": {"order_id": "A-17", "amount": "much"}}, "args.amount"),
        ("edit", {"args": {"order_id": "A-17", "amount": 1.5}}, "args.amount"),
        ("edit", {"args": {"order_id": "A-17", "amount": 1, "to": "me"}}, "args"),
    ],
)
def test_what_is_missing_is_named_by_field(
    verdict: str, options: dict[str, Any], field: str, waiting: Approval, as_bob: Api
) -> None:
    with nothing_written(REFUSED):
        body = problem(decide(as_bob, waiting, verdict, **options), 422, "invalid_decision")
    assert list(body["fields"]) == [field]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"verdict": ...}, "verdict"),
        ({"verdict": ["approve"]}, "verdict"),
        ({"verdict": True}, "verdict"),
        ({"digest": ...}, "digest"),
        ({"digest": "x" * 65}, "digest"),
        ({"digest": None}, "digest"),
        ({"revision": 0}, "revision"),
        ({"revision": "one"}, "revision"),
        ({"revision": 2**31}, "revision"),
        ({"revision": 10**400}, "revision"),
        ({"comment": None}, "comment"),
        ({"comment": {"a": 1}}, "comment"),
        ({"action_type": None}, "action_type"),
        ({"password": None}, "password"),
        ({"password": "x" * 4097}, "password"),
        ({"reauthenticated_at": "2999-01-01T00:00:00Z"}, "reauthenticated_at"),
        ({"actor": 1}, "actor"),
        ({"channel": "mail"}, "channel"),
    ],
)
def test_a_field_of_the_wrong_kind_is_named(change: dict[str, Any], field: str, waiting: Approval, as_bob: Api) -> None:
    with nothing_written():
        body = problem(decide(as_bob, waiting, **change), 400, "invalid")
    assert list(body["fields"]) == [field]


def test_a_decision_with_an_idempotency_key_gets_its_answer_again(waiting: Approval, as_bob: Api) -> None:
    body = {"verdict": "approve", "digest": waiting.digest}
    first = as_bob.post(f"approvals/{waiting.pk}/decisions/", body, key="k")
    again = as_bob.post(f"approvals/{waiting.pk}/decisions/", body, key="k")
    assert (again.status_code, again.json(), again["Idempotent-Replayed"]) == (200, first.json(), "true")
    assert as_bob.post(f"approvals/{waiting.pk}/decisions/", body).json()["duplicate"] is True


def test_a_get_decides_nothing(waiting: Approval, as_bob: Api) -> None:
    query = {"verdict": "approve", "digest": waiting.digest}
    with nothing_written():
        problem(as_bob.get(f"approvals/{waiting.pk}/decisions/", **query), 405, "method_not_allowed")


def test_the_answer_is_never_kept_by_a_cache_of_somebody_else(waiting: Approval, as_bob: Api) -> None:
    with nullcontext(snapshot()):
        response = as_bob.get(f"approvals/{waiting.pk}/")
    assert "Cookie" in response["Vary"]
    assert response["Content-Security-Policy"].startswith("default-src 'none'")
