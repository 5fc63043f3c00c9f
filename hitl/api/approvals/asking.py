"""Agents ask: a request that comes alone, what came of it, and what became of running it. With an API key only."""

from __future__ import annotations

import uuid
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from hitl import notifications
from hitl.api.approvals.acts import find_person, unknown_person
from hitl.api.door import Door, agents_only, read
from hitl.api.idempotency import key_of
from hitl.api.openapi.says import Says
from hitl.api.runs.control import run_answer
from hitl.api.shapes import answers as shapes
from hitl.api.shapes import asking as bodies
from hitl.api.shapes import told, told_runs
from hitl.api.shapes.bodies import Nothing
from hitl.definition import Action, GateSpec
from hitl.definition.gates import gate_spec
from hitl.engine import outside
from hitl.exceptions import BadInput, InvalidWorkflow
from hitl.models import ApiKey, Approval
from hitl.policies.outside import default_policy, risk_for

_ASK = "unknown_approval not_allowed"
_ACTION = "invalid_action invalid_policy unknown_policy unknown_reviewer"
_NOT_NOW = "already_consumed not_decided batch_open too_early stale_approval frozen"


def ask(request: Request) -> Response:
    """Ask people: 201 with the request."""
    key = agents_only(request)
    given = read(bodies.Ask, request)
    more = {name: given[name] for name in ("external_id", "context", "resume_data", "callback_url")}
    more |= {
        "on_behalf_of": _person(given["on_behalf_of"]),
        "idempotency_key": key_of(request),
        **_batch(given["batch"]),
    }
    if given["kind"] == "question":
        gate = gate_of(key, given, description=given["description"])
        kind = {"schema": given["schema"], "options": given["options"], "title": given["title"]}
        row = outside.ask_question(given["question"], gate, actor=key, **kind, **more)
    else:
        body = given["action"]
        report = {"report_within": given["report_within"], "args_schema": body.pop("args_schema")}
        action = read_action(body, given["title"], given["description"])
        row = outside.ask(action, gate_of(key, given), actor=key, **report, **more)
    made = _made(request, row)
    made.data["callback_secret"] = notifications.callback_secret(key) if row.callback_url else None
    return made


class Revise(Door):
    """Propose again after a revision was requested."""

    scopes = {"POST": "approvals:request"}
    says = {
        "POST": Says(
            told.ApprovalDetail,
            201,
            bodies.Revise,
            f"{_ASK} already_decided approval_closed {_ACTION}",
        )
    }

    def post(self, request: Request, pk: uuid.UUID) -> Response:
        """201 with the next revision."""
        key = agents_only(request)
        given = read(bodies.Revise, request)
        body = given["action"]
        if body.pop("args_schema") is not None:
            raise BadInput("args_schema stays what it was in the first revision")
        action = read_action(body, "", "")
        return _made(request, outside.revise(pk, action, actor=key, context=given["context"]))


class Consume(Door):
    """Take what came of a request, once."""

    scopes = {"POST": "approvals:request"}
    says = {"POST": Says(told.Taken, errors=f"{_ASK} {_NOT_NOW}")}

    def post(self, request: Request, pk: uuid.UUID) -> Response:
        """200 with the outcome, and the token to report with where it was approved."""
        key = agents_only(request)
        read(Nothing, request)
        taken = outside.take(pk, actor=key)
        row = taken.approval
        return Response(
            {
                "id": str(row.pk),
                "status": row.status,
                "outcome": shapes.outcome(taken.told),
                "token": taken.token,
                "report_by": taken.report_by,
                "resume_data": row.resume_data,
            }
        )


class Result(Door):
    """Say what came of running it."""

    scopes = {"POST": "approvals:request"}
    says = {
        "POST": Says(told_runs.RunDetail, body=bodies.Report, errors=f"{_ASK} not_decided lease_lost invalid_action")
    }

    def post(self, request: Request, pk: uuid.UUID) -> Response:
        """200 with the run as it ended."""
        key = agents_only(request)
        given = read(bodies.Report, request)
        error = None if given["ok"] else given["error"]
        run = outside.report(pk, given["token"], actor=key, output=given["output"], error=error)
        return run_answer(run.pk)


def gate_of(key: ApiKey, given: dict[str, Any], **more: Any) -> GateSpec:
    """The gate that these terms make, for a verb that checks what of it is this key's to choose. Raises BadInput naming
    what is wrong."""
    terms = bodies.gate_options(given)
    if not terms.keys() & {"policy", "reviewers", "stages"}:
        terms["policy"] = default_policy(key)
    phrase = terms.pop("phrase", "")
    try:
        gate = gate_spec("this request", risk=risk_for(key, given["risk"]), **terms, **more)
    except InvalidWorkflow as error:
        raise BadInput(error.message) from error
    return gate.model_copy(update={"phrase": phrase, "level": given["level"] or None})


def read_action(body: dict[str, Any], title: str, description: str) -> Action:
    """The action of a body; the request's own words stand for missing ones."""
    return Action(**{**body, "title": body["title"] or title, "description": body["description"] or description})


def _batch(batch: dict[str, Any] | None) -> dict[str, Any]:
    if batch is None:
        return {}
    return {"batch": batch["id"], "batch_size": batch["size"] if batch["release"] == "all" else None}


def _person(name: str) -> Any:
    if not name:
        return None
    found = find_person(name)
    if found is None:
        raise unknown_person("on_behalf_of")
    return found


def _made(request: Request, row: Approval) -> Response:
    where = reverse("api-approval", args=[row.pk], request=request)
    return Response(shapes.asked(row, request.user), status=201, headers={"Location": where})
