"""A run in a test's hands: `run_workflow` starts it and does what workers and sweeps would; every verb does so again.

Nothing is rung, nothing is mailed. Reviewers that a gate names and the test database lacks are made.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hitl import audit, clock, decisions, engine
from hitl.audit import SYSTEM, Actor
from hitl.definition import Workflow
from hitl.definition.specs import EXTERNAL
from hitl.engine import outcome
from hitl.engine.claim import claim, pick
from hitl.engine.gates import settle_ready
from hitl.models import Approval, Result, Run, Step
from hitl.states import STEP_ENDS, StepStatus, Verdict
from hitl.testing.world import NotWaiting, alone, forget, name_of, person, reviewer_for
from hitl.transitions import as_uuid

_WORDS = "Said by a test."
_ROUNDS = 1000


def run_workflow(workflow: Workflow | str, input: Any = None, *, requester: Any = SYSTEM, **options: Any) -> TestRun:
    """Start a run and do everything that is ready; `options` are those of `hitl.start`."""
    forget()
    name = workflow if isinstance(workflow, str) else workflow.name
    with alone():
        run = engine.start(name, input, requester=requester, **options)
    return TestRun(run).settle()


class TestRun:
    """One run in a test's hands. Every verb acts, does what became ready, and returns the TestRun itself.

    A request or step is named as its author named it; runs it started and waits for are looked through too.
    """

    __test__ = False  # pytest: this is no test

    def __init__(self, run: Run | Any) -> None:
        self.id = run.pk if isinstance(run, Run) else as_uuid(run)

    # -- how it stands ------------------------------------------------------------------------------

    @property
    def run(self) -> Run:
        """The run's row, read anew."""
        return Run.objects.get(pk=self.id)

    @property
    def status(self) -> str:
        """`running`, `waiting`, `succeeded`, `rejected`, `failed` or `cancelled`."""
        return str(self.run.status)

    @property
    def output(self) -> Any:
        """What the run returned; None before its end."""
        return self.run.output

    @property
    def failure(self) -> str:
        """Why it ended badly: `code: text`, or an empty text."""
        run = self.run
        return f"{run.failure_code}: {run.failure_text}" if run.failure_code else ""

    @property
    def timeline(self) -> list[str]:
        """What happened, in sentences."""
        return [line.text for line in audit.timeline(self.run.stream)]

    @property
    def pending(self) -> list[str]:
        """The names of the requests people have not decided yet."""
        return sorted(name_of(row) for row in self._asked())

    @property
    def waiting_for(self) -> list[str]:
        """What it waits for: `approval:NAME`, `signal:NAME`, `sleep:NAME`, `any:NAME`, `handler`, …"""
        waits = Step.objects.filter(run__in=self._family(), status=StepStatus.WAITING)
        found = [step.waiting_for for step in waits if not step.waiting_for.startswith("approval:")]
        return sorted([*found, *(f"approval:{name}" for name in self.pending)])

    def step(self, name: str) -> Step:
        """The row of a step, in its latest revision: `status`, `output`, `attempt`, `iteration`, …"""
        row = Step.objects.filter(run__in=self._family(), name=name).order_by("-revision").first()
        if row is None:
            known = Step.objects.filter(run__in=self._family()).values_list("name", flat=True).distinct()
            raise NotWaiting(f"there is no step {name!r}; there are {', '.join(sorted(known))}")
        return row

    def approval(self, name: str) -> Approval:
        """The pending request of this name; raises NotWaiting."""
        found = [row for row in self._asked() if name in (name_of(row), f"{row.step.name}/{name_of(row)}")]
        if len(found) == 1:
            return found[0]
        if found:
            several = ", ".join(sorted(f"{row.step.name}/{name_of(row)}" for row in found))
            raise NotWaiting(f"{name!r} is asked more than once; write one of {several}")
        raise NotWaiting(f"nobody is asked about {name!r}: {self._told()}")

    def event(self, key: str) -> Any:
        """The latest value it published under a key, or None."""
        return engine.get_event(self.id, key)

    # -- what people and programs do ------------------------------------------------------------------

    def approve(
        self, name: str, *, by: Any = None, edit: dict[str, Any] | None = None, comment: str = "", phrase: str = ""
    ) -> TestRun:
        """Say yes; `edit` changes some arguments. Without `by` as many of those who are asked agree as it takes."""
        row = self.approval(name)
        changed = {"args": {**row.args, **edit}} if edit is not None else {}
        verdict = Verdict.APPROVE if edit is None else Verdict.EDIT
        while row.is_pending:
            typed = phrase or row.phrase
            row = self._say(row, by, verdict, comment=comment, phrase=typed, **changed).approval
            if by is not None:
                break
        return self.settle()

    def reject(self, name: str, *, by: Any = None, comment: str = "") -> TestRun:
        """Say no."""
        row = self.approval(name)
        while row.is_pending:
            row = self._say(row, by, Verdict.REJECT, comment=comment or _WORDS).approval
            if by is not None:
                break
        return self.settle()

    def answer(self, name: str, value: Any, *, by: Any = None, comment: str = "") -> TestRun:
        """Answer a question."""
        self._say(self.approval(name), by, Verdict.RESPOND, response=value, comment=comment)
        return self.settle()

    def request_revision(self, name: str, comment: str = _WORDS, *, by: Any = None) -> TestRun:
        """Ask for another proposal; the comment goes to the agent as its instructions."""
        self._say(self.approval(name), by, Verdict.REQUEST_REVISION, comment=comment)
        return self.settle()

    def signal(self, name: str, payload: Any = None, *, sender: Any = None, **options: Any) -> TestRun:
        """Send a signal; without `sender` one from whom the wait takes it, else from the system."""
        with alone():
            engine.signal(self.id, name, payload, sender=sender or self._sender(name), **options)
        return self.settle()

    def work(self, name: str, output: Any = None) -> TestRun:
        """Do an external step as a program outside would; raises NotWaiting where it is not ready."""
        step = self.step(name)
        with alone():
            picked = [one for one in pick(step.queue) if one.step_id == step.pk and step.queue.startswith(EXTERNAL)]
            held = claim(picked[0]) if picked and settle_ready(picked[0]) else None
            if held is None:
                raise NotWaiting(f"no program can take {name!r}: it is {step.status}")
            outcome.write(held, output)
        return self.settle()

    def cancel(self, *, by: Any = SYSTEM, reason: str = "") -> TestRun:
        """Cancel the run."""
        with alone():
            engine.cancel(self.id, actor=by, reason=reason)
        return self.settle()

    # -- time and work ---------------------------------------------------------------------------------

    def advance_time(self, delta: timedelta) -> TestRun:
        """Let time pass for Python and the database, and do what became due. `fresh` or `reset_time` undoes it."""
        clock.move(delta)
        return self.settle()

    def settle(self) -> TestRun:
        """Do what workers and sweeps would until nothing is due. A step that will be tried again, or sleeps, waits
        for `advance_time`."""
        with alone():
            for _ in range(_ROUNDS):
                due = Step.objects.filter(status=StepStatus.READY, ready_at__lte=clock.now())
                due = due.exclude(queue__startswith=EXTERNAL)
                ran = sum(engine.drain(queue) for queue in list(due.values_list("queue", flat=True).distinct()))
                moved = engine.sweep()
                broken = [duty for duty, count in moved.items() if count < 0]
                if broken:
                    raise AssertionError(f"the sweep failed at {', '.join(broken)}; the log says why")
                if not ran and not sum(count for duty, count in moved.items() if duty not in ("ring", "notices")):
                    return self
        raise AssertionError(f"the run came to no rest in {_ROUNDS} rounds: {self._told()}")

    # -- inside ------------------------------------------------------------------------------------------

    def _family(self) -> list[Any]:
        """This run and those it started and waits for."""
        found, fresh = [self.id], [self.id]
        while fresh:
            fresh = list(Run.objects.filter(parent_step__run__in=fresh).values_list("pk", flat=True))
            found += fresh
        return found

    def _asked(self) -> list[Approval]:
        rows = Approval.objects.pending().filter(run__in=self._family())
        return list(rows.select_related("step", "agent_key").order_by("opened_at", "id"))

    def _told(self) -> str:
        run = self.run
        if run.ended_at is not None:
            return f"the run has {run.status}" + (f" ({self.failure})" if self.failure else "")
        waits = self.waiting_for
        live = Step.objects.filter(run__in=self._family()).exclude(status__in=[*STEP_ENDS, "pending", "waiting"])
        return f"it waits for {', '.join(waits)}" if waits else f"it waits for nothing; live: {list(live)}"

    def _say(self, row: Approval, by: Any, verdict: Verdict, *, comment: str, **vote: Any) -> decisions.Outcome:
        if not comment and row.required.comment in ("always", "on_approve"):
            comment = _WORDS
        with alone():
            return decisions.decide(
                row,
                actor=by or reviewer_for(row),
                verdict=verdict.value,
                digest=row.digest,
                comment=comment,
                channel="test",
                **vote,
            )

    def _sender(self, name: str) -> Any:
        notes = Result.objects.filter(step__run=self.id, key=f"wait:{name}").order_by("-id")
        wanted = notes[0].value["sender"] if notes else "any"
        if wanted == "people":
            return person("someone")
        return Actor("key", "0", "a test's agent") if wanted == "agents" else SYSTEM
