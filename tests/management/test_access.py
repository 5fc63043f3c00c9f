"""`hitl delegation …` and `hitl feedback`: who stands in for whom, and what people think afterwards."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from hitl import clock, decisions
from hitl.models import Approval, Delegation, Feedback
from hitl.models.audit import AuditRecord
from tests.management.test_hitl_command import NEVER, hitl, refused, value

pytestmark = pytest.mark.django_db
UNTIL = "2099-01-31T18:00Z"


def hand_over(*words: str, until: str = UNTIL) -> list[str]:
    return ["delegation", "create", *words, "--until", until]


def test_a_person_hands_over_and_the_other_decides(waiting: Approval, bob: Any, mallory: Any, signs_in: Any) -> None:
    signs_in(bob, mallory)
    told = value(*hand_over("--to", "mallory", "--as", "bob", "--reason", "away"))
    row = Delegation.objects.get()
    assert (told["id"], told["from"], told["to"], told["reason"]) == (row.pk, "bob", "mallory", "away")
    assert AuditRecord.objects.get(action="hitl.delegation.created").actor == f"user:{bob.pk}"
    words = ["approvals", "approve", str(waiting.pk), "--digest", waiting.digest, "--as", "mallory"]
    assert hitl(*words)[1] == f"approved  {waiting.pk}\n"
    assert value("approvals", "show", str(waiting.pk))["votes"][0]["for"] == "bob"


def test_an_operator_hands_over_for_others_never_to_themselves(
    bob: Any, carol: Any, mallory: Any, root: Any, signs_in: Any
) -> None:
    signs_in(root, mallory)
    assert value(*hand_over("--from", "bob", "--to", "carol", "--as", "root"))["from"] == "bob"
    assert refused(*hand_over("--from", "bob", "--to", "root", "--as", "root")).endswith("(not_allowed)")
    assert refused(*hand_over("--from", "bob", "--to", "mallory", "--as", "mallory")).endswith("(not_allowed)")


def test_nobody_hands_over_without_a_password(bob: Any, carol: Any, signs_in: Any) -> None:
    signs_in(carol)
    assert refused(*hand_over("--to", "carol", "--as", "bob")) == "the name or the password is wrong"
    assert "required" in refused(*hand_over("--from", "bob", "--to", "carol"))


@pytest.mark.parametrize("until", ["2020-01-31T18:00Z", "2099-01-31T18:00", "2099-01-31", "soon"])
def test_a_delegation_that_cannot_be_is_refused(until: str, bob: Any, carol: Any, signs_in: Any) -> None:
    signs_in(bob)
    refused(*hand_over("--to", "carol", "--as", "bob", until=until))
    refused(*hand_over("--to", "bob", "--as", "bob"))
    refused(*hand_over("--to", "nobody", "--as", "bob"))


def test_delegations_are_listed_while_they_matter(bob: Any, carol: Any, mallory: Any, signs_in: Any) -> None:
    signs_in(bob)
    assert hitl("delegation", "list") == (0, "no delegations\n")
    later = ["--starts", "2098-01-31T18:00Z", "--reason", "a\x1b[2J\nb"]
    hitl(*hand_over("--to", "carol", "--as", "bob", *later))
    soon = (clock.now() + timedelta(hours=1)).isoformat()
    hitl(*hand_over("--to", "mallory", "--as", "bob", until=soon))
    assert [row["to"] for row in value("delegation", "list")] == ["mallory", "carol"]
    assert "carol for bob  a\\u001b[2J\\nb" in hitl("delegation", "list")[1]
    clock.move(timedelta(hours=2))
    assert [row["to"] for row in value("delegation", "list")] == ["carol"]
    assert [row["to"] for row in value("delegation", "list", "--all")] == ["mallory", "carol"]


def test_a_delegation_is_revoked_by_one_of_the_two(bob: Any, carol: Any, mallory: Any, signs_in: Any) -> None:
    signs_in(bob, carol, mallory)
    hitl(*hand_over("--to", "carol", "--as", "bob"))
    pk = str(Delegation.objects.get().pk)
    assert refused("delegation", "revoke", pk, "--as", "mallory").endswith("(not_allowed)")
    assert hitl("delegation", "revoke", pk, "--as", "carol") == (0, f"revoked: {pk}\n")
    assert hitl("delegation", "revoke", pk, "--as", "bob") == (0, f"was revoked before: {pk}\n")
    assert value("delegation", "list") == []
    assert "revoked" in hitl("delegation", "list", "--all")[1]


@pytest.mark.parametrize("pk", ["4711", "0", "-1", "x", "9" * 40])
def test_a_delegation_that_is_not_there_is_refused(pk: str, bob: Any, signs_in: Any) -> None:
    signs_in(bob)
    refused("delegation", "revoke", pk, "--as", "bob")


# -- feedback -----------------------------------------------------------------------------------------


def test_an_opinion_is_kept(waiting: Approval, alice: Any) -> None:
    told = value("feedback", str(waiting.run_id), "helpful", "--score", "0.5", "--comment", "half", "--as", "alice")
    row = Feedback.objects.get()
    assert (row.score, row.comment, row.by, row.step) == (0.5, "half", f"user:{alice.pk}", None)
    assert (told["key"], told["score"], told["run"]) == ("helpful", 0.5, str(waiting.run_id))
    decisions.cancel(waiting, actor=alice)
    words = ["feedback", str(waiting.run_id), "draft", "--comment", "x", "--step", "draft", "--as", "alice"]
    assert hitl(*words) == (0, "kept draft\n")
    assert Feedback.objects.order_by("at").last().step.name == "draft"


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--score", "2"],
        ["--score", "nan"],
        ["--score", "x"],
        ["--comment", " "],
        ["--comment", "x", "--step", "no"],
    ],
)
def test_an_opinion_that_says_nothing_is_refused(words: list[str], waiting: Approval) -> None:
    refused("feedback", str(waiting.run_id), "helpful", *words, "--as", "alice")


def test_an_opinion_is_somebodys_and_of_a_run(waiting: Approval, alice: Any) -> None:
    assert "required" in refused("feedback", str(waiting.run_id), "helpful", "--score", "1")
    assert refused("feedback", NEVER, "helpful", "--score", "1", "--as", "alice").endswith("(unknown_run)")
