"""Step-up over the API: the password once more, remembered for five minutes, and what a wrong one does: nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from hitl.models import Approval, Decision
from tests.api.conftest import Api, problem, untouched
from tests.rows import nothing_written

REFUSED = "hitl.decision.refused"
SECRET = "correct horse"


@pytest.fixture
def as_bob(bob: Any) -> Api:
    """Bob, who has a password."""
    bob.set_password(SECRET)
    bob.save()
    return Api(user=bob)


@pytest.fixture
def guarded(gate: Any) -> Approval:
    """A request whose approval takes the password once more."""
    return gate(step_up={"medium": "password"})


def decide(api: Api, approval: Approval, verdict: str = "approve", **options: Any) -> Any:
    body = {"verdict": verdict, "digest": approval.digest, **options}
    return api.post(f"approvals/{approval.pk}/decisions/", body)


def refused(response: Any, reason: str = "step_up_required") -> None:
    assert problem(response, 403, "not_allowed")["reason"] == reason


def test_an_open_session_alone_is_not_enough(guarded: Approval, as_bob: Api) -> None:
    assert as_bob.get(f"approvals/{guarded.pk}/").json()["can"]["approve"] == "step_up_required"
    with nothing_written(REFUSED):
        refused(decide(as_bob, guarded))


def test_the_password_comes_with_the_decision(guarded: Approval, as_bob: Api) -> None:
    assert decide(as_bob, guarded, password=SECRET).status_code == 200
    assert "password" in Decision.objects.get().confirmation


def test_the_password_is_remembered_for_five_minutes(gate: Any, guarded: Approval, as_bob: Api, pass_time: Any) -> None:
    other = gate("other", step_up={"medium": "password"})
    third = gate("third", step_up={"medium": "password"})
    assert untouched(lambda: as_bob.post("step-up/", {"password": SECRET})).status_code == 204
    assert as_bob.get(f"approvals/{guarded.pk}/").json()["can"]["approve"] == ""
    assert decide(as_bob, guarded).status_code == 200
    pass_time(timedelta(minutes=4, seconds=50))
    assert decide(as_bob, other).status_code == 200
    pass_time(timedelta(seconds=15))
    assert as_bob.get(f"approvals/{third.pk}/").json()["can"]["approve"] == "step_up_required"
    with nothing_written(REFUSED):
        refused(decide(as_bob, third))


def test_the_password_of_a_decision_is_remembered_too(gate: Any, guarded: Approval, as_bob: Api) -> None:
    other = gate("other", step_up={"medium": "password"})
    decide(as_bob, guarded, password=SECRET)
    assert decide(as_bob, other).status_code == 200


def test_a_wrong_password_decides_nothing(guarded: Approval, as_bob: Api) -> None:
    with nothing_written(REFUSED):
        refused(decide(as_bob, guarded, password="wrong"))
    refused(as_bob.post("step-up/", {"password": "wrong"}))


def test_a_wrong_password_decides_nothing_even_where_none_is_needed(waiting: Approval, as_bob: Api) -> None:
    with nothing_written():
        refused(decide(as_bob, waiting, password="wrong"))
    assert decide(as_bob, waiting, password=SECRET).status_code == 200


def test_a_wrong_password_ends_what_was_remembered(guarded: Approval, as_bob: Api) -> None:
    as_bob.post("step-up/", {"password": SECRET})
    as_bob.post("step-up/", {"password": "wrong"})
    with nothing_written(REFUSED):
        refused(decide(as_bob, guarded))


def test_a_no_takes_no_password(guarded: Approval, as_bob: Api) -> None:
    assert decide(as_bob, guarded, "reject", comment="no").status_code == 200


def test_the_password_of_one_session_is_not_that_of_another(guarded: Approval, as_bob: Api, bob: Any) -> None:
    as_bob.post("step-up/", {"password": SECRET})
    with nothing_written(REFUSED):
        refused(decide(Api(user=bob), guarded))


def test_who_comes_second_learns_the_outcome_whatever_the_password(guarded: Approval, as_bob: Api, carol: Any) -> None:
    decide(as_bob, guarded, password=SECRET)
    carol.set_password(SECRET)
    carol.save()
    with nothing_written(REFUSED):
        problem(decide(Api(user=carol), guarded, password="wrong"), 409, "already_decided")


def test_a_retry_of_a_recorded_decision_needs_no_password(guarded: Approval, as_bob: Api) -> None:
    decide(as_bob, guarded, password=SECRET)
    assert untouched(lambda: decide(as_bob, guarded, password="wrong")).json()["duplicate"] is True


def test_an_outsider_with_a_wrong_password_learns_nothing(guarded: Approval, as_mallory: Api) -> None:
    with nothing_written(REFUSED):
        problem(decide(as_mallory, guarded, password="wrong"), 404, "unknown_approval")


def test_after_five_wrong_passwords_even_the_right_one_waits(guarded: Approval, as_bob: Api) -> None:
    for _ in range(5):
        refused(as_bob.post("step-up/", {"password": "wrong"}))
    with nothing_written():
        refused(as_bob.post("step-up/", {"password": SECRET}), "step_up_blocked")
    with nothing_written():
        refused(decide(as_bob, guarded, password=SECRET), "step_up_blocked")


def test_who_has_no_password_cannot_prove_themselves(guarded: Approval, as_carol: Api) -> None:
    for password in ("!", "", " "):
        response = as_carol.post("step-up/", {"password": password})
        assert response.status_code in (400, 403)
    with nothing_written(REFUSED):
        refused(decide(as_carol, guarded, password="!"))


def test_a_program_has_no_password(asked_by_bot: Approval, bot: Api) -> None:
    with nothing_written():
        refused(bot.post("step-up/", {"password": "x"}), "agent")
    with nothing_written(REFUSED):
        refused(decide(bot, asked_by_bot, password="x"), "agent")


@pytest.mark.parametrize("body", [{}, {"password": ""}, {"password": None}, {"password": "x" * 4097}, {"pass": "x"}])
def test_a_body_without_a_password_is_refused(body: dict[str, Any], as_bob: Api) -> None:
    with nothing_written():
        problem(as_bob.post("step-up/", body), 400, "invalid")
