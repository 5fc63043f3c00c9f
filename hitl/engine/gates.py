"""What follows a step, evaluated by a worker before anything is locked: a gate's action and risk, a step's `when`.

Author code runs here, so none of it runs under a lock. A gate directly after a step can so be opened in the very
transition of that step's outcome.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from hitl import decisions, parked, progress
from hitl.decisions import Proposal
from hitl.decisions.resolve import envelope
from hitl.definition import Action, StepSpec, registry
from hitl.definition.action import from_json
from hitl.definition.text import told
from hitl.engine.claim import Picked
from hitl.engine.context import Context
from hitl.exceptions import HitlError, InvalidAction
from hitl.models import Run, Step
from hitl.policies import Asks
from hitl.states import StepStatus
from hitl.transitions import Transition, definition_of, locked

log = logging.getLogger(__name__)
_RETRY = timedelta(seconds=5)
_MAX_TRIES = 3


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What a worker found out about one step that may start: a request to open, or whether to run it at all."""

    proposal: Proposal | None = None
    run: bool = True


def followers(run: Run, name: str, output: Any) -> dict[str, Evaluated]:
    """Evaluate what comes directly and only after this step. What fails here is tried again by itself, in the open."""
    found: dict[str, Evaluated] = {}
    for spec in definition_of(run.workflow_id).steps:
        if spec.after == (name,) and (spec.kind == "gate" or spec.when):
            try:
                found[spec.name] = evaluate(run, spec, {name: output})
            except Exception:
                log.exception("run[%s]/%s could not be evaluated; a worker will try again", run.pk, spec.name)
    return found


def opener(found: dict[str, Evaluated]) -> Callable[[Transition, Step, StepSpec], bool]:
    """For `progress.follow`: open or skip what was evaluated."""

    def opened(t: Transition, step: Step, spec: StepSpec) -> bool:
        if spec.name not in found:
            return False
        return apply(t, step, found[spec.name])

    return opened


def apply(t: Transition, step: Step, found: Evaluated) -> bool:
    """Open the gate or skip the step; False when it is simply to run."""
    if found.proposal is not None:
        t.move(step, StepStatus.WAITING, waiting_for="approval:")
        approval = decisions.request(t, step, found.proposal)
        if not approval.is_pending:  # its policy let it pass, or it only informs
            t.move(step, StepStatus.SUCCEEDED, output=envelope(approval))
        return True
    if not found.run:
        t.move(step, StepStatus.SKIPPED)
        gates = [t.step(name) for name in t.spec(step).gates]
        if gates:  # what was approved for it will never run; the grant must not wait to lapse
            progress.close_approvals(t, why=f"step {step.name} was skipped", steps=gates)
        t.record("hitl.step.skipped", f"step:{step.name}", step=step.name)
        return True
    return False


def settle_ready(picked: Picked) -> bool:
    """Deal with a ready step that must be looked at before it can run: open the gate, or ask `when`.

    Returns whether the step is still to be claimed. An error is tried again a few times, then fails the run.
    """
    spec = picked.spec
    if spec.kind != "gate" and (not spec.when or picked.entered):
        return True
    try:
        found = evaluate(Run.objects.get(pk=picked.run_id), spec, {})
    except _Gone:
        log.warning("the code of run[%s]/%s is not here", picked.run_id, picked.name)
        with locked(picked.run_id) as t:
            if t.step(picked.name).status == StepStatus.READY:
                parked.without_code(t, t.step(picked.name))
        return False
    except Exception as error:
        _failed(picked, error)
        return False
    if found.proposal is None and found.run:
        return True
    with locked(picked.run_id) as t:
        step = t.step(spec.name)
        if step.status == StepStatus.READY:
            apply(t, step, found)
            progress.follow(t)
    return False


def evaluate(run: Run, spec: StepSpec, outputs: dict[str, Any]) -> Evaluated:
    """Call the author's `when`, `action=` and `risk=` for one step. `outputs` are known before they are stored."""
    recipe = registry.find(definition_of(run.workflow_id).name)
    ctx = Context.outside(run, spec.name, outputs)
    if spec.when:
        return Evaluated(run=bool(_of(recipe.whens if recipe else None, spec)(ctx)))
    assert spec.asks is not None
    calls = spec.asks.calls_action
    proposed = _of(recipe.actions if recipe else None, spec)(ctx) if calls else _proposed(spec, outputs, ctx)
    action = as_action(proposed, spec)
    risk = _of(recipe.risks if recipe else None, spec)(action) if spec.asks.calls_risk else None
    return Evaluated(proposal=decisions.prepare(spec.asks, action, asks=_asks(run, spec), risk=risk))


def _asks(run: Run, spec: StepSpec) -> Asks:
    return Asks(run, definition_of(run.workflow_id).name, spec.name)


def _proposed(spec: StepSpec, outputs: dict[str, Any], ctx: Context) -> Any:
    """What the step before a gate has put out."""
    proposer = spec.after[0]
    known = outputs if proposer in outputs else ctx.results
    if proposer not in known:
        raise InvalidAction(
            f"gate {spec.name!r} has nothing to propose: step {proposer!r} was skipped; give the gate action="
        )
    return known[proposer]


def as_action(value: Any, spec: StepSpec) -> Action:
    """What a gate proposes: an Action as it is; a plain value with the gate's own title and impact."""
    value = from_json(value)
    if isinstance(value, Action):
        return value
    asks = spec.asks
    if asks is None or not asks.title or not asks.impact:
        raise InvalidAction(
            f"gate {spec.name!r} got a plain value; return an Action, or give the gate title= and impact="
        )
    return Action(
        value if isinstance(value, dict) else {"value": value},
        type=spec.after[0] if spec.after else spec.name,
        title=asks.title,
        impact=asks.impact,
        description=asks.description,
        reversible=asks.reversible,
    )


class _Gone(Exception):
    """The code that runs now has no function for this any more."""


def _of(table: dict[str, Callable[..., Any]] | None, spec: StepSpec) -> Callable[..., Any]:
    if table is None or spec.name not in table:
        raise _Gone(spec.name)
    return table[spec.name]


def _failed(picked: Picked, error: Exception) -> None:
    code, text = told(error)
    with locked(picked.run_id) as t:
        step = t.step(picked.name)
        if step.status != StepStatus.READY:
            return
        if isinstance(error, HitlError) or step.attempt >= _MAX_TRIES:
            progress.fail_step(t, step, code, text)
        else:
            t.set(step, attempt=step.attempt + 1, ready_at=t.now + _RETRY)
            t.record("hitl.step.retried", f"step:{step.name}", step=step.name, why=text, attempt=step.attempt)
