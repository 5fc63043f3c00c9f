"""What else is done with a request than deciding. All but `cancel` and `remind` are for people: `approvals:read` lets a
key come so far that it is told so, and that it tried is on record."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.response import Response

from hitl import decisions
from hitl.api.approvals.deciding import stepped_up
from hitl.api.door import Door, read
from hitl.api.openapi.says import Page, Says
from hitl.api.pagination import Oldest
from hitl.api.shapes import answers as shapes
from hitl.api.shapes import bodies, told
from hitl.api.waits import wait_until
from hitl.decisions.inbox import visible
from hitl.engine import outside
from hitl.exceptions import InvalidDecision, UnknownApproval
from hitl.models import ApiKey, Approval, Comment
from hitl.policies import explain

# What every act may be refused with.
_ACT = "unknown_approval not_allowed already_decided already_consumed approval_closed stale_approval invalid_decision"


class OneApproval(Door):
    """Read one request."""

    scopes = {"GET": "approvals:read"}
    says = {"GET": Says(told.ApprovalDetail, query="wait", errors="unknown_approval")}

    def get(self, request: Request, pk: uuid.UUID) -> Response:
        """The request as a reviewer must see it; who asked is told of the newest revision, whatever became of theirs.

        With `?wait=` it is answered when the request is no longer pending, or the time is up.
        """
        if not isinstance(request.user, ApiKey):
            found = decisions.find_visible(pk, request.user)
            wait_until(request, lambda: _is_over(found))
            return _shown(request, pk)
        found = outside.newest(_asked_by(request.user, pk))
        if request.query_params.get("wait"):
            wait_until(request, lambda: _is_over(found))
            found = outside.newest(_asked_by(request.user, pk))
        return Response(shapes.asked(found, request.user))


class Explain(Door):
    """Ask what one can do with a request, why not, who is still needed, and what comes next."""

    scopes = {"GET": "approvals:read"}
    says = {"GET": Says(told.Explanation, errors="unknown_approval")}

    def get(self, request: Request, pk: uuid.UUID) -> Response:
        """The explanation."""
        approval = decisions.find_visible(pk, request.user)
        told = explain(approval, request.user, fresh=stepped_up(request) is not None)
        return Response(shapes.explained(told))


class Act(Door):
    """What all acts share: one verb, its body, and the request as it is afterwards."""

    scopes = {"POST": "approvals:read"}
    says = {"POST": Says(told.ApprovalDetail, errors=_ACT)}
    body: type[bodies.Closed] = bodies.Because
    verb: Callable[..., Any]

    def post(self, request: Request, pk: uuid.UUID) -> Response:
        """200 with the request."""
        type(self).verb(pk, actor=request.user, **read(self.body, request))
        return _shown(request, pk)


class Claim(Act):
    """Say "mine" for a quarter of an hour."""

    body = bodies.Nothing
    verb = staticmethod(decisions.claim)


class Release(Act):
    """Give back what one claimed."""

    body = bodies.Nothing
    verb = staticmethod(decisions.release)


class Escalate(Act):
    """Ask the next rung now."""

    verb = staticmethod(decisions.escalate)


class Extend(Act):
    """Put the deadline off."""

    body = bodies.Extend
    verb = staticmethod(decisions.extend)


class Remind(Act):
    """Tell those who are asked once more."""

    scopes = {"POST": "approvals:request"}
    body = bodies.Nothing
    verb = staticmethod(decisions.remind)


class Withdraw(Act):
    """Take one's vote back."""

    verb = staticmethod(decisions.withdraw)


class Revoke(Act):
    """Take an approval back."""

    verb = staticmethod(decisions.revoke)


class CancelRequest(Act):
    """The side that asked does not want it any more."""

    scopes = {"POST": "approvals:request"}
    verb = staticmethod(decisions.cancel)

    def post(self, request: Request, pk: uuid.UUID) -> Response:
        """200 with the request; a program's is the newest revision, whichever it names."""
        with suppress(UnknownApproval):  # which the verb says, on record
            pk = outside.newest(outside.own(pk, request.user)).pk
        return super().post(request, pk)


class HandOver(Act):
    """What handing over and assigning share: another person, by login name."""

    body = bodies.HandOver

    def post(self, request: Request, pk: uuid.UUID) -> Response:
        """200 with the request."""
        given = read(self.body, request)
        found = find_person(given["to"])
        # Somebody who is not there is asked for all the same: who may not hand over is told that, and not who exists.
        to = found or get_user_model()(**{get_user_model().USERNAME_FIELD: given["to"]})
        try:
            type(self).verb(pk, actor=request.user, to=to, reason=given["reason"])
        except InvalidDecision as error:
            raise unknown_person("to") if found is None and "to" in error.details["fields"] else error from None
        return _shown(request, pk)


class Delegate(HandOver):
    """Hand one's place over."""

    verb = staticmethod(decisions.delegate)


class Assign(HandOver):
    """Ask one more person."""

    verb = staticmethod(decisions.assign)


class Comments(Act, generics.ListAPIView[Comment]):
    """Read what was said about a request, and say something."""

    scopes = {"GET": "approvals:read", "POST": "approvals:read"}
    says = {
        "GET": Says(Page(told.Remark), errors="unknown_approval", summary="Read what was said about a request"),
        "POST": Says(told.ApprovalDetail, errors=_ACT, summary="Say something about a request"),
    }
    serializer_class = shapes.CommentShape
    pagination_class = Oldest
    body = bodies.Remark
    verb = staticmethod(decisions.comment)

    def get_queryset(self) -> QuerySet[Comment]:
        """The remarks, the oldest first."""
        approval = decisions.find_visible(self.kwargs["pk"], self.request.user)
        return Comment.objects.filter(approval=approval).select_related("author")


class Watch(Act):
    """Be listed as following a request, or not any more."""

    scopes = {"POST": "approvals:read", "DELETE": "approvals:read"}
    says = {
        "POST": Says(told.ApprovalDetail, errors=_ACT, summary="Follow a request"),
        "DELETE": Says(told.ApprovalDetail, errors=_ACT, summary="Follow a request no more"),
    }
    body = bodies.Nothing
    verb = staticmethod(decisions.watch)

    def delete(self, request: Request, pk: uuid.UUID) -> Response:
        """200 with the request."""
        read(bodies.Nothing, request)
        decisions.unwatch(pk, actor=request.user)
        return _shown(request, pk)


def _asked_by(key: ApiKey, pk: uuid.UUID) -> Approval:
    """A request of this key's, with all that is shown of it in one query: it is asked for often."""
    rows = visible(key).select_related("run__workflow", "step", "claimed_by", "edited_by")
    found = rows.filter(pk=pk).first()
    if found is None:
        raise UnknownApproval(f"there is no request {pk} that you may see")
    return found


def _is_over(row: Approval) -> bool:
    """Whether waiting for this request, or for the revision it has come to, has an end."""
    now = outside.newest(Approval.objects.select_related("step").get(pk=row.pk))
    return not now.is_pending and outside.released(now)


def find_person(login: str) -> Any:
    """The user with this login name, or None."""
    users = get_user_model()
    return users._default_manager.filter(**{users.USERNAME_FIELD: login}).first()


def unknown_person(field: str) -> InvalidDecision:
    """What is said of a login name that nobody has."""
    return InvalidDecision(fields={field: "there is nobody with this login name"})


def _shown(request: Request, pk: uuid.UUID) -> Response:
    """The request as it is now, with what its reader can do; the caller has seen to it that they may read it."""
    rows = Approval.objects.select_related("run__workflow", "step", "claimed_by", "edited_by")
    return Response(shapes.asked(rows.get(pk=pk), request.user, fresh=stepped_up(request) is not None))
