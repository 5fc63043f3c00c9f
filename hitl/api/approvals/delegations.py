"""Handing over for a while. People only: `approvals:read` lets a key come so far that it is told so."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.response import Response

from hitl.api.approvals.acts import find_person, unknown_person
from hitl.api.door import Door, people_only, read
from hitl.api.openapi.says import Page, Says
from hitl.api.pagination import Numbered
from hitl.api.shapes import answers as shapes
from hitl.api.shapes import bodies, told
from hitl.exceptions import NotAllowed, NotFound
from hitl.models import Delegation
from hitl.policies import REASONS, delegations
from hitl.policies.acts import is_operator


class Delegations(Door, generics.ListAPIView[Delegation]):
    """Read who stands in for whom, and have somebody stand in."""

    scopes = {"GET": "approvals:read", "POST": "approvals:read"}
    says = {
        "GET": Says(Page(told.Delegation), errors="not_allowed", summary="Read who stands in for whom"),
        "POST": Says(
            told.Delegation,
            201,
            bodies.CreateDelegation,
            "not_allowed invalid_decision",
            summary="Have somebody stand in",
        ),
    }
    serializer_class = shapes.DelegationShape
    pagination_class = Numbered

    def get_queryset(self) -> QuerySet[Delegation]:
        """Those from and to the one who asks; operators see all."""
        people_only(self.request)
        return _visible(self.request.user)

    def post(self, request: Request) -> Response:
        """201 with the delegation."""
        people_only(request)
        given = read(bodies.CreateDelegation, request)
        login = given.pop("from")
        other = bool(login) and login != request.user.get_username()
        if other and not is_operator(request.user):  # before anybody is looked up
            raise NotAllowed(REASONS["not_operator"], reason="not_operator")
        giver = _named("from", login) if other else request.user
        to = _named("to", given.pop("to"))
        row = delegations.create_delegation(giver, to, actor=request.user, **given)
        return Response(shapes.DelegationShape(row).data, status=201)


class RevokeDelegation(Door):
    """End a delegation now."""

    scopes = {"POST": "approvals:read"}
    says = {"POST": Says(told.Delegation, errors="not_allowed not_found")}

    def post(self, request: Request, pk: int) -> Response:
        """200 with the delegation, also when it had ended."""
        people_only(request)
        row = _visible(request.user).filter(pk=pk).first()
        if row is None:
            raise NotFound(f"there is no delegation {pk} that you may see")
        read(bodies.Nothing, request)
        delegations.revoke_delegation(row, actor=request.user)
        row.refresh_from_db(fields=["revoked_at"])
        return Response(shapes.DelegationShape(row).data)


def _visible(user: Any) -> QuerySet[Delegation]:
    rows = Delegation.objects.select_related("from_user", "to_user")
    return rows if is_operator(user) else rows.filter(Q(from_user=user.pk) | Q(to_user=user.pk))


def _named(field: str, login: str) -> Any:
    user = find_person(login)
    if user is None:
        raise unknown_person(field)
    return user
