"""Decisions: of one request, of several at once, and the password that some of them want once more. People only:
`approvals:read` lets a key come so far that it is told so."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from hitl import decisions
from hitl.api.door import Door, people_only, read
from hitl.api.openapi.says import Says
from hitl.api.shapes import answers as shapes
from hitl.api.shapes import bodies, told
from hitl.decisions.bulk import Item
from hitl.decisions.inbox import visible
from hitl.exceptions import NotAllowed
from hitl.models import ApiKey
from hitl.policies import REASONS, explain
from hitl.policies.stepup import confirm_password, forget, proved_at, remember


class Decisions(Door):
    """Decide."""

    scopes = {"POST": "approvals:read"}
    says = {
        "POST": Says(
            told.Decided,
            body=bodies.Decide,
            errors="unknown_approval not_allowed already_decided approval_closed stale_approval verdict_not_offered "
            "invalid_decision invalid_action invalid_policy",
            others={202: told.Decided},
        )
    }

    def post(self, request: Request, pk: uuid.UUID) -> Response:
        """200: decided (or decided so before, `duplicate`); 202: recorded, more votes are needed, or others decide on
        the revision that an edit made."""
        given = read(bodies.Decide, request)
        at = _proved(request, pk, given.pop("password"), given["verdict"])
        outcome = decisions.decide(pk, actor=request.user, channel="api", reauthenticated_at=at, **given)
        body = {
            "decision": shapes.DecisionShape(outcome.decision).data,
            "approval": str(outcome.approval.pk),
            "revision": outcome.approval.revision,
            "digest": outcome.approval.digest,
            "status": outcome.approval.status,
            "duplicate": outcome.duplicate,
            "have": outcome.have,
            "need": outcome.need,
        }
        return Response(body, status=202 if outcome.open else 200)


class ProveYourself(Door):
    """Give the password once more, for the decisions of the next minutes."""

    scopes = {"POST": "approvals:read"}
    says = {"POST": Says(None, 204, bodies.StepUp, "not_allowed")}

    def post(self, request: Request) -> Response:
        """204: it was right."""
        people_only(request)
        if step_up(request, read(bodies.StepUp, request)["password"]) is None:
            raise _not_proved()
        return Response(status=204)


class Preflight(Door):
    """Look which of several requests can be decided together."""

    scopes = {"POST": "approvals:read"}
    says = {"POST": Says(told.LookedAtAll, body=bodies.Preflight, errors="not_allowed unknown_approval")}

    def post(self, request: Request) -> Response:
        """200 with each and what keeps it from that."""
        people_only(request)
        given = read(bodies.Preflight, request)
        items = decisions.preflight(given["ids"], user=request.user, verdict=given["verdict"])
        return Response({"results": [_looked_at(item) for item in items]})


class DecideAll(Door):
    """Decide several requests, each by itself."""

    scopes = {"POST": "approvals:read"}
    says = {"POST": Says(told.DecidedAll, body=bodies.DecideAll, errors="not_allowed unknown_approval")}

    def post(self, request: Request) -> Response:
        """200 with what came of each."""
        people_only(request)
        given = read(bodies.DecideAll, request)
        items = decisions.decide_all(given.pop("items"), actor=request.user, **given)
        return Response({"results": [_result(item) for item in items]})


def step_up(request: Request, password: str) -> datetime | None:
    """When the person proved themselves: now, remembered in their session, or None for a wrong password. Raises
    NotAllowed after too many."""
    at = confirm_password(request.user, password, request=request._request)
    if at is None:
        forget(request.session)
    else:
        remember(request.session, at)
    return at


def stepped_up(request: Request) -> datetime | None:
    """When this session's person last gave their password, if that is still good."""
    return None if isinstance(request.user, ApiKey) else proved_at(request.session)


def _proved(request: Request, pk: uuid.UUID, password: str, verdict: str) -> datetime | None:
    if not password or isinstance(request.user, ApiKey):
        return stepped_up(request)
    at = step_up(request, password)
    row = visible(request.user).filter(pk=pk).first() if at is None else None
    # A wrong password decides nothing, not even what wants none; what is refused anyway is refused on record.
    if row is not None and explain(row, request.user).verdicts.get(verdict) == "":
        raise _not_proved()
    return at


def _not_proved() -> NotAllowed:
    return NotAllowed(REASONS["step_up_required"], reason="step_up_required")


def _looked_at(item: Item) -> dict[str, Any]:
    row = item.approval
    return {
        "id": item.id,
        "title": row.title if row is not None else None,
        "risk": row.risk if row is not None else None,
        "digest": row.digest if row is not None else None,
        "reason": item.reason,
        "detail": item.sentence,
    }


def _result(item: Item) -> dict[str, Any]:
    """`code`: decided, voted, left_out, or that of the error."""
    body = {"id": item.id, "code": "left_out", "reason": item.reason, "detail": item.sentence}
    if item.error is not None:
        body |= {"code": item.error.code, "reason": item.error.details.get("reason", "")}
    elif item.outcome is not None:
        body |= {"code": "voted" if item.outcome.open else "decided"}
    now = item.outcome.approval if item.outcome is not None else None
    return body | {"status": now.status if now is not None else None}
