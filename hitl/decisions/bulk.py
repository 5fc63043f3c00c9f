"""Several requests at once: looked at one by one first, then decided one by one."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from hitl.audit import Actor
from hitl.decisions.decide import Outcome, decide
from hitl.decisions.inbox import as_id, visible
from hitl.definition.values import HARMLESS
from hitl.exceptions import BadInput, HitlError
from hitl.models import Approval, Decision
from hitl.policies import explain
from hitl.policies.eligibility import REASONS
from hitl.states import Verdict

MOST = 50
_VERDICTS = (Verdict.APPROVE, Verdict.REJECT)
WHY = {
    "unknown": _("There is no such request that you may see."),
    "risk": _("Its risk is too high to be decided beside others."),
    "other_type": _("It is another kind of action than the first one."),
    "phrase": _("It wants a phrase typed, so it wants to be looked at by itself."),
    "question": _("A question is answered by itself."),
}


@dataclass(frozen=True, slots=True)
class Item:
    """One of several: the request (None where there is none to see), what keeps it from being decided with the others
    (a machine reason and a sentence, empty where nothing does), and what came of it."""

    id: str
    approval: Approval | None
    reason: str = ""
    sentence: str = ""
    outcome: Outcome | None = None
    error: HitlError | None = None


def preflight(approvals: Iterable[Any], *, user: Any, verdict: str = "approve") -> list[Item]:
    """Each request with what keeps it from being decided together with the others; changes nothing.

    All are of the first one's action type and of low or medium risk. Raises BadInput for more than 50, or a verdict
    that is neither approve nor reject, and UnknownApproval for what is no id.
    """
    ids = list(dict.fromkeys(as_id(approval) for approval in approvals))
    if not 1 <= len(ids) <= MOST or verdict not in _VERDICTS:
        raise BadInput(f"1 to {MOST} requests are decided together, to approve or to reject")
    rows = {row.pk: row for row in visible(user).filter(pk__in=ids).select_related("run__workflow", "step")}
    first = next((rows[pk] for pk in ids if pk in rows), None)
    return [_looked_at(pk, rows.get(pk), first, user, verdict) for pk in ids]


def decide_all(
    seen: dict[Any, str], *, actor: Any, verdict: str, comment: str = "", channel: str = "api"
) -> list[Item]:
    """Decide several requests, each with the digest that was seen, each in a transaction of its own.

    What the pre-flight refuses is left alone, but for what is decided already: the same again is the recorded answer.
    One that fails does not keep the others from being decided.
    """
    digests = {as_id(approval): digest for approval, digest in seen.items()}
    # A second click finds its own first one: decide knows the vote again.
    who = Actor.of(actor)
    cast = Decision.objects.filter(approval__in=digests, withdrawn_at=None).values_list("approval", "actor")
    voted = {approval for approval, voter in cast if who.is_person and str(voter) == who.id}
    results: dict[str, Item] = {}
    looked_at = preflight(digests, user=actor, verdict=verdict)
    # Always in the same order: a caller may hold all of their runs locked until its own transaction ends.
    for item in sorted(looked_at, key=lambda item: str(item.approval.run_id if item.approval else "")):
        again = item.approval is not None and (item.reason == "closed" or item.approval.pk in voted)
        if item.approval is None or item.reason in WHY or (item.reason and not again):
            results[item.id] = item
            continue
        try:
            outcome = decide(
                item.approval,
                actor=actor,
                verdict=verdict,
                digest=digests[item.approval.pk],
                comment=comment,
                channel=channel,
            )
            results[item.id] = Item(item.id, outcome.approval, outcome=outcome)
        except HitlError as error:
            results[item.id] = Item(item.id, item.approval, error.code, error.message, error=error)
    return [results[item.id] for item in looked_at]


def _looked_at(pk: uuid.UUID, row: Approval | None, first: Approval | None, user: Any, verdict: str) -> Item:
    reason = "unknown" if row is None or first is None else _problem(row, first, user, verdict)
    return Item(str(pk), row, reason, gettext(WHY.get(reason) or REASONS.get(reason, "")))


def _problem(row: Approval, first: Approval, user: Any, verdict: str) -> str:
    if row.kind == "question":
        return "question"
    if row.action_type != first.action_type:
        return "other_type"
    if row.risk not in HARMLESS:
        return "risk"
    if row.level == "verify" and verdict == Verdict.APPROVE:
        return "phrase"
    return explain(row, user).verdicts.get(verdict, "closed")
