"""`hitl key …`, `hitl delegation …` and `hitl feedback`: which programs come in, who stands in for whom, and
what people say afterwards."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from hitl import clock, decisions
from hitl.models import ApiKey, Approval, Delegation, Feedback
from hitl.models.audit import AuditRecord
from hitl.policies import apply_policy, authenticate
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


# -- keys ---------------------------------------------------------------------------------------------


def make_key(*words: str) -> dict[str, Any]:
    found: dict[str, Any] = value("key", "create", *words)
    return found


@pytest.fixture
def keys(alice: Any, finance: Any, bob: Any) -> dict[str, dict[str, Any]]:
    """A key with everything, and a plain one."""
    apply_policy({"name": "usual", "default": {"stages": [{"reviewers": ["group:finance"]}]}}, actor=bob)
    words = ["--scope", "runs:start", "--scope", "runs:read", "--policy", "usual", "--limit", "rate=90"]
    return {
        "full": make_key("full\x1b[2J", "--owner", "alice", *words, "--limit", "risk=low", "--expires", UNTIL),
        "plain": make_key("plain", "--owner-group", "finance", "--scope", "approvals:read"),
    }


def test_keys_are_listed_in_a_table_with_everything_but_their_secrets(keys: Any) -> None:
    code, out = hitl("key", "list")
    heads, plain_line, full_line = out.splitlines()
    assert code == 0
    assert heads.split("  ")[0] == "KEY"
    for text in (keys["full"]["prefix"], "full\\u001b[2J", "user:alice", "active", "never", "2099-01-31 18:00", "usual",
                 "rate=90, risk=low", "runs:read, runs:start"):  # fmt: skip
        assert text in full_line
    for text in (keys["plain"]["prefix"], "group:finance", "active", "never", "none", "approvals:read"):
        assert text in plain_line
    assert full_line.index("active") == plain_line.index("active") == heads.index("STATE")
    for made in keys.values():
        assert made["secret"].rpartition("_")[2] not in out + hitl("key", "list", "--json")[1]


def test_a_listed_key_says_how_it_stands(keys: Any, alice: Any) -> None:
    def states(*words: str) -> list[tuple[str, str]]:
        return [(row["agent"][:5], row["state"]) for row in value("key", "list", *words)]

    assert authenticate(keys["plain"]["secret"]) is not None
    assert value("key", "list")[0]["last_used_at"] is not None
    assert states() == [("plain", "active"), ("full\x1b", "active")]
    assert hitl("key", "revoke", keys["plain"]["secret"])[1].startswith("revoked plain")
    assert states() == [("plain", "revoked"), ("full\x1b", "active")]
    assert states("--active") == [("full\x1b", "active")]
    clock.move(timedelta(days=365 * 90))
    assert states() == [("plain", "revoked"), ("full\x1b", "expired")]
    assert hitl("key", "list", "--active") == (0, "no keys\n")


def test_an_expiring_key_lets_nobody_in_afterwards(keys: Any) -> None:
    assert authenticate(keys["full"]["secret"]) is not None
    assert keys["full"]["expires_at"].startswith("2099-01-31")
    clock.move(timedelta(days=365 * 90))
    assert authenticate(keys["full"]["secret"]) is None


@pytest.mark.parametrize(
    "words",
    [
        ["--expires", "2020-01-31T18:00Z"],
        ["--expires", "2099-01-31T18:00"],
        ["--expires", "soon"],
        ["--policy", "nonsense"],
        ["--limit", "rate=many"],
        ["--limit", "speed=1"],
        ["--scope", "approvals:decide"],
    ],
)
def test_a_key_that_cannot_be_is_refused(words: list[str], alice: Any) -> None:
    refused("key", "create", "bot", "--owner", "alice", "--scope", "runs:read", *words)


def test_revoking_is_on_record_once(keys: Any) -> None:
    for _ in range(2):
        assert hitl("key", "revoke", keys["full"]["prefix"])[0] == 0
    stream = f"key:{ApiKey.objects.get(prefix=keys['full']['prefix']).pk}"
    records = AuditRecord.objects.filter(stream=stream).order_by("seq")
    assert list(records.values_list("action", flat=True)) == ["hitl.key.created", "hitl.key.revoked"]
    assert "there is no key" in refused("key", "revoke", "nonsense")
