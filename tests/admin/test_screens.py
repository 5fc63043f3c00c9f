"""axe and screenshots of the screens with stages, acts, several at once, and delegations.

The pages are made by the test's own Django and given to a browser that asks nobody else for anything.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.staticfiles import finders

from hitl import Action, Workflow, clock, decisions
from hitl.models import Approval
from hitl.policies import apply_policy
from hitl.policies.delegations import create_delegation, revoke_delegation
from tests.admin.conftest import INBOX, browse, decide, page_of, post
from tests.browser.conftest import ARGS
from tests.conftest import _user
from tests.servers import chromium_bin

pytestmark = [pytest.mark.browser, pytest.mark.sqlite]
TYPES = {"credit": {"type": "object", "properties": {"amount": {"type": "integer"}}}}


HOST = "http://hitl.test"


def answer(route: Any, answers: dict[str, str]) -> None:
    """A page of ours, a static file, or nothing."""
    path = route.request.url.removeprefix(HOST)
    if path in answers:
        route.fulfill(body=answers[path], content_type="text/html; charset=utf-8")
    elif path.startswith("/static/") and (found := finders.find(path.removeprefix("/static/"))):
        route.fulfill(path=str(found))
    else:
        route.fulfill(status=404, body="")


def refunds(alice: Any, work: Any, root: Any) -> list[Approval]:
    """Three small refunds and a large one, under a policy with a rule for each."""
    first = {
        "reviewers": ["group:finance"],
        "approvals": 2,
        "timeout": "4h",
        "remind": ["1h"],
        "escalate": [{"after": "2h", "to": ["user:root"]}],
    }
    large = {"when": "args.amount > 1000", "name": "large refunds", "stages": [first, {"reviewers": ["user:dana"]}]}
    tiny = {"when": "args.amount <= 5", "name": "pocket money", "auto": "approve", "until": "2999-01-01"}
    default = {"stages": [{"reviewers": ["group:finance"], "timeout": "8h"}]}
    document = {"name": "refunds", "rules": [tiny, large], "default": default, "step_up": {"high": "password"}}
    apply_policy(document, actor=root)
    flow, found = Workflow("refunds", title="Refund an order"), []

    @flow.step
    def draft(ctx: Any) -> Action:
        amount = ctx.input["amount"]
        args = {"order_id": f"A-{amount}", "amount": amount, "note": "arrived damaged"}
        words = f"Refund {amount} EUR to order A-{amount}"
        return Action(
            args, type="refund", title=words, impact="Money leaves at once", description="It arrived damaged."
        )

    flow.approval(
        "ask",
        after=draft,
        policy="refunds",
        types=TYPES,
        risk=lambda action: "high" if action.args["amount"] > 1000 else "low",
    )
    flow.step(lambda ctx: None, name="pay", after="ask")
    for amount in (20, 45, 80, 4800, 5):
        run = flow.start({"amount": amount}, requester=alice)
        work()
        found.append(Approval.objects.get(run=run))
    return found


@pytest.fixture
def screens(alice: Any, bob: Any, carol: Any, root: Any, work: Any) -> dict[str, str]:
    """The names of the screens with what they answer."""
    dana = _user("dana", first_name="Dana", last_name="Whitfield")
    bob.set_password("correct horse")
    bob.save()
    *small, large, passed = refunds(alice, work, root)
    decisions.delegate(large, actor=carol, to=dana, reason="at the dentist")
    decisions.claim(large, actor=bob)
    decisions.comment(large, actor=carol, text="Did anybody call the customer?")
    decisions.comment(large, actor=alice, text="Yes, on Tuesday.\nThere are photos as well.")
    now = clock.now()
    create_delegation(bob, carol, ends_at=now + timedelta(days=9), actor=bob, reason="two weeks in the mountains")
    old = create_delegation(dana, bob, ends_at=now + timedelta(days=2), actor=dana)
    later = {"starts_at": now + timedelta(days=3), "ends_at": now + timedelta(days=4)}
    create_delegation(dana, bob, actor=dana, reason="a course", **later)
    revoke_delegation(old, actor=dana)
    client, ids = browse(bob), [row.pk for row in (*small, large)]
    found = {
        "inbox": client.get(INBOX),
        "inbox-claimed": client.get(INBOX, {"view": "claimed"}),
        "two-stages": client.get(page_of(large)),
        "two-stages-acts": post(client, f"{page_of(large)}act/delegate/", {"to": "nobody", "reason": "kept"}),
        "operator": browse(root).get(page_of(large)),
        "password": decide(client, large, comment="kept", password="wrong"),
        "another-action": decide(client, small[0], "edit", action_type="credit", other_args="[]"),
        "passed": browse(alice).get(page_of(passed)),
        "bulk": client.get(f"{INBOX}bulk/", {"id": ids}),
        "delegations": client.get("/review/delegations/"),
        "delegations-error": post(client, "/review/delegations/", {"to": "nobody", "ends_at": "2020-01-01T00:00"}),
    }
    body = {"id": ids, "verdict": "approve", **{f"digest-{row.pk}": row.digest for row in small}}
    found["bulk-results"] = post(client, f"{INBOX}bulk/", body)
    return {name: response.content.decode() for name, response in found.items()}


@pytest.fixture
def browser(screens: dict[str, str]) -> Iterator[Any]:
    """A browser that starts after the database was asked, since its loop would be in the way of the ORM."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium_bin(), args=ARGS)
        yield found
        found.close()


def test_no_screen_has_a_serious_finding(screens: dict[str, str], browser: Any) -> None:
    answers = {f"/{name}/": text for name, text in screens.items()}
    findings = []
    for scheme in ("light", "dark"):
        for width in (1280, 360):
            context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
            page = context.new_page()
            page.route("**/*", lambda route: answer(route, answers))
            for name in screens:
                page.goto(f"{HOST}/{name}/")
                if folder := os.environ.get("HITL_SCREENSHOTS"):
                    page.screenshot(path=Path(folder) / f"{name}-{scheme}-{width}.png", full_page=True)
                found = Axe().run(page).response["violations"]
                serious = [item for item in found if item["impact"] in ("serious", "critical")]
                findings += [(name, scheme, width, i["id"], i["nodes"][0]["html"][:120]) for i in serious]
                if not page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"):
                    findings.append((name, scheme, width, "scrolls sideways", ""))
            context.close()
    assert findings == []
