"""The protected step starts, or it does not: claims against whatever takes the grant or the start away."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection

import hitl
from hitl import Workflow, clock, decisions, transitions
from hitl.engine.claim import Claimed, Picked, claim
from hitl.exceptions import AlreadyConsumed
from hitl.models import Approval, Step
from tests.races.conftest import Asking, Race, recorded, say, told, whole
from tests.races.test_time import sweeping

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("whole_house")]

Gate = Callable[..., Asking]


@pytest.fixture
def granted(gate: Gate, bob: Any) -> Callable[[], Approval]:
    """A fresh approved request, whose protected step is ready."""
    asking = gate()

    def approve() -> Approval:
        approval = asking()
        say(approval, bob)()
        return approval

    return approve


def picked(run_id: Any, name: str = "act") -> Picked:
    step = Step.objects.select_related("run").get(run=run_id, name=name)
    return Picked(step.pk, step.run_id, step.name, step.run.workflow_id, step.guarded, False)


def start(approval: Approval) -> Callable[[], Claimed | None]:
    """A worker that has seen the step, and tries to claim it."""
    return partial(claim, picked(approval.run_id))


def test_claim_against_revoke(race: Race, granted: Any, bob: Any) -> None:
    for approval in race.rounds(granted):
        claimed, revoked = race(
            start(approval), partial(decisions.revoke, approval, actor=bob, reason="slip"), hold=approval.run_id
        )
        race.won(1 if claimed is None else 0)
        now = whole(approval)
        if claimed is None:
            assert (told(revoked), now.status, now.consumed_at, now.run.status) == ("done", "revoked", None, "rejected")
        else:
            assert isinstance(revoked, AlreadyConsumed)
            assert (told(revoked), now.status, now.consumed_by_id) == (
                "already_consumed", "approved", claimed.step.pk,
            )  # fmt: skip
        assert recorded(approval, "grant.consumed", "approval.revoked") == 1


def test_claim_against_cancel(race: Race, granted: Any, alice: Any) -> None:
    for approval in race.rounds(granted):
        claimed, cancelled = race(
            start(approval), partial(hitl.cancel, approval.run_id, actor=alice), hold=approval.run_id
        )
        race.won(1 if claimed is None else 0)
        now = whole(approval)
        assert (told(cancelled), now.run.status) == ("done", "cancelled")
        assert (now.consumed_at is None) == (claimed is None)
        assert now.status == ("revoked" if claimed is None else "approved")
        assert recorded(approval, "grant.consumed", "approval.revoked") == 1


@pytest.mark.parametrize("target", ["run", "all"])
def test_claim_against_freeze(race: Race, granted: Any, root: Any, work: Any, target: str) -> None:
    """Nothing starts under a freeze; what had started is named by whoever froze, and goes on after it is lifted."""
    for approval in race.rounds(granted):
        what = f"run:{approval.run_id}" if target == "run" else "all"
        claimed, frozen = race(
            start(approval), partial(hitl.freeze, what, actor=root, reason="stop"), hold=approval.run_id
        )
        race.won(1 if claimed is None else 0)
        assert start(approval)() is None
        now = whole(approval)
        assert (now.status, now.consumed_at is None) == ("approved", claimed is None)
        if claimed is not None:
            assert claimed.step.pk in [step.pk for step in frozen], "it started, and whoever froze was not told"
        hitl.unfreeze(what, actor=root)
        assert (start(approval)() is None) == (claimed is not None)
        assert recorded(approval, "grant.consumed") == 1


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_freeze_while_a_claim_is_about_to_commit(granted: Any, root: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A claim that has looked for freezes and found none: either it is undone, or whoever freezes hears of it."""
    approval = granted()
    begin, looked, go = start(approval), threading.Event(), threading.Event()
    mine = threading.get_ident()

    def hold_up(name: str) -> None:
        if name == "before_commit" and threading.get_ident() != mine:
            looked.set()
            go.wait(1)

    monkeypatch.setattr(transitions, "crashpoint", hold_up)

    def work() -> Claimed | None:
        try:
            return begin()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        claiming = pool.submit(work)
        assert looked.wait(30)
        in_flight = [step.pk for step in hitl.freeze("all", actor=root, reason="stop")]
        go.set()
        claimed = claiming.result(30)
    assert claimed is None or claimed.step.pk in in_flight


def test_two_claims_of_one_grant(race: Race, granted: Any) -> None:
    for approval in race.rounds(granted):
        results = race(start(approval), start(approval), hold=approval.run_id)
        assert results.count(None) == 1
        race.won(1 if results[0] is None else 0)
        assert whole(approval).consumed_by_id is not None
        assert recorded(approval, "grant.consumed") == 1


def test_claim_against_the_end_of_its_time(race: Race, granted: Any) -> None:
    """`execute_by` passes: it starts in time, or never."""
    race.by_clock = True  # whoever moves the clock first has won; both orders are run one after the other
    for approval in race.rounds(granted):

        def lapse(approval: Approval = approval) -> bool:
            clock.move(timedelta(hours=25))
            return sweeping(decisions.expire_grant, approval)

        claimed, lapsed = race(start(approval), lapse, hold=approval.run_id)
        race.won(1 if claimed is None else 0)
        now = whole(approval)
        if claimed is None:
            assert (now.status, now.consumed_at, now.run.failure_code) == ("expired", None, "grant_expired")
        else:
            assert (lapsed, now.status, now.consumed_by_id) == (False, "approved", claimed.step.pk)
        assert recorded(approval, "grant.consumed", "approval.expired") == 1


def test_revoke_against_the_end_of_its_time(race: Race, granted: Any, bob: Any) -> None:
    for approval in race.rounds(granted):

        def lapse(approval: Approval = approval) -> bool:
            clock.move(timedelta(hours=25))
            return sweeping(decisions.expire_grant, approval)

        revoked, lapsed = race(
            partial(decisions.revoke, approval, actor=bob, reason="slip"), lapse, hold=approval.run_id
        )
        race.won(1 if lapsed else 0)
        assert told(revoked) == ("approval_closed" if lapsed else "done")
        assert whole(approval).status == ("expired" if lapsed else "revoked")
        assert recorded(approval, "approval.expired", "approval.revoked") == 1


def test_two_claims_of_a_plain_step(race: Race, alice: Any) -> None:
    flow = Workflow("plain")
    flow.step(lambda ctx: 1, name="a")
    for run in race.rounds(lambda: flow.start(requester=alice)):
        chosen = picked(run.pk, "a")
        results = race(partial(claim, chosen), partial(claim, chosen), hold=run.pk)
        assert results.count(None) == 1
        race.won(1 if results[0] is None else 0)
        assert Step.objects.get(run=run).status == "running"
