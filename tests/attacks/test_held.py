"""Attacks that came to nothing, kept so that it stays so."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command

from hitl import Action, Approve, Signal, Workflow, clock, decisions, engine
from hitl.exceptions import HitlError
from hitl.models import Approval, Run
from hitl.policies.delegations import create_delegation
from tests.rows import nothing_written

FINANCE = ["group:finance"]


def test_an_act_that_breaks_in_the_middle_leaves_nothing(
    gate: Any, decide: Any, alice: Any, bob: Any, people: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    dan = people("dan", "finance")
    approval = gate(reviewers=FINANCE, approvals=2)

    def broken(*args: Any, **options: Any) -> Any:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr("hitl.audit.seal", broken)
    for act in (
        lambda: decide(approval, bob),
        lambda: decide(approval, bob, "edit", args={"n": 3}),
        lambda: decisions.claim(approval, actor=bob),
        lambda: decisions.comment(approval, actor=bob, text="x"),
        lambda: decisions.watch(approval, actor=bob),
        lambda: decisions.delegate(approval, actor=bob, to=dan),
        lambda: decisions.cancel(approval, actor=alice),
    ):
        with nothing_written(), pytest.raises((RuntimeError, HitlError)):
            act()


@pytest.mark.usefixtures("whole_house")
def test_two_authors_one_after_the_other_and_the_last_does_not_vote(
    gate: Any, decide: Any, bob: Any, carol: Any, people: Any, work: Any
) -> None:
    dan = people("dan", "finance")
    second = decide(gate(reviewers=FINANCE, approvals=2), bob, "edit", args={"n": 2}).approval
    third = decide(second, carol, "edit", args={"n": 3}).approval
    for stale in (second, Approval.objects.get(revision=1)):
        with pytest.raises(HitlError):
            decide(stale, dan)
    with pytest.raises(HitlError):
        decide(third, carol)
    decide(third, bob)
    decide(third, dan)
    work()
    assert Run.objects.get().output == {"ran": "do", "n": 3}


@pytest.mark.usefixtures("whole_house")
def test_an_edited_request_that_lost_against_a_signal_is_closed(
    decide: Any, alice: Any, bob: Any, carol: Any, people: Any, work: Any
) -> None:
    people("dan", "finance")
    action = Action({"n": 1}, type="do", title="Do it", impact="It is done")
    flow = Workflow("attacked-any")
    asks = Approve(action, reviewers=FINANCE, approvals=2)
    flow.step(lambda ctx: ctx.wait_any("first", asks, Signal("stop")).name, name="wait")
    run = flow.start(requester=alice)
    work()
    fresh = decide(Approval.objects.get(), bob, "edit", args={"n": 2}).approval
    decide(fresh, carol)
    engine.signal(run, "stop", None, sender=alice)
    work()
    assert list(Approval.objects.order_by("revision").values_list("status", flat=True)) == ["superseded", "cancelled"]
    assert Run.objects.get().output == "stop"


def test_a_terminal_shows_no_name_reason_or_rule_raw(
    gate: Any, decide: Any, bob: Any, carol: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    carol.username = "ca\u202erol\x1b[31m"
    carol.save()
    rule = {"when": "args.n == 1", "name": "\x1b[2J\u202e", "stages": [{"reviewers": FINANCE, "approvals": 2}]}
    approval = gate(reviewers=FINANCE, approvals=2, rules=[rule])
    decide(approval, carol, comment="\x1b]0;x\x07")
    create_delegation(carol, bob, ends_at=clock.now() + timedelta(days=1), actor=carol, reason="\x1b[31m\u202e")
    pk = str(approval.pk)
    for words in (["approvals", "show", pk], ["approvals", "explain", pk, "--as", "bob"], ["delegation", "list"]):
        for more in ([], ["--json"]):
            call_command("hitl", *words, *more)
            shown = capsys.readouterr()
            assert not {"\x1b", "\x07", "\u202e"} & set(shown.out + shown.err)
