"""The endpoints: read the request, call one verb, shape the answer."""

from __future__ import annotations

import uuid
from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from rest_framework import generics
from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from hitl import engine
from hitl.api import bodies
from hitl.api import serializers as shapes
from hitl.api.authentication import ApiKeyAuthentication
from hitl.api.pagination import DueSoonest, Inbox, Newest, Pages
from hitl.api.parsers import StrictJSONParser
from hitl.api.problems import handler
from hitl.decisions.inbox import view, visible
from hitl.exceptions import BadInput, NotAllowed, UnknownRun
from hitl.models import ApiKey, Approval, Run
from hitl.policies import REASONS

_VIEWS = ("inbox", "claimed", "escalated", "delegated", "asked", "decided", "all")
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


class Runs(Door, generics.ListAPIView[Run]):
    """List runs and start them."""

    scopes = {"GET": "runs:read", "POST": "runs:start"}
    serializer_class = shapes.RunShape
    pagination_class = Newest

    def get_queryset(self) -> QuerySet[Run]:
        """The runs this principal may see, narrowed by `?status=` and `?workflow=`."""
        rows = runs_of(self.request.user).select_related("workflow")
        return _narrowed(rows, self.request, status="status", workflow="workflow__name")

    def post(self, request: Request) -> Response:
        """Start a run; the `Idempotency-Key` header makes a repeated call return the first run. People need leave."""
        who = request.user
        if not isinstance(who, ApiKey) and not (who.has_perm("hitl.add_run") or who.has_perm("hitl.operate")):
            raise NotAllowed("being asked to decide is no permission to start work", reason="may_not_start")
        given = read(bodies.StartRun, request)
        run = engine.start(
            given["workflow"],
            given["input"],
            requester=request.user,
            idempotency_key=_idempotency_key(request),
            external_id=given["external_id"],
            risk=given["risk"],
        )
        return Response(shapes.RunDetail(Run.objects.get(pk=run.pk)).data, status=201)


class OneRun(Door):
    """Read one run."""

    scopes = {"GET": "runs:read"}

    def get(self, request: Request, pk: uuid.UUID) -> Response:
        """The run with its steps."""
        return Response(shapes.RunDetail(find_run(request.user, pk)).data)


class Signals(Door):
    """Send a signal to a run."""

    scopes = {"POST": "signals:send"}

    def post(self, request: Request, pk: uuid.UUID, name: str) -> Response:
        """202: the signal is stored and reaches the run."""
        run = find_run(request.user, pk)
        given = read(bodies.SendSignal, request)
        row = engine.signal(
            run,
            name,
            given["payload"],
            sender=request.user,
            idempotency_key=_idempotency_key(request),
        )
        return Response({"run": str(run.pk), "name": row.name, "late": row.late}, status=202)


class Approvals(Door, generics.ListAPIView[Approval]):
    """List requests to people."""

    scopes = {"GET": "approvals:read"}
    serializer_class = shapes.ApprovalShape

    @property
    def pagination_class(self) -> type[Pages]:  # type: ignore[override]
        """What one has to do comes due soonest first, everything else newest first."""
        return DueSoonest if self._view in ("claimed", "escalated", "delegated") else Newest

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
        return _narrowed(rows.select_related("run__workflow", "step"), self.request, status="status", risk="risk")

    @property
    def _view(self) -> str:
        name = self.request.query_params.get("view") or "all"
        if name not in _VIEWS:
            raise BadInput(f"{name[:40]!r} is no view; there are {', '.join(_VIEWS)}")
        return name


def runs_of(who: Any) -> QuerySet[Run]:
    """The runs a principal may see: its own, its agents', those it was asked about; operators see all."""
    if isinstance(who, ApiKey):
        return Run.objects.filter(principal=f"key:{who.pk}")
    if who.has_perm("hitl.operate"):
        return Run.objects.all()
    keys = [f"key:{key}" for key in ApiKey.objects.owned_by(who).values_list("pk", flat=True)]
    own = Run.objects.filter(requester=who.pk) | Run.objects.filter(on_behalf_of=who.pk)
    own |= Run.objects.filter(principal__in=keys)
    return own | Run.objects.filter(pk__in=visible(who).values("run"))


def find_run(who: Any, pk: uuid.UUID) -> Run:
    """One run this principal may see; raises UnknownRun alike for both kinds of no."""
    run = runs_of(who).select_related("workflow").filter(pk=pk).first()
    if run is None:
        raise UnknownRun(f"there is no run {pk} that you may see")
    return run


def _narrowed(rows: QuerySet[Row], request: Request, **columns: str) -> QuerySet[Row]:
    """The rows whose columns have the values that the query string names."""
    for name, column in columns.items():
        value = request.query_params.get(name)
        if value:  # no column holds a NUL, and PostgreSQL would not even be asked for one
            rows = rows.none() if "\0" in value else rows.filter(**{column: value})
    return rows


def _idempotency_key(request: Request) -> str | None:
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
