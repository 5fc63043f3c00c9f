"""How a handler is left, and how the answer is read when it is entered again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from hitl.definition import Action, GateSpec
from hitl.models import Approval, Decision
from hitl.states import ApprovalStatus


class Park(BaseException):
    """Leaves a handler that has to wait. A BaseException, so that `except Exception` in a handler lets it pass."""


@dataclass
class WaitForSignal(Park):
    """Wait for a signal of this name, for so long, from people, agents or any."""

    name: str
    timeout: timedelta
    sender: str


@dataclass
class WaitForApproval(Park):
    """Wait until people have decided on this action, or answered this question."""

    key: str
    action: Action
    gate: GateSpec


@dataclass
class WaitForTime(Park):
    """Wait for so long; an empty name is `Pause`, which remembers nothing."""

    name: str
    delta: timedelta


@dataclass
class WaitForRun(Park):
    """Wait for a run of another workflow to end."""

    name: str
    workflow: str
    input: Any


@dataclass
class WaitForAny(Park):
    """Wait for whatever comes first: a signal, people's decision, or the time."""

    name: str
    signals: tuple[str, ...]
    asks: tuple[WaitForApproval, ...]
    delta: timedelta


@dataclass(frozen=True, slots=True)
class ApprovalResult:
    """What came of `ctx.approve`. `action` are the approved arguments, edits included, as the author's model; `type` is
    the action's type, which differs from what was asked where a reviewer made one of the gate's other `types` of it."""

    status: str
    approved: bool
    action: Any
    comment: str
    decided_by: tuple[str, ...]
    revision: int
    type: str = ""


@dataclass(frozen=True, slots=True)
class Guidance:
    """What the rung that helped said: `text` (or `value`, as it came), who said it, and on which rung."""

    text: str
    by: str
    rung: int
    value: Any


@dataclass(frozen=True, slots=True)
class Won:
    """What came first of a `wait_any`: `kind` is signal, approval or timer, `name` which, `value` what it brought."""

    kind: str
    name: str
    value: Any


def approved_action(approval: Approval) -> Action:
    """The action as it was approved."""
    return Action(
        approval.current_args,
        type=approval.action_type,
        title=approval.title,
        impact=approval.impact,
        description=approval.description,
        reversible=approval.reversible,
        target=approval.binding["target"],
        model=approval.action_model,
    )


def votes_on(approval: Approval) -> list[Decision]:
    """The decisions that stand, in their order."""
    votes = Decision.objects.filter(approval=approval, withdrawn_at=None)
    return list(votes.select_related("actor").order_by("decided_at"))


def read_result(approval: Approval) -> ApprovalResult:
    """What a handler is told of a decided request."""
    votes = votes_on(approval)
    return ApprovalResult(
        status=str(approval.status),
        approved=approval.status == ApprovalStatus.APPROVED,
        action=approved_action(approval).typed(),
        comment=votes[-1].comment if votes else "",
        decided_by=tuple(vote.actor.get_username() for vote in votes),
        revision=approval.revision,
        type=approval.action_type,
    )
