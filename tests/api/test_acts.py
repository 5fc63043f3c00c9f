"""The other acts over the API: what each does, who may not, and that a refusal leaves one line and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hitl import decisions
from hitl.models import Approval, Assignment, Comment, Decision, Run, Watch
from tests.api.conftest import Api, problem, untouched
from tests.rows import nothing_written

REFUSED = "hitl.act.refused"
LADDER = [{"reviewers": ["group:finance"], "escalate": [{"after": "2h", "to": ["user:dave"]}]}]
PEOPLE_ONLY = {
    "claim": {},
    "release": {},
    "delegate": {"to": "dave"},
    "assign": {"to": "dave", "reason": "ill"},
    "escalate": {},
    "extend": {"until": "2999-01-01T00:00:00Z"},
    "comments": {"text": "hm"},
    "watch": {},
    "withdraw": {},
    "revoke": {},
}
ALL = {**PEOPLE_ONLY, "remind": {}, "cancel": {}}


def act(api: Api, approval: Approval, name: str, body: Any = None) -> Any:
    return api.post(f"approvals/{approval.pk}/{name}/", {} if body is None else body)


def done(response: Any) -> dict[str, Any]:
    """The request as it is after an act."""
    assert response.status_code == 200, response.content
    body: dict[str, Any] = response.json()
    return body


def refused(response: Any, reason: str) -> None:
    assert problem(response, 403, "not_allowed")["reason"] == reason


# -- whose hands it is in -------------------------------------------------------------------------------


def test_who_takes_it_is_shown_to_all(waiting: Approval, as_bob: Api, as_carol: Api) -> None:
    body = done(act(as_bob, waiting, "claim"))
    assert (body["id"], body["claimed_by"], body["acts"]["release"]) == (str(waiting.pk), "bob", "")
    seen = as_carol.get(f"approvals/{waiting.pk}/").json()
    assert (seen["claimed_by"], seen["acts"]["claim"], seen["can"]["approve"]) == ("bob", "claimed", "")
    with nothing_written(REFUSED):
        refused(act(as_carol, waiting, "claim"), "claimed")


def test_a_claim_ends_by_itself(waiting: Approval, as_bob: Api, as_carol: Api, pass_time: Any) -> None:
    act(as_bob, waiting, "claim")
    pass_time(timedelta(minutes=15, seconds=1))
    assert as_carol.get(f"approvals/{waiting.pk}/").json()["claimed_by"] is None
    assert done(act(as_carol, waiting, "claim"))["claimed_by"] == "carol"


def test_what_was_taken_can_be_given_back(waiting: Approval, as_bob: Api, as_carol: Api, as_olga: Api) -> None:
    act(as_bob, waiting, "claim")
    with nothing_written(REFUSED):
        refused(act(as_carol, waiting, "release"), "not_claimed")
    assert done(act(as_olga, waiting, "release"))["claimed_by"] is None


def test_a_place_is_handed_on_once(waiting: Approval, as_bob: Api, as_dave: Api, mallory: Any, dave: Any) -> None:
    done(act(as_bob, waiting, "delegate", {"to": "dave", "reason": "I am away"}))
    told = as_dave.get(f"approvals/{waiting.pk}/explain/").json()
    assert (told["stands_for"], told["verdicts"]["approve"]) == (["bob"], "")
    with nothing_written(REFUSED):
        refused(act(as_dave, waiting, "delegate", {"to": "mallory"}), "stands_in")
    decided = as_dave.post(f"approvals/{waiting.pk}/decisions/", {"verdict": "approve", "digest": waiting.digest})
    assert decided.status_code == 200
    assert Decision.objects.get().for_user.get_username() == "bob"


def test_an_operator_asks_one_more(waiting: Approval, as_olga: Api, as_bob: Api, as_dave: Api, olga: Any) -> None:
    done(act(as_olga, waiting, "assign", {"to": "dave", "reason": "bob is ill"}))
    assert [row["id"] for row in as_dave.get("approvals/", view="inbox").json()["results"]] == [str(waiting.pk)]
    with nothing_written(REFUSED):
        refused(act(as_bob, waiting, "assign", {"to": "mallory", "reason": "why not"}), "not_operator")
    for to in ("olga", "dave", "alice", "carol"):
        with nothing_written(REFUSED):
            body = problem(act(as_olga, waiting, "assign", {"to": to, "reason": "x"}), 422, "invalid_decision")
        assert list(body["fields"]) == ["to"]


def test_assigning_takes_a_reason(waiting: Approval, as_olga: Api, dave: Any) -> None:
    with nothing_written(REFUSED):
        body = problem(act(as_olga, waiting, "assign", {"to": "dave"}), 422, "invalid_decision")
    assert list(body["fields"]) == ["reason"]


@pytest.mark.parametrize("name", ["delegate", "assign"])
def test_a_login_name_that_nobody_has_is_named_by_field(
    name: str, waiting: Approval, as_bob: Api, as_olga: Api
) -> None:
    api = as_bob if name == "delegate" else as_olga
    with nothing_written(REFUSED):
        body = problem(act(api, waiting, name, {"to": "zoe", "reason": "x"}), 422, "invalid_decision")
    assert body["fields"] == {"to": "there is nobody with this login name"}


@pytest.mark.parametrize("to", ["dave", "zoe"])
def test_who_may_not_hand_over_learns_not_who_there_is(
    to: str, waiting: Approval, dave: Any, as_alice: Api, as_mallory: Api
) -> None:
    with nothing_written(REFUSED):
        refused(act(as_alice, waiting, "delegate", {"to": to}), "own_request")
    with nothing_written(REFUSED):
        problem(act(as_mallory, waiting, "delegate", {"to": to}), 404, "unknown_approval")


# -- how fast it goes -----------------------------------------------------------------------------------


def test_it_is_pushed_up_now(gate: Any, dave: Any, as_bob: Api, as_dave: Api) -> None:
    row = gate(stages=LADDER)
    done(act(as_bob, row, "escalate", {"reason": "urgent"}))
    assert as_dave.get(f"approvals/{row.pk}/").json()["can"]["approve"] == ""
    assert Assignment.objects.get(approval=row, user=dave).source == "escalation"
    with nothing_written(REFUSED):
        refused(act(as_bob, row, "escalate"), "no_rung")


def test_the_deadline_is_put_off_up_to_the_cap(waiting: Approval, as_bob: Api) -> None:
    until = waiting.expires_at + timedelta(hours=1)
    body = done(act(as_bob, waiting, "extend", {"until": until.isoformat(), "reason": "more to read"}))
    assert datetime.fromisoformat(body["expires_at"]) == until
    for wrong in (until, until + timedelta(days=8), datetime(9999, 1, 1, tzinfo=UTC)):
        with nothing_written(REFUSED):
            told = problem(act(as_bob, waiting, "extend", {"until": wrong.isoformat()}), 422, "invalid_decision")
        assert list(told["fields"]) == ["until"]
    act(as_bob, waiting, "extend", {"until": (waiting.expires_at + timedelta(days=7)).isoformat()})
    with nothing_written(REFUSED):
        refused(act(as_bob, waiting, "extend", {"until": "2999-01-01T00:00:00Z"}), "at_cap")


@pytest.mark.parametrize("until", ["2999-01-01T00:00:00", "tomorrow", 5, None, "9999-12-31T23:59:59-23:59", ""])
def test_a_time_without_its_zone_is_no_time(until: Any, waiting: Approval, as_bob: Api) -> None:
    with nothing_written():
        body = problem(act(as_bob, waiting, "extend", {"until": until}), 400, "invalid")
    assert list(body["fields"]) == ["until"]


def test_people_are_reminded_not_too_often(waiting: Approval, as_alice: Api, pass_time: Any) -> None:
    with nothing_written(REFUSED):
        refused(act(as_alice, waiting, "remind"), "too_soon")
    pass_time(timedelta(minutes=15))
    done(act(as_alice, waiting, "remind"))
    with nothing_written(REFUSED):
        refused(act(as_alice, waiting, "remind"), "too_soon")


# -- what is said ---------------------------------------------------------------------------------------


def test_remarks_are_read_in_their_order(waiting: Approval, as_bob: Api, as_alice: Api, as_mallory: Api) -> None:
    path = f"approvals/{waiting.pk}/comments/"
    for api, text in ((as_bob, "why 250?"), (as_alice, "twice 125"), (as_bob, "thanks")):
        assert done(api.post(path, {"text": text}))["status"] == "pending"
    page = as_alice.get(path, page_size=2).json()
    assert [(row["author"], row["text"]) for row in page["results"]] == [("bob", "why 250?"), ("alice", "twice 125")]
    rest = as_alice.client.get(page["next"]).json()
    assert [row["text"] for row in rest["results"]] == ["thanks"]
    assert rest["next"] is None
    with nothing_written():
        problem(as_mallory.get(path), 404, "unknown_approval")
    assert Comment.objects.count() == 3


@pytest.mark.parametrize("text", [" \n ", "x" * 10_001])
def test_a_remark_is_neither_empty_nor_endless(text: str, waiting: Approval, as_bob: Api) -> None:
    with nothing_written(REFUSED):
        body = problem(act(as_bob, waiting, "comments", {"text": text}), 422, "invalid_decision")
    assert list(body["fields"]) == ["text"]


def test_remarks_are_possible_after_the_end(waiting: Approval, as_bob: Api, as_carol: Api, bob: Any) -> None:
    decisions.decide(waiting, actor=bob, verdict="approve", digest=waiting.digest)
    assert done(act(as_carol, waiting, "comments", {"text": "well done"}))["status"] == "approved"


def test_one_watches_and_stops(waiting: Approval, as_carol: Api, carol: Any) -> None:
    path = f"approvals/{waiting.pk}/watch/"
    done(act(as_carol, waiting, "watch"))
    with nothing_written():
        done(act(as_carol, waiting, "watch"))
    assert Watch.objects.get().user == carol
    done(as_carol.call("DELETE", path))
    with nothing_written():
        done(as_carol.call("DELETE", path))
    assert not Watch.objects.exists()


# -- what is taken back ---------------------------------------------------------------------------------


def test_a_vote_is_taken_back(gate: Any, as_bob: Api, bob: Any) -> None:
    row = gate(approvals=2)
    decisions.decide(row, actor=bob, verdict="approve", digest=row.digest)
    body = done(act(as_bob, row, "withdraw", {"reason": "a slip"}))
    assert (body["have"], body["need"], body["can"]["reject"]) == (0, 2, "")
    with nothing_written(REFUSED):
        refused(act(as_bob, row, "withdraw"), "no_vote")


def test_an_approval_is_taken_back_until_it_is_used(gate: Any, as_bob: Api, as_carol: Api, bob: Any, work: Any) -> None:
    row = gate(cool_off=timedelta(minutes=1))
    with nothing_written(REFUSED):
        refused(act(as_bob, row, "revoke"), "not_voter")
    decisions.decide(row, actor=bob, verdict="approve", digest=row.digest)
    with nothing_written(REFUSED):
        refused(act(as_carol, row, "revoke"), "not_voter")
    assert done(act(as_bob, row, "revoke", {"reason": "wrong account"}))["status"] == "revoked"
    assert Run.objects.get().failure_code == "revoked"
    with nothing_written(REFUSED):
        problem(act(as_bob, row, "revoke"), 410, "approval_closed")


def test_what_was_used_is_not_taken_back(waiting: Approval, as_bob: Api, bob: Any, work: Any) -> None:
    decisions.decide(waiting, actor=bob, verdict="approve", digest=waiting.digest)
    work()
    with nothing_written(REFUSED):
        problem(act(as_bob, waiting, "revoke"), 409, "already_consumed")


def test_who_asked_does_not_want_it_any_more(waiting: Approval, as_alice: Api, as_bob: Api) -> None:
    with nothing_written(REFUSED):
        refused(act(as_bob, waiting, "cancel"), "not_yours")
    body = done(act(as_alice, waiting, "cancel", {"reason": "found another way"}))
    assert (body["status"], Run.objects.get().status) == ("cancelled", "cancelled")
    with nothing_written(REFUSED):
        problem(act(as_alice, waiting, "cancel"), 410, "approval_closed")


# -- for all of them ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(ALL))
def test_an_outsider_learns_nothing_and_is_put_on_record(
    name: str, waiting: Approval, dave: Any, as_mallory: Api
) -> None:
    with nothing_written(REFUSED):
        problem(act(as_mallory, waiting, name, ALL[name]), 404, "unknown_approval")


@pytest.mark.parametrize("name", sorted(ALL))
def test_what_never_was_is_not_there(name: str, as_bob: Api, dave: Any) -> None:
    with nothing_written():
        response = as_bob.post(f"approvals/01a1f863-9e38-7d5f-9cba-8408e9377f0d/{name}/", ALL[name])
        problem(response, 404, "unknown_approval")


@pytest.mark.parametrize("name", sorted(PEOPLE_ONLY))
def test_a_program_does_none_of_what_is_for_people(
    name: str, refund: Any, asking_key: Api, bob: Any, dave: Any, work: Any
) -> None:
    asking_key.post("runs/", {"workflow": "test-refund", "input": {"order_id": "A-17"}})
    work()
    with nothing_written(REFUSED):
        refused(act(asking_key, Approval.objects.get(), name, PEOPLE_ONLY[name]), "agent")


def test_a_program_may_remind_of_its_request_and_take_it_back(
    refund: Any, asking_key: Api, bot: Api, bob: Any, work: Any, pass_time: Any
) -> None:
    asking_key.post("runs/", {"workflow": "test-refund", "input": {"order_id": "A-17"}})
    work()
    row = Approval.objects.get()
    for name in ("remind", "cancel"):
        problem(untouched(lambda name=name: act(bot, row, name)), 403, "permission_denied")
    pass_time(timedelta(minutes=15))
    done(act(asking_key, row, "remind"))
    assert done(act(asking_key, row, "cancel", {"reason": "not needed"}))["status"] == "cancelled"


def test_a_program_touches_nobody_elses_request(waiting: Approval, asking_key: Api) -> None:
    for name in ("remind", "cancel"):
        with nothing_written(REFUSED):
            problem(act(asking_key, waiting, name), 404, "unknown_approval")


@pytest.mark.parametrize("name", sorted(ALL))
def test_nobody_does_nothing(name: str, waiting: Approval, nobody: Api) -> None:
    with nothing_written():
        problem(act(nobody, waiting, name, ALL[name]), 401, "not_authenticated")


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_session_needs_its_csrf_token(name: str, waiting: Approval, as_bob: Api) -> None:
    del as_bob.headers["X-CSRFToken"]
    with nothing_written():
        problem(act(as_bob, waiting, name, ALL[name]), 403, "permission_denied")


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_misspelt_field_is_named(name: str, waiting: Approval, as_bob: Api) -> None:
    with nothing_written():
        body = problem(act(as_bob, waiting, name, {**ALL[name], "becuase": "x"}), 400, "invalid")
    assert list(body["fields"]) == ["becuase"]


@pytest.mark.parametrize("name", ["claim", "release", "delegate", "escalate", "extend", "remind", "withdraw", "cancel"])
def test_what_is_over_is_over(
    name: str, waiting: Approval, as_bob: Api, as_carol: Api, bob: Any, dave: Any, pass_time: Callable[..., None]
) -> None:
    decisions.decide(waiting, actor=bob, verdict="approve", digest=waiting.digest)
    with nothing_written(REFUSED):
        body = problem(act(as_carol, waiting, name, ALL[name]), 409, "already_decided")
    assert body["decided_by"] == [str(bob.pk)]


def test_an_act_that_comes_too_late_finds_the_end(waiting: Approval, as_bob: Api, pass_time: Any) -> None:
    pass_time(timedelta(hours=4, seconds=1))
    assert problem(act(as_bob, waiting, "claim"), 410, "approval_closed")["current_status"] == "expired"
    assert Approval.objects.get().status == "expired"


def test_who_owns_the_agent_may_take_its_request_back_and_sees_it(asked_by_bot: Approval, as_alice: Api) -> None:
    path = f"approvals/{asked_by_bot.pk}/"
    assert as_alice.get(path).status_code == 200
    assert done(act(as_alice, asked_by_bot, "cancel"))["status"] == "cancelled"
    assert as_alice.get(path).status_code == 200
