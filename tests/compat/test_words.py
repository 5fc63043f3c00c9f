"""What HumanLayer's SDK is told: a yes only to what it would run, a no never without words, and no silence for ever."""

from __future__ import annotations

from typing import Any

import pytest

from hitl.api.compat import words
from hitl.engine.outside import Told

SPEC: dict[str, Any] = {"fn": "refund", "kwargs": {"order": "A1", "amount": 900}}


def outcome(**told: Any) -> Told:
    """What came of a request, as the product tells it."""
    empty: dict[str, Any] = {"verdict": None, "approved": False, "action_type": "refund", "args": None, "changes": ()}
    empty |= {"comment": "", "response": None, "by": (), "via": "human", "notice": ""}
    return Told(**empty | told)


def test_what_is_open_tells_nothing() -> None:
    assert words.call_status(SPEC, "pending", None) == {}
    assert words.contact_status({"msg": "?"}, "pending", None) == {}


def test_a_yes_to_the_same_call_is_a_yes() -> None:
    told = words.call_status(SPEC, "approved", outcome(approved=True, args={"amount": 900.0, "order": "A1"}))
    assert told == {"approved": True, "comment": None}


@pytest.mark.parametrize(
    "changed", [{"args": {"order": "A1", "amount": 90}}, {"args": SPEC["kwargs"], "action_type": "refund_all"}]
)
def test_a_yes_to_another_call_is_a_no_that_quotes_it(changed: dict[str, Any]) -> None:
    told = words.call_status(SPEC, "approved", outcome(approved=True, comment="max 90", **changed))
    assert told["approved"] is False
    assert "max 90" in told["comment"]
    assert changed.get("action_type", '"amount": 90') in told["comment"]
    assert "Do not call it again with the original arguments" in told["comment"]


def test_true_and_one_are_not_the_same_argument() -> None:
    spec = {"fn": "send", "kwargs": {"really": False}}
    told = words.call_status(spec, "approved", outcome(approved=True, action_type="send", args={"really": 0}))
    assert told["approved"] is False


@pytest.mark.parametrize(
    ("comment", "notice", "said"),
    [
        ("too much", "Refused: too much. Do not try again.", "Refused: too much. Do not try again."),
        ("too much", "Refused. Do not try again.", "too much Refused. Do not try again."),
        ("", "Refused. Do not try again.", "Refused. Do not try again."),
        ("", "", "Not approved. Do not try it again."),
    ],
)
def test_a_no_always_has_words(comment: str, notice: str, said: str) -> None:
    assert words.call_status(SPEC, "rejected", outcome(comment=comment, notice=notice)) == {
        "approved": False,
        "comment": said,
    }


@pytest.mark.parametrize("status", ["expired", "cancelled", "revoked"])
def test_where_nobody_decided_the_client_hears_just_that(status: str) -> None:
    told = words.call_status(SPEC, status, outcome(notice="Nobody decided in time."))
    assert told == {"approved": False, "comment": "Nobody decided in time."}
    ended = words.contact_status({"msg": "?"}, status, outcome(notice="Nobody decided in time."))
    assert ended == {"response": "Nobody decided in time."}


def test_a_rejection_by_the_name_of_an_option_is_that_option() -> None:
    options = [{"name": "too_much", "title": "Too much", "prompt_fill": "Use less."}, {"name": "wrong"}]
    for comment in ("Too Much", "too_much "):
        told = words.call_status({**SPEC, "reject_options": options}, "rejected", outcome(comment=comment))
        assert (told["reject_option_name"], told["comment"]) == ("too_much", "Use less.")
    told = words.call_status({**SPEC, "reject_options": options}, "rejected", outcome(comment="no"))
    assert "reject_option_name" not in told


def test_the_options_of_a_contact_are_its_answers() -> None:
    options = [{"name": "eu", "title": "Europe"}, {"name": "us"}]
    assert words.answers_of(options) == ["Europe", "us"]
    assert words.answers_of([{"name": "a", "title": "Same"}, {"name": "b", "title": "Same"}]) == ["a", "b"]
    assert words.answers_of([*options, {"name": "other", "interactive": True}]) is None
    assert words.answers_of(None) is None
    told = words.contact_status({"msg": "?", "response_options": options}, "answered", outcome(response="Europe"))
    assert told == {"response": "Europe", "response_option_name": "eu"}


def test_a_free_answer_is_passed_on_as_text() -> None:
    assert words.contact_status({"msg": "?"}, "answered", outcome(response="blue")) == {"response": "blue"}
    assert words.contact_status({"msg": "?"}, "answered", outcome(response=["a"])) == {"response": '["a"]'}


def test_a_slack_token_is_not_kept() -> None:
    spec = {"fn": "f", "kwargs": {}, "channel": {"slack": {"channel_or_user_id": "C1", "bot_token": "xoxb"}}}
    kept = words.without_secrets(spec)
    assert kept["channel"] == {"slack": {"channel_or_user_id": "C1"}}
    assert words.without_secrets(SPEC) == SPEC


def test_a_title_is_the_call_and_is_cut_where_it_is_long() -> None:
    assert words.title_of("refund", SPEC["kwargs"]) == 'refund(order="A1", amount=900)'
    long = words.title_of("write", {"text": "x" * 500})
    assert (len(long), long[-1]) == (160, "…")
