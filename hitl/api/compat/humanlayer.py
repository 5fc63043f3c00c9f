"""HumanLayer's API as its Python SDK calls it: function calls are requests for an approval, contacts are questions.

The SDK sends names of its own (`call_id`), asks again every three seconds until there is an answer, and never says what
came of the function. So the first answer takes what came of the request, and closes its run with a note.
"""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from hitl import clock, decisions
from hitl.api.approvals.asking import gate_of
from hitl.api.authentication import ApiKeyAuthentication
from hitl.api.compat import words
from hitl.api.door import Door, agents_only, read
from hitl.api.idempotency import once
from hitl.api.problems import problem
from hitl.api.shapes.bodies import Closed
from hitl.definition import Action
from hitl.engine import outside
from hitl.exceptions import (
    AlreadyConsumed,
    Frozen,
    IdempotencyConflict,
    NotAllowed,
    NotDecided,
    TooEarly,
    UnknownApproval,
)
from hitl.models import ApiKey, Approval
from hitl.policies import REASONS

_HANDED_OVER = {"note": "The HumanLayer client was told that it is approved. It does not report what came of it."}
_SENT_BACK = "The HumanLayer client cannot run another call than it asked for: this one was sent back as a proposal."
_MARK = "humanlayer"
_TERMS = {"risk": "", "level": ""}  # the key's only policy, as it is


def _json(*, null: bool = True) -> serializers.JSONField:
    return serializers.JSONField(required=not null, default=None, allow_null=null)


class _Option(Closed):
    name = serializers.CharField(max_length=200)
    title = serializers.CharField(required=False, allow_null=True, max_length=500)
    description = serializers.CharField(required=False, allow_null=True, max_length=2000)
    prompt_fill = serializers.CharField(required=False, allow_null=True, max_length=2000)
    interactive = serializers.BooleanField(required=False, default=False)


class _FunctionSpec(Closed):
    fn = serializers.CharField(max_length=200)
    kwargs = serializers.DictField()
    channel = serializers.DictField(required=False, allow_null=True)
    reject_options = _Option(many=True, required=False, allow_null=True)
    state = serializers.DictField(required=False, allow_null=True)


class _ContactSpec(Closed):
    msg = serializers.CharField(max_length=20_000)
    subject = serializers.CharField(required=False, allow_null=True, allow_blank=True, max_length=400)
    channel = serializers.DictField(required=False, allow_null=True)
    response_options = _Option(many=True, required=False, allow_null=True)
    state = serializers.DictField(required=False, allow_null=True)


class _FunctionCall(Closed):
    run_id = serializers.CharField(max_length=200)
    call_id = serializers.CharField(max_length=150)
    spec = _FunctionSpec()
    status = _json()


class _Contact(Closed):
    run_id = serializers.CharField(max_length=200)
    call_id = serializers.CharField(max_length=150)
    spec = _ContactSpec()
    status = _json()


class _Escalation(Closed):
    escalation_msg = serializers.CharField(max_length=5000)
    additional_recipients = _json()
    channel = _json()


class _HumanLayerDoor(Door):
    """Programs only: people have doors of their own."""

    authentication_classes = [ApiKeyAuthentication]
    kind = "approval"


class FunctionCalls(_HumanLayerDoor):
    """Ask for a yes to a function with its arguments."""

    scopes = {"POST": "approvals:request"}
    body: type[Closed] = _FunctionCall

    def post(self, request: Request) -> Response:
        """The call as it was kept; the same call again is the same request, another one of its name is refused."""
        key, given = agents_only(request), read(self.body, request)
        return once(request, f"humanlayer:{self.kind}:{given['call_id']}", lambda: self._answer(key, given))

    def _answer(self, key: ApiKey, given: dict[str, Any]) -> Response:
        row = _asked(given, key, self.kind) or self._ask(key, given, given["spec"])
        return Response(_shape(row, None))

    def _ask(self, key: ApiKey, given: dict[str, Any], spec: dict[str, Any]) -> Approval:
        title = words.title_of(spec["fn"], spec["kwargs"])
        action = Action(spec["kwargs"], type=spec["fn"], title=title, impact=words.IMPACT)
        return outside.ask(action, gate_of(key, _TERMS), **_said(given, key, spec.get("reject_options")))


class Contacts(FunctionCalls):
    """Ask people something; the same call twice as for a function."""

    kind = "question"
    body = _Contact

    def _ask(self, key: ApiKey, given: dict[str, Any], spec: dict[str, Any]) -> Approval:
        options = words.answers_of(spec.get("response_options"))
        said = _said(given, key, spec.get("response_options")) | {"title": spec.get("subject") or ""}
        return outside.ask_question(spec["msg"], gate_of(key, _TERMS), options=options, **said)


class OneFunctionCall(_HumanLayerDoor):
    """How a function call stands."""

    scopes = {"GET": "approvals:request"}

    def get(self, request: Request, call_id: str) -> Response:
        """The call with its status; what came of it is taken with the first answer that says so."""
        key = agents_only(request)
        return Response(_shape(*_taken(_find(call_id, key, self.kind), key)))


class OneContact(OneFunctionCall):
    """How a contact stands."""

    kind = "question"


class Respond(_HumanLayerDoor):
    """HumanLayer lets agents answer; here nobody decides by a key."""

    scopes = {"POST": "approvals:request"}

    def post(self, request: Request, call_id: str) -> Response:
        """Always NotAllowed."""
        raise NotAllowed(REASONS["agent"], reason="agent")


class EscalateCall(_HumanLayerDoor):
    """HumanLayer mails somebody more; here those who are asked are reminded, since an agent does not choose whom."""

    scopes = {"POST": "approvals:request"}

    def post(self, request: Request, call_id: str) -> Response:
        """The call as it stands; 409 where a reminder has just gone out, or nobody can decide any more."""
        read(_Escalation, request)
        key = agents_only(request)
        row = _find(call_id, key, self.kind)
        try:
            decisions.remind(row, actor=key)
        except NotAllowed as error:
            if error.details.get("reason") != "too_soon":
                raise
            return problem(409, error.code, error.message, error.details)
        return Response(_shape(row, None))


class EscalateContact(EscalateCall):
    """The same for a contact."""

    kind = "question"


def _said(given: dict[str, Any], key: ApiKey, options: Any) -> dict[str, Any]:
    """What both kinds of request say beside the call: what people see, and what is given back."""
    kept = {name: given[name] for name in ("run_id", "call_id")} | {"spec": words.without_secrets(given["spec"])}
    shown = words.shown(given["run_id"], options)
    return {"actor": key, "external_id": given["call_id"], "context": shown, "resume_data": {_MARK: kept}}


def _asked(given: dict[str, Any], key: ApiKey, kind: str) -> Approval | None:
    """The request of an earlier call with this name; raises IdempotencyConflict where that asked for something else."""
    row = _rows(given["call_id"], key, kind).order_by("revision").first()
    if row is not None and _kept(row).get("spec") != words.without_secrets(given["spec"]):
        raise IdempotencyConflict(f"there is a call {given['call_id']!r} already, and it asks for something else")
    return row


def _find(call_id: str, key: ApiKey, kind: str) -> Approval:
    """The newest revision of what this key asked under this name; raises UnknownApproval."""
    row = _rows(call_id, key, kind).order_by("-revision").first()
    shape = _FunctionCall if kind == "approval" else _Contact
    if row is None or not shape(data=_kept(row)).is_valid():  # the API takes any data with a request
        raise UnknownApproval(f"there is no call {call_id!r} of yours")
    return row


def _rows(call_id: str, key: ApiKey, kind: str) -> QuerySet[Approval]:
    rows = Approval.objects.filter(agent_key=key.pk, kind=kind, run__external_id=call_id)
    return rows.filter(resume_data__has_key=_MARK).select_related("run__workflow", "step")


def _kept(row: Approval) -> dict[str, Any]:
    """What was sent here and is given back."""
    found = (row.resume_data or {}).get(_MARK)
    return found if isinstance(found, dict) else {}


def _taken(row: Approval, key: ApiKey) -> tuple[Approval, outside.Told | None]:
    """The request and what came of it, taken by whoever hears of it first; None while there is nothing to tell.

    The SDK reports nothing: its run is closed here, as handed over or, where the SDK would run something else than was
    approved, as sent back.
    """
    told = outside.tell(row)
    if told is None or (row.not_before is not None and clock.now() < row.not_before):
        return row, None
    if row.consumed_at is not None or row.taken_at is not None:
        return row, told
    try:
        taken = outside.take(row, actor=key)
    except AlreadyConsumed:
        return row, told
    except (NotDecided, TooEarly, Frozen):
        return row, None
    if taken.token is not None:
        same = words.same_call(_kept(row)["spec"], taken.told)
        came = {"output": _HANDED_OVER} if same else {"error": _SENT_BACK}
        outside.report(row, taken.token, actor=key, **came)
    return taken.approval, taken.told


def _shape(row: Approval, told: outside.Told | None) -> dict[str, Any]:
    """A call as the SDK reads it."""
    kept = _kept(row)
    status: dict[str, Any] = {"requested_at": row.opened_at}
    said = (words.call_status if row.kind == "approval" else words.contact_status)(kept["spec"], row.status, told)
    if said:
        status |= {"responded_at": row.decided_at, **said}
    return {**kept, "status": status}
