"""Outside data for a run: kept when it comes, taken once by a wait of its name, whichever of the two is first."""

from __future__ import annotations

import uuid
from typing import Any

from hitl import progress
from hitl.audit import Actor
from hitl.conf import conf
from hitl.definition import canonical
from hitl.exceptions import BadInput, RunEnded
from hitl.models import Result, Run, Signal, Step
from hitl.states import RUN_ENDS, StepStatus
from hitl.transitions import Transition, locked

_KINDS = {"people": "user", "agents": "key"}


def signal(
    run: Run | uuid.UUID | str,
    name: str,
    payload: Any = None,
    *,
    sender: Any,
    idempotency_key: str | None = None,
) -> Signal:
    """Send a signal; it is stored when this returns, and reaches the run however it stands.

    The same sender and key again returns the first one. Raises UnknownRun, RunEnded, BadInput and its kinds.
    """
    who = Actor.of(sender)
    if not name or len(name) > 180:
        raise BadInput("a signal's name has 1 to 180 characters")
    canonical([name, idempotency_key], what="signal")
    canonical(payload, what=f"payload of signal {name!r}", limit=conf.MAX_PAYLOAD)
    with locked(run.pk if isinstance(run, Run) else run) as t:
        if idempotency_key is not None:
            first = Signal.objects.filter(run=t.run, sender=who.text, idempotency_key=idempotency_key).first()
            if first is not None:
                return first
        row = Signal(
            run=t.run,
            name=name,
            payload=payload,
            sender=who.text,
            sender_kind=who.kind,
            idempotency_key=idempotency_key,
            sent_at=t.now,
        )
        if t.run.status in RUN_ENDS:
            error = RunEnded(f"the run has {t.run.status}", status=t.run.status)
            t.refuse(error, "hitl.signal.refused", "run", actor=who, name=name)
        else:
            _receive(t, row, who)
    return row


def take_waiting(t: Transition, step: Step, name: str, sender: str) -> bool:
    """Give the oldest signal that fits to a step that is about to wait; False when there is none."""
    rows = Signal.objects.unconsumed(t.run.pk, name)
    if sender in _KINDS:
        rows = rows.filter(sender_kind=_KINDS[sender])
    row = rows.first()
    if row is None:
        return False
    _hand_over(t, row, step)
    t.record("hitl.step.resumed", f"step:{step.name}", step=step.name, why=f"the signal {name} was there already")
    return True


def time_out(t: Transition, step: Step) -> None:
    """End a wait by its time; the handler is entered again and sees a timeout, which never looks like an answer."""
    name = step.waiting_for.removeprefix("signal:")
    _answer(t, step, name, {"timeout": True})
    t.move(step, StepStatus.READY)
    t.record("hitl.step.resumed", f"step:{step.name}", step=step.name, why=f"no signal {name} came in time")
    t.ring(step.queue)
    progress.settle(t)


def _receive(t: Transition, row: Signal, who: Actor) -> None:
    step = next((s for s in _waiting(t, row.name) if _fits(s, row)), None)
    if step is not None and step.wake_at is not None and t.now >= step.wake_at:
        time_out(t, step)  # the clock under the lock decides, not the sweep's delay
        step, row.late = None, True
    elif step is None:
        row.late = not _waiting(t, row.name) and _timed_out(t, row.name)
    kind = "late" if row.late else "received"
    t.record(f"hitl.signal.{kind}", "run", actor=who, name=row.name, key=row.idempotency_key)
    if step is not None:
        row.consumed_by, row.consumed_at = step, t.now
    row.save(force_insert=True)  # not with the rest: the caller wants its id
    if step is not None:
        _answer(t, step, row.name, {"payload": row.payload})
        t.move(step, StepStatus.READY)
        t.ring(step.queue)
        progress.settle(t)


def _hand_over(t: Transition, row: Signal, step: Step) -> None:
    t.set(row, consumed_by=step, consumed_at=t.now)
    _answer(t, step, row.name, {"payload": row.payload})


def _answer(t: Transition, step: Step, name: str, value: dict[str, Any]) -> None:
    t.add(Result(step=step, iteration=step.iteration, key=f"signal:{name}", value=value, created_at=t.now))


def _waiting(t: Transition, name: str) -> list[Step]:
    return [
        step for step in t.steps.values() if step.status == StepStatus.WAITING and step.waiting_for == f"signal:{name}"
    ]


def _fits(step: Step, row: Signal) -> bool:
    asked = Result.objects.filter(step=step, iteration=step.iteration, key=f"wait:{row.name}").first()
    sender = asked.value["sender"] if asked else "any"
    return sender not in _KINDS or _KINDS[sender] == row.sender_kind


def _timed_out(t: Transition, name: str) -> bool:
    last = Result.objects.filter(step__run=t.run, key=f"signal:{name}").order_by("-id").first()
    return last is not None and bool(last.value.get("timeout"))
