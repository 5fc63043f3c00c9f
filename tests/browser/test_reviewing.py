"""A reviewer at a real browser, with and without JavaScript: sign in, look, decide, and see the run finish."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.browser.conftest import Demo, running

pytestmark = [pytest.mark.browser, pytest.mark.sqlite]


def finished(page: Any) -> None:
    """Load the page again until its run has ended."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        steps = page.locator(".steps li.succeeded").count()
        if steps == 3:
            return
        time.sleep(0.2)
        page.reload()
    raise AssertionError(f"the run did not finish: {page.locator('.steps').inner_text()}")


def open_first(page: Any) -> str:
    """Open the first request of the inbox; its title."""
    link = page.locator(".list a").first
    title: str = link.inner_text()
    link.click()
    page.wait_for_selector("h1")
    assert page.locator("h1").inner_text() == title
    return title


@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without"])
def test_a_request_is_approved_and_its_run_finishes(javascript: bool, open_tab: Any) -> None:
    tab = open_tab(java_script_enabled=javascript)
    page = tab.page
    tab.sign_in()
    assert page.locator("h1").inner_text() == "Awaiting you"
    before = page.locator(".list tbody tr").count()
    title = open_first(page)
    assert page.locator("input[name=verdict]:checked").count() == 0
    page.get_by_role("radio", name="Approve exactly these arguments").check()
    page.get_by_role("textbox", name="Comment").fill("photos are fine")
    page.locator("#deciding-form button.primary").click()
    assert "Recorded: approved." in page.locator("#said").inner_text()
    finished(page)
    page.locator("main .tabs").get_by_role("link", name="Audit").click()
    assert "Dana Ortiz approved " + title in page.locator("main").inner_text()
    page.goto(tab.demo.url + "/")
    assert page.locator(".list tbody tr").count() == before - 1


def test_an_edit_is_what_runs_and_the_mails_link_leads_there(open_tab: Any, demo: Demo) -> None:
    tab = open_tab()
    page = tab.page
    for mail in demo.mails():  # one of them is about a request that nobody has decided yet
        link = next(word for word in mail.get_body(("plain",)).get_content().split() if "/r/" in word)
        assert link.startswith(demo.url + "/r/hitlr_")
        page.goto(link)
        if page.get_by_label("Username").count():
            assert "hitlr_" not in page.url
            tab.sign_in("/r/")
        assert "hitlr_" not in page.url
        if page.locator("#deciding-form button.primary").count():
            break
    page.get_by_role("radio", name="Approve with edits").check()
    page.get_by_text("Change arguments").click()
    page.get_by_label("amount").fill("200")
    page.locator("#deciding-form button.primary").click()
    finished(page)
    assert "As approved, after edits" in page.locator("main").inner_text()
    assert "200" in page.locator("table.args").nth(1).inner_text()


def test_the_browser_holds_a_form_back_that_chooses_nothing(open_tab: Any, demo: Demo, tmp_path: Any) -> None:
    with running(tmp_path) as other:
        tab = open_tab()
        tab.demo = other
        tab.sign_in()
        open_first(tab.page)
        address = tab.page.url
        tab.page.locator("#deciding-form button.primary").click()
        assert tab.page.url == address
        tab.page.get_by_role("radio", name="Reject").check()
        tab.page.locator("#deciding-form button.primary").click()
        tab.page.wait_for_selector("#error-comment:not(:empty)")
        assert tab.page.get_by_role("radio", name="Reject").is_checked()
        tab.complaints[:] = [line for line in tab.complaints if "422" not in line]
        tab.page.context.close()
        assert other.stop() == 0
