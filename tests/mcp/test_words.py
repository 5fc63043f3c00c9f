"""What a model is told: it never reads as a yes before somebody said yes, and always says what to do."""

from __future__ import annotations

from typing import Any

import pytest

from hitl.client import Grant, Outcome, Request, errors
from hitl.client.mcp import words

ENDS = ("approved", "rejected", "answered", "revision_requested", "expired", "cancelled", "superseded", "revoked")


def request(status: str, **outcome: Any) -> Request:
    """A request as the product tells of it."""
    told = {"approved": status == "approved", "args": {"amount": 90}, "response": "eu", **outcome}
    about = {"id": "7", "title": "Refund", "review_url": "https://hitl.test/review/7", "expires_at": None}
    return Request({**about, "status": status, "outcome": None if status == "pending" else told})


def grant(status: str, token: str | None, **told: Any) -> Grant:
    """What a caller took."""
    outcome = Outcome.read(status, {"approved": status == "approved", "action_type": "refund", **told})
    return Grant(request(status), outcome, token, outcome.args or {}, outcome.action_type)


@pytest.mark.parametrize("status", ["pending", *ENDS])
def test_every_status_says_what_to_do_next(status: str) -> None:
    told = words.told(request(status))
    assert (told["id"], told["status"]) == ("7", status)
    assert ("take_answer" in told["next"]) is (status in ("approved", "answered"))
    assert ("Do not act" in told["next"]) is (status not in ("approved", "answered"))
    assert ("await_approval" in told["next"]) is (status == "pending")
    assert ("revise_request" in told["next"]) is (status == "revision_requested")


@pytest.mark.parametrize("status", ENDS)
def test_arguments_and_answers_come_only_from_take_answer(status: str) -> None:
    assert {"args", "answer", "token", "response"}.isdisjoint(words.told(request(status)))


def test_a_status_of_a_later_version_is_no_yes() -> None:
    assert words.told(request("postponed"))["next"] == "Do not act."
    assert "Do not act" in words.taken("7", grant("postponed", None))["next"]


def test_an_approval_whose_batch_is_open_is_pending_for_the_model() -> None:
    batch = {"id": "turn-7", "size": 2, "release": "all", "released": False}
    told = words.told(Request({**request("approved").data, "outcome": None, "batch": batch}))
    assert told["status"] == "pending"
    assert "Do not act" in told["next"]


def test_time_is_not_a_persons_no() -> None:
    assert "nobody said no" in words.told(request("expired", notice="Nobody answered."))["next"]
    assert words.told(request("expired", notice="Nobody answered."))["notice"] == "Nobody answered."


def test_a_refusal_says_not_to_try_again() -> None:
    told = words.told(request("rejected", comment="too much", by=["bob"]))
    assert (told["comment"], told["by"]) == ("too much", ["bob"])
    assert "do not ask for it again" in told["next"]


def test_a_grant_carries_the_arguments_and_the_token() -> None:
    told = words.taken("7", grant("approved", "t", args={"amount": 900}))
    assert (told["action"], told["args"], told["token"], told["edited"]) == ("refund", {"amount": 900}, "t", False)
    assert "exactly these args" in told["next"]
    assert "report_result" in told["next"]


def test_a_changed_grant_says_not_to_run_the_original() -> None:
    changes = [{"path": "/amount", "from": 900, "to": 90}]
    told = words.taken("7", grant("approved", "t", args={"amount": 90}, changes=changes, verdict="edit"))
    assert (told["edited"], told["changes"]) == (True, changes)
    assert "do not run what you had proposed" in told["next"]


def test_an_answer_is_handed_out_as_it_is() -> None:
    told = words.taken("7", grant("answered", None, response=False))
    assert told["answer"] is False
    assert "token" not in told


@pytest.mark.parametrize("status", ["rejected", "expired", "cancelled", "revoked", "revision_requested"])
def test_what_was_not_approved_hands_out_nothing(status: str) -> None:
    told = words.taken("7", grant(status, None, args={"amount": 900}))
    assert {"args", "token", "answer"}.isdisjoint(told)
    assert "Do not act" in told["next"]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (errors.Unavailable("connection refused"), "cannot be reached"),
        (errors.NotAllowed("no", "permission_denied", 401), "HITL_API_KEY is wrong"),
        (errors.NotAllowed("this key may not use that policy", "not_allowed", 403), "may not use that policy"),
        (errors.Throttled("too many requests are open", "quota", 429), "too many requests are open"),
    ],
)
def test_an_error_is_never_a_yes(error: errors.ClientError, said: str) -> None:
    assert said in words.trouble(error)
    assert "not act" in words.trouble(error)


def test_a_cool_off_says_when_to_come_back() -> None:
    error = errors.Conflict("it may not run yet", "too_early", 409, {"not_before": "2026-03-01T12:00:00Z"})
    assert "take_answer again after 2026-03-01T12:00:00Z" in words.not_yet("7", error)["next"]
    frozen = errors.Conflict("operators stopped all work", "frozen", 409)
    assert "take_answer again later" in words.not_yet("7", frozen)["next"]
