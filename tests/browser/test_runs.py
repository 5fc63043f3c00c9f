"""Runs in a real browser: a stream that goes on by itself and the acts with and without the script."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.sqlite]


def start(tab: Any, name: str, given: Any) -> str:
    """Start a run by the form; its address."""
    page = tab.page
    page.get_by_role("heading", name="Runs").wait_for()
    page.goto(tab.demo.url + f"/review/runs/start/{name}/")
    page.locator("#id_input").fill(json.dumps(given))
    page.get_by_role("button", name="Start the run").click()
    page.wait_for_url(re.compile(r"/review/runs/[0-9a-f-]{36}/$"))
    return str(page.url)


def test_a_stream_goes_on_while_one_looks(open_tab: Any) -> None:
    tab, other = open_tab(), open_tab()
    tab.sign_in("/review/runs/")
    address = start(tab, "group-chat", {"topic": "prices"})
    tab.page.goto(f"{address}?tab=stream")
    other.sign_in("/review/runs/")
    other.page.get_by_role("heading", name="Runs").wait_for()
    tab.page.locator(".stream li").first.wait_for()
    before = tab.page.locator(".stream li").count()
    other.page.goto(f"{address}?tab=signals")
    other.page.get_by_label("Payload").fill('{"text": "stop <b>now</b>", "who": "dana"}')
    other.page.get_by_role("button", name="Send a signal").click()
    other.page.get_by_text("The signal is sent.").wait_for()
    tab.page.locator(".stream li").nth(before).wait_for()
    tab.page.locator("#spoken", has_text="The run went on.").wait_for(state="attached")


@pytest.mark.parametrize("script", [True, False])
def test_a_run_is_frozen_let_go_on_and_cancelled(script: bool, open_tab: Any) -> None:
    tab = open_tab(java_script_enabled=script)
    tab.sign_in("/review/runs/")
    start(tab, "refund", {"order_id": f"B-{script}"})
    page = tab.page
    page.get_by_text("Freeze", exact=True).first.click()
    page.get_by_label("Why").locator("visible=true").fill("the bank is closed")
    page.get_by_role("button", name="Freeze").click()
    page.get_by_role("heading", name="This run is frozen").wait_for()
    page.get_by_text("Unfreeze", exact=True).first.click()
    page.get_by_role("button", name="Unfreeze").click()
    page.get_by_text("The freeze of this run is lifted.").wait_for()
    page.get_by_text("Cancel the run", exact=True).first.click()
    page.get_by_role("button", name="Cancel the run").click()
    page.get_by_role("heading", name="Why it was cancelled").wait_for()
    page.get_by_text("Try again", exact=True).first.click()
    page.get_by_role("button", name="Try again").click()
    page.get_by_role("link", name="the run that failed").wait_for()
