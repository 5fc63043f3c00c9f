"""Hostile words in every place that somebody writes to, and every page of both sites with them, in a browser."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.utils.html import escape

from tests.browser.pages import give, unvisited
from tests.hostile import payloads
from tests.hostile.conftest import AUDIT, UNSEEN, Walked, watched

NAMES = re.compile("«(first name|last name|username|group)»")
pytestmark = [pytest.mark.browser, pytest.mark.django_db, pytest.mark.sqlite]


def wrongs(seen: dict[str, Any], *, stock: bool) -> list[str]:
    """What is wrong with a page that a browser looked at. On stock pages the names of people and groups may stand as
    they are: operators, who see them there, give them."""
    found = [
        *seen["wrong"],
        *(text for text in seen["shown"] if UNSEEN.search(text) and not (stock and NAMES.search(text))),
    ]
    found += [f"button: {text}" for text in seen["buttons"] if "«" in text]
    return found if stock or seen["title"].endswith("· hitl") else [*found, f"title: {seen['title']}"]


def test_no_page_is_forgotten(walked: Walked) -> None:
    assert unvisited(walked.visits) == []
    pages = [r for r in walked.others.values() if r.status_code == 200 and "html" in r["Content-Type"]]
    assert [response.request["PATH_INFO"] for response in pages] == []


def test_every_page_stays_ours(walked: Walked, browser: Any) -> None:
    heard: list[str] = []
    asked: list[str] = []
    wrong: list[Any] = []
    page = browser.new_page()
    watched(page, heard)
    give(page, walked.found, asked)
    for visit in walked.visits:
        page.goto(visit.url)
        if "html" in walked.found[visit.url]["Content-Type"]:
            stock = visit.path.startswith(("/admin/", "/review/password_change/"))
            seen = page.evaluate(AUDIT, stock)
            wrong += [(visit.name, what) for what in wrongs(seen, stock=stock)]
    assert (wrong, heard, asked) == ([], [], [])


def test_every_payload_was_planted_and_is_shown(walked: Walked) -> None:
    assert len(payloads.ALL) == len(set(payloads.ALL)) > 100
    assert set(payloads.ALL) <= walked.say.planted
    pages = "\n".join(response.content.decode() for response in walked.found.values())
    shown = [max(text.split("\n"), key=len) for text in payloads.ALL if text.isascii() and text.isprintable()]
    assert [text for text in shown if escape(text) not in pages] == []
    assert pages.count('class="cp"') > 1000
    assert pages.count('class="mixed"') > 10
