"""A day at the review screens, on a real product: every act by mouse and keyboard, with and without JavaScript."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.serving import PASSWORD, Product, product

pytestmark = [pytest.mark.browser, pytest.mark.sqlite]
INBOX = "/review/hitl/approval/"
OPERATOR = f"from django.contrib.auth.models import User; User.objects.create_superuser('rita', '', {PASSWORD!r})"
LETTER = {"to": "ann@example.com", "amount": 40, "lines": ["We are sorry."], "urgent": False}
SCHEMA = {
    "type": "object",
    "properties": {
        "to": {"type": "string"},
        "amount": {"type": "integer", "minimum": 0},
        "lines": {"type": "array", "items": {"type": "string"}},
        "urgent": {"type": "boolean"},
    },
}


class House(Product):
    """The product, with an agent that asks; `asked` counts what it asked."""

    secret = ""
    asked = 0

    def ask(self, policy: str = "refunds", **more: Any) -> str:
        """The address of a new request."""
        self.asked += 1
        action = {
            "type": "send_mail",
            "title": f"Mail number {self.asked}",
            "impact": "A mail leaves the house",
            "args": LETTER,
            "args_schema": SCHEMA,
            "reversible": True,
        }
        body = {"policy": policy, "risk": "medium", **({"action": action} if "question" not in more else {}), **more}
        status, answer = self.call("POST", "approvals/", body, key=self.secret)
        assert status == 201, answer
        return f"{INBOX}{answer['id']}/"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A running product with its people and an operator."""
    with product(tmp_path_factory.mktemp("house")) as made:
        made.__class__ = House
        made.manage("shell", "-v", "0", "-c", OPERATOR)
        made.secret = made.key()
        yield made


class Desk:
    """Somebody's browser: a page, and every complaint about it."""

    def __init__(self, house: House, context: Any) -> None:
        self.house, self.page = house, context.new_page()
        self.complaints: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda said: self.complaints.append(said.text) if "Policy" in said.text else None)
        self.page.on("requestfailed", lambda one: self.complaints.append(one.url) if "/static/" in one.url else None)

    def open(self, path: str) -> Any:
        """A page of the product."""
        self.page.goto(self.house.url + path)
        return self.page

    def choose(self, verdict: str, comment: str = "") -> None:
        """Choose a verdict, say why, and submit."""
        self.page.locator(f"input[name=verdict][value={verdict}]").check()
        if comment:
            self.page.locator("#id_comment").fill(comment)

    def submit(self) -> None:
        """Send the decision."""
        self.page.locator("#deciding-form button.primary").click()
        self.page.wait_for_selector("#outcome, [role=alert]")

    def outcome(self) -> str:
        """What the page says of what became of it."""
        return str(self.page.locator("section.outcome").inner_text())

    def act(self, name: str, **fields: str) -> None:
        """One of the other acts of a request, by its button."""
        form = self.page.locator(f"form[action*='/act/{name}/']")
        if not form.is_visible():
            self.page.locator(f"details:has(form[action*='/act/{name}/']) > summary").last.click()
        for field, value in fields.items():
            form.locator(f"[name={field}]").fill(value)
        form.locator("button:not([name])").click()


@pytest.fixture(scope="module")
def tokens() -> dict[str, Any]:
    """Who is signed in already: cookies by name."""
    return {}


@pytest.fixture
def desk(house: House, chromium: Any, tokens: dict[str, Any]) -> Iterator[Any]:
    """Sit down somewhere: `desk("bob")`; nothing may have been complained of in the end."""
    desks: list[Desk] = []

    def sit(who: str, **options: Any) -> Desk:
        context = chromium.new_context(storage_state=tokens.get(who), **options)
        context.set_default_timeout(15_000)
        made = Desk(house, context)
        desks.append(made)
        if who not in tokens:
            page = made.open("/")
            page.get_by_label("Username").fill(who)
            page.get_by_label("Password").fill(PASSWORD)
            page.get_by_role("button", name="Sign in").click()
            page.wait_for_selector("h1")
            tokens[who] = context.storage_state()
        return made

    yield sit
    for one in desks:
        one.page.context.close()
    assert [line for one in desks for line in one.complaints] == []


@pytest.fixture(params=[True, False], ids=["with script", "without"])
def bob(request: pytest.FixtureRequest, desk: Any) -> Desk:
    """Bob at his desk, with JavaScript and without."""
    found: Desk = desk("bob", java_script_enabled=request.param)
    return found


def test_approving(bob: Desk, house: House) -> None:
    page = bob.open(house.ask())
    assert page.locator("input[name=verdict]:checked").count() == 0
    bob.choose("approve", "fine")
    assert page.locator("#deciding-form button.primary").inner_text() == "Approve"
    bob.submit()
    assert "Approved" in bob.outcome()
    assert "“fine”" in bob.outcome()


def test_rejecting_needs_a_reason_and_keeps_the_choice(bob: Desk, house: House) -> None:
    page = bob.open(house.ask())
    bob.choose("reject")
    bob.submit()
    assert page.locator("input[value=reject]").is_checked()
    page.locator("#id_comment").fill("not to this address")
    bob.submit()
    assert "Rejected" in bob.outcome()


def test_an_edit_by_the_typed_form(bob: Desk, house: House) -> None:
    page = bob.open(house.ask())
    bob.choose("edit", "60 is what they paid")
    page.get_by_label("amount").fill("60")
    bob.submit()
    assert "Approved" in bob.outcome()
    pk = page.url.split("/")[-2]
    assert house.call("GET", f"approvals/{pk}/", who="bob")[1]["effective_args"] == {**LETTER, "amount": 60}


def test_a_revision_comes_back_with_its_changes(bob: Desk, house: House) -> None:
    path = house.ask()
    page = bob.open(path)
    title = page.locator("h1").inner_text()
    bob.choose("request_revision", "be kinder")
    bob.submit()
    assert "revision" in bob.outcome()
    action = {"type": "send_mail", "title": title, "impact": "A mail leaves the house", "reversible": True}
    action["args"] = {**LETTER, "lines": ["We are very sorry."]}
    status, new = house.call("POST", f"approvals/{path.split('/')[-2]}/revise/", {"action": action}, key=house.secret)
    assert status == 201, new
    page = bob.open(f"{INBOX}{new['id']}/")
    assert "revision 2" in page.locator("main").inner_text()
    assert "be kinder" in page.locator("main").inner_text()
    assert "We are sorry." in page.locator("main .minus, main del, main [class*=del]").first.inner_text()
    assert "We are very sorry." in page.locator("main .plus, main ins, main [class*=add]").first.inner_text()


def test_answering_a_question(bob: Desk, house: House) -> None:
    page = bob.open(house.ask(kind="question", question="Which region?", options=["Europe", "The world"]))
    page.get_by_role("radio", name="Europe").check()
    bob.submit()
    assert "Answered" in bob.outcome()


def test_withdrawing_a_vote(bob: Desk, house: House) -> None:
    page = bob.open(house.ask("two-eyes"))
    bob.choose("approve")
    bob.submit()
    assert "Your vote is recorded" in bob.outcome()
    bob.act("withdraw")
    page.wait_for_selector("input[name=verdict]")
    assert page.locator("input[name=verdict]:checked").count() == 0


def test_revoking_before_it_is_used(bob: Desk, house: House) -> None:
    bob.open(house.ask())
    bob.choose("approve")
    bob.submit()
    bob.act("revoke", reason="wrong customer")
    bob.page.wait_for_selector("section.outcome.no")
    assert "Revoked" in bob.outcome()


def test_several_together(bob: Desk, house: House) -> None:
    both = [house.ask().split("/")[-2] for _ in range(2)]
    page = bob.open(INBOX)
    for pk in both:
        page.locator(f"input[name=id][value='{pk}']").check()
    page.get_by_role("button", name="Decide the selected together").click()
    page.locator("#id_count").fill("2")
    page.get_by_role("button", name="Approve these 2").click()
    page.wait_for_selector("main h2")
    assert [house.call("GET", f"approvals/{pk}/", who="bob")[1]["status"] for pk in both] == ["approved"] * 2


def test_delegating_one_request(bob: Desk, house: House, desk: Any) -> None:
    path = house.ask()
    bob.open(path)
    bob.act("delegate", to="dana", reason="you know Ann")
    assert desk("dana").open(path).locator("input[name=verdict]").count() == 4


def test_simulating_a_policy(bob: Desk) -> None:
    page = bob.open("/review/policies/simulate/")
    page.locator("[name=policy]").select_option("refunds")
    page.locator("[name=type]").fill("send_mail")
    page.get_by_role("button", name="Simulate").click()
    page.wait_for_selector("#outcome")
    assert "group:finance" in page.locator("#result").inner_text()


def test_cancelling_a_run(house: House, desk: Any) -> None:
    status, run = house.call("POST", "runs/", {"workflow": "refund", "input": {"order_id": "A-1"}}, key=house.secret)
    assert status == 201, run
    rita = desk("rita", java_script_enabled=False)
    page = rita.open(f"/review/runs/{run['id']}/")
    form = page.locator("form[action$='/act/cancel/']")
    if not form.is_visible():
        page.locator("details:has(form[action$='/act/cancel/']) > summary").last.click()
    form.locator("[name=reason]").fill("ordered twice")
    form.locator("button:not([name])").click()
    assert "The run is cancelled." in page.locator("#said").inner_text()


def test_verifying_the_audit(desk: Any) -> None:
    page = desk("rita").open("/review/audit/verify/")
    assert "Yes" in page.locator(".lead").inner_text()


def test_triage_by_keyboard(house: House, desk: Any) -> None:
    for _ in range(3):
        house.ask()
    bob = desk("bob")
    page = bob.open(INBOX)
    page.keyboard.press("j")
    page.keyboard.press("j")
    first = page.evaluate("document.activeElement.closest('tr') && document.activeElement.closest('tr').rowIndex")
    page.keyboard.press("k")
    assert page.evaluate("document.activeElement.closest('tr').rowIndex") == first - 1
    page.keyboard.press("o")
    page.wait_for_selector("input[name=verdict]")
    address = page.url
    for key, verdict in (("a", "approve"), ("e", "edit"), ("v", "request_revision"), ("r", "reject")):
        page.locator("h1").click()
        page.keyboard.press(key)
        assert page.locator(f"input[name=verdict][value={verdict}]").is_checked()
    assert page.url == address
    page.keyboard.press("?")
    page.locator("#id_comment").fill("a e v r j")
    assert page.locator("input[value=reject]").is_checked()


def test_keys_can_be_switched_off(house: House, desk: Any) -> None:
    carol = desk("carol")
    page = carol.open("/review/preferences/")
    page.locator("[name=single_keys]").uncheck()
    page.get_by_role("button", name="Save").click()
    page.wait_for_selector(".messages")
    page = carol.open(house.ask())
    page.keyboard.press("a")
    assert page.locator("input[name=verdict]:checked").count() == 0


@pytest.mark.parametrize("verdict", ["approve", "request_revision", "reject"])
def test_two_reviewers_on_one_request(verdict: str, house: House, desk: Any) -> None:
    path = house.ask()
    bob, carol = desk("bob"), desk("carol")
    bob.open(path)
    carol.open(path)
    bob.choose("reject", "the wrong Ann")
    carol.choose(verdict, "a long thought of Carol's")
    bob.submit()
    carol.submit()
    said = carol.page.locator("main").inner_text()
    assert "bob" in said
    assert "the wrong Ann" in said
    assert "a long thought of Carol's" in said + carol.page.evaluate(
        "[...document.querySelectorAll('textarea')].map((one) => one.value).join()"
    )


def test_nothing_moves_for_who_wants_no_motion(house: House, desk: Any) -> None:
    page = desk("bob", reduced_motion="reduce").open(house.ask())
    slow = "[...document.querySelectorAll('*')].filter((one) => !/^(0s(, )?)+$/.test(getComputedStyle(one)."
    assert page.evaluate(slow + "transitionDuration) || getComputedStyle(one).animationName !== 'none').length") == 0


def test_a_phone_opens_the_decision_from_a_bar(house: House, desk: Any) -> None:
    bob = desk("bob", viewport={"width": 360, "height": 740}, has_touch=True, java_script_enabled=False)
    page = bob.open(house.ask())
    page.locator("a.jump").click()
    assert re.search("#decide$", page.url)
    bob.choose("approve")
    bob.submit()
    assert "Approved" in bob.outcome()
