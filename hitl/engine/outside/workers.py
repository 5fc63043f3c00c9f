"""Steps that programs outside run: claimed by queue, held by a token, with the verbs and the fencing of our own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from hitl import clock
from hitl.audit import Actor
from hitl.conf import conf
from hitl.definition import Action, GateSpec
from hitl.definition.kinds import MISSING
from hitl.definition.specs import EXTERNAL
from hitl.engine.claim import Claimed, claim, pick
from hitl.engine.context import Context, Park
from hitl.engine.gates import settle_ready
from hitl.engine.outside.asking import check_question, check_times
from hitl.engine.outside.builtin import OWN_QUEUES
from hitl.engine.parking import park
from hitl.exceptions import BadInput, LeaseLost, NotAllowed, UnknownStep
from hitl.models import ApiKey, Approval, Step, sql
from hitl.policies import REASONS
from hitl.policies.outside import of_agent
from hitl.states import ApprovalStatus, StepStatus

_MOST_QUEUES = 20
_TRIES = 50  # calls of one worker at once: of those that want the same number one gets it in each round
_ALONE = [f"{EXTERNAL}{name}" for name in OWN_QUEUES]
SHORTEST, LONGEST = timedelta(seconds=5), timedelta(hours=1)


def queues_of(actor: Any, queues: Iterable[str]) -> list[str]:
    """The rows' queues behind these names; raises NotAllowed for one that this key may not work on, and BadInput."""
    names = list(dict.fromkeys(queues))
    if not names or len(names) > _MOST_QUEUES or OWN_QUEUES & set(names):
        raise BadInput(f"name 1 to {_MOST_QUEUES} queues of external steps")
    if not isinstance(actor, ApiKey):
        raise NotAllowed(REASONS["only_agents"], reason="only_agents")
    allowed = actor.limits.get("queues")
    if allowed is not None and not set(names) <= set(allowed):
        raise NotAllowed(REASONS["queue_not_listed"], reason="queue_not_listed")
    return [f"{EXTERNAL}{name}" for name in names]


def has_work(queues: Iterable[str], *, actor: Any) -> bool:
    """Whether a step looks ready on one of these rows' queues, without a lock; what is frozen does not, and for a
    worker that is frozen nothing does."""
    names = list(queues)
    if sql.is_frozen([Actor.of(actor).text]):
        return False
    due = Step.objects.filter(status=StepStatus.READY, queue__in=names, ready_at__lte=clock.now())
    return due.exists() and any(sql.ready_steps(name, 1) for name in names)


def claim_external(queues: Iterable[str], *, actor: ApiKey, lease: timedelta | None = None) -> Claimed | None:
    """Claim one step of these queues under a lease of this length; None when there is nothing to do.

    Raises NotAllowed and BadInput.
    """
    for queue in queues_of(actor, queues):
        for picked in pick(queue):
            picked = replace(picked, worker=Actor.of(actor).text)  # a freeze of the worker's own key holds it too
            claimed = claim(picked, checked(lease)) if settle_ready(picked) else None
            if claimed is not None:
                return replace(claimed, by=Actor.of(actor), owner=_owner(actor))
    return None


def hold(step_id: UUID, token: UUID, *, actor: Any, ends: bool = False, alone: bool = False) -> Claimed:
    """The step behind a token, as its holder has it; `alone` is that of a request that came alone, which no worker has.

    Whether the lease still holds is found out under the lock, or by the statement that writes. Raises UnknownStep, and
    LeaseLost at once where it cannot hold; but who brings an outcome (`ends`) is refused where it would be written, on
    record.
    """
    rows = Step.objects.select_related("run__workflow").filter(pk=step_id, queue__startswith=EXTERNAL)
    step = (rows.filter(queue__in=_ALONE) if alone else rows.exclude(queue__in=_ALONE)).first()
    if step is None:
        raise UnknownStep(f"there is no step {step_id} of yours")
    if not ends and (step.status != StepStatus.RUNNING or step.lease_token != token):
        raise LeaseLost(f"the lease of {step.name!r} is lost: it ran out, or the run ended; claim again")
    step.lease_token = token
    used = Approval.objects.filter(consumed_by=step, status=ApprovalStatus.APPROVED).select_related("step")
    return Claimed(step, step.run, tuple(used.order_by("revision")), Actor.of(actor), _owner(actor))


def act(held: Claimed, verb: Callable[[Context], Any]) -> tuple[bool, Any]:
    """Use one verb of the handler's context from outside: what it returns, or that the step was parked and its lease
    given up. Raises what the verb raises, and LeaseLost."""
    while True:
        ctx = context_of(held)
        try:
            return False, verb(ctx)
        except Park as pause:
            if not park(held, pause):
                return True, None


def approve(
    held: Claimed, name: str, action: Action, gate: GateSpec, *, actor: ApiKey, turn: int = 1
) -> tuple[bool, Any]:
    """Ask people for a yes under a name of the step's; `turn` 2 asks again after a revision was requested of turn 1.

    Returns like `act`. Raises NotAllowed, BadInput and what asking raises, and LeaseLost.
    """
    check_times(gate)
    gate = of_agent(actor, gate)
    return act(held, lambda ctx: [ctx._approve(name, action, gate) for _ in range(turn)][-1])


def ask(
    held: Claimed,
    name: str,
    question: str,
    gate: GateSpec,
    *,
    actor: ApiKey,
    schema: dict[str, Any] | None = None,
    options: list[Any] | None = None,
) -> tuple[bool, Any]:
    """Ask people something under a name of the step's. Returns and raises like `approve`, and AnswerTimeout."""
    check_question(question, schema, options)
    gate = of_agent(actor, gate)
    return act(held, lambda ctx: ctx._ask(name, question, schema, options, MISSING, gate))


def context_of(held: Claimed) -> Context:
    """What a handler of this step would see."""
    return Context(held.run, held.step, held.grants)


def _owner(actor: Any) -> Actor | None:
    """The person who owns the key, if it is one person's."""
    owner = actor.owner_user_id if isinstance(actor, ApiKey) else None
    return None if owner is None else Actor("user", str(owner), "")


def renew(held: Claimed, lease: timedelta | None) -> datetime:
    """Prolong the lease; returns until when, at the least. Raises LeaseLost."""
    until = clock.now() + checked(lease)
    assert held.step.lease_token is not None
    if not sql.renew_leases([held.step.lease_token], checked(lease)):
        raise LeaseLost(f"the lease of {held.step.name!r} is lost; claim again")
    return until


def remember(held: Claimed, name: str, value: Any) -> Any:
    """Keep what an effect returned under its name; the first one stored is what everybody gets. Raises LeaseLost."""
    key = f"once:{name}"
    if not name or len(name) > 180:
        raise BadInput("a result's name has 1 to 180 characters")
    for _ in range(_TRIES):
        ctx = context_of(held)
        if key in ctx._remembered:
            return ctx._remembered[key]
        try:
            with transaction.atomic():
                return ctx._remember(key, value)
        except IntegrityError:  # two calls of one worker at once
            continue
    raise LeaseLost("the result could not be kept; try again")


def stream(held: Claimed, chunk: Any, name: str) -> None:
    """Append a piece of output; with a name, once. Raises LeaseLost."""
    for left in reversed(range(_TRIES)):
        try:
            with transaction.atomic():
                context_of(held).put_stream(chunk, name=name)
            return
        except IntegrityError:  # two calls of one worker took the same number
            if not left:
                raise


def checked(lease: timedelta | None) -> timedelta:
    """How long a lease is to be; raises BadInput for one that is too short or too long."""
    if lease is None:
        usual: timedelta = conf.LEASE
        return max(timedelta(seconds=60), usual)
    if not SHORTEST <= lease <= LONGEST:
        raise BadInput(f"a lease has {SHORTEST.seconds} to {LONGEST.seconds} seconds")
    return lease
