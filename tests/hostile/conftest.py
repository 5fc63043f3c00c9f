"""A world in which everybody who writes has bad intentions, and the eyes that look at it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import pytest
from django.core import mail
from django.db import transaction

from hitl.definition import registry
from tests.browser.conftest import ARGS
from tests.browser.pages import Visit, admin_pages, answers, forms_sent, no_pages, review_pages
from tests.browser.world import build
from tests.hostile import payloads
from tests.servers import chromium_bin

# What must not be in any text that a browser shows: it would be read differently from what it is.
UNSEEN = re.compile(
    "[\0-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2028\u2029\u2060-\u206f\u115f\u3164"
    "\ufeff\uffa0\ufff9-\ufffc\ufdd0\ue000\U000e0000-\U000e01ef\U000f0000\U0010ffff]"
)
# What a browser finds wrong on a page: what ran, what was hindered, what would run or lead away, and what hides.
AUDIT = """(stock) => {
  const wrong = [];
  if ("pwned" in window) wrong.push("a script ran");
  for (const one of window.violations || []) wrong.push("CSP: " + one);
  const never = "iframe object embed base math marquee audio video template frameset applet style img noscript"
    .split(" ").filter((name) => !(stock && ["img", "style"].includes(name)));
  const leads = ["href", "src", "action", "formaction", "xlink:href", "data", "poster", "background", "ping", "srcset"];
  for (const element of document.querySelectorAll("*")) {
    if (never.includes(element.localName)) wrong.push("<" + element.localName + ">");
    if (element.localName === "script" && !element.src && element.type !== "application/json") wrong.push("<script>");
    if (element.localName === "meta" && element.httpEquiv) wrong.push("<meta http-equiv>");
    for (const { name, value } of element.attributes) {
      const acts = name.startsWith("on") || name === "srcdoc" || (name === "style" && !stock);
      const away = leads.includes(name) && new URL(value, location.href).origin !== location.origin;
      if (acts || away) wrong.push(name + "=" + value);
    }
  }
  const texts = document.createTreeWalker(document.documentElement, NodeFilter.SHOW_TEXT);
  const shown = [document.title];
  while (texts.nextNode()) {
    const inside = texts.currentNode.parentElement.localName;
    if (!["textarea", "script", "style", "option"].includes(inside)) shown.push(texts.currentNode.data);
  }
  const buttons = [...document.querySelectorAll("button,[type=submit]")].map((button) => {
    const copy = button.cloneNode(true);
    for (const label of copy.querySelectorAll(".sr")) label.remove();
    return (copy.value || "") + copy.textContent;
  });
  return { wrong, shown, buttons, title: document.title };
}"""
WATCH = """window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.violations.push(event.violatedDirective + " " + event.blockedURI);
});"""


class Planter:
    """Says hostile words for every place, as many as fit, one payload after the other."""

    def __init__(self) -> None:
        self.left = cycle(payloads.ALL)
        self.planted: set[str] = set()

    def __call__(self, place: str, nice: str, most: int = 2000) -> str:
        """Words for a place of at most so many characters."""
        # The sign is looked for on buttons; the rest shows at once where a place is given out as it is.
        text = f"«{place}»" if place == "feedback key" else f"«{place}»\u202e<b>"
        for _ in payloads.ALL:
            found = next(self.left)
            if place == "feedback key":  # the door takes printable ones only
                found = "".join(char for char in found if char.isprintable())
            if len(text) + len(found) + 1 <= most:
                text += f" {found}"
                self.planted.add(found)
            elif len(found) < most / 2:
                break
        return text


def watched(page: Any, heard: list[str]) -> None:
    """Write down dialogs, and what the console says of errors and of the policy."""
    page.add_init_script(WATCH)

    def dialog(found: Any) -> None:
        heard.append(f"dialog: {found.message}")
        found.dismiss()

    page.on("dialog", dialog)
    page.on("pageerror", lambda error: heard.append(f"error: {error}"))
    page.on("console", lambda said: heard.append(said.text) if "Content Security Policy" in said.text else None)
    page.on("popup", lambda _: heard.append("a window was opened"))
    page.on("download", lambda _: heard.append("a download was started"))


@dataclass
class Walked:
    """The pages that were visited, what Django answered, the mails that were sent, and who had written it all."""

    say: Planter
    visits: list[Visit]
    found: dict[str, Any]
    others: dict[str, Any]
    mails: list[Any]


@pytest.fixture(scope="package")
def walked(django_db_setup: None, django_db_blocker: Any) -> Walked:
    """Everything that the browser is going to be shown, made once; the database is empty again after it. Tests that ask
    for it are marked `django_db`, since without one such test there is no database."""
    say = Planter()
    with django_db_blocker.unblock(), registry.isolated(), transaction.atomic():
        world = build(say)
        visits = [*review_pages(world), *forms_sent(world, say("typed", "")), *admin_pages(world)]
        found, others = answers(world, visits), no_pages(world)
        transaction.set_rollback(True)
    return Walked(say, visits, found, others, list(mail.outbox))


@pytest.fixture
def browser(db: None) -> Iterator[Any]:
    """A browser that starts after the database was asked, since its loop would be in the way of the ORM."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium_bin(), args=ARGS)
        yield found
        found.close()
