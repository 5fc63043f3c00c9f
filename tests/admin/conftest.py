"""What the tests of the screens share."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from hitl.models import Approval

INBOX = "/review/hitl/approval/"


def page_of(approval: Approval) -> str:
    """The address of a request."""
    return f"{INBOX}{approval.pk}/"


def browse(who: Any) -> Client:
    """A browser in which this person is signed in; CSRF is enforced."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(who)
    client.cookies["csrftoken"] = "c" * 32
    return client


def post(client: Client, address: str, body: dict[str, Any]) -> Any:
    """Submit a form of the page."""
    return client.post(address, {"csrfmiddlewaretoken": "c" * 32, **body})


def decide(client: Client, approval: Approval, verdict: str = "approve", **fields: Any) -> Any:
    """Submit the decision form of a request as its page would."""
    body = {"digest": approval.digest, "revision": approval.revision, "comment": ""} | (
        {"verdict": verdict} if verdict else {}
    )
    return post(client, f"{page_of(approval)}decide/", body | fields)


@pytest.fixture
def make(alice: Any, bob: Any, carol: Any, work: Any) -> Any:
    """An approval of an action with these arguments; options of the gate by name."""
    from hitl import Action, Workflow

    made = iter(range(1000))

    def build(args: Any = None, *, requester: Any = None, **options: Any) -> Approval:
        words = {"title": "Do it", "impact": "It is done", "type": "do"}
        names = ("title", "impact", "description", "target", "type", "reversible")
        words |= {name: options.pop(name) for name in names if name in options}
        flow = Workflow(f"gate-{next(made)}")
        flow.step(lambda ctx: Action(args if args is not None else {"n": 1}, **words), name="draft")
        who = {} if "stages" in options else {"reviewers": ["group:finance"]}
        silent = {"reversible": True} if options.get("on_timeout") == "approve" else {}
        flow.approval("ask", after="draft", **who | silent | options)
        flow.step(lambda ctx: ctx.action.args, name="act", after="ask")
        run = flow.start(requester=requester or alice)
        work()
        return Approval.objects.get(run=run)

    return build
