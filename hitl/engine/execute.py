"""Running one step: the only place where authors' handlers are called."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from asgiref.sync import async_to_sync

from hitl.crashpoints import crashpoint
from hitl.definition import Action, Complete, Continue, Escalate, Pause, Plan, Restart, registry
from hitl.definition.builder import is_async
from hitl.definition.text import told
from hitl.engine import heartbeat, outcome, parking
from hitl.engine.claim import Claimed, Picked
from hitl.engine.context import Context, Park
from hitl.engine.context.ladder import ladder_of, needs_help
from hitl.engine.context.pauses import WaitForTime
from hitl.exceptions import BadInput, DuplicateName, HitlError, LeaseLost, PauseSwallowed, StepFailed
from hitl.transitions import definition_of

log = logging.getLogger(__name__)


def execute(claimed: Claimed) -> Picked | None:
    """Run the handler of a claimed step and write what came of it. Returns a step to go on with inline.

    An outcome that comes too late is refused and logged; the step belongs to somebody else by then.
    """
    try:
        with heartbeat.holding(claimed.step, claimed.spec.timeout):
            return _run(claimed)
    except LeaseLost as error:
        log.warning("%s", error.message)
        return None


def _run(claimed: Claimed) -> Picked | None:
    recipe = registry.find(definition_of(claimed.run.workflow_id).name)
    handler = recipe.handlers.get(claimed.spec.code) if recipe else None
    if handler is None or (claimed.spec.rungs and not (recipe and recipe.ladders.get(claimed.spec.name, ((),))[0])):
        log.warning("no handler for %s here; giving it back", claimed.step)
        outcome.give_back(claimed)
        return None
    try:
        while True:
            ctx = Context(claimed.run, claimed.step, claimed.grants)
            try:
                value = _value(handler, ctx, claimed)
            except Park as pause:
                if parking.park(claimed, pause):
                    continue
                return None
            if ctx.paused is not None:
                raise PauseSwallowed()
            crashpoint("before_outcome")
            return outcome.write(claimed, value)
    except LeaseLost:
        raise
    except Exception as error:
        _failed(claimed, error)
        return None


def _value(handler: Any, ctx: Context, claimed: Claimed) -> Any:
    """What the handler says, after the step's ladder was climbed where it needs help."""
    if not claimed.spec.rungs:
        value = _call(handler, ctx)
        if isinstance(value, Pause):
            raise WaitForTime("", value.delta)
        if isinstance(value, Escalate):
            raise HitlError(f"step {ctx.step_name!r} has no ladder: give it escalation=[...]")
        return value
    return _helped(handler, ctx)


def _helped(handler: Any, ctx: Context) -> Any:
    """A step with a ladder: its own answer is remembered, so that climbing does not call it again."""
    key = "value:"
    if key in ctx._remembered:
        value = ctx._remembered[key]
    else:
        value = _call(handler, ctx)
        if isinstance(value, Pause):
            raise WaitForTime("", value.delta)
        if isinstance(value, Escalate):
            guided = ctx.escalate(value.reason, value.context, value.suggested_action)
            return {"text": guided.text, "by": guided.by, "rung": guided.rung, "value": guided.value}
        if isinstance(value, Continue | Restart | Plan | Action):
            return value  # an action is for its gate to judge
        value = ctx._remember(key, value)
    test = ladder_of(ctx)[1] or needs_help
    if not test(value):
        return value
    reason = str(value.get("error") or "it is not sure of its answer") if isinstance(value, dict) else "it needs help"
    return ctx.escalate(f"Step {ctx.step_name}: {reason}", value).value


def _call(handler: Any, ctx: Context) -> Any:
    """Call a sync or async handler; what it returns, unwrapped."""
    crashpoint("in_handler")
    if is_async(handler):
        _ = ctx.results  # read now: inside the event loop Django refuses to
        value = async_to_sync(handler)(ctx)
    else:
        value = handler(ctx)
    return value.value if isinstance(value, Complete) else value


def _failed(claimed: Claimed, error: Exception) -> None:
    code, why = told(error)
    after: timedelta | None = None
    if isinstance(error, StepFailed):
        retry, after = error.retry, error.after
    else:
        # The author's own mistakes do not heal; whatever the outside world raised may.
        retry = not isinstance(error, BadInput | DuplicateName | PauseSwallowed | HitlError)
    log.warning("%s failed in attempt %s: %s", claimed.step, claimed.step.attempt, why, exc_info=error)
    outcome.failed(claimed, code=code, why=why, retry=retry, after=after)
