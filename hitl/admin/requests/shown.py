"""What the page of one request says besides the request: its stages, who it came to, what comes next, its steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from hitl.audit import Actor
from hitl.decisions import Outcome
from hitl.models import Approval, Assignment, Decision, Step
from hitl.policies import Explanation
from hitl.policies.acts import silence
from hitl.transitions import latest

_BOUND = ("type", "target", "impact", "reversible")
_DEEPEST = 6
RISKS = {
    "low": gettext_lazy("Low risk"),
    "medium": gettext_lazy("Medium risk"),
    "high": gettext_lazy("High risk"),
    "critical": gettext_lazy("Critical risk"),
}
_SOURCES = {
    "escalation": gettext_lazy("escalation"),
    "fallback": gettext_lazy("fallback"),
    "assigned": gettext_lazy("an operator asked them"),
}
_OTHERS = {
    "already_voted": gettext_lazy("has voted"),
    "voted_earlier_stage": gettext_lazy("voted at an earlier stage"),
    "own_request": gettext_lazy("asked for it"),
    "own_edit": gettext_lazy("wrote this version"),
    "inactive": gettext_lazy("is deactivated"),
    "place_taken": gettext_lazy("stands in for who asked, or somebody voted in their place"),
}


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between two proposals: its sign, where it is, and both values; `None` where there is none."""

    sign: str
    word: str
    name: str
    before: Any = None
    after: Any = None


def told(outcome: Outcome) -> str:
    """What came of a vote, to the one who cast it."""
    if outcome.duplicate:
        return _("Your decision is on record already.")
    if outcome.decision.approval_id != outcome.approval.pk:
        return _("Your version is revision %(n)s; it goes to the others.") % {"n": outcome.approval.revision}
    if outcome.open:
        return _("Your vote is recorded: %(have)s of %(need)s.") % {"have": outcome.have, "need": outcome.need}
    return _("Recorded: %(status)s.") % {"status": outcome.approval.get_status_display().lower()}


def silence_of(approval: Approval) -> str:
    """What becomes of a request that nobody answers, as one word."""
    meant = silence(approval)
    if meant == "escalate":
        return _("escalated")
    if approval.kind == "question":
        return _("closed")
    return _("approved") if meant == "approve" else _("refused")


def stages_of(approval: Approval, votes: list[Decision], rows: list[Assignment]) -> list[dict[str, Any]]:
    """Each sign-off with who is asked, how it stands, and what was said at it; a request that passed by itself has
    none. `rows` are the assignments that stand."""
    if approval.decided_via == "policy":
        return []
    also = [row for row in rows if row.source not in ("policy", "requester")]
    return [
        {
            "stage": stage,
            "number": number + 1,
            "open": approval.is_pending and number == approval.stage,
            "state": _state(approval, number),
            "also": [_also(row) for row in also if row.stage == number],
            "votes": [vote for vote in votes if vote.stage == number],
        }
        for number, stage in enumerate(approval.required.stages)
    ]


def why_of(approval: Approval, user: Any, rows: list[Any]) -> list[str]:
    """What brought a request to this user: each assignment of its stage that is theirs, in words."""
    here = [row for row in rows if row.stage == approval.stage]
    mine = [row for row in here if row.user_id == user.pk or row.mine]
    return [_brought(row) for row in mine]


def _brought(row: Assignment) -> str:
    if row.for_user is not None:
        return _("%(name)s handed it over to you") % {"name": Actor.of(row.for_user).name}
    words = _("you are a member of %(name)s") % {"name": row.group.name} if row.group else _("you are asked by name")
    source = _SOURCES.get(row.source)
    return f"{words} ({source})" if source else words


def seen_by(user: Any, rows: list[Assignment]) -> list[tuple[Any, Any]]:
    """Who else of those asked by name has opened it, the last first, and when they first did."""
    found = [(row.first_seen_at, row) for row in rows if row.first_seen_at is not None and row.user_id != user.pk]
    return [(row.user, at) for at, row in sorted(found, key=lambda pair: pair[0], reverse=True)[:3]]


def cannot_of(explanation: Explanation) -> list[tuple[str, Any]]:
    """Who was asked and cannot bring what is missing, with the reason as others read it."""
    return [(name, _OTHERS[reason]) for name, reason in explanation.cannot]


def _state(approval: Approval, number: int) -> str:
    if number < approval.stage or (number == approval.stage and approval.status in ("approved", "answered")):
        return _("agreed")
    if number > approval.stage:
        return _("later") if approval.is_pending else _("not reached")
    return _("open now") if approval.is_pending else _("ended here")


def _also(row: Assignment) -> str:
    who = f"group:{row.group.name}" if row.group is not None else Actor.of(row.user).name
    handed = row.for_user is not None and _("for %(name)s") % {"name": Actor.of(row.for_user).name}
    return f"{who} ({handed or _SOURCES.get(row.source, row.source)})"


def coming(approval: Approval, explanation: Explanation) -> list[dict[str, Any]]:
    """What happens by itself, in its order, in words."""
    stage = approval.required.stages[approval.stage]
    up = stage.escalate[approval.rung].to if approval.rung < len(stage.escalate) else stage.fallback
    unanswered = (
        _("It is closed unanswered, if nobody has decided")
        if approval.kind == "question"
        else _("It is refused, if nobody has decided")
    )
    words = {
        "remind": _("Those who are asked are reminded"),
        "escalate": _("Also asked, if nobody has decided: %(names)s") % {"names": ", ".join(up)},
        "approve": _("It is approved, if nobody has decided"),
        "reject": unanswered,
        "expire": unanswered,
    }
    return [{"what": one.what, "words": words[one.what], "at": one.at} for one in explanation.next]


def steps_of(approval: Approval, found: list[Any]) -> list[tuple[Any, int]]:
    """The newest revision of each step in the definition's order, each planned one after its planner, with its depth.

    A failure handler that nobody needed is left out.
    """
    rows = list(latest(found).values())
    order = {spec.name: number for number, spec in enumerate(approval.run.workflow.definition.steps)}
    idle = [step for step in rows if step.kind == "failure" and step.status in ("pending", "skipped")]
    top = [step for step in rows if step.name in order and step not in idle]
    shown: list[tuple[Any, int]] = []
    for step in sorted(top, key=lambda step: order[step.name]):
        shown += _with_planned(step, rows, 0)
    return shown


def _with_planned(step: Step, rows: list[Step], depth: int) -> Iterator[tuple[Step, int]]:
    yield step, depth
    if depth < _DEEPEST:
        for child in rows:
            if child.parent_id == step.pk:
                yield from _with_planned(child, rows, depth + 1)


def differences(before: Approval, after: Approval) -> Iterator[Change]:
    """What is bound and differs: arguments by their names, then what else belongs to the action."""
    yield from compared(before.args, after.args)
    one, other = before.binding, after.binding
    for name in _BOUND:
        if one[name] != other[name]:
            yield Change("±", "changed", f"{name} (of the action)", one[name], other[name])


def answer_of(approval: Approval, votes: list[Decision]) -> Decision | None:
    """The vote that answered a question."""
    if approval.status != "answered":
        return None
    return next((vote for vote in reversed(votes) if vote.verdict == "respond"), None)


def compared(before: Any, after: Any, path: str = "") -> Iterator[Change]:
    """What differs between two values: objects by their names and lists by their places."""
    one, other = _members(before), _members(after)
    for key in sorted(one.keys() | other.keys()):
        name = f"{path} › {key}" if path else str(key)
        if key not in other:
            yield Change("−", "removed", name, one[key])
        elif key not in one:
            yield Change("+", "added", name, after=other[key])
        elif isinstance(one[key], (dict, list)) and type(one[key]) is type(other[key]):
            yield from compared(one[key], other[key], name)
        elif one[key] != other[key] or type(one[key]) is not type(other[key]):
            yield Change("±", "changed", name, one[key], other[key])


def _members(value: Any) -> dict[Any, Any]:
    return dict(enumerate(value)) if isinstance(value, list) else value
