"""Handing over for a while over the API: what one sees and makes, and what only operators do."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from hitl import clock
from hitl.models import Delegation
from tests.api.conftest import Api, problem
from tests.rows import nothing_written

NEVER = 2**62


def hand_over(api: Api, to: str, days: float = 7, **options: Any) -> Any:
    body = {"to": to, "ends_at": (clock.now() + timedelta(days=days)).isoformat(), **options}
    return api.post("delegations/", body)


def seen(api: Api) -> list[tuple[str, str]]:
    response = api.get("delegations/")
    assert response.status_code == 200
    return [(row["from"], row["to"]) for row in response.json()["results"]]


def test_somebody_decides_in_ones_place(waiting: Any, as_bob: Api, as_dave: Api) -> None:
    response = hand_over(as_bob, "dave", reason="holidays")
    body = response.json()
    assert response.status_code == 201
    assert (body["from"], body["to"], body["reason"], body["revoked_at"]) == ("bob", "dave", "holidays", None)
    assert [row["id"] for row in as_dave.get("approvals/", view="inbox").json()["results"]] == [str(waiting.pk)]
    told = as_dave.post(f"approvals/{waiting.pk}/decisions/", {"verdict": "approve", "digest": waiting.digest})
    assert told.status_code == 200


def test_it_begins_when_it_says(waiting: Any, as_bob: Api, as_dave: Api, pass_time: Any) -> None:
    hand_over(as_bob, "dave", starts_at=(clock.now() + timedelta(hours=1)).isoformat())
    assert as_dave.get("approvals/", view="inbox").json()["results"] == []
    pass_time(timedelta(hours=1, seconds=1))
    assert len(as_dave.get("approvals/", view="inbox").json()["results"]) == 1


def test_each_sees_their_own_and_operators_all(
    as_bob: Api, as_carol: Api, as_dave: Api, as_mallory: Api, as_olga: Api
) -> None:
    hand_over(as_bob, "dave")
    hand_over(as_carol, "bob")
    assert seen(as_bob) == seen(as_olga) == [("bob", "dave"), ("carol", "bob")]
    assert (seen(as_dave), seen(as_mallory)) == ([("bob", "dave")], [])


def test_the_list_comes_in_pages(as_bob: Api, dave: Any) -> None:
    for _ in range(3):
        hand_over(as_bob, "dave")
    page = as_bob.get("delegations/", page_size=2).json()
    rest = as_bob.client.get(page["next"]).json()
    assert [len(page["results"]), len(rest["results"]), rest["next"]] == [2, 1, None]
    assert as_bob.client.get(rest["previous"]).json()["results"] == page["results"]
    for cursor in ("cD14", "cD05OTk5OTk5OTk5OTk5OTk5OTk5OTk5"):
        problem(as_bob.get("delegations/", cursor=cursor), 404, "not_found")


def test_both_end_it_and_again_is_fine(waiting: Any, as_bob: Api, as_dave: Api) -> None:
    pk = hand_over(as_bob, "dave").json()["id"]
    ended = as_dave.post(f"delegations/{pk}/revoke/", {})
    assert ended.status_code == 200
    assert ended.json()["revoked_at"]
    assert as_dave.get("approvals/", view="inbox").json()["results"] == []
    with nothing_written():
        assert as_bob.post(f"delegations/{pk}/revoke/", {}).json() == ended.json()


def test_operators_hand_over_for_others_and_end_it(as_olga: Api, bob: Any, dave: Any) -> None:
    body = hand_over(as_olga, "dave", **{"from": "bob"}).json()
    assert (body["from"], body["to"]) == ("bob", "dave")
    assert as_olga.post(f"delegations/{body['id']}/revoke/", {}).json()["revoked_at"]


def test_nobody_takes_anothers_place(as_mallory: Api, as_olga: Api, bob: Any, mallory: Any) -> None:
    with nothing_written():
        for api, to in ((as_mallory, "mallory"), (as_mallory, "olga"), (as_olga, "olga")):
            answer = hand_over(api, to, **{"from": "bob"})
            assert problem(answer, 403, "not_allowed")["reason"] == "not_operator"


def test_ones_own_name_may_be_said(as_bob: Api, dave: Any) -> None:
    assert hand_over(as_bob, "dave", **{"from": "bob"}).status_code == 201


@pytest.mark.parametrize(("field", "names"), [("to", {"to": "zoe"}), ("from", {"to": "dave", "from": "zoe"})])
def test_a_login_name_that_nobody_has_is_named_by_field(
    field: str, names: dict[str, str], as_olga: Api, dave: Any
) -> None:
    with nothing_written():
        body = problem(hand_over(as_olga, **names), 422, "invalid_decision")
    assert list(body["fields"]) == [field]


def test_a_period_that_is_none_is_refused(as_bob: Api, dave: Any) -> None:
    later = (clock.now() + timedelta(days=8)).isoformat()
    with nothing_written():
        problem(hand_over(as_bob, "dave", days=-1), 400, "bad_input")
        problem(hand_over(as_bob, "dave", starts_at=later), 400, "bad_input")
        problem(hand_over(as_bob, "bob"), 400, "bad_input")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"ends_at": "2999-01-01T00:00:00"}, "ends_at"),
        ({"ends_at": None}, "ends_at"),
        ({"starts_at": "now"}, "starts_at"),
        ({"to": ""}, "to"),
        ({"to": ["dave"]}, "to"),
        ({"until": "2999-01-01T00:00:00Z"}, "until"),
    ],
)
def test_a_field_of_the_wrong_kind_is_named(change: dict[str, Any], field: str, as_bob: Api, dave: Any) -> None:
    body = {"to": "dave", "ends_at": "2999-01-01T00:00:00Z", **change}
    with nothing_written():
        assert list(problem(as_bob.post("delegations/", body), 400, "invalid")["fields"]) == [field]


@pytest.mark.parametrize("pk", [NEVER, 2**70])
def test_what_is_not_yours_and_what_never_was_look_alike(pk: int, as_bob: Api, as_mallory: Api, dave: Any) -> None:
    made = hand_over(as_bob, "dave").json()["id"]
    with nothing_written():
        for one in (made, pk):
            problem(as_mallory.post(f"delegations/{one}/revoke/", {}), 404, "not_found")
    assert Delegation.objects.get().revoked_at is None


def test_programs_and_nobody_hand_over_nothing(asked_by_bot: Any, bot: Api, nobody: Api, dave: Any) -> None:
    with nothing_written():
        for answer in (hand_over(bot, "dave"), bot.get("delegations/"), bot.post("delegations/1/revoke/", {})):
            assert problem(answer, 403, "not_allowed")["reason"] == "agent"
        problem(hand_over(nobody, "dave"), 401, "not_authenticated")
