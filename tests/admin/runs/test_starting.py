"""Starting a run from a form, and the page of a workflow."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pydantic import BaseModel, Field

from hitl import Workflow
from hitl.models import Approval, Run
from tests.admin.conftest import browse, post
from tests.admin.runs.conftest import RUNS, page, text_of
from tests.plans import statements
from tests.rows import nothing_written

START = f"{RUNS}start/"


class Order(BaseModel):
    """What the workflow of these tests is started with."""

    order_id: str = Field(title="Order", min_length=2)
    amount: int = 5


@pytest.fixture
def orders(db: None) -> Workflow:
    """A workflow with an input model, whose step nobody works on."""
    flow = Workflow("orders", title="Handle an order", input=Order)
    flow.step(lambda ctx: None, name="one")
    return flow


@pytest.mark.parametrize("person", ["alice", "bob", "mallory"])
def test_who_may_not_start_runs_finds_no_such_page(
    person: str, orders: Workflow, alice: Any, bob: Any, mallory: Any
) -> None:
    who = {"alice": alice, "bob": bob, "mallory": mallory}[person]
    client = browse(who)
    assert START not in text_of(who, RUNS)
    with nothing_written():
        assert client.get(START).status_code == 404
        assert client.get(f"{START}orders/").status_code == 404
        assert post(client, f"{START}orders/", {"once": "page:1", "input-order_id": "A-17"}).status_code == 404


def test_what_can_be_started_is_listed(orders: Workflow, starter: Any) -> None:
    assert START in text_of(starter, RUNS)
    text = text_of(starter, START)
    assert f'href="{START}orders/"' in text
    assert "never started" in text
    assert "hitl.request" not in text
    assert browse(starter).get(f"{START}hitl.request/").status_code == 404
    assert browse(starter).get(f"{START}nonsense/").status_code == 404


def test_a_form_starts_one_run_however_often_it_is_sent(orders: Workflow, starter: Any) -> None:
    client = browse(starter)
    assert "Order" in client.get(f"{START}orders/").content.decode()
    body = {"once": "page:1", "input-order_id": "A-17", "input-amount": "7", "external_id": "T-1", "risk": "high"}
    first, second = (post(client, f"{START}orders/", body) for _ in range(2))
    run = Run.objects.get()
    assert first.url == second.url == page(run)
    assert run.input == {"order_id": "A-17", "amount": 7}
    assert (run.external_id, run.risk, run.requester) == ("T-1", "high", starter)


def test_another_input_under_the_same_token_leads_to_the_run_that_was_started(orders: Workflow, starter: Any) -> None:
    client = browse(starter)
    body = {"once": "page:1", "input-order_id": "A-17", "input-amount": "7"}
    post(client, f"{START}orders/", body)
    with nothing_written():
        answer = post(client, f"{START}orders/", {**body, "input-amount": "8"})
    text = answer.content.decode()
    assert answer.status_code == 422
    assert page(Run.objects.get()) in text
    token = re.search(r'name="once" value="([^"]+)"', text)
    assert token is not None
    assert token[1] != "page:1"
    assert post(client, f"{START}orders/", {**body, "input-amount": "8", "once": token[1]}).status_code == 302


@pytest.mark.parametrize("fields", [{}, {"input-order_id": "A"}, {"input-order_id": "A-17", "input-amount": "many"}])
def test_an_input_that_does_not_fit_is_said_and_kept(fields: Any, orders: Workflow, starter: Any) -> None:
    client = browse(starter)
    with nothing_written():
        answer = post(client, f"{START}orders/", {"once": "page:1", "external_id": "kept-name", **fields})
    assert answer.status_code == 422
    assert 'value="kept-name"' in answer.content.decode()


@pytest.mark.parametrize(("typed", "found"), [("", None), ('{"a": 1}', {"a": 1})])
def test_a_workflow_without_an_input_model_takes_json(typed: str, found: Any, refund: Any, starter: Any) -> None:
    post(browse(starter), f"{START}test-refund/", {"once": "page:1", "input": typed})
    assert Run.objects.get().input == found


def test_what_is_no_json_starts_nothing(refund: Any, starter: Any) -> None:
    client = browse(starter)
    with nothing_written():
        answer = post(client, f"{START}test-refund/", {"once": "page:1", "input": "{nonsense"})
    assert "{nonsense" in answer.content.decode()


def test_a_workflow_shows_its_picture_its_gates_and_its_versions(waiting: Approval, bob: Any, starter: Any) -> None:
    text = text_of(bob, "/review/workflows/test-refund/")
    assert '<g class="node plain"' in text
    assert "1 approval of group:finance." in text
    assert "Within 4" in text
    assert "version 1" in text
    assert f"{START}test-refund/" not in text
    assert f"{START}test-refund/" in text_of(starter, "/review/workflows/test-refund/")
    assert "starts now" in text_of(bob, "/review/workflows/test-refund/?version=1")


@pytest.mark.parametrize("address", ["nonsense/", "test-refund/?version=7", "test-refund/?version=x", "%00/"])
def test_a_workflow_that_is_not_there_is_not_found(address: str, waiting: Approval, bob: Any) -> None:
    assert browse(bob).get(f"/review/workflows/{address}").status_code == 404


def test_a_workflow_of_runs_one_may_not_see_is_not_found(waiting: Approval, mallory: Any) -> None:
    assert browse(mallory).get("/review/workflows/test-refund/").status_code == 404


def test_the_page_of_a_workflow_costs_little(waiting: Approval, bob: Any) -> None:
    client = browse(bob)
    assert len(statements(lambda: client.get("/review/workflows/test-refund/"))) <= 12
