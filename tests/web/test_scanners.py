"""Mail scanners open every link, run its scripts and submit its forms before anybody reads the mail: nothing is decided
by it, nothing used up, nothing counts as seen; then the person's own click works."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core import mail
from django.test import Client

from hitl import notifications
from hitl.models import Approval, Assignment, ReviewLink
from tests.browser.conftest import ARGS
from tests.rows import nothing_written
from tests.servers import chromium_bin


def addresses() -> list[str]:
    """Every link of every mail that was sent, in the order of the mails."""
    return [link for message in mail.outbox for link in re.findall(r"http://\S+", message.body)]


def signed_in_from(link: str, who: Any) -> Any:
    """What the person sees who follows the link and signs in on the way."""
    who.set_password("correct horse")
    who.save()
    client = Client()
    login = client.get(urlsplit(link).path, follow=True).redirect_chain[-1][0]
    return client.post(login, {"username": who.username, "password": "correct horse", "next": "/r/"}, follow=True)


@pytest.mark.parametrize("method", ["get", "head", "options"])
def test_twenty_looks_change_nothing_and_the_persons_click_works(method: str, waiting: Approval, bob: Any) -> None:
    notifications.deliver()
    links = addresses()
    assert len(links) == 2
    with nothing_written():
        for link in links:
            for _ in range(20):
                client = Client()
                getattr(client, method)(urlsplit(link).path, follow=True)
                getattr(client, method)("/r/", follow=True)
    response = signed_in_from(links[0], bob)
    assert response.status_code == 200
    assert "Refund 250 to order A-17" in response.content.decode()
    assert ReviewLink.objects.get(user=bob).first_used_at is not None


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_a_browser_that_submits_every_form_decides_nothing(
    waiting: Approval, bob: Any, live_server: Any, settings: Any
) -> None:
    settings.HITL_BASE_URL = live_server.url
    notifications.deliver()
    links = addresses()
    with nothing_written():
        assert scanned(links, live_server.url) >= 2 * len(links), "each link leads to a page with a form"
    waiting.refresh_from_db()
    assert (waiting.status, waiting.decisions.count()) == ("pending", 0)
    assert not Assignment.objects.exclude(first_seen_at=None).exists()
    assert not ReviewLink.objects.exclude(first_used_at=None).exists()
    assert "Refund 250 to order A-17" in signed_in_from(links[0], bob).content.decode()


def scanned(links: list[str], ours: str) -> int:
    """Open each link twice as a scanner does: follow what is on its page, and submit each form; how many were."""
    from playwright.sync_api import sync_playwright

    submitted = 0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_bin(), args=ARGS)
        for link in [*links, *links]:
            page = browser.new_page()
            page.goto(link)
            inside = page.eval_on_selector_all("a[href]", "links => links.map((link) => link.href)")
            for form in range(page.locator("form").count()):
                page.goto(link)
                with page.expect_navigation():
                    page.locator("form").nth(form).evaluate(
                        "form => { for (const one of form.querySelectorAll('input:not([type=hidden])'))"
                        " one.value = 'x'; form.submit(); }"
                    )
                submitted += 1
            for one in inside:
                if one.startswith(ours):
                    page.goto(one)
            page.close()
        browser.close()
    return submitted
