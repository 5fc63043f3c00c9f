"""Hostile words in mails: no header but ours, nothing unseen, and in a browser nothing that runs or loads."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.pages import HOST
from tests.hostile.conftest import AUDIT, UNSEEN, Walked, watched

pytestmark = [pytest.mark.browser, pytest.mark.django_db, pytest.mark.sqlite]
# What a mail of ours has, from the first line on; nobody's words may add to it.
HEADERS = {"Content-Type", "MIME-Version", "Subject", "From", "To", "Date", "Message-ID", "Reply-To", "Auto-Submitted"}
HEADERS |= {
    "List-Id",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "References",
    "In-Reply-To",
    "X-Auto-Response-Suppress",
}


def test_headers_are_ours(walked: Walked) -> None:
    assert len(walked.mails) > 10
    for mail in walked.mails:
        sent = mail.message()
        assert set(sent.keys()) <= HEADERS
        assert len(sent.keys()) == len(set(sent.keys()))
        assert all(address.endswith("@example.com") for address in mail.recipients())
        assert mail.subject == " ".join(mail.subject.split())
        assert not UNSEEN.search(mail.subject)


def test_texts_hide_nothing(walked: Walked) -> None:
    assert [mail.subject for mail in walked.mails if UNSEEN.search(mail.body)] == []
    assert any("⟦U+202E⟧" in mail.body for mail in walked.mails)


def test_html_stays_ours_in_a_browser(walked: Walked, browser: Any) -> None:
    heard: list[str] = []
    asked: list[str] = []
    wrong: list[Any] = []
    page = browser.new_page()
    watched(page, heard)
    page.route("**/*", lambda route: answer(route, walked.mails, asked))
    for number, mail in enumerate(walked.mails):
        page.goto(f"http://mail.{HOST}/{number}")
        seen = page.evaluate(AUDIT, True)
        ours = [what for what in seen["wrong"] if not what.startswith("href=http://127.0.0.1:8000/")]
        wrong += [(mail.subject[:60], what) for what in [*ours, *filter(UNSEEN.search, seen["shown"])]]
    assert (wrong, heard, asked) == ([], [], [])


def answer(route: Any, mails: list[Any], asked: list[str]) -> None:
    """One mail's HTML, as a mail program shows it: with no policy that would hinder anything."""
    number = route.request.url.removeprefix(f"http://mail.{HOST}/")
    if number.isdigit():
        route.fulfill(body=mails[int(number)].alternatives[0][0], content_type="text/html; charset=utf-8")
    elif not number.startswith("favicon"):
        asked.append(route.request.url)
        route.abort()
