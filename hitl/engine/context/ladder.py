"""The escalation ladder: agent → senior agent → human → manager, each rung asked in its turn, its history kept."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from hitl.audit import Actor
from hitl.definition import Action, GateSpec, Human, registry
from hitl.definition.text import clean
from hitl.engine.context.pauses import Guidance, votes_on
from hitl.engine.signals import signal
from hitl.exceptions import AnswerTimeout, HitlError
from hitl.models import Approval, Notification, Result
from hitl.policies import Asks, requirement_for
from hitl.transitions import definition_of, locked

if TYPE_CHECKING:
    from hitl.engine.context.waits import Waits

_NOBODY = "\0nobody"


def needs_help(result: Any) -> bool:
    """The default of `escalate_when`: confidence below 0.7, an error, or something sensitive."""
    if not isinstance(result, dict):
        return False
    confidence = result.get("confidence", 1.0)
    return bool(
        (isinstance(confidence, int | float) and confidence < 0.7) or result.get("error") or result.get("sensitive")
    )


def climb(ctx: Waits, name: str, reason: str, context: Any, suggested_action: str) -> Guidance:
    """Ask rung after rung until one helps; raises AnswerTimeout when none does."""
    rungs, test = ladder_of(ctx)
    if not rungs:
        raise HitlError(f"step {ctx.step_name!r} has no ladder: give it escalation=[...]")
    history: list[dict[str, Any]] = []
    for number, rung in enumerate(rungs, 1):
        told = {"reason": reason, "context": context, "suggested_action": suggested_action, "history": list(history)}
        if isinstance(rung, Human):
            found = _ask(ctx, f"{name}:{number}", rung, number, told)
        else:
            found = _try(ctx, f"{name}:{number}", rung, number, told, test or needs_help)
        if isinstance(found, Guidance):
            return found
        history.append({"rung": number, "who": getattr(rung, "name", "") or rung.__name__, "said": found})
    raise AnswerTimeout(f"no rung of the ladder of step {ctx.step_name!r} could help: {reason}")


def ladder_of(ctx: Any) -> tuple[tuple[Any, ...], Any]:
    """The rungs of a step and its test, in the code that runs now."""
    recipe = registry.get(definition_of(ctx._run.workflow_id).name)
    return recipe.ladders.get(ctx.step_name, ((), None))


def _try(ctx: Any, name: str, rung: Any, number: int, told: dict[str, Any], test: Any) -> Any:
    ctx.escalation = told
    value = ctx.once(name, rung, ctx)
    if test(value):
        return value
    text = value if isinstance(value, str) else str(value.get("text", "")) if isinstance(value, dict) else str(value)
    return Guidance(text=text, by=rung.__name__, rung=number, value=value)


def _ask(ctx: Any, name: str, rung: Human, number: int, told: dict[str, Any]) -> Any:
    words = [told["reason"]]
    words += [f"Suggested: {told['suggested_action']}"] if told["suggested_action"] else []
    words += [f"Context: {json.dumps(told['context'], ensure_ascii=False)}"] if told["context"] is not None else []
    words += [f"Before: {json.dumps(told['history'], ensure_ascii=False)}"] if told["history"] else []
    answer = ctx.ask(name, "\n\n".join(words), default=_NOBODY, **rung.options)
    if answer == _NOBODY:
        return "nobody answered"
    row = Approval.objects.filter(step=ctx._step, key=ctx._at(f"ask:{name}")).order_by("-revision")[0]
    by = votes_on(row)[-1].actor.get_username()
    return Guidance(text=answer if isinstance(answer, str) else json.dumps(answer), by=by, rung=number, value=answer)


def notify(ctx: Any, key: str, name: str, action: Action, gate: GateSpec) -> None:
    """Write the outbox row and remember it, if the lease still holds."""
    asks = Asks(ctx._run, definition_of(ctx._run.workflow_id).name, ctx.step_name, ctx._step.iteration)
    reviewers = requirement_for(gate, action, risk=gate.risk, asks=asks).stages[0].reviewers
    with locked(ctx._run.pk) as t:
        step = t.held(ctx._step)
        payload = {
            "title": action.title,
            "impact": action.impact,
            "description": action.description,
            "reviewers": list(reviewers),
        }
        once = f"info:{step.pk}:{step.iteration}:{sha256(name.encode()).hexdigest()[:32]}"
        t.tell(Notification(run=t.run, kind="info", payload=payload, dedupe_key=once), f"step:{step.name}")
        t.add(Result(step=step, iteration=step.iteration, key=key, value=None, created_at=t.now))
        t.record("hitl.people.told", f"step:{step.name}", step=step.name, title=action.title)


def send(ctx: Any, run_id: Any, name: str, payload: Any, idempotency_key: str) -> None:
    """Send a signal as this run; the key makes it one however often the handler is entered."""
    ctx._take("send", f"{run_id}:{name}:{idempotency_key}"[:180])
    sender = Actor("run", ctx.run_id, clean(definition_of(ctx._run.workflow_id).title, 100))
    key = idempotency_key or ctx.idempotency_key(f"send:{name}")
    signal(run_id, name, payload, sender=sender, idempotency_key=key[:200])
