"""Requests in lists, and one by one."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.response import Response

from hitl.api.approvals.asking import ask
from hitl.api.door import Door, narrowed
from hitl.api.pagination import DueSoonest, Inbox, Newest, Pages
from hitl.api.shapes import answers as shapes
from hitl.decisions.inbox import view, visible
from hitl.exceptions import BadInput
from hitl.models import ApiKey, Approval

_VIEWS = ("inbox", "claimed", "escalated", "delegated", "asked", "decided", "all")


class Approvals(Door, generics.ListAPIView[Approval]):
    """List requests to people, and ask them."""

    scopes = {"GET": "approvals:read", "POST": "approvals:request"}
    serializer_class = shapes.ApprovalShape

    @property
    def pagination_class(self) -> type[Pages]:  # type: ignore[override]
        """What one has to do comes due soonest first, everything else newest first."""
        return DueSoonest if self._view in ("claimed", "escalated", "delegated") else Newest

    def post(self, request: Request) -> Response:
        """An agent asks people: 201 with the request."""
        return ask(request)

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A page of one of the views, narrowed by `?status=` and `?risk=`; the inbox is walked, never counted."""
        if self._view != "inbox" or isinstance(request.user, ApiKey):
            return super().list(request, *args, **kwargs)
        status, risk = (request.query_params.get(name) for name in ("status", "risk"))
        return Inbox().answer(
            request,
            request.user,
            self.serializer_class,
            lambda row: status in (None, "", row.status) and risk in (None, "", row.risk),
        )

    def get_queryset(self) -> QuerySet[Approval]:
        """The rows of a view; a program has only those that its own runs asked."""
        who = self.request.user
        if isinstance(who, ApiKey):
            if self._view not in ("inbox", "asked", "all"):
                raise BadInput(f"programs are asked nothing, so there is no view {self._view} for them")
            rows = visible(who)
        else:
            rows = view(self._view, who)
        return narrowed(rows.select_related("run__workflow", "step"), self.request, status="status", risk="risk")

    @property
    def _view(self) -> str:
        name = self.request.query_params.get("view") or "all"
        if name not in _VIEWS:
            raise BadInput(f"{name[:40]!r} is no view; there are {', '.join(_VIEWS)}")
        return name
