"""Outside data for a run: kept when it comes, taken once by a wait of its name, whichever of the two is first."""

from __future__ import annotations

import uuid
from typing import Any

from hitl import parked, progress
from hitl.audit import Actor
from hitl.conf import conf
from hitl.definition import canonical
from hitl.exceptions import BadInput, IdempotencyConflict, RunEnded
from hitl.models import Result, Run, Signal, Step
from hitl.states import RUN_ENDS
from hitl.transitions import Transition, locked

_KINDS = {"people": ("user",), "agents": ("key", "run")}


def signal(
    run: Run | uuid.UUID | str,
    name: str,
    payload: Any = None,
    *,
    sender: Any,
    idempotency_key: str | None = None,
) -> Signal:
    """Send a signal; it is stored when this returns, and reaches the run however it stands.

    The same sender and key again returns the first one; with another name or payload it raises IdempotencyConflict.
    Raises UnknownRun, RunEnded, BadInput and its kinds.
    """
    who = Actor.of(sender)
    if not name or len(name) > 180:
        raise BadInput("a signal's name has 1 to 180 characters")
    if idempotency_key is not None and not 0 < len(idempotency_key) <= 200:
        raise BadInput("an idempotency key has 1 to 200 characters")
    canonical([name, idempotency_key], what="signal")
    canonical(payload, what=f"payload of signal {name!r}", limit=conf.MAX_PAYLOAD)
    with locked(run.pk if isinstance(run, Run) else run) as t:
        if idempotency_key is not None:
            first = Signal.objects.filter(run=t.run, sender=who.text, idempotency_key=idempotency_key).first()
            if first is not None and (first.name, first.payload) == (name, payload):
                return first
            if first is not None:
                raise IdempotencyConflict(f"the key {idempotency_key!r} sent another signal")
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


def take_waiting(t: Transition, step: Step, name: str, sender: str, *, into: str = "") -> bool:
    """Give the oldest signal that fits to a step that is about to wait; False when there is none.

    `into` is the key of a `wait_any` that takes it.
    """
    rows = Signal.objects.unconsumed(t.run.pk, name)
    if sender in _KINDS:
        rows = rows.filter(sender_kind__in=_KINDS[sender])
    row = rows.first()
    if row is None:
        return False
    t.set(row, consumed_by=step, consumed_at=t.now)
    won = {"kind": "signal", "name": name, "value": row.payload}
    parked.answer(t, step, into or f"signal:{name}", won if into else {"payload": row.payload})
    t.record("hitl.step.resumed", f"step:{step.name}", step=step.name, why=f"the signal {name} was there already")
    return True


def time_out(t: Transition, step: Step) -> None:
    """End a wait by its time; the handler is entered again and sees a timeout, which never looks like an answer."""
    kind, _, name = step.waiting_for.partition(":")
    if kind == "handler":
        parked.look_again(t, step)
        return
    if kind == "revision":
        progress.fail_step(t, step, "revision_expired", "no revision was proposed in time")
        return
    if kind == "signal":
        parked.answer(t, step, f"signal:{name}", {"timeout": True})
    elif kind == "sleep":
        parked.answer(t, step, f"sleep:{name}", None)
    elif kind == "any":
        parked.win(t, step, "timer", name, None)
    parked.wake(t, step, why=f"no signal {name} came in time" if kind == "signal" else "its time has come")


def _receive(t: Transition, row: Signal, who: Actor) -> None:
    waiting = [step for step in t.steps.values() if parked.waits_for(step, "signal", row.name)]
    step = next((step for step in waiting if fits(step, row)), None)
    if step is not None and step.wake_at is not None and t.now >= step.wake_at:
        time_out(t, step)  # the clock under the lock decides, not the sweep's delay
        step, row.late = None, True
    elif step is None:
        row.late = not waiting and _timed_out(t, row.name)
    kind = "late" if row.late else "received"
    t.record(f"hitl.signal.{kind}", "run", actor=who, name=row.name, key=row.idempotency_key)
    if step is not None:
        row.consumed_by, row.consumed_at = step, t.now
    row.save(force_insert=True)  # not with the rest: the caller wants its id
    if step is None:
        return
    if step.waiting_for.startswith("any:"):
        parked.win(t, step, "signal", row.name, row.payload)
    else:
        parked.answer(t, step, f"signal:{row.name}", {"payload": row.payload})
    parked.wake(t, step)


def fits(step: Step, row: Signal) -> bool:
    """Whether this wait takes a signal from such a sender."""
    asked = Result.objects.filter(step=step, iteration=step.iteration, key=f"wait:{row.name}").first()
    sender = asked.value["sender"] if asked else "any"
    return sender not in _KINDS or row.sender_kind in _KINDS[sender]


def _timed_out(t: Transition, name: str) -> bool:
    last = Result.objects.filter(step__run=t.run, key=f"signal:{name}").order_by("-id").first()
    return last is not None and bool(last.value.get("timeout"))
