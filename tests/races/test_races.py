"""The races, on real concurrent PostgreSQL connections released by a barrier: one side wins, the other is told.

`HITL_RACES=200` sets how often each pair is run (the default is what CI has time for).
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

import hitl
from hitl import SYSTEM, Action, Workflow, audit, decisions, engine
from hitl.engine.claim import Picked, claim
from hitl.exceptions import HitlError, RunBusy
from hitl.models import Approval, Decision, Run, Signal, Step
from tests.races.conftest import Pair

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(600),
    pytest.mark.usefixtures("whole_house"),
]

TIMES = int(os.environ.get("HITL_RACES", "200"))


@pytest.fixture
def asked(refund: Any, alice: Any, bob: Any, carol: Any, work: Any) -> Callable[[], Approval]:
    """A fresh waiting approval each time."""

    def ask() -> Approval:
        run = refund.start(requester=alice)
        work()
        return Approval.objects.get(run=run)

    return ask


def say(approval: Approval, actor: Any, verdict: str) -> Callable[[], Any]:
    return lambda: decisions.decide(
        approval.pk, actor=actor, verdict=verdict, digest=approval.digest, comment="as I think"
    )


def whole(approval: Approval) -> Approval:
    """The approval as it is now; its run's chain must be intact."""
    assert audit.verify(approval.run_id).code == 0
    return Approval.objects.select_related("run").get(pk=approval.pk)


def one_record(approval: Approval, *actions: str) -> None:
    found = [line.action.removeprefix("hitl.") for line in audit.timeline(f"run:{approval.run_id}")]
    assert sum(found.count(action) for action in actions) == 1, found


def test_approve_against_reject(pair: Pair, asked: Any, bob: Any, carol: Any) -> None:
    outcomes: Counter[str] = Counter()
    for _ in range(TIMES):
        approval = asked()
        results = pair.race(say(approval, bob, "approve"), say(approval, carol, "reject"))
        errors = [result for result in results if isinstance(result, HitlError)]
        assert [error.code for error in errors] == ["already_decided"]
        now = whole(approval)
        assert now.status == errors[0].details["status"]
        assert Decision.objects.filter(approval=approval).count() == 1
        one_record(approval, "approval.approved", "approval.rejected")
        outcomes[now.status] += 1
    assert sum(outcomes.values()) == TIMES


def test_two_approvals_at_once(pair: Pair, asked: Any, bob: Any, carol: Any, work: Any, refund: Any) -> None:
    for _ in range(TIMES):
        approval = asked()
        results = pair.race(say(approval, bob, "approve"), say(approval, carol, "approve"))
        assert sorted(getattr(result, "code", "won") for result in results) == ["already_decided", "won"]
        assert whole(approval).status == "approved"
    work()
    assert len(refund.paid) == TIMES


def test_a_double_click(pair: Pair, asked: Any, bob: Any) -> None:
    for _ in range(TIMES):
        approval = asked()
        results = pair.race(say(approval, bob, "approve"), say(approval, bob, "approve"))
        assert sorted(result.duplicate for result in results) == [False, True]
        assert Decision.objects.filter(approval=approval).count() == 1
        whole(approval)


def test_decide_against_expire(pair: Pair, asked: Any, bob: Any) -> None:
    outcomes: Counter[str] = Counter()
    for number in range(TIMES):
        approval = asked()
        with connection.cursor() as cursor:  # the deadline falls into the race itself
            cursor.execute(
                "UPDATE hitl_approval SET expires_at = clock_timestamp() + %s WHERE id = %s",
                [timedelta(microseconds=400 + 150 * (number % 40)), approval.pk],
            )

        def expire(approval: Approval = approval) -> bool:
            while Approval.objects.get(pk=approval.pk).is_pending:
                with suppress(RunBusy):
                    if decisions.expire(approval):
                        return True
            return False

        decided, expired = pair.race(say(approval, bob, "approve"), expire)
        now = whole(approval)
        if isinstance(decided, HitlError):
            assert (decided.code, now.status, now.run.status) == ("approval_closed", "expired", "failed")
        else:
            assert (now.status, expired) == ("approved", False)
            assert now.decided_at is not None
            assert now.decided_at < now.expires_at
        one_record(approval, "approval.approved", "approval.expired")
        outcomes[now.status] += 1
    assert set(outcomes) == {"approved", "expired"}, "the race never went both ways"


def test_decide_against_cancel(pair: Pair, asked: Any, bob: Any, alice: Any, work: Any, refund: Any) -> None:
    for _ in range(TIMES):
        approval = asked()
        decided, cancelled = pair.race(
            say(approval, bob, "approve"), lambda a=approval: hitl.cancel(a.run_id, actor=alice)
        )
        now = whole(approval)
        assert now.run.status == "cancelled"
        assert not isinstance(cancelled, HitlError)
        if isinstance(decided, HitlError):
            assert (decided.code, now.status) == ("approval_closed", "cancelled")
        else:
            assert now.status == "revoked"
    assert work() == 0
    assert refund.paid == []


def picked(approval: Approval) -> Picked:
    step = Step.objects.select_related("run").get(run=approval.run_id, name="pay")
    return Picked(step.pk, step.run_id, step.name, step.run.workflow_id, step.guarded, False)


def test_claim_against_revoke(pair: Pair, asked: Any, bob: Any) -> None:
    for _ in range(TIMES):
        approval = asked()
        say(approval, bob, "approve")()
        chosen = picked(approval)
        claimed, revoked = pair.race(
            lambda p=chosen: claim(p), lambda a=approval: decisions.revoke(a.pk, actor=bob, reason="slip")
        )
        now = whole(approval)
        if claimed is None:
            assert (now.status, now.consumed_at, now.run.status) == ("revoked", None, "rejected")
        else:
            assert (now.status, now.consumed_by_id) == ("approved", claimed.step.pk)
            assert revoked.code == "already_consumed"
        one_record(approval, "grant.consumed", "approval.revoked")


def test_claim_against_cancel(pair: Pair, asked: Any, bob: Any, alice: Any) -> None:
    for _ in range(TIMES):
        approval = asked()
        say(approval, bob, "approve")()
        chosen = picked(approval)
        claimed, _ = pair.race(lambda p=chosen: claim(p), lambda a=approval: hitl.cancel(a.run_id, actor=alice))
        now = whole(approval)
        assert now.run.status == "cancelled"
        assert (now.consumed_at is None) == (claimed is None)
        assert now.status == ("revoked" if claimed is None else "approved")
        one_record(approval, "grant.consumed", "approval.revoked")


def test_two_claims_of_one_grant(pair: Pair, asked: Any, bob: Any) -> None:
    for _ in range(TIMES):
        approval = asked()
        say(approval, bob, "approve")()
        chosen = picked(approval)
        results = pair.race(lambda p=chosen: claim(p), lambda p=chosen: claim(p))
        assert [result is None for result in results].count(True) == 1
        whole(approval)
        one_record(approval, "grant.consumed")


def test_two_claims_of_a_plain_step(pair: Pair, alice: Any) -> None:
    flow = Workflow("plain")
    flow.step(lambda ctx: 1, name="a")
    for _ in range(TIMES):
        run = flow.start(requester=alice)
        step = Step.objects.get(run=run)
        chosen = Picked(step.pk, run.pk, "a", run.workflow_id, False, False)
        results = pair.race(lambda p=chosen: claim(p), lambda p=chosen: claim(p))
        assert [result is None for result in results].count(True) == 1


def test_siblings_ending_at_once(pair: Pair, alice: Any, work: Any) -> None:
    together = threading.Barrier(2)
    flow = Workflow("siblings")
    joined: list[str] = []
    flow.step(lambda ctx: together.wait(30) and None, name="left")
    flow.step(lambda ctx: together.wait(30) and None, name="right")
    flow.step(lambda ctx: joined.append(ctx.run_id), name="join", after=["left", "right"])
    for _ in range(TIMES):
        run = flow.start(requester=alice)
        steps = {step.name: step for step in Step.objects.filter(run=run)}

        def end(name: str, run: Run = run, steps: dict[str, Step] = steps) -> None:
            from hitl.engine.execute import execute

            claimed = claim(Picked(steps[name].pk, run.pk, name, run.workflow_id, False, False))
            assert claimed is not None
            execute(claimed)

        pair.race(lambda: end("left"), lambda: end("right"))
        assert dict(Step.objects.filter(run=run).values_list("name", "status")) == {
            "left": "succeeded",
            "right": "succeeded",
            "join": "ready",
        }
        work()
        assert audit.verify(run.pk).code == 0
        assert Run.objects.get(pk=run.pk).status == "succeeded"
    assert len(joined) == TIMES


def test_the_last_votes_of_a_quorum(alice: Any, work: Any, finance: Any) -> None:
    from django.contrib.auth import get_user_model

    voters = [get_user_model().objects.create(username=f"voter{n}") for n in range(8)]
    for voter in voters:
        voter.groups.add(finance)
    flow = Workflow("quorum")
    flow.step(lambda ctx: Action({"n": 1}, type="do", title="Do", impact="Done"), name="draft")
    flow.approval("ask", after="draft", reviewers=["group:finance"], approvals=4)
    flow.step(lambda ctx: 1, name="act", after="ask")
    eight = Pair(8)
    for _ in range(max(20, TIMES // 8)):
        run = flow.start(requester=alice)
        work()
        approval = Approval.objects.get(run=run)
        results = eight.race(*(say(approval, voter, "approve") for voter in voters))
        won = [result for result in results if not isinstance(result, HitlError)]
        assert len(won) == 4
        assert [outcome.open for outcome in won].count(False) == 1
        assert {error.code for error in results if isinstance(error, HitlError)} == {"already_decided"}
        assert Decision.objects.filter(approval=approval).values("actor").distinct().count() == 4
        assert whole(approval).status == "approved"
    eight.close()


def test_one_key_starts_one_run(pair: Pair, alice: Any) -> None:
    flow = Workflow("keyed")
    flow.step(lambda ctx: 1, name="a")
    flow.start(requester=alice)
    for number in range(TIMES):
        start = lambda key=f"k{number}": flow.start({"n": 1}, requester=alice, idempotency_key=key)  # noqa: E731
        first, second = pair.race(start, start)
        assert first.pk == second.pk
        assert Run.objects.filter(idempotency_key=f"k{number}").count() == 1


def test_a_signal_against_the_wait_is_never_lost(pair: Pair, alice: Any, work: Any) -> None:
    flow = Workflow("waits")
    flow.step(lambda ctx: ctx.wait_for_signal("go"), name="a")
    for number in range(TIMES):
        run = flow.start(requester=alice)
        pair.race(work, lambda r=run, n=number: hitl.signal(r, "go", n, sender=SYSTEM))
        work()
        run.refresh_from_db()
        assert (run.status, run.output) == ("succeeded", number)
        assert Signal.objects.filter(run=run).exclude(consumed_at=None).count() == 1


def test_a_doubled_signal_against_itself(pair: Pair, alice: Any, work: Any) -> None:
    flow = Workflow("doubled")
    flow.step(lambda ctx: [ctx.wait_for_signal("go")], name="a")
    for _ in range(TIMES):
        run = flow.start(requester=alice)
        send = lambda r=run: hitl.signal(r, "go", 1, sender=alice, idempotency_key="k")  # noqa: E731
        first, second = pair.race(send, send)
        assert first.pk == second.pk
        assert Signal.objects.filter(run=run).count() == 1


def test_two_sweeps_move_each_row_once(pair: Pair, asked: Any, pass_time: Any) -> None:
    approvals = [asked() for _ in range(30)]
    pass_time(timedelta(hours=5))
    results = pair.race(engine.sweep, engine.sweep)
    engine.sweep()
    assert sum(result["expire"] for result in results) <= len(approvals)
    for approval in approvals:
        assert whole(approval).status == "expired"
        one_record(approval, "approval.expired")
