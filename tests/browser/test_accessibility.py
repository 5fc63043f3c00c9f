"""axe in a real browser: nothing serious on the pages that reviewers use, light and dark, wide and narrow."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

pytestmark = [pytest.mark.browser, pytest.mark.sqlite]


def check(tab: Any, name: str) -> None:
    """No serious finding, and nothing that must be scrolled sideways."""
    page = tab.page
    if folder := os.environ.get("HITL_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
    found = Axe().run(page).response["violations"]
    serious = [item for item in found if item["impact"] in ("serious", "critical")]
    assert [(item["id"], [node["html"][:120] for node in item["nodes"]]) for item in serious] == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.parametrize("width", [1280, 360])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_a_serious_finding(scheme: str, width: int, open_tab: Any) -> None:
    tab = open_tab(color_scheme=scheme, viewport={"width": width, "height": 900}, bypass_csp=False)
    page, name = tab.page, f"{scheme}-{width}"
    page.goto(tab.demo.url + "/")
    check(tab, f"login-{name}")
    tab.sign_in()
    check(tab, f"inbox-{name}")
    page.goto(tab.demo.url + "/review/hitl/approval/?view=decided")
    check(tab, f"decided-{name}")
    page.goto(tab.demo.url + "/")
    page.locator(".list a").first.click()
    page.wait_for_selector("h1")
    check(tab, f"request-{name}")
    page.get_by_text("Change arguments").click()
    page.get_by_text("Raw JSON").click()
    page.get_by_role("radio", name="Reject").check()
    check(tab, f"open-{name}")
    page.get_by_role("button", name="Submit decision").click()
    page.wait_for_selector("#error-comment:not(:empty)")
    check(tab, f"error-{name}")
    tab.complaints[:] = [line for line in tab.complaints if "422" not in line]
    if (scheme, width) == ("light", 1280):
        page.get_by_role("radio", name="Approve exactly").check()
        page.get_by_role("button", name="Submit decision").click()
        page.wait_for_selector("[role=status]")
        check(tab, f"done-{name}")
    page.goto(tab.demo.url + "/r/")
    check(tab, f"unknown-link-{name}")
    tab.complaints[:] = [line for line in tab.complaints if "404" not in line]
