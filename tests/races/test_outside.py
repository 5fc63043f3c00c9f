"""Agents outside against each other, against people and against time: what is taken is taken once, by one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

import hitl
from hitl import Action, Workflow, clock, decisions, engine
from hitl.definition.gates import gate_spec
from hitl.engine import outcome as outcomes
from hitl.engine import outside
from hitl.engine.sweeps.rescue import rescue
from hitl.engine.sweeps.wake import _wake
from hitl.exceptions import HitlError
from hitl.models import ApiKey, Approval, Run, Step
from hitl.policies import apply_policy, create_key
from tests.races.conftest import Race, recorded, say, told, whole
from tests.races.test_time import sweeping

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("whole_house")]
Asks = Callable[..., Approval]
ACTION = Action({"amount": 900}, type="refund", title="Refund 900", impact="Money leaves")


@pytest.fixture
def key(alice: Any, bob: Any, carol: Any) -> ApiKey:
    """A program of alice's."""
    for name, approvals in (("refunds", 1), ("two-eyes", 2)):
        stage = {"reviewers": ["group:finance"], "approvals": approvals, "timeout": "4h"}
        apply_policy({"name": name, "default": {"stages": [stage]}}, actor=alice)
    scopes = ["approvals:request", "approvals:read", "steps:work"]
    return create_key("robot", owner=alice, scopes=scopes, policies=["*"], limits={"pending": 10_000}, actor=alice)[0]


@pytest.fixture
def asks(key: ApiKey) -> Asks:
    """A fresh request of the program's; the options are those of `outside.ask`, or of its gate."""

    def ask(*, policy: str = "refunds", execute_within: Any = None, **more: Any) -> Approval:
        gate = gate_spec("this", policy=policy, execute_within=execute_within)
        return outside.ask(ACTION, gate, actor=key, **more)

    return ask


@pytest.fixture
def granted(asks: Asks, bob: Any) -> Asks:
    """One that bob approved."""

    def ask(**options: Any) -> Approval:
        approval = asks(**options)
        say(approval, bob)()
        return approval

    return ask


def takes(approval: Approval, key: ApiKey) -> Callable[[], outside.Taken]:
    return partial(outside.take, approval.pk, actor=key)


def test_two_resumes_of_one_approval(race: Race, granted: Asks, key: ApiKey) -> None:
    """One runs it; the other one is told that it was taken."""
    for approval in race.rounds(granted):
        results = race(takes(approval, key), takes(approval, key), hold=approval.run_id)
        assert sorted(told(result) for result in results) == ["already_consumed", "done"]
        race.won(0 if told(results[0]) == "done" else 1)
        assert whole(approval).consumed_by_id is not None
        assert recorded(approval, "grant.consumed") == 1


@pytest.mark.parametrize("end", ["rejected", "cancelled", "expired"])
def test_two_resumes_of_another_end(race: Race, asks: Asks, key: ApiKey, bob: Any, end: str) -> None:
    def over() -> Approval:
        approval = asks()
        if end == "rejected":
            say(approval, bob, "reject")()
        elif end == "cancelled":
            decisions.cancel(approval, actor=key)
        else:
            clock.move(timedelta(hours=5))
        return approval

    for approval in race.rounds(over, times=5):
        results = race(takes(approval, key), takes(approval, key), hold=approval.run_id)
        assert sorted(told(result) for result in results) == ["already_consumed", "done"]
        race.won(0 if told(results[0]) == "done" else 1)
        now = whole(approval)
        assert (now.status, now.taken_at is not None, now.consumed_at) == (end, True, None)
        assert recorded(approval, "approval.taken") == 1


def test_a_resume_against_a_revoke(race: Race, granted: Asks, key: ApiKey, bob: Any) -> None:
    """It runs, and cannot be taken back; or it was taken back, and what is taken says so."""
    for approval in race.rounds(granted):
        taken, revoked = race(
            takes(approval, key), partial(decisions.revoke, approval.pk, actor=bob, reason="slip"), hold=approval.run_id
        )
        now = whole(approval)
        if told(revoked) == "done":
            race.won(1)
            assert (now.status, now.consumed_at, taken.token, taken.told.approved) == ("revoked", None, None, False)
        else:
            race.won(0)
            assert (told(revoked), now.status, taken.token is not None) == ("already_consumed", "approved", True)
        assert recorded(approval, "grant.consumed", "approval.revoked") == 1


def test_a_resume_against_the_end_of_its_run(race: Race, granted: Asks, key: ApiKey, alice: Any) -> None:
    for approval in race.rounds(granted):
        taken, ended = race(
            takes(approval, key), partial(hitl.cancel, approval.run_id, actor=alice), hold=approval.run_id
        )
        now = whole(approval)
        race.won(1 if taken.token is None else 0)
        assert (told(ended), now.run.status) == ("done", "cancelled")
        if taken.token is None:
            assert (now.status, now.taken_at is not None) == ("revoked", True)
            continue
        assert now.status == "approved"
        with pytest.raises(HitlError, match="lease"):
            outside.report(approval.pk, taken.token, actor=key, output=1)


def test_a_resume_against_a_freeze(race: Race, granted: Asks, key: ApiKey, root: Any) -> None:
    """Nothing begins under it, and whoever froze is told of what had begun."""
    for approval in race.rounds(granted):
        taken, frozen = race(
            takes(approval, key), partial(hitl.freeze, "all", actor=root, reason="stop"), hold=approval.run_id
        )
        now = whole(approval)
        if isinstance(taken, HitlError):
            race.won(1)
            assert (told(taken), now.consumed_at) == ("frozen", None)
            hitl.unfreeze("all", actor=root)
            assert outside.take(approval.pk, actor=key).token
        else:
            race.won(0)
            assert now.consumed_by_id in [step.pk for step in frozen], "it began, and whoever froze was not told"
            hitl.unfreeze("all", actor=root)
        assert recorded(approval, "grant.consumed") == 1


def test_a_resume_against_the_end_of_its_time(race: Race, granted: Asks, key: ApiKey) -> None:
    """It starts in time, or what is taken says that it is too late."""
    race.by_clock = True  # whoever moves the clock first has won; both orders are run one after the other
    for approval in race.rounds(granted):

        def lapse(approval: Approval = approval) -> bool:
            clock.move(timedelta(hours=25))
            return sweeping(decisions.expire_grant, approval)

        taken, lapsed = race(takes(approval, key), lapse, hold=approval.run_id)
        now = whole(approval)
        race.won(1 if taken.token is None else 0)
        if taken.token is None:
            assert (now.status, now.consumed_at, now.run.failure_code) == ("expired", None, "grant_expired")
        else:
            assert (lapsed, now.status, now.consumed_at is not None) == (False, "approved", True)
        assert recorded(approval, "grant.consumed", "approval.expired") == 1


def test_a_report_against_the_end_of_its_lease(race: Race, granted: Asks, key: ApiKey) -> None:
    """Told in time, or uncertain: never both."""
    race.by_clock = True

    def begun() -> tuple[Approval, outside.Taken]:
        approval = granted(report_within=60)
        return approval, outside.take(approval.pk, actor=key)

    for approval, taken in race.rounds(begun):
        step = Step.objects.get(run=approval.run_id, name="act")

        def end(step: Step = step) -> bool:
            clock.move(timedelta(seconds=61))
            return sweeping(rescue, step)

        reported, rescued = race(
            partial(outside.report, approval.pk, taken.token, actor=key, output="paid"), end, hold=approval.run_id
        )
        step.refresh_from_db()
        if told(reported) == "done":
            race.won(0)
            assert (rescued, step.status, whole(approval).run.output) == (False, "succeeded", "paid")
        else:
            race.won(1)
            assert (told(reported), step.status, whole(approval).run.status) == ("lease_lost", "uncertain", "waiting")
        assert recorded(approval, "step.succeeded", "step.uncertain") == 1


def test_two_reports(race: Race, granted: Asks, key: ApiKey) -> None:
    def begun() -> tuple[Approval, outside.Taken]:
        approval = granted()
        return approval, outside.take(approval.pk, actor=key)

    for approval, taken in race.rounds(begun):
        good = partial(outside.report, approval.pk, taken.token, actor=key, output="paid")
        bad = partial(outside.report, approval.pk, taken.token, actor=key, error="not paid")
        results = race(good, bad, hold=approval.run_id)
        assert sorted(told(result) for result in results) == ["done", "lease_lost"]
        won = 0 if told(results[0]) == "done" else 1
        race.won(won)
        assert whole(approval).run.status == ("succeeded", "failed")[won]


@pytest.fixture
def revisable(asks: Asks, bob: Any) -> Callable[[], Approval]:
    """One that bob wants done differently."""

    def ask() -> Approval:
        approval = asks()
        say(approval, bob, "request_revision")()
        return approval

    return ask


def revises(approval: Approval, key: ApiKey, amount: int) -> Callable[[], Approval]:
    other = Action({"amount": amount}, type="refund", title="Refund less", impact="Money leaves")
    return partial(outside.revise, approval.pk, other, actor=key)


def test_two_revisions_at_once(race: Race, revisable: Any, key: ApiKey) -> None:
    """There is one next revision."""
    for approval in race.rounds(revisable):
        results = race(revises(approval, key, 1), revises(approval, key, 2), hold=approval.run_id)
        assert sorted(told(result) for result in results) == ["already_decided", "done"]
        won = 0 if told(results[0]) == "done" else 1
        race.won(won)
        (fresh,) = Approval.objects.filter(run=approval.run_id, revision=2)
        assert (fresh.args, fresh.status, whole(approval).status) == (
            {"amount": won + 1}, "pending", "revision_requested",
        )  # fmt: skip


def test_a_revision_against_its_deadline(race: Race, revisable: Any, key: ApiKey) -> None:
    race.by_clock = True
    for approval in race.rounds(revisable):
        gate = Step.objects.get(run=approval.run_id, name="ask")

        def end(gate: Step = gate) -> bool:
            clock.move(timedelta(hours=5))
            return sweeping(_wake, gate)

        revised, ended = race(revises(approval, key, 1), end, hold=approval.run_id)
        now = whole(approval)
        race.won(0 if told(revised) == "done" else 1)
        if told(revised) == "done":
            assert (ended, now.run.status) == (False, "waiting")
        else:
            assert (told(revised), ended, now.run.failure_code) == ("already_decided", True, "revision_expired")


def test_a_decision_against_the_agent_s_cancel(race: Race, asks: Asks, key: ApiKey, bob: Any) -> None:
    for approval in race.rounds(asks):
        decided, cancelled = race(
            say(approval, bob), partial(decisions.cancel, approval.pk, actor=key), hold=approval.run_id
        )
        now = whole(approval)
        if told(cancelled) == "done":
            race.won(1)
            assert (told(decided), now.status, now.run.status) == ("approval_closed", "cancelled", "cancelled")
            assert outside.take(approval.pk, actor=key).token is None
        else:
            race.won(0)
            assert (told(cancelled), now.status) == ("already_decided", "approved")
            assert outside.take(approval.pk, actor=key).token


def test_a_resume_against_an_edit_that_makes_a_revision(race: Race, asks: Asks, key: ApiKey, bob: Any) -> None:
    """Nothing is decided by it, so nothing is taken."""
    for approval in race.rounds(partial(asks, policy="two-eyes")):
        taken, edited = race(takes(approval, key), say(approval, bob, "edit", args={"amount": 1}), hold=approval.run_id)
        assert (told(taken), told(edited), whole(approval).status) == ("not_decided", "done", "superseded")


# -- external steps -----------------------------------------------------------------------------------


@pytest.fixture
def films(alice: Any) -> Callable[[], Run]:
    """A run with an external step."""
    flow = Workflow("film")
    flow.step(name="render", external=True, queue="gpu", backoff=timedelta(milliseconds=1))
    return lambda: flow.start(requester=alice)


def claims(key: ApiKey, run: Run) -> Callable[[], Any]:
    """A worker that looks for work; what other rounds left is not ready any more."""
    return partial(outside.claim_external, ["gpu"], actor=key)


def test_two_workers_and_one_step(race: Race, films: Any, key: ApiKey) -> None:
    for run in race.rounds(films):
        results = race(claims(key, run), claims(key, run), hold=run.pk)
        assert results.count(None) == 1
        race.won(1 if results[0] is None else 0)
        (claimed,) = [result for result in results if result is not None]
        outcomes.write(outside.hold(claimed.step.pk, claimed.step.lease_token, actor=key), "film")
        assert Run.objects.get(pk=run.pk).status == "succeeded"


def test_an_outcome_against_the_end_of_its_lease(race: Race, films: Any, key: ApiKey) -> None:
    race.by_clock = True
    for run in race.rounds(films):
        claimed = outside.claim_external(["gpu"], actor=key)
        assert claimed is not None

        def end(step: Step = claimed.step) -> bool:
            clock.move(timedelta(minutes=2))
            return sweeping(rescue, step)

        held = partial(outside.hold, claimed.step.pk, claimed.step.lease_token, actor=key, ends=True)
        written, rescued = race(lambda held=held: outcomes.write(held(), "film"), end, hold=run.pk)
        step = Step.objects.get(pk=claimed.step.pk)
        if told(written) == "done":
            race.won(0)
            assert (rescued, step.status, step.attempt) == (False, "succeeded", 1)
        else:
            race.won(1)
            assert (told(written), step.status, step.attempt) == ("lease_lost", "ready", 2)
            engine.cancel(run, actor=key)


def test_a_signal_against_the_step_that_is_about_to_wait(race: Race, films: Any, key: ApiKey) -> None:
    """It is answered at once, or woken: a signal is never lost between both."""
    for run in race.rounds(films):
        claimed = outside.claim_external(["gpu"], actor=key)
        assert claimed is not None
        held = outside.hold(claimed.step.pk, claimed.step.lease_token, actor=key)
        waited, sent = race(
            lambda held=held: outside.act(held, lambda ctx: ctx.wait_for_signal("go")),
            partial(hitl.signal, run.pk, "go", 7, sender=hitl.SYSTEM),
            hold=run.pk,
        )
        assert told(sent) == "done"
        parked, value = waited
        race.won(0 if parked else 1)
        step = Step.objects.get(pk=claimed.step.pk)
        assert (step.status, value) == (("ready", None) if parked else ("running", 7))
        engine.cancel(run, actor=key)


def test_a_cancel_against_an_outcome(race: Race, films: Any, key: ApiKey, alice: Any) -> None:
    for run in race.rounds(films):
        claimed = outside.claim_external(["gpu"], actor=key)
        assert claimed is not None
        held = partial(outside.hold, claimed.step.pk, claimed.step.lease_token, actor=key, ends=True)
        written, cancelled = race(
            lambda held=held: outcomes.write(held(), "film"), partial(hitl.cancel, run.pk, actor=alice), hold=run.pk
        )
        race.won(0 if told(written) == "done" else 1)
        assert (told(written), told(cancelled), Run.objects.get(pk=run.pk).status) in {
            ("done", "run_ended", "succeeded"), ("lease_lost", "done", "cancelled"),
        }  # fmt: skip
