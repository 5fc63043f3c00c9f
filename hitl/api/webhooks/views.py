"""Endpoints of webhooks. Operators only: `runs:read` lets a key come so far that it is told so."""

from __future__ import annotations

import uuid
from typing import Any

from django.db.models import QuerySet
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from hitl.api import filters
from hitl.api.door import Door, read
from hitl.api.openapi.says import Page, Says
from hitl.api.pagination import Newest
from hitl.api.shapes.bodies import Nothing
from hitl.api.webhooks import shapes
from hitl.exceptions import NotAllowed, NotFound
from hitl.models import Notification, WebhookEndpoint
from hitl.notifications import endpoints
from hitl.policies import REASONS
from hitl.policies.acts import is_operator
from hitl.states import NotificationStatus

_ERRORS = "not_allowed not_found"


class Webhooks(Door, generics.ListAPIView[WebhookEndpoint]):
    """List webhooks, and set one up."""

    scopes = {"GET": "runs:read", "POST": "runs:read"}
    says = {
        "GET": Says(Page(shapes.WebhookTold), errors="not_allowed", summary="List webhooks"),
        "POST": Says(shapes.WebhookMade, 201, shapes.CreateWebhook, "not_allowed", summary="Set up a webhook"),
    }
    serializer_class = shapes.WebhookShape
    pagination_class = Newest

    def get_queryset(self) -> QuerySet[WebhookEndpoint]:
        """All of them, the newest first."""
        _operators_only(self.request)
        return WebhookEndpoint.objects.all()

    def post(self, request: Request) -> Response:
        """201 with the endpoint and its secret, which is shown once."""
        _operators_only(request)
        given = read(shapes.CreateWebhook, request)
        row, secret = endpoints.create_endpoint(given.pop("url"), actor=request.user, **given)
        where = reverse("api-webhook", args=[row.pk], request=request)
        return Response({**shapes.WebhookShape(row).data, "secret": secret}, status=201, headers={"Location": where})


class OneWebhook(Door):
    """Read a webhook."""

    scopes = {"GET": "runs:read"}
    says = {"GET": Says(shapes.WebhookTold, errors=_ERRORS)}

    def get(self, request: Request, pk: uuid.UUID) -> Response:
        """200 with the endpoint and how it stands."""
        return Response(shapes.WebhookShape(_found(request, pk)).data)


class Rotate(Door):
    """Give a webhook a new secret."""

    scopes = {"POST": "runs:read"}
    says = {"POST": Says(shapes.WebhookMade, errors=_ERRORS)}

    def post(self, request: Request, pk: uuid.UUID) -> Response:
        """200 with the new secret, which is shown once; the old one signs beside it for 24 hours."""
        row = _found(request, pk)
        read(Nothing, request)
        secret = endpoints.rotate_secret(row, actor=request.user)
        return Response({**shapes.WebhookShape(_found(request, pk)).data, "secret": secret})


class Disable(Door):
    """Turn a webhook off."""

    scopes = {"POST": "runs:read"}
    says = {"POST": Says(shapes.WebhookTold, errors=_ERRORS)}

    def post(self, request: Request, pk: uuid.UUID) -> Response:
        """200 with the endpoint: nothing more is sent there."""
        row = _found(request, pk)
        read(Nothing, request)
        endpoints.disable_endpoint(row, actor=request.user)
        return Response(shapes.WebhookShape(_found(request, pk)).data)


class Enable(Door):
    """Turn a webhook on again."""

    scopes = {"POST": "runs:read"}
    says = {"POST": Says(shapes.WebhookTold, errors=_ERRORS)}

    def post(self, request: Request, pk: uuid.UUID) -> Response:
        """200 with the endpoint: what happens from now on is sent there."""
        row = _found(request, pk)
        read(Nothing, request)
        endpoints.enable_endpoint(row, actor=request.user)
        return Response(shapes.WebhookShape(_found(request, pk)).data)


class Try(Door):
    """Send a test to a webhook."""

    scopes = {"POST": "runs:read"}
    says = {"POST": Says(shapes.DeliveryShape, 202, errors=_ERRORS)}

    def post(self, request: Request, pk: uuid.UUID) -> Response:
        """202 with the message, of the type `hitl.test`; look at the deliveries for what came of it."""
        row = _found(request, pk)
        read(Nothing, request)
        made = endpoints.try_endpoint(row, actor=request.user)
        return Response(shapes.DeliveryShape(made).data, status=202)


class Deliveries(Door, generics.ListAPIView[Notification]):
    """List what was sent to a webhook."""

    scopes = {"GET": "runs:read"}
    says = {"GET": Says(Page(shapes.DeliveryShape), errors=_ERRORS)}
    serializer_class = shapes.DeliveryShape
    pagination_class = Newest
    filter_backends = [filters.QueryFilters]
    filters = {"status": filters.choice("How it stands.", "status", NotificationStatus.values)}

    def get_queryset(self) -> QuerySet[Notification]:
        """Its messages, the newest first."""
        row = _found(self.request, self.kwargs["pk"])
        return Notification.objects.filter(endpoint=row.pk).select_related("approval")


class Replay(Door):
    """Send messages to a webhook again."""

    scopes = {"POST": "runs:read"}
    says = {"POST": Says(shapes.ReplayedShape, 202, shapes.ReplayBody, _ERRORS)}

    def post(self, request: Request, pk: uuid.UUID) -> Response:
        """202 with how many: the one that is named, or all that are dead. A dead one keeps its id; one that had
        arrived is sent as a new message."""
        row = _found(request, pk)
        name = read(shapes.ReplayBody, request)["delivery"]
        if name is None:
            return Response({"count": endpoints.replay(row, actor=request.user)}, status=202)
        one = Notification.objects.filter(endpoint=row.pk, pk=name).first()
        if one is None:
            raise NotFound("this webhook has no such delivery")
        endpoints.resend(one, actor=request.user)
        return Response({"count": 1}, status=202)


def _operators_only(request: Any) -> None:
    if not is_operator(request.user):
        raise NotAllowed(REASONS["not_operator"], reason="not_operator")


def _found(request: Any, pk: uuid.UUID) -> WebhookEndpoint:
    _operators_only(request)
    row = WebhookEndpoint.objects.filter(pk=pk).first()
    if row is None:
        raise NotFound("there is no such webhook")
    return row
