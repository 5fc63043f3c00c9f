"""What an external worker is told of a step: everything a handler's context knows, by name."""

from __future__ import annotations

from typing import Any

from hitl.definition.action import shown
from hitl.engine.claim import Claimed
from hitl.engine.context.pauses import ApprovalResult, read_result, votes_on
from hitl.engine.outside import workers
from hitl.exceptions import HitlError
from hitl.models import Approval
from hitl.states import ApprovalStatus


def task(held: Claimed) -> dict[str, Any]:
    """A claimed step. `results` is what `results/` stored, `answers` what came of its waits, both by their names."""
    ctx, step = workers.context_of(held), held.step
    results = {key.partition(":")[2]: value for key, value in ctx._remembered.items() if key.startswith("once:")}
    answers = {key.partition(":")[2]: _brought(value) for key, value in ctx._remembered.items() if _is_wait(key)}
    return {
        "step": step.pk,
        "run": held.run.pk,
        "workflow": held.run.workflow.name,
        "name": step.name,
        "attempt": step.attempt,
        "iteration": step.iteration,
        "revision": step.revision,
        "token": step.lease_token,
        "lease_expires_at": step.lease_expires_at,
        "idempotency_key": ctx.idempotency_key(),
        "input": held.run.input,
        "previous": _previous(ctx),
        "args": ctx.args,
        "instructions": step.instructions,
        "checkpoint": step.checkpoint,
        "results": results,
        "answers": answers | _decided(held),
        "action": _granted(held),
    }


def shown_result(value: Any) -> Any:
    """What a wait brought, as JSON."""
    if isinstance(value, ApprovalResult):
        return {
            "status": value.status,
            "approved": value.approved,
            "type": value.type,
            "args": value.action if value.approved else None,
            "comment": value.comment,
            "decided_by": list(value.decided_by),
            "revision": value.revision,
        }
    return value


def _is_wait(key: str) -> bool:
    return key.startswith(("signal:", "sleep:"))


def _brought(value: Any) -> Any:
    """What a signal brought; a wait that timed out says so, and never looks like an answer."""
    if isinstance(value, dict) and value.get("timeout"):
        return {"timeout": True}
    return {"timeout": False, "payload": value.get("payload") if isinstance(value, dict) else None}


def _decided(held: Claimed) -> dict[str, Any]:
    """What came of the requests that this step made, by the names it gave them."""
    rows = Approval.objects.filter(step=held.step).exclude(key="").exclude(status=ApprovalStatus.SUPERSEDED)
    found: dict[str, Any] = {}
    for row in rows.exclude(status=ApprovalStatus.PENDING).order_by("revision"):
        name, turn = _named(row.key, held.step.iteration)
        if turn != held.step.iteration:  # asked in another turn of the loop
            continue
        if row.kind == "question":
            answered = row.status == ApprovalStatus.ANSWERED
            response = votes_on(row)[-1].response if answered else None
            found[name.removeprefix("ask:")] = {"status": row.status, "response": response}
        else:
            found[name] = shown_result(read_result(row))
    return found


def _named(key: str, iteration: int) -> tuple[str, int]:
    """The name a step gave its request, and in which turn of a loop."""
    name, _, turn = key.rpartition("#")
    return (name, int(turn)) if name and turn.isdecimal() and iteration else (key, 0)


def _granted(held: Claimed) -> dict[str, Any] | None:
    grant = next((grant for grant in reversed(held.grants) if not grant.key), None)
    return None if grant is None else {"type": grant.action_type, "args": grant.current_args}


def _previous(ctx: Any) -> Any:
    try:
        return shown(ctx.previous)
    except HitlError:  # what comes before was skipped
        return None
