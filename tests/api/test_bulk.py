"""Several requests at once over the API: looked at first, then decided one by one, with a result for each."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from hitl.models import Approval, Decision
from tests.api.conftest import Api, problem
from tests.rows import nothing_written


@pytest.fixture
def three(gate: Any) -> list[Approval]:
    """Three requests of one kind."""
    return [gate(f"flow-{n}") for n in range(3)]


def look(api: Api, rows: Any, verdict: str = "approve") -> Any:
    return api.post("approvals/bulk/preflight/", {"verdict": verdict, "ids": [str(getattr(r, "pk", r)) for r in rows]})


def decide(api: Api, rows: list[Approval], verdict: str = "approve", **options: Any) -> Any:
    items = [{"id": str(row.pk), "digest": row.digest} for row in rows]
    return api.post("approvals/bulk/", {"verdict": verdict, "items": items, **options})


def results(response: Any) -> list[dict[str, Any]]:
    assert response.status_code == 200, response.content
    found: list[dict[str, Any]] = response.json()["results"]
    return found


def test_each_is_looked_at_first(three: list[Approval], as_bob: Api) -> None:
    with nothing_written():
        found = results(look(as_bob, three))
    assert [(one["id"], one["digest"], one["reason"]) for one in found] == [
        (str(row.pk), row.digest, "") for row in three
    ]


def test_each_is_decided_by_itself(three: list[Approval], as_bob: Api) -> None:
    found = results(decide(as_bob, three, comment="all fine"))
    assert [(one["code"], one["status"], one["reason"]) for one in found] == [("decided", "approved", "")] * 3
    assert set(Decision.objects.values_list("comment", "channel")) == {("all fine", "api")}
    assert Decision.objects.count() == 3


@pytest.mark.parametrize(
    ("options", "reason"),
    [({"risk": "high"}, "risk"), ({"type": "other"}, "other_type"), ({"level": "verify", "phrase": "yes"}, "phrase")],
)
def test_what_wants_a_look_of_its_own_is_left_out(
    options: dict[str, Any], reason: str, three: list[Approval], gate: Any, as_bob: Api
) -> None:
    special = gate("special", **options)
    with nothing_written():
        assert [one["reason"] for one in results(look(as_bob, [*three, special]))] == ["", "", "", reason]
    last = results(decide(as_bob, [*three, special]))[-1]
    assert (last["code"], last["reason"], last["status"]) == ("left_out", reason, None)
    assert last["detail"]
    assert Approval.objects.get(pk=special.pk).status == "pending"


def test_one_that_fails_keeps_no_other(three: list[Approval], as_bob: Api) -> None:
    three[1].digest = "0" * 64
    found = results(decide(as_bob, three))
    assert [one["code"] for one in found] == ["decided", "stale_approval", "decided"]
    assert found[1]["detail"]
    assert Approval.objects.get(pk=three[1].pk).status == "pending"


def test_a_vote_that_leaves_it_open_is_told_as_such(gate: Any, as_bob: Api) -> None:
    assert [one["code"] for one in results(decide(as_bob, [gate(approvals=2)]))] == ["voted"]


def test_a_no_to_several_needs_its_reason(three: list[Approval], as_bob: Api) -> None:
    assert {one["code"] for one in results(decide(as_bob, three, "reject"))} == {"invalid_decision"}
    assert not Decision.objects.exists()
    assert {one["status"] for one in results(decide(as_bob, three, "reject", comment="no"))} == {"rejected"}


def test_what_is_not_yours_and_what_never_was_look_alike(three: list[Approval], as_mallory: Api) -> None:
    with nothing_written():
        for rows in (three, [uuid.uuid4()]):
            assert {one["reason"] for one in results(look(as_mallory, rows))} == {"unknown"}
            assert {one["title"] for one in results(look(as_mallory, rows))} == {None}
        assert {one["code"] for one in results(decide(as_mallory, three))} == {"left_out"}


def test_who_may_not_is_told_of_each_why(three: list[Approval], as_alice: Api) -> None:
    with nothing_written():
        assert {one["reason"] for one in results(decide(as_alice, three))} == {"own_request"}


def test_again_gives_what_was_recorded(three: list[Approval], as_bob: Api) -> None:
    decide(as_bob, three)
    with nothing_written():
        assert {(one["code"], one["reason"]) for one in results(decide(as_bob, three))} == {("decided", "")}


@pytest.mark.parametrize("verdict", ["edit", "respond", "maybe", ""])
def test_only_yes_and_no_are_for_several(verdict: str, three: list[Approval], as_bob: Api) -> None:
    with nothing_written():
        assert look(as_bob, three, verdict).status_code == decide(as_bob, three, verdict).status_code == 400


def test_there_are_one_to_fifty(three: list[Approval], as_bob: Api) -> None:
    with nothing_written():
        problem(look(as_bob, []), 400, "bad_input")
        problem(look(as_bob, [uuid.uuid4() for _ in range(51)]), 400, "bad_input")
        problem(decide(as_bob, []), 400, "bad_input")


@pytest.mark.parametrize(
    "items",
    [
        None,
        "all",
        [1],
        [{"id": "x", "digest": "y"}],
        [{"id": str(uuid.uuid4())}],
        [{"id": str(uuid.uuid4()), "digest": "0", "verdict": "approve"}],
        [{"id": "01a1f863-9e38-7d5f-9cba-8408e9377f0d", "digest": text} for text in "01"],
    ],
)
def test_a_wrong_list_is_refused(items: Any, as_bob: Api) -> None:
    with nothing_written():
        body = problem(as_bob.post("approvals/bulk/", {"verdict": "approve", "items": items}), 400, "invalid")
    assert list(body["fields"]) == ["items"]


def test_programs_and_nobody_decide_nothing(
    three: list[Approval], asked_by_bot: Approval, bot: Api, nobody: Api
) -> None:
    with nothing_written():
        for answer in (look(bot, [asked_by_bot]), decide(bot, [asked_by_bot])):
            assert problem(answer, 403, "not_allowed")["reason"] == "agent"
        problem(decide(nobody, three), 401, "not_authenticated")
