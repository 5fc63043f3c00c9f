"""What must hold whatever happened: each rule is a query for what breaks it.

Run after every race, crash and journey test, and by `hitl doctor --deep`. The names are those of the design: I1 (one
effect a key) is counted by whoever receives the effects, I5, I7 and I14 by the tests that cause them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, TypeVar

from django.db.models import Count, Exists, F, OuterRef, Q

from hitl import audit, parked
from hitl.decisions.quorum import tally
from hitl.definition.binding import binding_digest
from hitl.engine.signals import fits
from hitl.models import Approval, Assignment, Decision, Notification, Result, Run, Signal, Step, Workflow
from hitl.policies.eligibility import own_people
from hitl.states import RUN_ENDS, ApprovalStatus, NotificationStatus, RunStatus, StepStatus

_BATCH = 500
_LIVE = (StepStatus.READY, StepStatus.RUNNING, StepStatus.WAITING, StepStatus.UNCERTAIN)
_GRANTED = {"approved", "edited", "passed", "informed"}
# What people may still say, and agents still fetch.
_AFTERWARDS = (".refused", ".given", ".commented", ".watched", ".unwatched", ".taken")
_CLOSED = _GRANTED | {*ApprovalStatus.values} - {"pending"}

Found = Iterator[tuple[Any, str]]
Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that does not hold, and where."""

    rule: str
    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.where}: {self.what}"


def check() -> list[Violation]:
    """Everything that breaks a rule; an empty list is a whole house."""
    return [Violation(rule, str(where), what) for rule, look in RULES.items() for where, what in look()]


def protected_steps_were_approved() -> Found:
    """I2: a protected step that ran used up an approval of each of its gates."""
    for workflow in Workflow.objects.all():
        for spec in workflow.definition.steps:
            ran = Step.objects.filter(run__workflow=workflow, name=spec.name, started_at__isnull=False)
            for gate in spec.gates:
                used = Approval.objects.filter(
                    run=OuterRef("run"), step__name=gate, consumed_by=OuterRef("pk"), status=ApprovalStatus.APPROVED
                )
                for step in ran.exclude(Exists(used)):
                    yield step, f"it ran, and used up no approval of {gate}"


def digests_agree() -> Found:
    """I3: what was asked, seen, approved and used are the same bytes."""
    for row in Approval.objects.iterator(chunk_size=_BATCH):
        if binding_digest(bytes(row.action_bytes)) != row.digest:
            yield _named(row), "its digest is not that of what was proposed"
        if row.effective_bytes is not None and binding_digest(bytes(row.effective_bytes)) != row.effective_digest:
            yield _named(row), "its effective digest is not that of what was approved"
    for vote in Decision.objects.filter(withdrawn_at=None).exclude(digest=F("approval__digest")):
        yield f"decision {vote.pk}", "it is about other bytes than the request it counts for"


def votes_count() -> Found:
    """I4: what people approved has enough votes of distinct people who were asked and whose request it was not."""
    rows = Approval.objects.filter(status__in=[ApprovalStatus.APPROVED, ApprovalStatus.REJECTED], decided_via="human")
    for row in rows.prefetch_related("decisions", "assignments").iterator(chunk_size=_BATCH):
        votes = [vote for vote in row.decisions.all() if vote.withdrawn_at is None]
        for number, stage in enumerate(row.required.stages[: row.stage + 1]):
            meant = row.status if number == row.stage else ApprovalStatus.APPROVED
            here = {vote.actor_id: vote.verdict for vote in votes if vote.stage == number}
            if tally(stage, here.values()).result != meant:
                yield _named(row), f"it is {row.status}, but the votes of stage {number + 1} do not say so"
        places = [vote.for_user_id or vote.actor_id for vote in votes]
        people = {vote.actor_id for vote in votes}
        if len(set(places)) < len(places) or len(people) < len(votes):
            yield _named(row), "somebody counts twice"
        own = (own_people(row) if row.prevent_self_review else set()) | {row.edited_by_id}
        asked = list(row.assignments.all())
        strangers = {one for vote in votes for one in _outsiders(asked, vote)} | (people & own)
        for person in sorted(strangers, key=str):
            yield _named(row), f"user {person} voted, and could not"


def passed_by_themselves() -> Found:
    """I4: what nobody decided was let pass by a rule, only told of, or harmless and left to silence."""
    for row in Approval.objects.filter(status=ApprovalStatus.APPROVED).exclude(decided_via="human"):
        required = row.required
        by_policy = row.decided_via == "policy" and (required.auto or row.level == "info")
        by_time = row.decided_via == "timeout" and required.on_timeout == "approve" and row.risk == "low"
        if not (by_policy or (by_time and row.reversible)):
            yield _named(row), f"it passed by {row.decided_via or 'nothing'}, which its policy does not let it"


def ends_are_final() -> Found:
    """I6: nothing moves a run or a request after its end, as its timeline tells it."""
    for run, approvals, lines in _histories():
        moves = [line for line in lines if not line.action.endswith(_AFTERWARDS)]
        ends = [n for n, line in enumerate(moves) if line.action.removeprefix("hitl.run.") in RUN_ENDS]
        if ends and (len(ends) > 1 or ends[0] != len(moves) - 1):
            yield run, f"its timeline goes on after its end, with {moves[ends[0] + 1].action}"
        if [moves[n].action for n in ends[:1]] != ([f"hitl.run.{run.status}"] if run.status in RUN_ENDS else []):
            yield run, f"it is {run.status}, but its timeline says otherwise"
        for row in approvals:
            told = [_last(line.action) for line in lines if line.subject == f"approval:{row.pk}"]
            closed = [name for name in told if name in _CLOSED]
            if closed[:1] and closed[0] in _GRANTED and closed[1:] in (["revoked"], ["expired"]):
                closed = closed[1:]
            meant = "approved" if closed and closed[0] in _GRANTED else closed[0] if closed else "pending"
            if len(closed) > 1 or meant != row.status:
                yield _named(row), f"it is {row.status}, but its timeline says {', '.join(closed) or 'nothing'}"


def nothing_is_stuck() -> Found:
    """I8: whatever lives has something that will move it, or a person who was told."""
    live = Step.objects.filter(run=OuterRef("pk"), status__in=_LIVE)
    for run in Run.objects.live().exclude(Exists(live)):
        yield run, f"it is {run.status}, and none of its steps will ever move"
    asked = Approval.objects.filter(step=OuterRef("pk"), status=ApprovalStatus.PENDING)
    child = Run.objects.filter(parent_step=OuterRef("pk"))
    planned = Step.objects.filter(parent=OuterRef("pk"), status__in=[StepStatus.PENDING, *_LIVE])
    waiting = Step.objects.filter(status=StepStatus.WAITING, wake_at=None)
    woken = Exists(asked) | Q(Exists(child), waiting_for__startswith="run:") | Q(Exists(planned), waiting_for="plan")
    for step in waiting.exclude(woken):
        yield step, f"it waits for {step.waiting_for}, which nobody will bring"
    for step in Step.objects.filter(status=StepStatus.READY, ready_at=None):
        yield step, "it is ready at no time"
    for step in Step.objects.filter(status__in=_LIVE, run__status__in=RUN_ENDS):
        yield step, f"it is {step.status} in a run that has ended"


def everything_is_on_record() -> Found:
    """I9: chains are whole, and what happened once stands in them once."""
    for problem in audit.verify().problems:
        yield problem.stream, f"record {problem.seq}: {problem.what}"
    for run, approvals, lines in _histories():
        told = [(line.action, line.subject) for line in lines]
        expected = {("hitl.run.started", "run"): 1}
        expected |= {("hitl.approval.requested", f"approval:{row.pk}"): 1 for row in approvals}
        expected |= {
            ("hitl.grant.consumed", f"approval:{row.pk}"): int(row.consumed_at is not None) for row in approvals
        }
        for (action, subject), count in expected.items():
            if told.count((action, subject)) != count:
                yield run, f"{action} of {subject} stands {told.count((action, subject))} times, not {count}"
        for line in lines:
            row = next((row for row in approvals if line.subject == f"approval:{row.pk}"), None)
            if line.action == "hitl.grant.consumed" and row and line.data["digest"] != row.current_digest:
                yield _named(row), "what was used is not what was approved (I3)"
        signals = Signal.objects.filter(run=run).count()
        if sum(line.action in ("hitl.signal.received", "hitl.signal.late") for line in lines) != signals:
            yield run, f"{signals} signals are stored, but its timeline tells of another number"


def deadlines_held() -> Found:
    """I10: nobody decided at or after the deadline."""
    for vote in Decision.objects.filter(decided_at__gte=F("approval__expires_at")):
        yield f"decision {vote.pk}", "it was taken when the time was over"


def signals_are_taken_once() -> Found:
    """I11: every signal that was taken reached one wait, and none lies beside a wait that would take it."""
    taken = Signal.objects.filter(consumed_at__isnull=False).values("consumed_by", "name").annotate(count=Count("pk"))
    for group in taken:
        results = Result.objects.filter(step=group["consumed_by"])
        own = [row for row in results.filter(key=f"signal:{group['name']}") if not row.value.get("timeout")]
        won = [row for row in results.filter(key__startswith="any:") if _won_by(row, group["name"])]
        if len(own) + len(won) != group["count"]:
            where = f"step {group['consumed_by']}"
            yield where, f"{group['count']} signals {group['name']} were taken by {len(own) + len(won)} waits"
    for row in Signal.objects.filter(consumed_at=None, late=False, run__ended_at=None).select_related("run"):
        for step in Step.objects.filter(run=row.run_id, status=StepStatus.WAITING):
            if parked.waits_for(step, "signal", row.name) and fits(step, row):
                yield step, f"it waits for the signal {row.name}, which lies there"


def notices_are_accounted_for() -> Found:
    """I12: each notice is delivered, dropped, dead, or will be tried at a time; each request has one."""
    for row in Notification.objects.filter(status=NotificationStatus.PENDING, next_attempt_at=None):
        yield row, "it is pending and will never be tried"
    for row in Notification.objects.filter(status=NotificationStatus.SENT, sent_at=None):
        yield row, "it is sent, at no time"
    told = Notification.objects.filter(approval=OuterRef("pk"), kind__in=("requested", "revision"))
    for request in Approval.objects.exclude(Exists(told)).exclude(decided_via="policy"):
        yield _named(request), "nobody is told of it"


def closed_requests_stay_closed() -> Found:
    """I13: nothing was decided about a request after it closed, by a link or otherwise."""
    for vote in Decision.objects.filter(decided_at__gt=F("approval__decided_at")):
        yield f"decision {vote.pk}", "it was taken after its request had closed"


def inboxes_follow() -> Found:
    """I15: a request is in the inboxes of the stage it waits at, until its deadline, and in no others."""
    shown = Q(approval__status=ApprovalStatus.PENDING, stage=F("approval__stage"), ended_at=None)
    for row in Assignment.objects.filter(shown).exclude(due_at=F("approval__expires_at")).select_related("approval"):
        yield _named(row.approval), f"it waits for {row}, who does not see it"
    hidden = Assignment.objects.filter(due_at__isnull=False).exclude(shown)
    for row in hidden.select_related("approval"):
        yield _named(row.approval), f"it waits for {row} no more, and is still shown"


RULES: dict[str, Callable[[], Found]] = {
    "I2": protected_steps_were_approved,
    "I3": digests_agree,
    "I4": lambda: chain(votes_count(), passed_by_themselves()),
    "I6": ends_are_final,
    "I8": nothing_is_stuck,
    "I9": everything_is_on_record,
    "I10": deadlines_held,
    "I11": signals_are_taken_once,
    "I12": notices_are_accounted_for,
    "I13": closed_requests_stay_closed,
    "I15": inboxes_follow,
}


def _histories() -> Iterator[tuple[Run, list[Approval], list[audit.Line]]]:
    """Every run with its requests and its timeline, a batch at a time."""
    runs = Run.objects.exclude(status=RunStatus.PENDING).order_by("pk").iterator(chunk_size=_BATCH)
    for batch in _batches(runs):
        approvals: dict[Any, list[Approval]] = {run.pk: [] for run in batch}
        for row in Approval.objects.filter(run__in=approvals):
            approvals[row.run_id].append(row)
        lines = audit.timelines(run.stream for run in batch)
        for run in batch:
            yield run, approvals[run.pk], lines[run.stream]


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    left = iter(rows)
    while batch := list(islice(left, _BATCH)):
        yield batch


def _outsiders(assignments: list[Assignment], vote: Decision) -> list[Any]:
    """The voter, where nobody asked them or whose place they took; who was in a group then is not known any more."""
    place = vote.for_user_id or vote.actor_id
    by = next((one for one in assignments if one.pk == vote.assignment_id and one.stage == vote.stage), None)
    return [] if by is not None and (by.group_id is not None or by.user_id == place) else [vote.actor_id]


def _won_by(row: Result, name: str) -> bool:
    return bool(row.value["kind"] == "signal" and row.value["name"] == name)


def _last(action: str) -> str:
    return action.rpartition(".")[2] if action.startswith("hitl.approval.") else ""


def _named(row: Approval) -> str:
    return f"approval {row.pk}"
