"""kill -9 inside every kind of wait, at every point: recovery ends exactly as the undisturbed run does.

Everything that acts (workers, sweeps, people's clicks, senders) acts in a forked process of its own, which dies when it
reaches a point for the n-th time. `HITL_CRASH=full` goes through every n; otherwise the middle one of each point.
"""

from __future__ import annotations

import json
import os
import signal
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connections

from hitl import SYSTEM, Workflow, clock, crashpoints, decisions, dispatch, engine, invariants
from hitl.definition import registry
from hitl.models import Approval, Run
from hitl.testing import TestRun
from tests.crash.waits import WAITS

FULL = os.environ.get("HITL_CRASH") == "full"
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(3600),
    *([] if FULL else [pytest.mark.postgres]),  # with HITL_CRASH=full on both databases
]
POINTS = [
    "in_handler", "before_outcome", "before_commit", "after_commit", "before_bell", "after_bell", "after_claim",
    "before_result", "after_result",
]  # fmt: skip
CLAIMS_GRANTS = {"ask", "gate", "wait_any", "failure"}  # only grants are claimed under the lock
RINGS = {"signal", "gate"}  # bells are alike: without HITL_CRASH=full two workflows are enough


class Listed(Counter[str]):
    """Equal to no point, but counts how often it is compared with each."""

    def __eq__(self, point: object) -> bool:
        self[str(point)] += 1
        return False

    __hash__ = None  # type: ignore[assignment]


@dataclass
class Play:
    """One run from its start to its end, with at most one death on the way."""

    flow: Workflow
    bob: Any
    point: str = ""
    left: int = 0
    died: bool = False
    hits: Counter[str] = field(default_factory=Counter)

    def through(self) -> Run:
        """Play it to its end."""
        key = f"{self.flow.name}:{self.point}:{self.left}"
        begin = lambda: self.flow.start(requester=SYSTEM, idempotency_key=key)  # noqa: E731
        while not self.acts(begin):
            pass
        run = Run.objects.get(idempotency_key=key)
        for _ in range(60):
            self.acts(worker)
            if Run.objects.get(pk=run.pk).ended_at is not None:
                return Run.objects.get(pk=run.pk)
            self.world(TestRun(run))
        raise AssertionError(f"no end: {TestRun(run).waiting_for} {TestRun(run).timeline}")

    def world(self, run: TestRun) -> None:
        """What comes from outside: people's answers, then signals, then time."""
        asked = list(Approval.objects.pending().filter(run__in=run._family()))
        signals = [name for name in run.waiting_for if name in ("signal:go", "any:two")]
        for approval in asked:
            self.acts(lambda approval=approval: answer(approval, self.bob))
        if not asked and signals:
            target = Run.objects.filter(pk__in=run._family(), steps__waiting_for=signals[0]).get()
            self.acts(lambda: engine.signal(target, "go", 7, sender=self.bob, idempotency_key=f"k{target.pk}"))
        elif not asked:
            clock.move(timedelta(hours=1, seconds=1) if run.waiting_for else timedelta(seconds=40))

    def acts(self, act: Callable[[], Any]) -> bool:
        """Do it in a process that may die of it; False when it did."""
        code, hits = forked(act, "" if self.died else self.point, self.left)
        assert code in (0, -signal.SIGKILL), "the process failed; its traceback is above"
        if code:
            self.died = True
            clock.move(timedelta(seconds=40))  # its lease ends, and the back-off with it
        self.left -= hits[self.point]
        self.hits += hits
        return code == 0


def worker() -> None:
    """What workers and sweeps do until nothing is due."""
    for _ in range(20):
        if not engine.drain("default") + sum(
            n for name, n in engine.sweep().items() if name not in ("ring", "notices")
        ):
            return


def answer(approval: Approval, who: Any) -> None:
    """The person says yes, or whatever is asked; the first draft of all is refused."""
    if approval.kind == "question":
        vote: dict[str, Any] = {"verdict": "respond", "response": "this one"}
    elif approval.run.workflow.name.startswith("failure") and approval.revision == 1 and approval.step.revision == 1:
        vote = {"verdict": "reject", "comment": "no"}
    else:
        vote = {"verdict": "approve"}
    decisions.decide(approval, actor=who, digest=approval.digest, **vote)


def forked(act: Callable[[], Any], point: str, left: int) -> tuple[int, Counter[str]]:
    """Exit code of a process that did it, and how often it reached which points."""
    connections.close_all()
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads: ours only keep leases
        pid = os.fork()
    if pid == 0:
        code = 1
        try:
            listed = Listed()
            crashpoints._name, crashpoints._left = point or listed, left
            act()
            hits = {point: left - crashpoints._left} if point else dict(listed)
            os.write(writer, json.dumps(hits).encode())
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        hits = pipe.read()
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), Counter(json.loads(hits or "{}"))


@pytest.fixture(autouse=True)
def _silent(monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path) -> None:
    """Bells ring into the void, always; the provider's books are empty."""
    settings.HITL_BELL_CACHE = None
    monkeypatch.setattr(dispatch, "current_app", SimpleNamespace(send_task=lambda *args, **options: None))
    monkeypatch.setenv("HITL_TEST_LEDGER", str(tmp_path))
    monkeypatch.setattr("hitl.engine.work.sweep_if_overdue", lambda: False)  # the worker sweeps by itself


def books(tmp_path: Path) -> list[str]:
    """What the provider did, each key once, without the step it was for; then the books are closed."""
    path = tmp_path / "calls"
    keys = set(path.read_text().split()) if path.exists() else set()
    path.unlink(missing_ok=True)
    return sorted(key.partition(":")[2] for key in keys)


def named(make: Callable[[Workflow], None]) -> Workflow:
    name = make.__name__.replace("_", "-")
    registry._workflows.pop(f"{name}-inner", None)
    flow = Workflow(name)
    make(flow)
    return flow


def chosen(name: str, point: str, hits: int) -> list[int]:
    """For which times of reaching this point to die."""
    if FULL:
        return list(range(1, hits + 1))
    return [(hits + 1) // 2] if hits and (not point.endswith("bell") or name in RINGS) else []


@pytest.mark.parametrize("make", WAITS, ids=lambda make: make.__name__)
def test_killed_anywhere_it_ends_as_if_nothing_had_happened(make: Any, bob: Any, tmp_path: Path) -> None:
    flow, name = named(make), make.__name__
    calm = Play(flow, bob)
    expected = calm.through()
    did = books(tmp_path)
    assert (expected.status, bool(did)) == ("succeeded", True)
    assert {point for point in POINTS if not calm.hits[point]} == {"after_claim"} - {
        name in CLAIMS_GRANTS and "after_claim"
    }
    for point in POINTS:
        for number in chosen(name, point, calm.hits[point]):
            play, where = Play(flow, bob, point, number), f"killed at {point} for the {number}th time"
            run = play.through()
            assert play.died, f"never {where}"
            assert (run.status, run.output) == ("succeeded", expected.output), where
            assert books(tmp_path) == did, where
            assert [str(violation) for violation in invariants.check()] == [], where
