"""`hitl doctor`: does everything go on by itself, or does something need a person?"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from itertools import islice
from typing import Any

from django.db import DatabaseError
from django.db.models import Q

from hitl import clock, invariants
from hitl.audit import SYSTEM
from hitl.conf import conf
from hitl.definition import Rule, registry
from hitl.definition.specs import EXTERNAL
from hitl.definition.text import one_line
from hitl.engine import last_sweep_age
from hitl.engine.outside.builtin import OWN_QUEUES
from hitl.exceptions import HitlError, InvalidPolicy
from hitl.management.cli.base import Out, command
from hitl.models import Approval, Freeze, Notification, Policy, Step, triggers
from hitl.models.runs import StepQuerySet
from hitl.policies import explain
from hitl.states import NotificationStatus, StepStatus

_FEW = 5
_LOOKED_AT = 200
_WARNED = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that needs a person: its kind, how often, where (a few of them), and what to do."""

    kind: str
    count: int
    where: list[str]
    advice: str


def add(parent: Any) -> None:
    """Add the command."""
    words = "what needs a person; exit 0 nothing, 1 something, 2 could not check"
    doctor = command(parent, "doctor", _doctor, words)
    doctor.add_argument("--deep", action="store_true", help="check every row, the invariants too; takes longer")


def examine(*, deep: bool = False) -> list[Finding]:
    """Everything that needs a person now."""
    checks: list[Callable[[], Iterable[Finding]]] = [_machinery, _steps, _people, lambda: _quorums(deep), _rules]
    checks += [_notices, *([_deep] if deep else [])]
    return [finding for check in checks for finding in check() if finding.count]


def _doctor(options: argparse.Namespace, out: Out) -> int:
    try:
        found = examine(deep=options.deep)
    except DatabaseError as error:
        why = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        out.give({"code": 2, "error": why, "findings": []}, f"could not check: {why}")
        return 2
    code = 1 if found else 0
    lines = []
    for one in found:
        lines.append(f"{one.kind}: {one.count}. {one.advice}")
        lines += [f"  {place}" for place in one.where]
        lines += [f"  … and {one.count - len(one.where)} more"] if one.count > len(one.where) else []
    lines.append("something needs a person" if found else "everything goes on by itself")
    out.give({"code": code, "findings": [asdict(one) for one in found]}, "\n".join(lines))
    return code


def _machinery() -> Iterable[Finding]:
    age, limit = last_sweep_age(), conf.SWEEP_OVERDUE
    if age is None or age > limit:
        told = "there never was a sweep" if age is None else f"the last sweep ended {age.total_seconds():.0f} s ago"
        yield Finding("beat", 1, [told], "Start Beat and a worker for the queue 'sweep', or run 'hitl sweep'.")
    missing = triggers.missing()
    yield Finding("triggers", len(missing), missing, "Audit records can be changed: run 'manage.py migrate'.")
    freezes = Freeze.objects.filter(lifted_at=None).order_by("at")
    told_freezes = [f"{one.target} since {one.at:%Y-%m-%d %H:%M}: {one.reason}" for one in freezes[:_FEW]]
    yield Finding("frozen", freezes.count(), told_freezes, "Nothing of it starts: lift it with 'hitl unfreeze TARGET'.")


def _steps() -> Iterable[Finding]:
    late = clock.now() - conf.SWEEP_OVERDUE
    steps = Step.objects.order_by("id")
    yield _found("uncertain", steps.filter(status=StepStatus.UNCERTAIN), "Find out, then 'hitl run resolve'.")
    waiting = steps.filter(status=StepStatus.WAITING)
    yield _found("handler", waiting.filter(waiting_for="handler"), "No worker has its code: deploy the handler.")
    unclaimed = _not_frozen(steps.filter(status=StepStatus.READY, ready_at__lte=late))
    outside = unclaimed.filter(queue__startswith=EXTERNAL)
    inside = unclaimed.exclude(queue__startswith=EXTERNAL)
    yield _found("unclaimed", inside, "No worker takes it: start one with -Q for its queue.")
    # The grant of a request that came alone is its agent's to use, and lapses by itself.
    programs = outside.exclude(queue__in=[f"{EXTERNAL}{queue}" for queue in OWN_QUEUES])
    yield _found("external", programs, "No program takes it: start one that claims steps of its queue over the API.")
    silent = steps.filter(status=StepStatus.RUNNING, lease_expires_at__lte=late)
    yield _found("silent", silent, "Its worker is gone and no sweep took it back: see 'beat'.")
    yield _found("unwoken", waiting.filter(wake_at__lte=late), "Its time has come and no sweep woke it: see 'beat'.")
    stuck = [f"{where}: {what}" for where, what in invariants.nothing_is_stuck()]
    yield Finding("stuck", len(stuck), stuck[:_FEW], "Nothing will ever move it: cancel the run, and tell us.")


def _people() -> Iterable[Finding]:
    overdue = Approval.objects.overdue(clock.now() - conf.SWEEP_OVERDUE).order_by("expires_at")
    told = [f"approval {row.pk} of run {row.run_id}: {row.title}" for row in overdue[:_FEW]]
    yield Finding("overdue", overdue.count(), told, "Its deadline has passed and no sweep ended it: see 'beat'.")


def _quorums(deep: bool) -> Iterable[Finding]:
    """Requests whose people are too few, as things are now. Each costs a few queries, so that without `deep` only those
    marked as such and those due soonest are looked at."""
    pending = Approval.objects.pending().order_by("-unsatisfiable", "expires_at", "id")
    marked = pending.filter(unsatisfiable=True).count()
    looked = pending if deep else pending[: marked + _LOOKED_AT]
    told = [
        f"approval {row.pk} of run {row.run_id}: {one_line(row.title)}"
        for row in looked
        if not explain(row, SYSTEM).satisfiable
    ]
    advice = "Those left cannot reach the quorum: 'hitl approvals explain', then assign or escalate."
    yield Finding("unsatisfiable", len(told), told[:_FEW], advice)


def _rules() -> Iterable[Finding]:
    """Policies that cannot be read any more, and rules that let things pass by themselves and end soon, or ended."""
    stated, unread = [], []
    for policy in Policy.objects.filter(active=True).order_by("name"):
        try:
            stated.append((str(policy), policy.value.rules))
        except InvalidPolicy as error:
            unread.append(f"{policy}: {one_line(error.message)}")
    yield Finding("policy", len(unread), unread[:_FEW], "It cannot be read: apply a version that can be.")
    today = clock.now().date()
    told = [
        f"{where}, rule {number}: {_ending(rule, today)}"
        for where, rules in [*stated, *_of_gates()]
        for number, rule in enumerate(rules, 1)
        if rule.auto and rule.until is not None and rule.until <= today + _WARNED
    ]
    yield Finding("auto_rule", len(told), told[:_FEW], "People will be asked then: renew the rule, or take it out.")


def _of_gates() -> Iterable[tuple[str, tuple[Rule, ...]]]:
    for flow in registry.registered():
        with suppress(HitlError):  # what is no workflow starts no runs, and Django's own checks name it
            for step in flow.definition().steps:
                if step.asks is not None:
                    yield f"gate {step.name} of {flow.name}", step.asks.rules


def _ending(rule: Rule, today: date) -> str:
    said = "ended on" if rule.until is not None and rule.until < today else "ends after"
    return f"{one_line(rule.name or rule.when)}: {said} {rule.until}"


def _notices() -> Iterable[Finding]:
    dead = Notification.objects.filter(status=NotificationStatus.DEAD).order_by("created_at")
    told = [f"{row.kind} {row.pk}: {row.last_error.splitlines()[0] if row.last_error else ''}" for row in dead[:_FEW]]
    yield Finding("dead", dead.count(), told, "Repair the mail server, then 'Resend dead letters' in the admin.")
    late = Notification.objects.due(clock.now() - max(conf.SWEEP_OVERDUE, timedelta(minutes=5)))
    told = [f"{row.kind} {row.pk} since {row.next_attempt_at:%Y-%m-%d %H:%M}" for row in late[:_FEW]]
    yield Finding("undelivered", late.count(), told, "Nobody delivers: start a worker for the queue 'notices'.")


def _deep() -> Iterable[Finding]:
    violations = invariants.check()
    told = [str(violation) for violation in islice(violations, 50)]
    yield Finding("invariant", len(violations), told, "This must not happen: keep the database as it is, and tell us.")


def _found(kind: str, steps: StepQuerySet, advice: str) -> Finding:
    told = [
        f"run {step.run_id} step {step.name} (queue {step.queue}) of {step.run.workflow.name}"
        for step in steps.select_related("run__workflow")[:_FEW]
    ]
    return Finding(kind, steps.count(), told, advice)


def _not_frozen(steps: StepQuerySet) -> StepQuerySet:
    for target in Freeze.objects.filter(lifted_at=None).values_list("target", flat=True):
        kind, _, name = target.partition(":")
        covered = {"all": Q(), "workflow": Q(run__workflow__name=name), "run": Q(run=name or None)}
        steps = steps.none() if kind == "all" else steps.exclude(covered.get(kind, Q(run__principal=target)))
    return steps
