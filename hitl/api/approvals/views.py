"""Requests in lists, and one by one."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.response import Response

from hitl.api import filters
from hitl.api.approvals.asking import ask
from hitl.api.door import Door
from hitl.api.openapi.says import Page, Says
from hitl.api.pagination import DueSoonest, Inbox, Newest, Pages
from hitl.api.shapes import answers as shapes
from hitl.api.shapes import asking as bodies
from hitl.api.shapes import told
from hitl.decisions.inbox import view, visible
from hitl.definition.values import RISKS
from hitl.exceptions import BadInput
from hitl.models import ApiKey, Approval
from hitl.states import ApprovalStatus

_VIEWS = ("inbox", "claimed", "escalated", "delegated", "asked", "decided", "all")


class Approvals(Door, generics.ListAPIView[Approval]):
    """List requests to people, and ask them."""

    scopes = {"GET": "approvals:read", "POST": "approvals:request"}
    says = {
        "GET": Says(Page(told.Approval), query="view", summary="List requests"),
        "POST": Says(
            told.Asked,
            201,
            bodies.Ask,
            "not_allowed unknown_policy unknown_reviewer invalid_action invalid_policy invalid_decision over_limit",
            summary="Ask people",
        ),
    }
    serializer_class = shapes.ApprovalShape
    filter_backends = [filters.QueryFilters]
    also = ("view",)
    filters = {
        "status": filters.choice("How it stands.", "status", ApprovalStatus.values),
        "risk": filters.choice("How dangerous it is.", "risk", RISKS),
        "kind": filters.choice("An approval or a question.", "kind", ("approval", "question")),
        "workflow": filters.text("The name of its run's workflow.", "run__workflow__name"),
        "run": filters.id_of("The run it belongs to.", "run_id"),
        "batch": filters.text("The batch it is released with.", "batch"),
        "external_id": filters.text("The name that who asked gave it.", "run__external_id"),
    }

    @property
    def pagination_class(self) -> type[Pages]:  # type: ignore[override]
        """What one has to do comes due soonest first, everything else newest first."""
        return DueSoonest if self._view in ("claimed", "escalated", "delegated") else Newest

    def post(self, request: Request) -> Response:
        """An agent asks people: 201 with the request."""
        return ask(request)

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """A page of one of the views, narrowed by the filters; the inbox is walked, never counted."""
        if self._view != "inbox" or isinstance(request.user, ApiKey):
            return super().list(request, *args, **kwargs)
        values = filters.given(request, self.filters, *self.also)
        return Inbox().answer(
            request, request.user, self.serializer_class, lambda row: filters.fits(row, self.filters, values)
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
        return rows.select_related("run__workflow", "step")

    @property
    def _view(self) -> str:
        name = self.request.query_params.get("view") or "all"
        if name not in _VIEWS:
            raise BadInput(f"{name[:40]!r} is no view; there are {', '.join(_VIEWS)}")
        return name
