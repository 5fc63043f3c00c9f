"""axe and screenshots of screens the demo does not have: questions, revisions, and the operators' own.

The pages are made by the test's own Django and given to a browser that asks nobody else for anything.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.staticfiles import finders
from pydantic import BaseModel, Field

from hitl import Action, Plan, Workflow, decisions, engine
from hitl.models import Approval
from tests.admin.conftest import INBOX, browse, decide, page_of
from tests.browser.conftest import ARGS
from tests.servers import chromium_bin

pytestmark = [pytest.mark.browser, pytest.mark.sqlite]
HOST = "http://hitl.test"


class Answer(BaseModel):
    """What the agent wants to know."""

    option: Literal["refund", "replace", "decline"] = Field(title="What shall I offer?")
    amount: int = Field(title="Amount in EUR", description="At most what was paid.", ge=0)
    urgent: bool = Field(title="Is it urgent?")
    note: str | None = Field(None, title="A note for the customer")


def revised(alice: Any, bob: Any, work: Any) -> Approval:
    """The second revision of a letter, of a run with a plan."""
    flow = Workflow("letters", title="Answer a complaint")
    plan = [{"name": "read", "handler": "do"}, {"name": "sum-up", "handler": "do", "after": ["read"]}]
    flow.handler("do")(lambda ctx: None)
    flow.planner("plan", handler=lambda ctx: Plan(plan), allowed=["do"], ungated="a test")

    @flow.step(after="plan")
    def draft(ctx: Any) -> Action:
        args = {"to": "ann@example.com", "subject": "Your order", "body": "We are sorry.\nIt will not happen again."}
        if ctx.instructions:
            args = {"to": "ann@example.com", "body": "We are very sorry.\nWe refund 250 EUR today.", "copy": "support"}
        return Action(args, type="send_mail", title="Mail to Ann", impact="A mail leaves the house", target="ann")

    flow.approval("look", after=draft, reviewers=["group:finance"])
    flow.step(lambda ctx: None, name="send", after="look")
    flow.start(requester=alice)
    work()
    first = Approval.objects.get(action_type="send_mail")
    words = "Say what we do about it, and when."
    decisions.decide(first, actor=bob, verdict="request_revision", digest=first.digest, comment=words)
    work()
    return Approval.objects.get(action_type="send_mail", revision=2)


def asked(alice: Any, work: Any, name: str, **options: Any) -> Approval:
    """A question that waits for finance."""
    flow = Workflow(name, title="Answer a complaint")
    words = "The parcel of order A-17 arrived damaged. The customer asks for a quick answer.\n\nWhat shall I offer?"
    flow.step(lambda ctx: ctx.ask("q", words, reviewers=["group:finance"], **options), name="think")
    run = flow.start(requester=alice)
    work()
    return Approval.objects.get(run=run)


@pytest.fixture
def pages(alice: Any, bob: Any, carol: Any, root: Any, work: Any) -> Any:
    """Addresses with what they answer, and the names of the screens."""
    new = revised(alice, bob, work)
    old = Approval.objects.get(pk=new.supersedes_id)
    form, few = asked(alice, work, "form", schema=Answer), asked(alice, work, "few", options=["refund", "replace"])
    done = asked(alice, work, "done", schema=Answer)
    said = {"option": "refund", "amount": 250, "urgent": True}
    decisions.decide(done, actor=carol, verdict="respond", digest=done.digest, response=said, comment="photos are fine")
    engine.freeze("workflow:letters", actor=root, reason="the mail server is being moved")
    client, ops = browse(bob), browse(root)
    wanted = {
        "inbox": (client, INBOX),
        "revision": (client, page_of(new)),
        "old-revision": (client, page_of(old)),
        "question-form": (client, page_of(form)),
        "question-options": (client, page_of(few)),
        "answered": (client, page_of(done)),
        "ops-run": (ops, f"/admin/hitl/run/{new.run_id}/change/"),
        "ops-runs": (ops, "/admin/hitl/run/"),
        "ops-steps": (ops, "/admin/hitl/step/"),
        "ops-freezes": (ops, "/admin/hitl/freeze/"),
        "ops-workflows": (ops, "/admin/hitl/workflow/"),
    }
    answers = {path: who.get(path).content.decode() for who, path in wanted.values()}
    fields = {"answer-amount": "much", "answer-option": "1", "comment": "kept"}
    answers["/error/"] = decide(client, form, "", **fields).content.decode()
    return answers, {**{name: path for name, (_, path) in wanted.items()}, "question-error": "/error/"}


@pytest.fixture
def browser(pages: Any) -> Iterator[Any]:
    """A browser that starts after the database was asked, since its loop would be in the way of the ORM."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium_bin(), args=ARGS)
        yield found
        found.close()


def answer(route: Any, answers: dict[str, str]) -> None:
    """A page of ours, a static file, or nothing."""
    path = route.request.url.removeprefix(HOST)
    if path in answers:
        route.fulfill(body=answers[path], content_type="text/html; charset=utf-8")
    elif path.startswith("/static/") and (found := finders.find(path.removeprefix("/static/"))):
        route.fulfill(path=str(found))
    else:
        route.fulfill(status=404, body="")


def test_no_screen_has_a_serious_finding(pages: Any, browser: Any) -> None:
    answers, names = pages
    findings = []
    for scheme in ("light", "dark"):
        for width in (1280, 360):
            context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
            page = context.new_page()
            page.route("**/*", lambda route: answer(route, answers))
            for name, path in names.items():
                page.goto(HOST + path)
                if folder := os.environ.get("HITL_SCREENSHOTS"):
                    page.screenshot(path=Path(folder) / f"{name}-{scheme}-{width}.png", full_page=True)
                if name.startswith("ops-"):
                    continue  # Django's own look
                found = Axe().run(page).response["violations"]
                serious = [item for item in found if item["impact"] in ("serious", "critical")]
                findings += [(name, scheme, width, i["id"], i["nodes"][0]["html"][:120]) for i in serious]
                if not page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"):
                    findings.append((name, scheme, width, "scrolls sideways", ""))
            context.close()
    assert findings == []
