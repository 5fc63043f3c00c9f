"""What the page of one request shows besides the request: its stages, what comes next, its steps, its revisions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hitl.audit import Actor
from hitl.decisions import Outcome
from hitl.decisions.inbox import visible
from hitl.models import Approval, Assignment, Decision, Run, Step
from hitl.policies import Explanation
from hitl.policies.acts import silence
from hitl.transitions import latest

_BOUND = ("type", "target", "impact", "reversible")
_DEEPEST = 6
_SOURCES = {"escalation": "escalation", "fallback": "fallback", "assigned": "an operator asked them"}


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
        return "Your decision is on record already."
    if outcome.decision.approval_id != outcome.approval.pk:
        return f"Your version is revision {outcome.approval.revision}; it goes to the others."
    if outcome.open:
        return f"Your vote is recorded: {outcome.have} of {outcome.need}."
    return f"Recorded: {outcome.approval.get_status_display().lower()}."


def silence_of(approval: Approval) -> str:
    """What becomes of a request that nobody answers, as one word."""
    meant = silence(approval)
    if meant == "escalate":
        return "escalated"
    if approval.kind == "question":
        return "closed"
    return "approved" if meant == "approve" else "refused"


def stages_of(approval: Approval, votes: list[Decision]) -> list[dict[str, Any]]:
    """Each sign-off with who is asked, how it stands, and what was said at it; a request that passed by itself has
    none."""
    if approval.decided_via == "policy":
        return []
    rows = Assignment.objects.filter(approval=approval.pk, ended_at=None).exclude(source__in=("policy", "requester"))
    also = list(rows.select_related("user", "group", "for_user").order_by("pk"))
    return [
        {
            "stage": stage,
            "number": number + 1,
            "state": _state(approval, number),
            "also": [_also(row) for row in also if row.stage == number],
            "votes": [vote for vote in votes if vote.stage == number],
        }
        for number, stage in enumerate(approval.required.stages)
    ]


def _state(approval: Approval, number: int) -> str:
    if number < approval.stage or (number == approval.stage and approval.status in ("approved", "answered")):
        return "agreed"
    if number > approval.stage:
        return "later" if approval.is_pending else "not reached"
    return "open now" if approval.is_pending else "ended here"


def _also(row: Assignment) -> str:
    who = f"group:{row.group.name}" if row.group is not None else Actor.of(row.user).name
    why = f"for {Actor.of(row.for_user).name}" if row.for_user is not None else _SOURCES.get(row.source, row.source)
    return f"{who} ({why})"


def coming(approval: Approval, explanation: Explanation) -> list[dict[str, Any]]:
    """What happens by itself, in its order, in words."""
    stage = approval.required.stages[approval.stage]
    up = stage.escalate[approval.rung].to if approval.rung < len(stage.escalate) else stage.fallback
    unanswered = "closed unanswered" if approval.kind == "question" else "refused"
    words = {
        "remind": "Those who are asked are reminded",
        "escalate": f"Also asked, if nobody has decided: {', '.join(up)}",
        "approve": "It is approved, if nobody has decided",
        "reject": f"It is {unanswered}, if nobody has decided",
        "expire": f"It is {unanswered}, if nobody has decided",
    }
    return [{"what": one.what, "words": words[one.what], "at": one.at} for one in explanation.next]


def steps_of(approval: Approval) -> list[tuple[Step, int]]:
    """The newest revision of each step in the definition's order, each planned one after its planner, with its depth.

    A failure handler that nobody needed is left out.
    """
    rows = list(latest(list(approval.run.steps.order_by("id"))).values())
    order = {spec.name: number for number, spec in enumerate(approval.run.workflow.definition.steps)}
    idle = [step for step in rows if step.kind == "failure" and step.status in ("pending", "skipped")]
    top = [step for step in rows if step.name in order and step not in idle]
    found: list[tuple[Step, int]] = []
    for step in sorted(top, key=lambda step: order[step.name]):
        found += _with_planned(step, rows, 0)
    return found


def _with_planned(step: Step, rows: list[Step], depth: int) -> Iterator[tuple[Step, int]]:
    yield step, depth
    if depth < _DEEPEST:
        for child in rows:
            if child.parent_id == step.pk:
                yield from _with_planned(child, rows, depth + 1)


def revisions_of(approval: Approval, user: Any) -> dict[str, Any]:
    """The newest revision where this is not it, and what changed since the one before, if this user may see them."""
    rows = visible(user).filter(run=approval.run_id, step__name=approval.step.name, key=approval.key)
    others = list(rows.exclude(pk=approval.pk).order_by("revision"))
    newest = others[-1] if others and others[-1].revision > approval.revision else None
    before = next((row for row in others if row.pk == approval.supersedes_id), None)
    changes = None if before is None or approval.kind == "question" else list(differences(before, approval))
    asked = Decision.objects.filter(approval=before, verdict="request_revision", withdrawn_at=None)
    return {"newest": newest, "before": before, "changes": changes, "asked": asked.select_related("actor")}


def differences(before: Approval, after: Approval) -> Iterator[Change]:
    """What is bound and differs: arguments by their names, then what else belongs to the action."""
    yield from _compare(before.args, after.args)
    one, other = before.binding, after.binding
    for name in _BOUND:
        if one[name] != other[name]:
            yield Change("±", "changed", f"{name} (of the action)", one[name], other[name])


def answer_of(approval: Approval, votes: list[Decision]) -> Decision | None:
    """The vote that answered a question."""
    if approval.status != "answered":
        return None
    return next((vote for vote in reversed(votes) if vote.verdict == "respond"), None)


def family_of(run: Run, user: Any) -> dict[str, Any]:
    """The run that started this one and those it started; nothing for who may not operate."""
    if not (user.is_staff and user.has_perm("hitl.operate")):
        return {}
    parent = run.parent_step
    return {
        "operates": True,
        "parent": None if parent is None else parent.run_id,
        "children": list(Run.objects.filter(parent_step__run=run).select_related("workflow").order_by("id")[:50]),
    }


def _compare(before: dict[str, Any], after: dict[str, Any], path: str = "") -> Iterator[Change]:
    for key in sorted(before.keys() | after.keys()):
        name = f"{path} › {key}" if path else key
        if key not in after:
            yield Change("−", "removed", name, before[key])
        elif key not in before:
            yield Change("+", "added", name, after=after[key])
        elif isinstance(before[key], dict) and isinstance(after[key], dict):
            yield from _compare(before[key], after[key], name)
        elif before[key] != after[key] or type(before[key]) is not type(after[key]):
            yield Change("±", "changed", name, before[key], after[key])
