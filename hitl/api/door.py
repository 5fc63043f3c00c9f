"""What all endpoints share: who may come in, how often, and how a body is read."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.views.decorators.http import conditional_page
from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from hitl.api.authentication import ApiKeyAuthentication
from hitl.api.idempotency import key_of, once
from hitl.api.parsers import StrictJSONParser
from hitl.api.problems import handler
from hitl.api.shapes import bodies
from hitl.api.throttles import PerPrincipal
from hitl.exceptions import BadInput, NotAllowed
from hitl.models import ApiKey
from hitl.policies import REASONS


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
    """What all endpoints share: scopes by method, an ETag on what is read, one answer for the same POST."""

    # Said here, not left to the project's defaults, so that a project may mount these beside an API of its own.
    authentication_classes = [ApiKeyAuthentication, SessionAuthentication]
    permission_classes = [HasScope]
    throttle_classes = [PerPrincipal]
    parser_classes = [StrictJSONParser]
    renderer_classes = [JSONRenderer]
    scopes: dict[str, str] = {}
    answers_once = False

    def __init_subclass__(cls, **options: Any) -> None:
        """Every POST takes an `Idempotency-Key`."""
        super().__init_subclass__(**options)
        if "post" in cls.__dict__:
            cls.post = _answered_once(cls.post)  # type: ignore[attr-defined]

    @classmethod
    def as_view(cls, **options: Any) -> Any:
        """Every GET answers with an `ETag`, and with 304 to who has that answer already."""
        return conditional_page(super().as_view(**options))

    def get_exception_handler(self) -> Any:
        """Every error is a problem document."""
        return handler


def _answered_once(post: Callable[..., Response]) -> Callable[..., Response]:
    @wraps(post)
    def answer(self: Door, request: Request, *args: Any, **kwargs: Any) -> Response:
        def work() -> Response:
            try:
                return post(self, request, *args, **kwargs)
            except Exception as error:  # a refusal is an answer, and what it wrote stays; anything else is raised on
                return self.handle_exception(error)

        key = None if self.answers_once else key_of(request)  # a post that calls the one it overrides is inside already
        if key is None:
            return post(self, request, *args, **kwargs)
        self.answers_once = True
        return once(request, key, work)

    return answer


def read(shape: type[bodies.Closed], request: Request) -> dict[str, Any]:
    """The body as this shape; raises what becomes a problem saying which field is wrong."""
    if not isinstance(request.data, dict):
        raise BadInput("the body is a JSON object")
    reader = shape(data=request.data)
    reader.is_valid(raise_exception=True)
    return dict(reader.validated_data)


def agents_only(request: Request) -> ApiKey:
    """The key; raises NotAllowed for a person: what stands behind this door is for programs."""
    if not isinstance(request.user, ApiKey):
        raise NotAllowed(REASONS["only_agents"], reason="only_agents")
    return request.user


def people_only(request: Request) -> None:
    """Raise NotAllowed for a key: what stands behind this door is for a person, signed in as themselves."""
    if isinstance(request.user, ApiKey):
        raise NotAllowed(REASONS["agent"], reason="agent")
