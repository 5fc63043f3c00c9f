"""Every page of both sites in a browser: axe, both themes, wide and narrow, nothing that jumps or scrolls sideways.

`HITL_SCREENSHOTS=docs/images pytest tests/browser/test_pages.py --backend=sqlite` makes the documentation's pictures.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.db import transaction
from django.urls import resolve

from hitl.definition import registry
from tests.browser.conftest import ARGS, ROOT
from tests.browser.pages import Visit, admin_pages, answers, forms_sent, give, review_pages, unvisited
from tests.browser.world import build
from tests.servers import chromium_bin

pytestmark = [pytest.mark.browser, pytest.mark.django_db, pytest.mark.sqlite]
Walked = tuple[list[Visit], dict[str, Any]]
# The pictures of the documentation, each with its visit; a few in the dark and on a phone, too.
PICTURES = {
    "inbox": "inbox",
    "request": "request-cleanup",
    "question": "request-question",
    "letter": "request-letter",
    "bulk": "bulk",
    "runs": "runs",
    "run": "run-cleanup",
    "start": "start-run",
    "policy": "policy",
    "simulate": "sent-facts",
    "oversight": "oversight",
    "audit": "records",
    "delegations": "delegations",
    "preferences": "preferences",
    "keys": "keys",
    "admin": "admin-index",
}
# What Django's own widgets lack on the forms of people, groups and schedules.
BAD = ("serious", "critical")
STOCK = ("vDateField", "vTimeField", "help-tooltip")
TWICE = ("inbox", "request")
JUMPS = """window.jumped = 0;
new PerformanceObserver((list) => { for (const one of list.getEntries()) window.jumped += one.value; })
  .observe({ type: "layout-shift", buffered: true });"""


@pytest.fixture(scope="module")
def walked(django_db_setup: None, django_db_blocker: Any) -> Walked:
    """Every page with what Django answered; the database is empty again after it."""
    with django_db_blocker.unblock(), registry.isolated(), transaction.atomic():
        world = build()
        visits = [*review_pages(world), *forms_sent(world, "12 May"), *admin_pages(world)]
        found = answers(world, visits)
        transaction.set_rollback(True)
    return visits, found


@pytest.fixture
def browser(db: None) -> Iterator[Any]:
    """A browser that starts after the database was asked, since its loop would be in the way of the ORM."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium_bin(), args=ARGS)
        yield found
        found.close()


def opened(browser: Any, found: dict[str, Any], *, scheme: str, width: int) -> Any:
    """A page of the browser in this theme and width, that finds what Django answered."""
    context = browser.new_context(
        color_scheme=scheme, viewport={"width": width, "height": 900}, reduced_motion="reduce", has_touch=width < 720
    )
    page = context.new_page()
    page.add_init_script(JUMPS)
    give(page, found, [])
    return page


def serious(page: Any, *, contrast_only: bool) -> list[Any]:
    """What axe calls serious or critical; the rules that ask for no colour hold in every theme."""
    options = {"runOnly": {"type": "rule", "values": ["color-contrast"]}} if contrast_only else {}
    found = Axe().run(page, options={"resultTypes": ["violations"], **options}).response["violations"]
    bad = [(one["id"], node["html"][:160]) for one in found if one["impact"] in BAD for node in one["nodes"]]
    return [(rule, html) for rule, html in bad if not any(name in html for name in STOCK)]


def looked_at(walked: Walked, *, all_of_them: bool) -> list[Visit]:
    """The pages for a theme and width: each once where everything is the same (`/admin/` has one form, one history);
    all states of ours, and the stock pages, are looked at in one of the four."""
    visits, found = walked
    kept: dict[Any, Visit] = {}
    for visit in visits:
        answer, stock = found[visit.url], visit.path.startswith("/admin/")
        if "html" not in answer["Content-Type"] or answer.status_code in (403, 404) or (stock and not all_of_them):
            continue
        alike = visit.name.rpartition("-")[2] if visit.name.endswith(("history", "delete")) else visit.name
        kept.setdefault(alike if all_of_them else resolve(urlsplit(visit.path).path).route, visit)
    return list(kept.values())


@pytest.mark.timeout(600)
@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_a_serious_finding(scheme: str, width: int, walked: Walked, browser: Any) -> None:
    assert unvisited(walked[0]) == []
    page = opened(browser, walked[1], scheme=scheme, width=width)
    wrong = []
    for visit in looked_at(walked, all_of_them=(scheme, width) == ("light", 1280)):
        page.goto(visit.url)
        if not visit.path.startswith("/admin/"):
            wide, jumped = page.evaluate("[document.documentElement.scrollWidth > window.innerWidth, window.jumped]")
            wrong += [(visit.name, "scrolls sideways")] if wide else []
            wrong += [(visit.name, f"jumps by {jumped}")] if jumped > 0.001 else []
        page.evaluate("for (const one of document.querySelectorAll('main details')) one.open = true")
        wrong += [(visit.name, *one) for one in serious(page, contrast_only=scheme == "dark")]
    assert wrong == []


def test_the_documentation_has_its_pictures(walked: Walked, browser: Any, tmp_path: Path) -> None:
    folder = Path(os.environ.get("HITL_SCREENSHOTS", tmp_path))
    visits = {visit.name: visit for visit in walked[0]}
    for kind, scheme, width in (("", "light", 1280), ("-dark", "dark", 1280), ("-phone", "light", 390)):
        page = opened(browser, walked[1], scheme=scheme, width=width)
        for name, visit in PICTURES.items():
            if not kind or name in TWICE:
                page.goto(visits[visit].url)
                height = min(page.evaluate("document.documentElement.scrollHeight"), 1500)
                page.set_viewport_size({"width": width, "height": height})
                page.screenshot(path=folder / f"{name}{kind}.png")
                page.set_viewport_size({"width": width, "height": 900})
    made = {path.name for path in folder.glob("*.png")}
    kept = {path.name: path.stat().st_size for path in (ROOT / "docs" / "images").glob("*.png")}
    assert made == set(kept)
    assert max(kept.values()) < 150_000
