"""What Django code and the doors ask about runs: who may see them, act upon them and start them."""

from __future__ import annotations

import uuid
from contextlib import suppress
from typing import Any

from django.db.models import Exists, Q, QuerySet

from hitl.decisions import inbox
from hitl.decisions.inbox import visible
from hitl.definition import Definition, registry
from hitl.exceptions import InvalidWorkflow, NotAllowed, UnknownRun
from hitl.models import ApiKey, Event, Run, Step
from hitl.policies.acts import is_operator
from hitl.states import StepStatus
from hitl.transitions import as_uuid

_MOST = 1000


def get_event(run: Run | uuid.UUID | str, key: str) -> Any:
    """The latest value a run published under a key, or None; raises UnknownRun."""
    pk = run.pk if isinstance(run, Run) else as_uuid(run)
    row = Event.objects.filter(run=pk, key=key).first()
    if row is None and not Run.objects.filter(pk=pk).exists():
        raise UnknownRun(f"there is no run {pk}")
    return None if row is None else row.value


def waiting(*, workflow: str = "", for_: Any = None) -> QuerySet[Step]:
    """Steps that wait, the longest waiting first: of one workflow, or for one user's decision
    (then at most a thousand, those due soonest)."""
    rows = Step.objects.filter(status=StepStatus.WAITING).select_related("run__workflow").order_by("parked_at")
    if workflow:
        rows = rows.filter(run__workflow__name=workflow)
    if for_ is not None:
        rows = rows.filter(pk__in=[approval.step_id for approval in inbox(for_, limit=_MOST)])
    return rows


def runs_of(who: Any) -> QuerySet[Run]:
    """The runs a principal may see: its own, its agents', those it was asked about; operators see all."""
    if isinstance(who, ApiKey):
        return Run.objects.filter(principal=f"key:{who.pk}")
    if is_operator(who):
        return Run.objects.all()
    keys = [f"key:{key}" for key in ApiKey.objects.owned_by(who).values_list("pk", flat=True)]
    own = Run.objects.filter(requester=who.pk) | Run.objects.filter(on_behalf_of=who.pk)
    own |= Run.objects.filter(principal__in=keys)
    return own | Run.objects.filter(pk__in=visible(who).values("run"))


def find_run(who: Any, pk: uuid.UUID) -> Run:
    """One run this principal may see; raises UnknownRun alike for both kinds of no."""
    related = ("workflow", "requester", "on_behalf_of", "parent_step")
    run = Run.objects.select_related(*related).filter(pk=pk).first()
    if run is None or not _sees(who, run):
        raise UnknownRun(f"there is no run {pk} that you may see")
    return run


def _sees(who: Any, run: Run) -> bool:
    """Whether it is one of `runs_of`, asked with the cheapest question first."""
    if isinstance(who, ApiKey):
        return run.principal == f"key:{who.pk}"
    if is_operator(who) or who.pk in (run.requester_id, run.on_behalf_of_id):
        return True
    kind, _, key = run.principal.partition(":")
    sees = Q(Exists(visible(who).filter(run=run.pk)))
    if kind == "key":
        sees |= Q(Exists(ApiKey.objects.owned_by(who).filter(pk=key)))
    return Run.objects.filter(sees, pk=run.pk).exists()


def find_controlled(who: Any, pk: uuid.UUID) -> Run:
    """A run this principal may cancel, retry and fork: a key's own, one's own, or any with the operator's permission.

    Raises UnknownRun for what it may not even see, NotAllowed for what it may only see.
    """
    run = find_run(who, pk)
    if not may_control(who, run):
        raise NotAllowed("only who asked for this run and operators may do that", reason="not_operator")
    return run


def may_control(who: Any, run: Run) -> bool:
    """Whether a principal who sees a run may also act upon it."""
    return isinstance(who, ApiKey) or run.requester_id == who.pk or is_operator(who)


def may_start(who: Any) -> bool:
    """Whether a principal may start runs: keys (by their scope), and people with leave to."""
    return isinstance(who, ApiKey) or who.has_perm("hitl.add_run") or is_operator(who)


def recipes() -> dict[str, Definition]:
    """The definitions that runs start by now, by name; a workflow that is wrong has none, and the checks say why."""
    found: dict[str, Definition] = {}
    for workflow in registry.registered():
        with suppress(InvalidWorkflow):
            found[workflow.name] = workflow.definition()
    return found


def seen_workflows(who: Any, names: set[str]) -> set[str]:
    """Those of these names that a principal may see: keys, and people who may start or operate, see all; others those
    of the runs they may see."""
    if may_start(who):
        return names
    rows = runs_of(who).filter(workflow__name__in=names)
    return names & set(rows.values_list("workflow__name", flat=True).distinct())
