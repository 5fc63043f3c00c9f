"""Parking and resuming by name: once, signals, ctx.approve; early, late, doubled and swallowed."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel

import hitl
from hitl import SYSTEM, Action, SignalTimeout, Workflow, audit, decisions, engine
from hitl.exceptions import BadInput, IdempotencyConflict, NotCanonical, RunEnded, UnknownRun
from hitl.models import Approval, Result, Run, Signal, Step

pytestmark = pytest.mark.django_db


def fresh(run: Run) -> Run:
    return Run.objects.get(pk=run.pk)


def one_step(handler: Any, name: str = "waits", **options: Any) -> Workflow:
    flow = Workflow(name)
    flow.step(handler, name="step", **options)
    return flow


def test_once_remembers_over_a_wait(work: Any) -> None:
    calls: list[str] = []

    def handler(ctx: Any) -> Any:
        first = ctx.once("call", lambda: calls.append("x") or {"n": (1, 2)})
        return [first, ctx.wait_for_signal("go"), ctx.once("after", lambda: 3)]

    run = one_step(handler).start(requester=SYSTEM)
    work()
    step = Step.objects.get(run=run)
    assert (step.status, step.waiting_for, step.lease_token) == ("waiting", "signal:go", None)
    assert fresh(run).status == "waiting"
    hitl.signal(run, "go", {"ok": True}, sender=SYSTEM)
    work()
    assert fresh(run).output == [{"n": [1, 2]}, {"ok": True}, 3]
    assert calls == ["x"]
    assert audit.verify(run.pk).code == 0


def test_once_keeps_what_was_done_before_a_failure(work: Any, pass_time: Any) -> None:
    calls: list[int] = []

    def handler(ctx: Any) -> str:
        ctx.once("pay", calls.append, 1)
        if ctx.attempt == 1:
            raise RuntimeError("after paying")
        return "paid"

    run = one_step(handler).start(requester=SYSTEM)
    work()
    pass_time(timedelta(minutes=5))
    work()
    assert (fresh(run).output, calls) == ("paid", [1])


def test_idempotency_keys_stay_the_same_over_attempts(work: Any, pass_time: Any) -> None:
    keys: list[str] = []

    def handler(ctx: Any) -> None:
        keys.append(ctx.idempotency_key("psp"))
        assert ctx.idempotency_key("psp") != ctx.idempotency_key("mail") != ctx.idempotency_key()
        if ctx.attempt == 1:
            raise RuntimeError("again")

    one_step(handler).start(requester=SYSTEM)
    work()
    pass_time(timedelta(minutes=5))
    work()
    assert len(keys) == 2
    assert len(set(keys)) == 1


def test_a_name_used_twice_is_refused_with_the_way_out(work: Any) -> None:
    def handler(ctx: Any) -> None:
        for number in range(2):
            ctx.once("send", lambda n=number: n)

    run = one_step(handler).start(requester=SYSTEM)
    work()
    assert (fresh(run).status, fresh(run).failure_code) == ("failed", "duplicate_name")
    assert "write f'send:{id}'" in fresh(run).failure_text


@pytest.mark.parametrize("bad", [float("nan"), {"k": object()}, "\ud800"])
def test_a_result_that_is_not_json_is_refused(bad: Any, work: Any) -> None:
    run = one_step(lambda ctx: ctx.once("bad", lambda: bad)).start(requester=SYSTEM)
    work()
    assert (fresh(run).status, fresh(run).failure_code) == ("failed", "not_json")
    assert Result.objects.count() == 0


def test_a_signal_before_the_wait_counts(work: Any) -> None:
    run = one_step(lambda ctx: ctx.wait_for_signal("go")).start(requester=SYSTEM)
    hitl.signal(run, "go", 1, sender=SYSTEM)
    hitl.signal(run, "go", 2, sender=SYSTEM)
    work()
    assert fresh(run).output == 1
    assert list(Signal.objects.order_by("id").values_list("consumed_at", flat=True))[1] is None


def test_signals_are_taken_in_order_and_once(work: Any) -> None:
    run = one_step(lambda ctx: [ctx.wait_for_signal("go"), ctx.once("x", lambda: 0)]).start(requester=SYSTEM)
    work()
    hitl.signal(run, "other", 9, sender=SYSTEM)
    assert Step.objects.get(run=run).status == "waiting"
    hitl.signal(run, "go", 1, sender=SYSTEM)
    assert Step.objects.get(run=run).status == "ready"
    hitl.signal(run, "go", 2, sender=SYSTEM)
    work()
    assert fresh(run).output == [1, 0]


def test_a_doubled_signal_counts_once(work: Any, alice: Any) -> None:
    run = one_step(lambda ctx: ctx.wait_for_signal("go")).start(requester=SYSTEM)
    first = hitl.signal(run, "go", 1, sender=alice, idempotency_key="k")
    assert hitl.signal(run, "go", 1, sender=alice, idempotency_key="k").pk == first.pk
    with pytest.raises(IdempotencyConflict):
        hitl.signal(run, "go", 2, sender=alice, idempotency_key="k")
    assert hitl.signal(run, "go", 3, sender=SYSTEM, idempotency_key="k").pk != first.pk
    assert Signal.objects.count() == 2


def test_a_wait_that_ends_by_time_raises_and_a_late_signal_is_marked(work: Any, pass_time: Any) -> None:
    seen: list[Any] = []

    def handler(ctx: Any) -> Any:
        try:
            return ctx.wait_for_signal("go", timeout=timedelta(minutes=10))
        except SignalTimeout as error:
            seen.append(error.code)
            return ctx.wait_for_signal("more", timeout=timedelta(minutes=10), default="nobody")

    run = one_step(handler).start(requester=SYSTEM)
    work()
    assert engine.sweep()["wake"] == 0
    pass_time(timedelta(minutes=11))
    assert engine.sweep()["wake"] == 1
    work()
    late = hitl.signal(run, "go", 1, sender=SYSTEM)
    assert (late.late, late.consumed_at) == (True, None)
    pass_time(timedelta(minutes=11))
    engine.sweep()
    work()
    assert fresh(run).output == "nobody"
    assert "signal_timeout" in seen
    assert audit.verify(run.pk).code == 0


def test_the_clock_decides_between_a_signal_and_a_timeout_not_the_sweep(work: Any, pass_time: Any) -> None:
    run = one_step(lambda ctx: ctx.wait_for_signal("go", timeout=timedelta(minutes=1), default="late")).start(
        requester=SYSTEM
    )
    work()
    pass_time(timedelta(minutes=2))
    assert hitl.signal(run, "go", 1, sender=SYSTEM).late
    work()
    assert fresh(run).output == "late"


def test_only_signals_from_people_may_stand_for_a_review(work: Any, alice: Any, agent_key: Any) -> None:
    handler = lambda ctx: ctx.wait_for_signal("ok", from_="people")  # noqa: E731
    run = one_step(handler).start(requester=SYSTEM)
    hitl.signal(run, "ok", "agent", sender=agent_key[0])
    work()
    assert Step.objects.get(run=run).status == "waiting"
    hitl.signal(run, "ok", "agent again", sender=agent_key[0])
    assert Step.objects.get(run=run).status == "waiting"
    hitl.signal(run, "ok", "a person", sender=alice)
    work()
    assert fresh(run).output == "a person"


class Go(BaseModel):
    """What a signal brings."""

    n: int


@pytest.mark.parametrize(
    "schema", [Go, {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}]
)
@pytest.mark.parametrize(("payload", "status"), [({"n": 1}, "succeeded"), ({"n": "x"}, "failed"), (None, "failed")])
def test_a_payload_is_checked_by_the_waits_schema(schema: Any, payload: Any, status: str, work: Any) -> None:
    def handler(ctx: Any) -> Any:
        found = ctx.wait_for_signal("go", schema=schema)
        return found.n if isinstance(found, Go) else found["n"]

    run = one_step(handler).start(requester=SYSTEM)
    hitl.signal(run, "go", payload, sender=SYSTEM)
    work()
    assert fresh(run).status == status
    assert fresh(run).output == (1 if status == "succeeded" else None)
    assert fresh(run).failure_code == ("" if status == "succeeded" else "bad_input")


def test_a_signal_to_an_ended_run_is_refused(work: Any) -> None:
    run = one_step(lambda ctx: 1).start(requester=SYSTEM)
    work()
    with pytest.raises(RunEnded):
        hitl.signal(run, "go", sender=SYSTEM)
    assert Signal.objects.count() == 0
    assert audit.timeline(run.stream)[-1].action == "hitl.signal.refused"
    with pytest.raises(UnknownRun):
        hitl.signal("01a1f863-9e38-7d5f-9cba-8408e9377f0d", "go", sender=SYSTEM)


@pytest.mark.parametrize(("name", "payload"), [("", 1), ("x" * 181, 1), ("n\0", 1), ("ok", float("nan")), ("ok", "\0")])
def test_a_bad_signal_is_refused(name: str, payload: Any, work: Any) -> None:
    run = one_step(lambda ctx: ctx.wait_for_signal("ok")).start(requester=SYSTEM)
    with pytest.raises(BadInput):
        hitl.signal(run, name, payload, sender=SYSTEM)
    with pytest.raises(NotCanonical):
        hitl.signal(run, "ok", 1, sender=SYSTEM, idempotency_key="\0")
    assert Signal.objects.count() == 0


def test_a_swallowed_pause_fails_the_step(work: Any) -> None:
    def handler(ctx: Any) -> str:
        with suppress(BaseException):  # what authors should not write
            ctx.wait_for_signal("go")
        return "went on"

    run = one_step(handler).start(requester=SYSTEM)
    work()
    assert (fresh(run).status, fresh(run).failure_code) == ("failed", "pause_swallowed")


# -- ctx.approve --------------------------------------------------------------------------------------

SEND = Action({"to": "x", "amount": 5}, type="send", title="Send 5", impact="It is sent")


def approving(done: list[Any]) -> Any:
    def handler(ctx: Any) -> Any:
        answer = ctx.approve("release", SEND, reviewers=["group:finance"], timeout=timedelta(hours=1))
        if not answer.approved:
            return {"status": answer.status, "why": answer.comment}
        return ctx.once("send", lambda: done.append(answer.action.amount) or {"sent": answer.action.amount})

    return handler


@pytest.fixture
def asked(bob: Any, carol: Any, alice: Any, work: Any) -> Any:
    done: list[Any] = []
    run = one_step(approving(done)).start(requester=alice)
    work()
    approval = Approval.objects.get(run=run)
    assert (approval.key, approval.status) == ("release", "pending")
    assert Step.objects.get(run=run).waiting_for == "approval:release"
    return run, approval, done


def test_an_approval_inside_a_handler_is_consumed_when_it_is_entered_again(asked: Any, bob: Any, work: Any) -> None:
    run, approval, done = asked
    decisions.decide(approval, actor=bob, verdict="edit", digest=approval.digest, args={"to": "x", "amount": 3})
    assert done == []
    work()
    assert (fresh(run).output, done) == ({"sent": 3}, [3])
    approval.refresh_from_db()
    assert approval.consumed_by.name == "step"
    assert audit.verify(run.pk).code == 0


def test_a_no_comes_back_as_an_answer(asked: Any, bob: Any, work: Any) -> None:
    run, approval, done = asked
    decisions.decide(approval, actor=bob, verdict="reject", digest=approval.digest, comment="not now")
    work()
    assert fresh(run).output == {"status": "rejected", "why": "not now"}
    assert done == []


def test_silence_comes_back_as_expired_and_never_as_a_no(asked: Any, work: Any, pass_time: Any) -> None:
    run, approval, _ = asked
    pass_time(timedelta(hours=2))
    assert engine.sweep()["expire"] == 1
    work()
    assert fresh(run).output == {"status": "expired", "why": ""}
    approval.refresh_from_db()
    assert (approval.status, approval.decided_via) == ("expired", "timeout")


def test_a_revoked_approval_comes_back_as_revoked(asked: Any, bob: Any, work: Any) -> None:
    run, approval, done = asked
    decisions.decide(approval, actor=bob, verdict="approve", digest=approval.digest)
    decisions.revoke(approval, actor=bob, reason="slip")
    work()
    assert fresh(run).output["status"] == "revoked"
    assert done == []


def test_asking_again_with_other_bytes_makes_a_revision(bob: Any, alice: Any, work: Any) -> None:
    amounts = [5]

    def handler(ctx: Any) -> Any:
        ctx.wait_for_signal("go", timeout=timedelta(hours=1), default=None) if ctx.attempt > 1 else None
        action = Action({"amount": amounts[0]}, type="send", title="Send", impact="Sent")
        return ctx.approve("x", action, reviewers=["user:bob"]).action.amount

    run = one_step(handler).start(requester=alice)
    work()
    first = Approval.objects.get(run=run)
    amounts[0] = 7
    # What a rescue does: the step is entered again while its request is still pending.
    Step.objects.filter(run=run).update(status="ready", waiting_for="", ready_at=first.opened_at)
    work()
    first.refresh_from_db()
    second = Approval.objects.get(run=run, revision=2)
    assert (first.status, second.status, second.supersedes_id) == ("superseded", "pending", first.pk)
    with pytest.raises(hitl.HitlError) as error:
        decisions.decide(first, actor=bob, verdict="approve", digest=first.digest)
    assert (error.value.code, error.value.details["revision"]) == ("stale_approval", 2)
    decisions.decide(second, actor=bob, verdict="approve", digest=second.digest)
    work()
    assert fresh(run).output == 7
