"""The decision form: edits in typed inputs, buttons that decide nothing, and what was typed for an older revision."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from html import unescape
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from hitl import Action, Workflow, decisions
from hitl.models import Approval, Decision
from tests.admin.browser_form import Page
from tests.admin.conftest import browse, page_of, post
from tests.rows import nothing_written


class Item(BaseModel):
    """What is ordered."""

    sku: str
    price: float
    gift: bool = False


class Place(BaseModel):
    """Where it goes."""

    city: str
    note: str | None = None


class Order(BaseModel):
    """Arguments of every kind."""

    due: date
    at: datetime
    size: Literal["s", "m", 3]
    items: list[Item]
    tags: list[str] = []
    to: Place
    back: Place | None = None


ORDER = Order(
    due=date(2026, 12, 1),
    at=datetime.fromisoformat("2026-12-02T10:00:00Z"),
    size="m",
    items=[Item(sku="a", price=1.0), Item(sku="b", price=2.5, gift=True)],
    to=Place(city="Rome"),
)


@pytest.fixture
def order(alice: Any, bob: Any, carol: Any, work: Any) -> Any:
    """A request with typed arguments, and the next revisions of it."""
    made = iter(range(100))
    proposed = [ORDER]

    def build(*proposals: Order, **options: Any) -> Approval:
        proposed[:] = list(proposals or [ORDER])
        flow = Workflow(f"order-{next(made)}")
        steps = iter(proposed)
        last = [proposed[-1]]

        def draft(ctx: Any) -> Action:
            return Action(next(steps, last[0]), title="Order", impact="It is ordered", type="order")

        flow.step(draft, name="draft")
        flow.approval("ask", after="draft", **{"reviewers": ["group:finance"], **options})
        flow.step(lambda ctx: ctx.action.args, name="act", after="ask")
        run = flow.start(requester=alice)
        work()
        return Approval.objects.get(run=run)

    return build


def aside(response: Any) -> str:
    found = re.search(r'<aside class="panel decide".*?</aside>', response.content.decode(), re.DOTALL)
    assert found is not None
    return found[0]


def sent(client: Any, approval: Approval, **typed: str) -> dict[str, str]:
    """What the form of the page sends when this is typed into it."""
    return Page(aside(client.get(page_of(approval)))).data | typed


def submit(client: Any, approval: Approval, body: dict[str, str]) -> Any:
    body.pop("csrfmiddlewaretoken", None)
    return post(client, f"{page_of(approval)}decide/", body)


def args_of(approval: Approval) -> Any:
    return Approval.objects.get(pk=approval.pk).current_args


def test_an_edit_of_nothing_changes_nothing(order: Any, bob: Any) -> None:
    approval, client = order(), browse(bob)
    response = submit(client, approval, sent(client, approval, verdict="edit"))
    assert response.status_code == 302, re.findall(r'class="error"[^>]*>[^<]+', response.content.decode())
    assert Decision.objects.get().edited_args == approval.args


def test_every_kind_of_argument_is_edited_in_its_own_input(order: Any, bob: Any) -> None:
    approval, client = order(), browse(bob)
    body = sent(client, approval, verdict="edit")
    body |= {"arg-due": "2027-01-01", "arg-at": "2027-01-01T08:00", "arg-size": "2", "arg-to-city": "Bari"}
    body |= {"arg-items-0-price": "9.75", "arg-items-0-gift": "on"}
    del body["arg-items-1-gift"]
    assert submit(client, approval, body).status_code == 302
    expected = {**approval.args, "due": "2027-01-01", "at": "2027-01-01T08:00:00+00:00", "size": 3}
    expected["to"] = {"city": "Bari", "note": None}
    expected["items"] = [
        {"sku": "a", "price": 9.75, "gift": True},
        {"sku": "b", "price": 2.5, "gift": False},
    ]
    assert args_of(approval) == expected


def test_adding_an_item_decides_nothing_and_keeps_what_was_typed(order: Any, bob: Any) -> None:
    approval, client = order(), browse(bob)
    body = sent(client, approval, verdict="edit", comment="why", **{"arg-to-city": "Bari", "arg-items-~add": "1"})
    with nothing_written():
        response = submit(client, approval, body)
    assert response.status_code == 200
    assert 'class="error"' not in re.sub(r'<p class="error"[^>]*></p>', "", aside(response))
    body = Page(aside(response)).data
    assert (body["verdict"], body["comment"], body["arg-to-city"]) == ("edit", "why", "Bari")
    response = submit(client, approval, body | {"arg-items-2-sku": "c", "arg-items-2-price": "3"})
    assert response.status_code == 302
    assert args_of(approval)["items"][2] == {"sku": "c", "price": 3}


def test_what_an_item_lacks_is_said_at_it(order: Any, bob: Any) -> None:
    approval, client = order(), browse(bob)
    page = aside(submit(client, approval, sent(client, approval, verdict="edit", **{"arg-items-~add": "1"})))
    response = submit(client, approval, Page(page).data | {"arg-items-2-sku": "c"})
    assert response.status_code == 422
    assert '<a href="#at-arg-items-2">items 3</a>' in aside(response)
    assert re.search(r'id="error-arg-items-2">[^<]*price', aside(response))


def test_an_error_stands_beside_its_input_and_above_with_a_link(order: Any, bob: Any) -> None:
    approval, client = order(), browse(bob)
    body = sent(client, approval, verdict="edit", **{"arg-items-1-price": "much", "arg-due": "soon"})
    response = submit(client, approval, body)
    assert response.status_code == 422
    page = aside(response)
    assert '<a href="#id_arg-items-1-price">items 2 › price</a>: Enter a number.' in page
    assert 'id="error-arg-items-1-price">Enter a number.' in page
    assert 'value="much"' in page


def test_looking_at_the_changes_decides_nothing(order: Any, bob: Any) -> None:
    approval, client = order(), browse(bob)
    body = sent(client, approval, preview="1", **{"arg-to-city": "Bari", "arg-items-0-price": "9"})
    with nothing_written():
        response = submit(client, approval, body)
    assert response.status_code == 200
    changes = unescape(aside(response).split('id="changes"', 1)[1].split("</ul>", 1)[0])
    assert '<del><code>to › city:</code> "Rome"</del>' in changes
    assert '<ins><code>to › city:</code> "Bari"</ins>' in changes
    assert "sku" not in changes
    assert "Choose what you decide.</p>" not in aside(response)


def test_changes_that_do_not_fit_are_said_while_looking(order: Any, bob: Any) -> None:
    approval, client = order(), browse(bob)
    with nothing_written():
        response = submit(client, approval, sent(client, approval, preview="1", **{"arg-due": "2026-02-31"}))
    assert response.status_code == 200
    assert re.search(r'id="error-arg-due">[^<]+date', aside(response))


@pytest.mark.parametrize("verdict", ["approve", "reject"])
def test_what_stands_in_the_edit_fields_matters_to_an_edit_only(verdict: str, order: Any, bob: Any) -> None:
    approval, client = order(), browse(bob)
    body = sent(client, approval, verdict=verdict, comment="so", **{"arg-items-0-price": "much"})
    assert submit(client, approval, body).status_code == 302
    assert Approval.objects.get(pk=approval.pk).current_args == approval.args


def test_nothing_is_chosen_and_the_button_says_what_will_be(order: Any, bob: Any) -> None:
    page = aside(browse(bob).get(page_of(order())))
    assert 'name="verdict"' in page
    assert "checked" not in page.split('class="edit"', 1)[0]
    button = page.split('<button class="primary verdict">', 1)[1].split("</button>", 1)[0]
    assert re.findall(r">([^<]+)</span>", button) == [
        "Choose what you decide",
        "Approve",
        "Approve with edits",
        "Request a revision",
        "Reject",
    ]


def test_what_comes_after_is_told(order: Any, bob: Any) -> None:
    page = aside(browse(bob).get(page_of(order(approvals=2, cool_off=timedelta(seconds=60)))))
    after = page.split('<ul class="after">', 1)[1]
    assert "You can revoke for 60 s." in after
    assert "0 of 2 approvals are given at this stage." in after
    assert "It is refused, if nobody has decided: <time datetime=" in after


def revised(approval: Approval, carol: Any, work: Any) -> Approval:
    """The revision that carol asked for."""
    decisions.decide(
        approval, actor=carol, verdict="request_revision", digest=approval.digest, comment="again", channel="admin"
    )
    work()
    return Approval.objects.get(supersedes=approval)


def test_what_was_typed_for_an_older_revision_is_in_the_form_of_the_newest(
    order: Any, bob: Any, carol: Any, work: Any
) -> None:
    cheaper = ORDER.model_copy(update={"items": [Item(sku="a", price=0.5), *ORDER.items[1:]]})
    approval, client = order(ORDER, cheaper), browse(bob)
    typed = {"arg-to-city": "Bari", "arg-items-0-price": "9", "arg-tags": "0", "arg-tags-0": "new"}
    body = sent(client, approval, verdict="edit", comment="mine", **typed)
    newest = revised(approval, carol, work)
    with nothing_written("hitl.decision.refused"):
        response = submit(client, approval, body)
    assert response.status_code == 409
    page = aside(response)
    data = Page(page).data
    assert (data["comment"], data["arg-to-city"], data["arg-tags-0"]) == ("mine", "Bari", "new")
    assert (data["digest"], data["revision"]) == (newest.digest, "2")
    assert "verdict" not in data
    assert data["arg-items-0-price"] == "0.5"
    left = page.split("What you had typed", 1)[1].split("</details>", 1)[0]
    assert "<h3>Your decision</h3><pre>Approve with edits</pre>" in left
    assert "<h3>items 1 › price</h3><pre>9</pre>" in left
    assert f'action="{page_of(newest)}decide/"' in page
    assert submit(client, newest, data | {"verdict": "edit"}).status_code == 302
    assert args_of(newest)["to"]["city"] == "Bari"
    assert args_of(newest)["tags"] == ["new"]
    assert args_of(newest)["items"][0]["price"] == 0.5


def test_a_carried_form_says_nothing_is_wrong(order: Any, bob: Any, carol: Any, work: Any) -> None:
    approval, client = order(), browse(bob)
    body = sent(client, approval, verdict="reject", comment="mine")
    revised(approval, carol, work)
    page = aside(submit(client, approval, body))
    assert 'class="error"' not in re.sub(r'<p class="error"[^>]*></p>', "", page)


def test_what_was_edited_for_a_request_that_is_closed_is_given_back(order: Any, bob: Any, carol: Any) -> None:
    approval, client = order(), browse(bob)
    body = sent(client, approval, verdict="edit", comment="mine", **{"arg-to-city": "Bari", "arg-size": "2"})
    decisions.decide(approval, actor=carol, verdict="reject", digest=approval.digest, comment="no", channel="admin")
    page = aside(submit(client, approval, body))
    for label, words in (("to › city", "Bari"), ("size", "3"), ("Comment", "mine")):
        assert f"<h3>{label}</h3><pre>{words}</pre>" in page
