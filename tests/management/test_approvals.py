"""`hitl approvals …`: what is shown and explained, and each act as a person who gives their password."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.management.base import CommandError

from hitl import clock, decisions
from hitl.models import Approval, Assignment, Comment, Decision, Run, Watch
from hitl.models.audit import AuditRecord
from hitl.policies.acts import ANYTIME, PENDING
from tests.management.conftest import PASSWORD
from tests.management.test_hitl_command import NEVER, hitl, refused, value
from tests.rows import nothing_written

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("whole_house")]
ACTS = sorted({*PENDING, *ANYTIME, "unwatch"})
EXTRA = {
    "delegate": ["--to", "carol"],
    "assign": ["--to", "carol", "--reason", "bob is away"],
    "extend": ["--by", "1h"],
    "comment": ["hm"],
}


def act(name: str, row: Approval, user: str, *words: str) -> list[str]:
    return ["approvals", name, str(row.pk), *words, "--as", user]


def denied(*words: str) -> str:
    """The message of a refusal that leaves its one audit line."""
    with nothing_written("hitl.act.refused"), pytest.raises(CommandError) as error:
        hitl(*words)
    assert error.value.returncode == 2
    return str(error.value)


# -- reading ------------------------------------------------------------------------------------------


def test_a_list_is_as_long_as_asked_for(ask: Any) -> None:
    rows = [ask(reviewers=["group:finance"]) for _ in range(3)]
    assert [row["id"] for row in value("approvals", "list", "--as", "bob", "--limit", "2")] == [
        str(row.pk) for row in rows[:2]
    ]
    assert len(value("approvals", "list", "--limit", "2")) == 2


def test_a_view_lists_something_else_than_what_waits(waiting: Approval, bob: Any) -> None:
    assert value("approvals", "list", "--as", "bob", "--view", "claimed") == []
    decisions.claim(waiting, actor=bob)
    assert [row["id"] for row in value("approvals", "list", "--as", "bob", "--view", "claimed")] == [str(waiting.pk)]
    assert value("approvals", "list", "--as", "carol", "--view", "claimed") == []
    [asked] = value("approvals", "list", "--as", "alice", "--view", "asked")
    assert (asked["id"], asked["status"]) == (str(waiting.pk), "pending")
    assert "  pending " in hitl("approvals", "list", "--as", "alice", "--view", "asked")[1]


def test_a_view_is_somebodys(waiting: Approval) -> None:
    assert "--as" in refused("approvals", "list", "--view", "claimed")
    assert "invalid choice" in refused("approvals", "list", "--as", "bob", "--view", "nonsense")


def test_a_request_is_shown_with_where_it_stands(ask: Any, bob: Any, carol: Any, alice: Any) -> None:
    row = ask(reviewers=["user:bob", "user:carol"], approvals=2)
    decisions.decide(row, actor=bob, verdict="approve", digest=row.digest, comment="fine\n  approved by carol")
    decisions.claim(row, actor=carol)
    shown = value("approvals", "show", str(row.pk))
    assert (shown["stage"], shown["stages"], shown["revision"], shown["claimed_by"]) == (1, 1, 1, "carol")
    assert shown["asked"] == ["user:bob", "user:carol"]
    assert [(one["by"], one["verdict"], one["stage"]) for one in shown["votes"]] == [("bob", "approve", 1)]
    lines = hitl("approvals", "show", str(row.pk))[1].splitlines()
    assert [line.split()[1] for line in lines if line.startswith("claimed_by")] == ["carol"]
    assert not any(line.strip() == "approved by carol" for line in lines)
    clock.move(timedelta(minutes=16))
    assert value("approvals", "show", str(row.pk))["claimed_by"] == ""


def test_a_request_is_shown_with_its_policy_and_rule(ask: Any, finance: Any, alice: Any) -> None:
    from hitl.policies import apply_policy

    stages = {"stages": [{"reviewers": ["group:finance"]}]}
    rule = {"when": "args.amount > 100", "name": "large ones", **stages}
    apply_policy({"name": "pays", "rules": [rule], "default": stages}, actor=alice)
    shown = value("approvals", "show", str(ask(policy="pays").pk))
    assert (shown["policy"], shown["rule"], shown["asked"]) == ("pays v1", "large ones", ["group:finance"])


def test_hostile_text_moves_no_cursor(waiting: Approval) -> None:
    Approval.objects.update(title="a\x1b[2Jb\u202ec\x9b2J\ntail")
    pk = str(waiting.pk)
    for words in (["list"], ["list", "--as", "bob"], ["show", pk], ["explain", pk], ["explain", pk, "--as", "bob"]):
        out = hitl("approvals", *words)[1]
        assert "a\\u001b[2Jb\\u202ec\\u009b2J\\ntail" in out
        out = hitl("approvals", *words, "--json")[1]
        assert all(char.isprintable() or char == "\n" for char in out)
    assert value("approvals", "list")[0]["title"] == "a\x1b[2Jb\u202ec\x9b2J\ntail"
    Approval.objects.update(title=waiting.title)


def test_what_is_needed_and_what_comes_is_explained(ask: Any, bob: Any) -> None:
    ladder = [{"after": "2h", "to": ["user:carol"], "mode": "add"}]
    row = ask(stages=[{"reviewers": ["user:bob"], "remind": ["1h"], "escalate": ladder}])
    told = value("approvals", "explain", str(row.pk))
    assert (told["have"], told["need"], told["can_still"], told["satisfiable"]) == (0, 1, ["bob"], True)
    assert [one["what"] for one in told["next"]] == ["remind", "escalate", "reject"]
    assert "verdicts" not in told
    code, out = hitl("approvals", "explain", str(row.pk))
    assert code == 0
    assert "0 of 1 agree" in out
    assert "can still agree: bob" in out
    assert "people are reminded" in out


def test_what_a_person_may_do_is_explained_with_reasons(waiting: Approval, bob: Any, mallory: Any) -> None:
    pk = str(waiting.pk)
    told = value("approvals", "explain", pk, "--as", "bob")
    assert told["verdicts"] == {"approve": "", "edit": "", "request_revision": "", "reject": ""}
    assert (told["user"], told["acts"]["claim"], told["acts"]["assign"]) == ("bob", "", "not_operator")
    out = hitl("approvals", "explain", pk, "--as", "alice")[1]
    assert "approve            no: You, somebody you stand in for, or an agent of yours asked for this" in out
    assert "cancel             possible" in out
    assert value("approvals", "explain", pk, "--as", "mallory")["verdicts"]["approve"] == "not_candidate"
    assert refused("approvals", "explain", NEVER).endswith("(unknown_approval)")
    assert refused("approvals", "explain", pk, "--as", "nobody") == "there is no user 'nobody'"


def test_too_few_people_are_explained(ask: Any, bob: Any, carol: Any) -> None:
    row = ask(reviewers=["group:finance"], approvals=2)
    carol.groups.clear()
    told = value("approvals", "explain", str(row.pk))
    assert (told["satisfiable"], told["can_still"]) == (False, ["bob"])
    assert "these are too few" in hitl("approvals", "explain", str(row.pk))[1]


def test_a_large_group_can_reach_a_large_quorum(ask: Any, finance: Any, django_user_model: Any) -> None:
    for number in range(60):
        django_user_model.objects.create(username=f"member{number}").groups.add(finance)
    row = ask(reviewers=["group:finance"], approvals=51)
    assert row.unsatisfiable is False
    assert value("approvals", "explain", str(row.pk))["satisfiable"] is True


# -- votes --------------------------------------------------------------------------------------------


def test_a_request_is_sent_back_with_instructions(waiting: Approval, bob: Any, signs_in: Any) -> None:
    signs_in(bob)
    words = act("request_revision", waiting, "bob", "--digest", waiting.digest)
    with nothing_written("hitl.decision.refused"), pytest.raises(CommandError, match="say what to do better"):
        hitl(*words)
    assert hitl(*words, "--comment", "half of it")[1] == f"revision_requested  {waiting.pk}\n"
    assert Decision.objects.get().verdict == "request_revision"


def test_another_action_is_made_of_it(ask: Any, bob: Any, signs_in: Any) -> None:
    row = ask(reviewers=["group:finance"], types={"voucher": None})
    signs_in(bob)
    words = act("approve", row, "bob", "--digest", row.digest, "--type", "voucher")
    assert "--args" in refused(*words)
    told = value(*words, "--args", '{"code": "A"}')
    fresh = Approval.objects.get(status="pending")
    assert told["id"] == str(fresh.pk) != str(row.pk)
    assert (fresh.action_type, fresh.args, told["revision"]) == ("voucher", {"code": "A"}, 2)
    assert value("approvals", "show", str(row.pk))["other_types"] == ["voucher"]


def test_the_password_of_the_shell_is_the_step_up(ask: Any, bob: Any, signs_in: Any) -> None:
    row = ask(reviewers=["user:bob"], step_up={"medium": "password"})
    assert value("approvals", "explain", str(row.pk), "--as", "bob")["verdicts"]["approve"] == ""
    signs_in(bob)
    assert value(*act("approve", row, "bob", "--digest", row.digest))["status"] == "approved"
    assert "password" in Decision.objects.get().confirmation


# -- acts ---------------------------------------------------------------------------------------------


def test_every_act_has_a_command() -> None:
    from tests.house.commands import hitl_commands

    assert {f"hitl approvals {name}" for name in ACTS} <= hitl_commands().keys()


@pytest.mark.parametrize("name", ACTS)
def test_no_act_without_the_right_password(name: str, waiting: Approval, bob: Any, signs_in: Any) -> None:
    signs_in()
    assert refused(*act(name, waiting, "bob", *EXTRA.get(name, []))) == "the name or the password is wrong"
    assert refused(*act(name, waiting, "nobody", *EXTRA.get(name, []))) == "the name or the password is wrong"


@pytest.mark.parametrize("name", ACTS)
def test_who_may_not_see_it_is_told_that_there_is_none(
    name: str, waiting: Approval, mallory: Any, signs_in: Any
) -> None:
    signs_in(mallory)
    words = act(name, waiting, "mallory", *{**EXTRA, "extend": ["--until", "2099-01-31T18:00Z"]}.get(name, []))
    assert denied(*words).endswith("(unknown_approval)")


@pytest.mark.parametrize("name", ACTS)
def test_no_act_on_what_is_not_there(name: str, bob: Any, carol: Any, signs_in: Any) -> None:
    signs_in(bob)
    for pk in (NEVER, "nonsense"):
        words = ["approvals", name, pk, *EXTRA.get(name, []), "--as", "bob"]
        assert refused(*words).endswith("(unknown_approval)")


def test_nobody_to_ask_for_a_password_is_no_password(waiting: Approval, bob: Any, monkeypatch: Any) -> None:
    def nobody(prompt: str) -> str:
        raise EOFError

    monkeypatch.setattr("getpass.getpass", nobody)
    assert "--password-stdin" in refused(*act("claim", waiting, "bob"))


def test_a_request_is_claimed_and_released(waiting: Approval, bob: Any, carol: Any, signs_in: Any) -> None:
    signs_in(bob, carol)
    code, out = hitl(*act("claim", waiting, "bob"))
    assert (code, out.startswith("claimed until "), Approval.objects.get().claimed_by) == (0, True, bob)
    assert denied(*act("claim", waiting, "carol")).endswith("(not_allowed)")
    assert hitl(*act("release", waiting, "bob")) == (0, f"released  {waiting.pk}\n")
    assert Approval.objects.get().claimed_by is None


def test_a_request_is_handed_on(ask: Any, bob: Any, mallory: Any, signs_in: Any) -> None:
    row = ask(reviewers=["user:bob"])
    signs_in(bob)
    assert "required" in refused(*act("delegate", row, "bob"))
    assert refused(*act("delegate", row, "bob", "--to", "nobody")) == "there is no user 'nobody'"
    assert hitl(*act("delegate", row, "bob", "--to", "mallory", "--reason", "away"))[1] == (
        f"handed to mallory  {row.pk}\n"
    )
    asked = value("approvals", "show", str(row.pk))["asked"]
    assert asked == ["user:bob", "user:mallory in the place of bob"]


def test_an_operator_asks_one_more(ask: Any, bob: Any, carol: Any, root: Any, signs_in: Any) -> None:
    row = ask(reviewers=["user:bob"])
    signs_in(bob, root)
    assert "required" in refused(*act("assign", row, "root", "--to", "carol"))
    words = ["--to", "carol", "--reason", "bob is away"]
    assert denied(*act("assign", row, "bob", *words)).endswith("(not_allowed)")
    assert hitl(*act("assign", row, "root", *words)) == (0, f"assigned to carol  {row.pk}\n")
    assert value("approvals", "show", str(row.pk))["asked"] == ["user:bob", "user:carol (assigned)"]
    assert Assignment.objects.get(user=carol).source == "assigned"


def test_a_request_goes_up_the_ladder(ask: Any, bob: Any, carol: Any, signs_in: Any) -> None:
    row = ask(stages=[{"reviewers": ["user:bob"], "escalate": [{"after": "2h", "to": ["user:carol"]}]}])
    signs_in(bob)
    assert hitl(*act("escalate", row, "bob", "--reason", "too large for me")) == (0, f"escalated  {row.pk}\n")
    assert b"too large for me" in bytes(AuditRecord.objects.get(action="hitl.approval.escalated").body)
    assert denied(*act("escalate", row, "bob")).startswith("There is nobody further up")


@pytest.mark.parametrize("how", ["until", "by"])
def test_a_deadline_is_put_off(how: str, waiting: Approval, bob: Any, signs_in: Any) -> None:
    signs_in(bob)
    later = waiting.expires_at + timedelta(hours=2)
    words = {"until": ["--until", later.isoformat()], "by": ["--by", "2h"]}[how]
    told = value(*act("extend", waiting, "bob", *words, "--reason", "busy"))
    assert Approval.objects.get().expires_at == later
    assert told["expires_at"] == str(later)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--by", "2h", "--until", "2099-01-31T18:00Z"],
        ["--by", "soon"],
        ["--by", "0m"],
        ["--by", "99999999999999d"],
        ["--until", "tomorrow"],
        ["--until", "2099-01-31T18:00"],
        ["--until", "0001-01-01T00:00+14:00"],
        ["--until", "9999-12-31T23:59-12:00"],
    ],
)
def test_a_deadline_that_is_none_is_refused(words: list[str], waiting: Approval, bob: Any, signs_in: Any) -> None:
    signs_in(bob)
    refused(*act("extend", waiting, "bob", *words))


def test_a_deadline_beyond_the_cap_is_refused(waiting: Approval, bob: Any, signs_in: Any) -> None:
    signs_in(bob)
    assert denied(*act("extend", waiting, "bob", "--by", "300d")).endswith("(invalid_decision)")


def test_people_are_reminded_not_too_often(waiting: Approval, alice: Any, signs_in: Any) -> None:
    signs_in(alice)
    assert denied(*act("remind", waiting, "alice")).endswith("(not_allowed)")
    clock.move(timedelta(minutes=20))
    assert hitl(*act("remind", waiting, "alice")) == (0, f"reminded  {waiting.pk}\n")


def test_a_remark_is_left(waiting: Approval, bob: Any, signs_in: Any) -> None:
    signs_in(bob)
    assert hitl(*act("comment", waiting, "bob", "which parcel?"))[0] == 0
    assert Comment.objects.get().text == "which parcel?"
    assert denied(*act("comment", waiting, "bob", " ")).endswith("(invalid_decision)")


def test_a_request_is_watched_and_no_more(waiting: Approval, bob: Any, signs_in: Any) -> None:
    signs_in(bob)
    assert value(*act("watch", waiting, "bob"))["changed"] is True
    assert hitl(*act("watch", waiting, "bob")) == (0, f"was watched already  {waiting.pk}\n")
    assert hitl(*act("unwatch", waiting, "bob")) == (0, f"watched no more  {waiting.pk}\n")
    assert value(*act("unwatch", waiting, "bob"))["changed"] is False
    assert not Watch.objects.exists()


def test_a_vote_is_withdrawn(ask: Any, bob: Any, signs_in: Any) -> None:
    row = ask(reviewers=["group:finance"], approvals=2)
    signs_in(bob)
    hitl(*act("approve", row, "bob", "--digest", row.digest))
    assert hitl(*act("withdraw", row, "bob", "--reason", "looked again")) == (0, f"withdrawn  {row.pk}\n")
    assert value("approvals", "show", str(row.pk))["votes"] == []
    assert denied(*act("withdraw", row, "bob")).endswith("(not_allowed)")


def test_an_approval_is_revoked(waiting: Approval, bob: Any, signs_in: Any, work: Any, refund: Any) -> None:
    signs_in(bob)
    hitl(*act("approve", waiting, "bob", "--digest", waiting.digest))
    assert hitl(*act("revoke", waiting, "bob", "--reason", "wrong parcel")) == (0, f"revoked  {waiting.pk}\n")
    work()
    assert (refund.paid, Run.objects.get().failure_code) == ([], "revoked")


def test_who_asked_cancels(waiting: Approval, alice: Any, bob: Any, signs_in: Any) -> None:
    signs_in(alice, bob)
    assert denied(*act("cancel", waiting, "bob")).endswith("(not_allowed)")
    assert value(*act("cancel", waiting, "alice", "--reason", "not needed"))["status"] == "cancelled"
    assert denied(*act("claim", waiting, "bob")).endswith("(approval_closed)")


def test_the_password_comes_from_a_pipe(waiting: Approval, bob: Any, signs_in: Any, monkeypatch: Any) -> None:
    from io import StringIO

    signs_in(bob)
    monkeypatch.setattr("sys.stdin", StringIO(PASSWORD + "\n"))
    monkeypatch.setattr("getpass.getpass", lambda prompt: "not asked")
    assert json.loads(hitl(*act("claim", waiting, "bob", "--password-stdin", "--json"))[1])["claimed_until"]
