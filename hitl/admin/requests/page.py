"""What the page of one request shows, in at most twelve queries, whatever there is behind it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse

from hitl import audit, clock
from hitl.admin.requests import reads
from hitl.admin.requests.acts import ActForm, shown
from hitl.admin.requests.beside import Trail
from hitl.admin.requests.changes import compare
from hitl.admin.requests.forms import DecisionForm
from hitl.admin.requests.shown import (
    RISKS,
    answer_of,
    cannot_of,
    coming,
    seen_by,
    silence_of,
    stages_of,
    steps_of,
    why_of,
)
from hitl.admin.requests.values import Room
from hitl.admin.site import refusal, render
from hitl.definition.action import ENVELOPE
from hitl.exceptions import HitlError
from hitl.models import Approval
from hitl.notifications.words import TAGS, requester_name
from hitl.policies import Explanation, explain
from hitl.policies.stepup import proved_at

OUTCOME = "outcome"  # the tag of the message that tells what came of a vote
_LINES = 50
_LONG = 16_000  # bytes of an action from which its arguments are put into inputs only when somebody asks for it


@dataclass(frozen=True, slots=True)
class Tried:
    """What somebody tried on the page: the form they sent, why it was refused, and what they saw where that was another
    revision than the one shown now."""

    form: DecisionForm | None = None
    act: ActForm | None = None
    error: HitlError | None = None
    saw: Approval | None = None


class Reading:
    """One request with the rows that its form and its page share."""

    def __init__(self, request: HttpRequest, approval: Any) -> None:
        self.user: Any = request.user
        self.approval = approval
        self.heavy = len(approval.action_bytes) > _LONG and "edit" not in request.GET
        self.proved = proved_at(request.session) is not None
        self.votes, self.before, self.recent = reads.decisions_on(approval, self.user)
        self.rows = reads.assignments(approval, self.user)

    def explained(self) -> Explanation:
        """As if the password had been given: its field stands in the form. Who has none cannot give it."""
        return explain(
            self.approval,
            self.user,
            fresh=self.proved or self.user.has_usable_password(),
            votes=self.votes,
            rows=self.rows,
            asked=reads.asked(self.approval, self.user),
        )

    def form(self, explanation: Explanation, *, data: Any = None) -> DecisionForm:
        """The decision form, with what was typed."""
        about: Any = {"approval": self.approval, "explanation": explanation, "password": self._asks()}
        return DecisionForm(data, **about, heavy=self.heavy and data is None)

    def carried(self, form: DecisionForm) -> DecisionForm:
        """What was typed about another revision, on the form of this one as far as it fits."""
        about: Any = {"approval": self.approval, "explanation": self.explained()}
        return DecisionForm.carry(form, **about, password=self._asks())

    def _asks(self) -> bool:
        """Whether the form has to ask for the password."""
        return bool(self.approval.required.step_up) and not self.proved and self.user.has_usable_password()


def page(request: HttpRequest, reading: Reading, tried: Tried | None = None, *, status: int = 200) -> HttpResponse:
    """The page of a request; the record of its run has a tab of its own."""
    tried = tried or Tried()
    approval, user, explanation = reading.approval, reading.user, reading.explained()
    record = request.GET.get("tab") == "record" and request.method in ("GET", "HEAD")
    parts = _record(request, approval) if record else _context(request, reading)
    context = {
        "title": approval.title,
        "tab": "record" if record else "request",
        "approval": approval,
        "risk": RISKS[approval.risk],
        "trail": Trail.of(request.GET),
        "asks": requester_name(approval),
        "explanation": explanation,
        "requirement": approval.required,
        "silence": silence_of(approval),
        "seen_by": seen_by(user, reading.rows),
        "coming": coming(approval, explanation),
        "form": tried.form or reading.form(explanation),
        "error": tried.error,
        "error_words": refusal(tried.error) if tried.error else "",
        "changed": None if tried.saw is None else compare(tried.saw, approval),
        "saw": tried.saw,
        "votes": reading.votes,
        "own": next((vote for vote in reversed(reading.votes) if vote.actor_id == user.pk), None),
        "just_now": any(OUTCOME in message.tags for message in messages.get_messages(request)),
        "now": clock.now(),
        **shown(approval, explanation, tried.act),
        **parts,
        **_revisions(reading),
        **_people(reading, explanation),
    }
    return render(request, "hitl/review/request.html", context, section="inbox", status=status)


def _people(reading: Reading, explanation: Explanation) -> dict[str, Any]:
    return {
        "stages": stages_of(reading.approval, reading.votes, reading.rows),
        "why": why_of(reading.approval, reading.user, reading.rows),
        "cannot": cannot_of(explanation),
        "answer": answer_of(reading.approval, reading.votes),
    }


def _revisions(reading: Reading) -> dict[str, Any]:
    """The newest revision where this is not it, and what changed since the one before, if this user may see them."""
    approval = reading.approval
    before = approval.supersedes if approval.sees_before else None
    return {
        "newest": {"pk": approval.newest_pk, "revision": approval.newest_revision}
        if (approval.newest_revision or 0) > approval.revision
        else None,
        "before": before,
        "changes": None if before is None or approval.kind == "question" else compare(before, approval),
        "instructed": [vote for vote in reading.before if vote.verdict == "request_revision"],
    }


def _context(request: HttpRequest, reading: Reading) -> dict[str, Any]:
    """What will run, and what is around it."""
    approval = reading.approval
    room, words, outputs = Room(24_000), Room(18_000), Room(12_000)
    args, more = room.rows(approval.args, "args")
    edited = approval.effective_bytes is not None
    effective, more_effective = room.rows(approval.current_args, "effective") if edited else ([], 0)
    found = reads.steps(approval)
    steps = steps_of(approval, found)
    raw = json.dumps(approval.binding, ensure_ascii=False, indent=2, sort_keys=True)
    everything = request.GET.get("remarks") == "all"
    return {
        "binding": approval.binding,
        "args": args,
        "more_args": more,
        "effective": effective,
        "more_effective": more_effective,
        "raw": Room(6_000).told(raw, part="raw"),
        "impact": words.told(approval.impact, part="impact"),
        "question": words.told(approval.question, part="question"),
        "description": words.told(approval.description, part="description"),
        "context": None if approval.context is None else words.told(approval.context, part="context"),
        "task": None if approval.run.input is None else outputs.told(approval.run.input, part="task"),
        "outputs": [_output(step, outputs) for step, _ in steps if _returned(step)][-_LINES:],
        "steps": _around(steps, approval),
        "recent": reading.recent,
        "comments": reads.comments(approval, all_of_them=everything),
    }


def _returned(step: Any) -> bool:
    """Whether it returned something else than the action that is asked about."""
    return step.status == "succeeded" and bool(step.size) and not step.start.startswith((f'{{"{ENVELOPE}"', "null"))


def _output(step: Any, room: Room) -> Any:
    """What a step returned, or how that begins where it is long."""
    part = f"output/{step.pk}"
    if step.size <= reads.START:
        return room.told(json.loads(step.start), name=step.name, part=part)
    return room.beginning(step.start, step.size, name=step.name, part=part)


def _around(steps: list[tuple[Any, int]], approval: Approval) -> dict[str, Any]:
    """The steps near the one that asks, how many there are before and behind them, and which of how many it is."""
    at = next((number for number, (step, _) in enumerate(steps) if step.pk == approval.step_id), 0)
    first = max(min(at - _LINES // 2, len(steps) - _LINES), 0)
    top = [step.pk for step, depth in steps if not depth]
    return {
        "shown": steps[first : first + _LINES],
        "earlier": first,
        "later": max(len(steps) - first - _LINES, 0),
        "number": top.index(approval.step_id) + 1 if approval.step_id in top else 0,
        "count": len(top),
    }


def _record(request: HttpRequest, approval: Approval) -> dict[str, Any]:
    """What is on record about its run, a piece at a time, and who was told."""
    run = approval.run
    asked = request.GET.get("after", "")
    last = max(run.audit_seq - _LINES, 0)
    after = min(int(asked), last) if asked.isascii() and asked.isdigit() and len(asked) < 10 else last
    return {
        "timeline": audit.timeline(run.stream, after=after, limit=_LINES),
        "earlier": after,
        "before_that": max(after - _LINES, 0),
        "notices": [(row, TAGS.get(row.kind, row.kind)) for row in reads.notices(approval)],
        "parent": run.parent_step.run_id if run.parent_step is not None else None,
        "children": reads.children(run),
    }


def value_page(request: HttpRequest, approval: Approval, name: str, value: Any) -> HttpResponse:
    """One value whole, however long it is."""
    context = {"title": approval.title, "approval": approval, "name": name, "value": value}
    return render(request, "hitl/review/value.html", context, section="inbox")
