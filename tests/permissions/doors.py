"""How a cell of the matrix knocks at each door, and what the door answers, in one form: a code and its reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any
from unittest import mock

from django.contrib.messages import get_messages
from django.core.management import CommandError, call_command

from hitl import decisions
from hitl.exceptions import HitlError
from hitl.models import ApiKey
from tests.admin.conftest import INBOX, browse, page_of, post
from tests.admin.conftest import decide as submit
from tests.api.conftest import Api
from tests.permissions.cells import principals
from tests.permissions.expected import VERDICTS, Cell
from tests.permissions.world import PASSWORD, World

Answer = tuple[str, str]
Door = Callable[[Cell], Answer]
DONE, AGAIN = ("done", ""), ("again", "")
# What goes with each verdict, and with each act, as people say it.
SAID: dict[str, dict[str, Any]] = {
    "approve": {},
    "edit": {"args": {"n": 2}},
    "reject": {"comment": "no"},
    "respond": {"response": {"answer": "A-17"}},
    "request_revision": {"comment": "smaller"},
}
_HTTP = {
    "unknown_approval": 404,
    "not_allowed": 403,
    "permission_denied": 403,
    "not_authenticated": 401,
    "verdict_not_offered": 400,
    "already_decided": 409,
    "already_consumed": 409,
    "approval_closed": 410,
    "stale_approval": 412,
}


def _words(world: World, operation: str) -> dict[str, Any]:
    """What an act wants to know."""
    until = (world.approval.expires_at + timedelta(hours=1)).isoformat()
    known = {
        "delegate": {"to": "friend", "reason": "away"},
        "assign": {"to": "friend", "reason": "knows it"},
        "extend": {"until": until},
        "comment": {"text": "look"},
    }
    return known.get(operation, {})


def prepare(world: World, cell: Cell) -> None:
    """What is so before they knock: a key has the one scope that its principal is named after."""
    if cell.principal.startswith("key:"):
        scopes = [cell.principal.removeprefix("key:")]
        ApiKey.objects.filter(pk=world.keys["own_key"].pk).update(scopes=scopes)


def verbs(world: World) -> Door:
    """The verbs themselves, which every other door calls."""

    def knock(cell: Cell) -> Answer:
        who = world.who(cell.principal)
        try:
            return _call(world, who, cell.operation)
        except HitlError as error:
            return error.code, str(error.details.get("reason", ""))

    return knock


def _call(world: World, who: Any, operation: str) -> Answer:
    pk = world.approval.pk
    if operation in VERDICTS:
        outcome = decisions.decide(pk, actor=who, verdict=operation, digest=world.approval.digest, **SAID[operation])
        return AGAIN if outcome.duplicate else DONE
    if operation == "inbox":
        found = decisions.inbox(who) if hasattr(who, "has_perm") else []  # an inbox is a person's
        return DONE if pk in [row.pk for row in found] else ("not_listed", "")
    if operation == "bulk":
        (item,) = decisions.decide_all({pk: world.approval.digest}, actor=who, verdict="approve")
        assert bool(item.outcome) is not bool(item.reason)
        return AGAIN if item.outcome and item.outcome.duplicate else ("done", item.reason)
    if operation == "read":
        decisions.find_visible(pk, who)
        return DONE
    words = _words(world, operation)
    if "to" in words:
        words["to"] = world.people[words["to"]]
    if "until" in words:
        words["until"] = world.approval.expires_at + timedelta(hours=1)
    getattr(decisions, operation)(pk, actor=who, **words)
    return DONE


def api(world: World) -> Door:
    """The REST API: people by their session, programs by their key."""
    clients = {}
    for name in principals(world.asker, "api"):
        who = None if name == "anonymous" else world.who(name)
        if isinstance(who, ApiKey):
            clients[name] = Api(token=world.tokens["other_key" if name == "other_key" else "own_key"])
        else:
            clients[name] = Api(user=who)

    def knock(cell: Cell) -> Answer:
        response = _request(world, clients[cell.principal], cell.operation)
        body = response.json()
        if response.status_code >= 400:
            assert _HTTP[body["code"]] == response.status_code == body["status"]
            return body["code"], body.get("reason", "")
        assert response.status_code in (200, 202)
        if cell.operation == "inbox":
            return DONE if str(world.approval.pk) in [row["id"] for row in body["results"]] else ("not_listed", "")
        if cell.operation == "bulk":
            (item,) = body["results"]
            known = {"decided": "", "voted": "", "left_out": item["reason"]}
            return "done", known.get(item["code"], item["code"])
        return AGAIN if body.get("duplicate") else DONE

    return knock


def _request(world: World, client: Api, operation: str) -> Any:
    address, digest = f"approvals/{world.approval.pk}/", world.approval.digest
    if operation in VERDICTS:
        return client.post(f"{address}decisions/", {"verdict": operation, "digest": digest, **SAID[operation]})
    if operation == "read":
        return client.get(address)
    if operation == "inbox":
        return client.get("approvals/", view="inbox")
    if operation == "bulk":
        items = [{"id": str(world.approval.pk), "digest": digest}]
        return client.post("approvals/bulk/", {"verdict": "approve", "items": items})
    name = "comments" if operation == "comment" else operation
    return client.post(f"{address}{name}/", _words(world, operation))


def admin(world: World) -> Door:
    """The review screens, as a browser without JavaScript submits them."""
    clients = {name: browse(world.who(name)) for name in principals(world.asker, "admin") if name != "anonymous"}
    clients["anonymous"] = type(clients["candidate"])()

    def knock(cell: Cell) -> Answer:
        client = clients[cell.principal]
        client.cookies.pop("messages", None)  # of what was rolled back
        if cell.operation == "inbox":
            response = client.get(INBOX)
        elif cell.operation == "read":
            response = client.get(page_of(world.approval))
        elif cell.operation in VERDICTS:
            response = _submitted(world, client, cell.operation)
        else:
            response = post(client, f"{page_of(world.approval)}act/{cell.operation}/", _words(world, cell.operation))
        return _shown(world, cell, response)

    return knock


def _submitted(world: World, client: Any, verdict: str) -> Any:
    said = SAID[verdict]
    fields = {"arg-n": said["args"]["n"]} if "args" in said else {}
    fields |= {"answer-answer": said["response"]["answer"]} if "response" in said else {}
    fields |= {"comment": said["comment"]} if "comment" in said else {}
    return submit(client, world.approval, "" if verdict == "respond" else verdict, **fields)


def _shown(world: World, cell: Cell, response: Any) -> Answer:
    if response.status_code == 302:
        if "/login/" in response["Location"]:
            return "not_authenticated", ""
        told = [str(message) for message in get_messages(response.wsgi_request)]
        return AGAIN if told == ["Your decision is on record already."] else DONE
    if response.status_code in (403, 404):
        return {403: "not_authenticated", 404: "unknown_approval"}[response.status_code], ""
    context = response.context_data
    if cell.operation == "inbox":
        shown = str(world.approval.pk) in response.rendered_content
        return DONE if shown else ("not_listed", "")
    error = context.get("error")
    if error is not None:
        assert response.status_code == 409
        return error.code, str(error.details.get("reason", ""))
    return DONE if response.status_code == 200 else (f"page {response.status_code}", "")


def cli(world: World) -> Door:
    """The command line, as a person who types their password."""

    def knock(cell: Cell) -> Answer:
        out, error = StringIO(), None
        with mock.patch("getpass.getpass", return_value=PASSWORD):
            try:
                call_command("hitl", "approvals", *_typed(world, cell), "--json", stdout=out)
            except CommandError as refusal:
                error = refusal
        if error is not None:
            return _refused(error)
        told = json.loads(out.getvalue())
        if cell.operation == "inbox":
            return DONE if str(world.approval.pk) in [row["id"] for row in told] else ("not_listed", "")
        return AGAIN if told.get("duplicate") else DONE

    return knock


def _refused(error: CommandError) -> Answer:
    cause = error.__cause__
    if isinstance(cause, HitlError):
        return cause.code, str(cause.details.get("reason", ""))
    return ("not_authenticated" if "name or the password is wrong" in str(error) else str(error)), ""


def _typed(world: World, cell: Cell) -> list[str]:
    pk, who = str(world.approval.pk), ["--as", cell.principal]
    if cell.operation == "inbox":
        return ["list", *who]
    if cell.operation in VERDICTS:
        said = SAID[cell.operation]
        rest = [json.dumps(said["response"])] if "response" in said else []
        rest += ["--args", json.dumps(said["args"])] if "args" in said else []
        rest += ["--comment", said["comment"]] if "comment" in said else []
        name = "approve" if cell.operation == "edit" else cell.operation
        return [name, pk, *rest, *who, "--digest", world.approval.digest]
    words = _words(world, cell.operation)
    rest = [words.pop("text")] if "text" in words else []
    return [cell.operation, pk, *rest, *who, *(part for name, value in words.items() for part in (f"--{name}", value))]


DOORS: dict[str, Callable[[World], Door]] = {"verbs": verbs, "api": api, "admin": admin, "cli": cli}
