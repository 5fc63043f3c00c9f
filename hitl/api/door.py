"""What all endpoints share: who may come in, how a body is read, and how lists are narrowed."""

from __future__ import annotations

from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from hitl.api.authentication import ApiKeyAuthentication
from hitl.api.parsers import StrictJSONParser
from hitl.api.problems import handler
from hitl.api.shapes import bodies
from hitl.exceptions import BadInput, NotAllowed
from hitl.models import ApiKey
from hitl.policies import REASONS

Row = TypeVar("Row", bound=Model)


class HasScope(BasePermission):
    """A view names its scope by method in `scopes`; a method without one is not for keys."""

    message = "This key lacks the scope for that."

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Whether this principal may call this method of this view."""
        who: Any = request.user
        if who is None or not who.is_authenticated:
            return False
        if not isinstance(who, ApiKey):
            return True
        method = "GET" if request.method == "HEAD" else str(request.method)
        if not hasattr(view, method.lower()):
            return True  # nobody can: the view answers that this method is not allowed
        return getattr(view, "scopes", {}).get(method) in who.scopes


class Door(APIView):
    """What all endpoints share: scopes by method."""

    # Said here, not left to the project's defaults, so that a project may mount these beside an API of its own.
    authentication_classes = [ApiKeyAuthentication, SessionAuthentication]
    permission_classes = [HasScope]
    parser_classes = [StrictJSONParser]
    renderer_classes = [JSONRenderer]
    scopes: dict[str, str] = {}

    def get_exception_handler(self) -> Any:
        """Every error is a problem document."""
        return handler


def narrowed(rows: QuerySet[Row], request: Request, **columns: str) -> QuerySet[Row]:
    """The rows whose columns have the values that the query string names."""
    for name, column in columns.items():
        value = request.query_params.get(name)
        if value:  # no column holds a NUL, and PostgreSQL would not even be asked for one
            rows = rows.none() if "\0" in value else rows.filter(**{column: value})
    return rows


def idempotency_key(request: Request) -> str | None:
    """The `Idempotency-Key` header; raises BadInput for one that is no key."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and not 1 <= len(key) <= 200:
        raise BadInput(f"the Idempotency-Key has 1 to 200 characters, not {len(key)}")
    return key


def read(shape: type[bodies.Closed], request: Request) -> dict[str, Any]:
    """The body as this shape; raises what becomes a problem saying which field is wrong."""
    if not isinstance(request.data, dict):
        raise BadInput("the body is a JSON object")
    reader = shape(data=request.data)
    reader.is_valid(raise_exception=True)
    return dict(reader.validated_data)


def people_only(request: Request) -> None:
    """Raise NotAllowed for a key: what stands behind this door is for a person, signed in as themselves."""
    if isinstance(request.user, ApiKey):
        raise NotAllowed(REASONS["agent"], reason="agent")
