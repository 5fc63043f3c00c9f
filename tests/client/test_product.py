"""The client against the real product: what people decide is what comes back, and it is used once."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from hitl.client import AsyncClient, Client, errors
from tests.serving import Product

Decides = Callable[..., Any]
pytestmark = pytest.mark.timeout(600)  # the first one makes the product, which takes its time on a busy machine


def asks(client: Client, **options: Any) -> Any:
    words: dict[str, Any] = {"title": "Refund 900 to A1", "impact": "Money leaves", "policy": "refunds"}
    return client.request_approval("refund", {"amount": 900, "to": "A1"}, **{**words, **options})


# -- what people say ----------------------------------------------------------------------------------


def test_what_is_approved_is_taken_once_and_reported(client: Client, product: Product) -> None:
    request = asks(client, resume_data={"thread": 7}, context={"why": "broken"}, external_id="A1")
    assert (request.pending, request.outcome, request.kind, request.revision) == (True, None, "approval", 1)
    assert len(request.digest) == 64
    assert request.id in request.review_url
    assert request.expires_at is not None
    with pytest.raises(errors.NotDecided):
        client.consume(request)
    product.decide(request.id, comment="fine")
    outcome = request.wait()
    assert (outcome.approved, outcome.verdict, outcome.edited, outcome.by) == (True, "approve", False, ("bob",))
    assert (outcome.comment, outcome.via, outcome.action_type) == ("fine", "human", "refund")
    grant = client.consume(request)
    assert (grant.args, grant.type, grant.resume_data) == ({"amount": 900, "to": "A1"}, "refund", {"thread": 7})
    assert grant.token
    assert grant.report_by is not None
    with pytest.raises(errors.AlreadyConsumed):
        client.consume(request.id)
    with pytest.raises(errors.LeaseLost):
        client.report(request, str(uuid.uuid4()), output="nobody's")
    run = client.report(grant, grant.token, output={"paid": 900})
    assert run.status == "succeeded"
    assert client.run(run).output == client.wait_run(run.id, timeout=30).output
    assert client.get(request).status == "approved"


def test_an_edit_is_what_runs_and_is_explained(client: Client, product: Product) -> None:
    request = asks(client, editable=["amount"])
    product.decide(request.id, verdict="edit", args={"amount": 90, "to": "A1"}, comment="less")
    outcome = request.wait()
    assert (outcome.approved, outcome.edited, outcome.args) == (True, True, {"amount": 90, "to": "A1"})
    assert [(change["from"], change["to"]) for change in outcome.changes] == [(900, 90)]
    assert "original" in outcome.notice
    assert client.consume(request).args == {"amount": 90, "to": "A1"}


def test_a_refusal_is_taken_once_and_has_no_token(client: Client, product: Product) -> None:
    request = asks(client)
    product.decide(request.id, verdict="reject", comment="no receipt")
    outcome = request.wait()
    assert (outcome.approved, outcome.verdict, outcome.args, outcome.comment) == (False, "reject", None, "no receipt")
    assert "not try" in outcome.notice
    assert isinstance(outcome.error(), errors.Rejected)
    assert client.consume(request).token is None
    with pytest.raises(errors.AlreadyConsumed):
        client.consume(request)


def test_silence_is_nobodys_no(client: Client) -> None:
    outcome = asks(client, policy="hasty").wait(timeout=60)
    assert (outcome.status, outcome.verdict, outcome.approved) == ("expired", None, False)
    assert "Nobody" in outcome.notice
    assert isinstance(outcome.error(), errors.Expired)


def test_what_people_want_done_differently_is_proposed_again(client: Client, product: Product) -> None:
    request = asks(client)
    product.decide(request.id, verdict="request_revision", comment="half of it")
    error = request.wait().error()
    assert isinstance(error, errors.RevisionRequested)
    assert error.instructions == "half of it"
    second = client.revise(request, {"amount": 450, "to": "A1"}, description="Half of it")
    assert (second.revision, second.title, second.pending) == (2, "Refund 900 to A1", True)
    assert second.id != request.id
    product.decide(second.id)
    assert request.wait().args == {"amount": 450, "to": "A1"}


def test_an_edit_that_others_must_confirm_is_waited_for_under_the_first_id(client: Client, product: Product) -> None:
    request = asks(client, policy="two-eyes", editable=["amount"])
    product.decide(request.id, "bob", "edit", args={"amount": 90, "to": "A1"})
    with pytest.raises(errors.StillPending):
        request.wait(timeout=1)
    second = client.get(request)
    assert (second.revision, second.id == request.id) == (2, False)
    product.decide(second.id, "carol", "reject", comment="not even that")
    assert request.wait().comment == "not even that"
    assert client.consume(request).outcome.verdict == "reject"


def test_a_request_can_be_withdrawn(client: Client) -> None:
    request = asks(client)
    assert client.cancel(request, "not needed").status == "cancelled"
    assert isinstance(request.wait().error(), errors.Cancelled)


def test_a_policy_may_say_yes_at_once(client: Client) -> None:
    outcome = asks(client, policy="open").wait()
    assert (outcome.approved, outcome.via, outcome.verdict, outcome.by) == (True, "policy", None, ())


@pytest.mark.parametrize(
    ("asked", "given"),
    [({"options": ["eu", "us"]}, "eu"), ({"schema": {"type": "integer"}}, 7), ({}, "some words")],
    ids=["options", "schema", "text"],
)
def test_a_question_is_answered(client: Client, bob: Decides, asked: dict[str, Any], given: Any) -> None:
    title = f"Which region, {uuid.uuid4()}?"
    decided = bob(title, "respond", response=given)
    assert client.ask(title, policy="refunds", **asked) == given
    decided.result()


def test_a_question_that_nobody_answers_expires(client: Client) -> None:
    with pytest.raises(errors.Expired):
        client.ask("Is anybody there?", policy="hasty")


def test_a_batch_is_released_when_all_of_it_is_decided(client: Client, product: Product) -> None:
    batch = {"id": f"turn-{uuid.uuid4()}", "size": 2, "release": "all"}
    first, second = asks(client, batch=batch), asks(client, batch=batch)
    product.decide(first.id)
    with pytest.raises(errors.StillPending):
        first.wait(timeout=1)
    with pytest.raises(errors.BatchOpen):
        client.consume(first)
    product.decide(second.id, verdict="reject", comment="no")
    assert (first.wait(timeout=30).approved, second.wait(timeout=30).approved) == (True, False)


def test_what_is_wrong_is_said(client: Client, product: Product) -> None:
    with pytest.raises(errors.NotFound) as unknown:
        asks(client, policy="no-such-policy")
    assert unknown.value.code == "unknown_policy"
    with pytest.raises(errors.NotAllowed) as reviewers:
        asks(client, policy="", reviewers=["group:finance"])
    assert reviewers.value.details["reason"] == "needs_reviewers_scope"
    with pytest.raises(errors.Invalid):
        asks(client, title="")
    with pytest.raises(errors.NotFound):
        client.get(uuid.uuid4())
    with pytest.raises(errors.NotAllowed), Client(product.url, "hitl_nobody_nothing") as nobody:
        asks(nobody)


def test_the_same_idempotency_key_is_the_same_request(client: Client) -> None:
    once = str(uuid.uuid4())
    assert asks(client, idempotency_key=once).id == asks(client, idempotency_key=once).id
    with pytest.raises(errors.Conflict) as caught:
        asks(client, idempotency_key=once, title="Another")
    assert caught.value.code == "idempotency_conflict"


def test_what_was_asked_is_listed(client: Client) -> None:
    ids = {asks(client).id for _ in range(3)}
    listed = [request.id for request in client.requests(status="pending", page_size=2)]
    assert ids <= set(listed)
    assert len(listed) == len(set(listed))


def test_the_async_client_does_the_same(product: Product, key: str) -> None:
    async def go() -> Any:
        async with AsyncClient(product.url, key) as client:
            request = await client.request_approval(
                "refund", {"amount": 1}, title="Refund 1", impact="Money leaves", policy="refunds"
            )
            await asyncio.to_thread(product.decide, request.id)
            outcome = await request.wait()
            grant = await client.consume(request)
            run = await client.report(grant, grant.token, error="no such order")
            listed = [one.id async for one in client.requests(page_size=50)]
            return outcome.approved, run.status, request.id in listed

    assert asyncio.run(go()) == (True, "failed", True)


# -- gates --------------------------------------------------------------------------------------------


def test_a_gated_function_runs_with_what_a_person_made_of_it(client: Client, bob: Decides) -> None:
    title = f"Refund {uuid.uuid4()}"
    decided = bob(title, "edit", args={"to": "A1", "amount": 90})
    paid: list[Any] = []

    @client.gate("refunds", title=title, impact="Money leaves", editable=["amount"])
    def refund(to: str, amount: int) -> int:
        paid.append((to, amount))
        return amount

    assert refund("A1", amount=900) == 90
    decided.result()
    assert paid == [("A1", 90)]


def test_a_gated_coroutine_that_is_refused_does_not_run(product: Product, key: str, bob: Decides) -> None:
    title = f"Refund {uuid.uuid4()}"
    decided = bob(title, "reject", comment="no receipt")

    async def go() -> None:
        async with AsyncClient(product.url, key) as client:

            @client.gate("refunds", title=title, impact="Money leaves")
            async def refund(to: str) -> None:
                raise AssertionError("must not run")

            await refund("A1")

    with pytest.raises(errors.Rejected) as caught:
        asyncio.run(go())
    assert caught.value.reason == "no receipt"
    decided.result()


def test_two_gates_at_once_run_it_once(product: Product, key: str, bob: Decides) -> None:
    title, paid = f"Refund {uuid.uuid4()}", []
    decided = bob(title)

    def call(number: int) -> Any:
        with Client(product.url, key) as client:

            @client.gate("refunds", title=title, impact="Money leaves")
            def refund(to: str) -> int:
                paid.append(to)
                return number

            try:
                return refund(to="A1", once=title)
            except errors.AlreadyConsumed as error:
                return error.code

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(call, [1, 2]))
    decided.result()
    assert paid == ["A1"]
    assert "already_consumed" in results
    assert {1, 2} & set(results)


def test_a_durable_gate_goes_on_where_it_was_left(client: Client, product: Product) -> None:
    paid: list[Any] = []
    once = str(uuid.uuid4())

    def gated() -> Any:
        # Made anew each time, as a process that was started again would.
        def refund(to: str, amount: int) -> str:
            """Money leaves."""
            paid.append((to, amount))
            return "paid"

        return client.gate("refunds", durable=True, editable=["amount"])(refund)

    with pytest.raises(errors.Pending) as first:
        gated()("A1", 900, once=once)
    with pytest.raises(errors.Pending) as second:
        gated()("A1", 900, once=once)
    assert first.value.id == second.value.id
    assert first.value.review_url
    product.decide(first.value.id, verdict="edit", args={"to": "A1", "amount": 90})
    assert gated()("A1", 900, once=once) == "paid"
    with pytest.raises(errors.AlreadyConsumed):
        gated()("A1", 900, once=once)
    assert paid == [("A1", 90)]
    ((status, output),) = product.sql(
        "select r.status, r.output from hitl_run r join hitl_approval a on a.run_id = r.id where a.id = ?",
        uuid.UUID(first.value.id).hex,
    )
    assert (status, "paid" in json.dumps(output)) == ("succeeded", True)


def test_a_function_that_fails_ends_its_request_as_failed(client: Client, bob: Decides, product: Product) -> None:
    title = f"Refund {uuid.uuid4()}"
    decided = bob(title)

    @client.gate("refunds", title=title, impact="Money leaves")
    def refund(to: str) -> None:
        raise LookupError("no such order")

    with pytest.raises(LookupError):
        refund("A1")
    decided.result()
    assert product.sql("select 1 from hitl_run where status = 'failed' and failure_text like ?", "%no such order%")
