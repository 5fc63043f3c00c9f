"""`@client.gate`: who is asked, and what the function runs with."""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest

from hitl.client import AsyncClient, errors
from tests.client.fake import KEY, Fake, Reply, answer, outcome, problem, request

ARGS = {"order": "A1", "amount": 900, "note": ""}
NEVER = answer(200, {"results": [], "next": None})  # asked before
NOTHING = answer(200, {"id": "run1", "status": "succeeded"})


def taken(
    status: str = "approved", *, args: dict[str, Any] | None = None, token: str | None = "t1", **said: Any
) -> Any:
    """Asked, decided, and taken."""
    yes = status == "approved"
    told = outcome(said.pop("verdict", None), approved=yes, args=(args or ARGS) if yes else None, **said)
    decided = request(status, outcome=told)
    return [answer(201, request()), answer(200, decided), answer(200, {**decided, "token": token if yes else None})]


def refund(order: str, amount: int, *, note: str = "") -> str:
    """Pays money back."""
    return f"{amount} for {order} {note}".strip()


def body(fake: Fake, place: int) -> Any:
    return json.loads(fake.seen[place].content)


def test_the_function_runs_once_with_what_was_approved_and_says_so() -> None:
    fake = Fake([*taken(args=ARGS | {"amount": 90}, verdict="edit"), NOTHING])
    gated = fake.client().gate("refunds", risk="high")(refund)
    assert gated("A1", 900) == "90 for A1"
    assert fake.said() == [
        "POST /approvals/",
        "GET /approvals/r1/",
        "POST /approvals/r1/consume/",
        "POST /approvals/r1/result/",
    ]
    assert body(fake, 0) == {
        "kind": "approval",
        "action": {
            "type": "refund",
            "args": ARGS,
            "title": "Refund",
            "impact": "Pays money back.",
            "reversible": False,
        },
        "policy": "refunds",
        "risk": "high",
    }
    assert body(fake, 3) == {"token": "t1", "ok": True, "output": "90 for A1"}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("rejected", errors.Rejected),
        ("expired", errors.Expired),
        ("cancelled", errors.Cancelled),
        ("revoked", errors.Cancelled),
        ("revision_requested", errors.RevisionRequested),
        ("something_new", errors.Expired),
    ],
)
def test_whatever_is_not_a_yes_is_raised_and_nothing_runs(status: str, kind: type[errors.NotApproved]) -> None:
    ran: list[Any] = []
    fake = Fake(taken(status, comment="too much", notice="Do not try again."))
    with pytest.raises(kind) as caught:
        fake.client().gate()(lambda amount: ran.append(amount))(900)
    assert ran == []
    assert str(caught.value) == "Do not try again."
    assert caught.value.outcome is not None
    assert caught.value.outcome.status == status
    said = getattr(caught.value, "reason", None) or getattr(caught.value, "instructions", None)
    assert said == ("too much" if kind in (errors.Rejected, errors.RevisionRequested) else None)


def test_an_approval_without_a_token_runs_nothing() -> None:
    ran: list[Any] = []
    with pytest.raises(errors.NotApproved):
        Fake(taken(token=None)).client().gate()(lambda amount: ran.append(amount))(900)
    assert ran == []


def test_what_somebody_else_took_does_not_run_again() -> None:
    ran: list[Any] = []
    fake = Fake([*taken()[:2], problem(409, "already_consumed")])
    with pytest.raises(errors.AlreadyConsumed) as caught:
        fake.client().gate()(lambda amount: ran.append(amount))(900)
    assert (ran, caught.value.details) == ([], {"id": "r1"})


def test_a_refusal_that_was_taken_before_is_still_a_refusal() -> None:
    fake = Fake([*taken("rejected", comment="no")[:2], problem(409, "already_consumed")])
    with pytest.raises(errors.Rejected):
        fake.client().gate()(refund)("A1", 900)


def test_another_action_than_the_functions_own_does_not_run() -> None:
    ran: list[Any] = []
    fake = Fake([*taken(action_type="store_credit", args={"amount": 90}), NOTHING])
    with pytest.raises(TypeError, match="store_credit"):
        fake.client().gate(type="refund")(lambda amount: ran.append(amount))(900)
    assert ran == []
    assert body(fake, 3)["ok"] is False


def test_arguments_that_do_not_fit_the_function_are_reported_and_nothing_runs() -> None:
    fake = Fake([*taken(args={"amount": 90, "surprise": 1}), NOTHING])
    with pytest.raises(TypeError):
        fake.client().gate()(refund)("A1", 900)
    assert body(fake, 3)["ok"] is False


# -- whether anybody is asked -------------------------------------------------------------------------


def test_a_call_that_needs_nobody_runs_at_once_with_what_it_was_given() -> None:
    fake = Fake([answer(500)])
    seen: list[Any] = []
    thing = object()
    gated = fake.client().gate(when=lambda args: args["amount"] > 100)(lambda amount, what: seen.append((amount, what)))
    gated(100, what=thing)
    assert (seen, fake.seen) == ([(100, thing)], [])


def test_a_condition_that_fails_lets_nothing_through() -> None:
    fake = Fake([answer(500)])
    ran: list[Any] = []
    with pytest.raises(KeyError):
        fake.client().gate(when=lambda args: args["missing"])(lambda amount: ran.append(amount))(900)
    assert (ran, fake.seen) == ([], [])


@pytest.mark.parametrize(
    "function",
    [lambda *args: None, lambda **kwargs: None, eval("lambda a, /: None"), lambda once: None],
    ids=["args", "kwargs", "positional", "once"],
)
def test_a_function_whose_arguments_have_no_names_is_refused(function: Callable[..., Any]) -> None:
    with pytest.raises(TypeError, match="by name"):
        Fake([answer(500)]).client().gate()(function)


def test_an_argument_that_is_not_json_is_named_and_nobody_is_asked() -> None:
    fake = Fake([answer(500)])
    with pytest.raises(errors.Invalid, match="'amount' of refund"):
        fake.client().gate()(refund)("A1", object())
    assert fake.seen == []


def test_title_and_impact_may_be_made_of_the_arguments() -> None:
    fake = Fake([*taken(), NOTHING])
    gated = fake.client().gate(title=lambda args: f"Refund {args['amount']}", impact="Money leaves")(refund)
    gated("A1", 900)
    assert [body(fake, 0)["action"][name] for name in ("title", "impact")] == ["Refund 900", "Money leaves"]


def test_a_gated_function_looks_like_itself() -> None:
    gated = Fake([answer(500)]).client().gate()(refund)
    assert (gated.__name__, gated.__doc__, inspect.signature(gated)) == (
        "refund",
        "Pays money back.",
        inspect.signature(refund),
    )


# -- once ---------------------------------------------------------------------------------------------


def keys(fake: Fake) -> list[str]:
    asked = [one for one in fake.seen if one.method == "POST" and one.url.path.endswith("/approvals/")]
    assert [json.loads(one.content).get("external_id") for one in asked] in (
        [one.headers["Idempotency-Key"] for one in asked],
        [None] * len(asked),
    )
    return [one.headers["Idempotency-Key"] for one in asked]


def test_the_same_arguments_and_the_same_once_are_the_same_request() -> None:
    fake = Fake([NEVER, *taken(), NOTHING] * 4)
    gated = fake.client().gate()(refund)
    gated("A1", 900, once="turn-7")
    gated(amount=900, order="A1", once="turn-7")
    gated("A1", 900, once="turn-8")
    gated("A1", 901, once="turn-7")
    first, second, third, fourth = keys(fake)
    assert first == second
    assert len({first, third, fourth}) == 3


def test_without_once_every_call_is_a_request_of_its_own() -> None:
    fake = Fake([*taken(), NOTHING, *taken(), NOTHING])
    gated = fake.client().gate()(refund)
    gated("A1", 900)
    gated("A1", 900)
    assert len(set(keys(fake))) == 2


def test_a_durable_gate_lets_go_and_goes_on_later(slept: list[float]) -> None:
    ran: list[Any] = []
    waiting = [answer(201, request()), answer(200, request(review_url="https://hitl.example.com/review/r1/"))]
    fake = Fake([NEVER, *waiting, NEVER, *taken(args={"amount": 90}), NOTHING])
    gated = fake.client().gate(durable=True)(lambda amount: ran.append(amount))
    with pytest.raises(errors.Pending) as caught:
        gated(900)
    assert (caught.value.id, caught.value.review_url) == ("r1", "https://hitl.example.com/review/r1/")
    gated(900)
    assert (ran, slept) == ([90], [])
    assert len(set(keys(fake))) == 1


def test_a_call_is_found_again_when_its_idempotency_key_is_long_forgotten() -> None:
    def product(asked: httpx.Request) -> httpx.Response:
        name = asked.url.params.get("external_id")
        names.append(name or names[-1])
        row = request("rejected", external_id=names[-1], outcome=outcome("reject", comment="no"))
        return answer(200, {"results": [row], "next": None} if name else row)

    names: list[str] = []
    fake = Fake([product])
    with pytest.raises(errors.Rejected):
        fake.client().gate(durable=True)(refund)("A1", 900)
    assert fake.said()[-1] == "POST /approvals/r1/consume/"
    assert "POST /approvals/" not in fake.said()


def test_a_durable_gate_does_not_wait_for_a_cool_off_either() -> None:
    fake = Fake([NEVER, *taken()[:2], problem(409, "too_early")])
    with pytest.raises(errors.Pending):
        fake.client().gate(durable=True)(refund)("A1", 900)


@pytest.mark.parametrize(("code", "left"), [("too_early", 12), ("too_early", None), ("frozen", None), ("frozen", 3600)])
def test_what_may_not_start_yet_is_waited_for(code: str, left: int | None, slept: list[float]) -> None:
    now = datetime(2199, 1, 1, tzinfo=UTC)
    at = {} if left is None else {"not_before": (now + timedelta(seconds=left)).isoformat()}
    asked, decided, grant = taken()
    early = problem(409, code, **at)
    early.headers["Date"] = format_datetime(now, usegmt=True)
    fake = Fake([asked, decided, early, grant, NOTHING])
    assert fake.client().gate()(refund)("A1", 900) == "900 for A1"
    assert slept == [{None: 2.0, 12: 12.0, 3600: 30.0}[left]]


# -- what is reported ---------------------------------------------------------------------------------


def test_an_error_of_the_function_is_reported_and_raised() -> None:
    def fails(amount: int) -> None:
        raise ValueError("no such order")

    fake = Fake([*taken(args={"amount": 1}), NOTHING])
    with pytest.raises(ValueError, match="no such order"):
        fake.client().gate()(fails)(1)
    assert body(fake, 3) == {"token": "t1", "ok": False, "error": "ValueError: no such order"}


def test_an_output_that_is_not_json_is_told_as_text() -> None:
    fake = Fake([*taken(args={"amount": 1}), NOTHING])
    assert fake.client().gate()(lambda amount: {amount, 2})(1) == {1, 2}
    assert body(fake, 3)["output"] == "{1, 2}"


def test_an_output_that_the_product_does_not_take_is_told_shorter() -> None:
    fake = Fake([*taken(args={"amount": 1}), problem(413, "too_large"), NOTHING])
    assert len(fake.client().gate()(lambda amount: "x" * 9000)(1)) == 9000
    assert len(body(fake, 4)["output"]) == 2000


@pytest.mark.parametrize("reply", [problem(409, "lease_lost"), httpx.ConnectError("gone")], ids=str)
def test_a_report_that_fails_takes_nothing_from_the_caller(
    reply: Reply, slept: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    fake = Fake([*taken(), reply])
    assert fake.client().gate()(refund)("A1", 900) == "900 for A1"
    assert [
        (record.levelno, "r1" in record.getMessage()) for record in caplog.records if record.name == "hitl.client"
    ] == [(logging.ERROR, True)]


# -- async --------------------------------------------------------------------------------------------


def clients(fake: Fake) -> list[Any]:
    return [fake.client(), AsyncClient("https://hitl.example.com", KEY, transport=fake.transport)]


@pytest.mark.parametrize("which", [0, 1], ids=["Client", "AsyncClient"])
def test_a_coroutine_function_is_gated_by_either_client(which: int) -> None:
    async def later(order: str, amount: int, note: str = "") -> str:
        """Pays."""
        await asyncio.sleep(0)
        return f"{amount} for {order}"

    fake = Fake([*taken(args=ARGS | {"amount": 90}), NOTHING])
    gated = clients(fake)[which].gate()(later)
    assert inspect.iscoroutinefunction(gated)
    assert asyncio.run(gated("A1", 900)) == "90 for A1"
    assert body(fake, 3) == {"token": "t1", "ok": True, "output": "90 for A1"}


def test_a_plain_function_is_awaited_under_the_async_client() -> None:
    fake = Fake([*taken(), NOTHING])
    assert asyncio.run(clients(fake)[1].gate()(refund)("A1", 900)) == "900 for A1"


def test_a_coroutine_that_fails_or_needs_nobody_does_as_a_function() -> None:
    async def fails(amount: int) -> None:
        raise ValueError(str(amount))

    fake = Fake([*taken(args={"amount": 1}), NOTHING])
    gated = clients(fake)[1].gate(when=lambda args: args["amount"] < 5)(fails)
    with pytest.raises(ValueError, match=r"^1$"):
        asyncio.run(gated(1))
    assert body(fake, 3)["ok"] is False
    with pytest.raises(ValueError, match=r"^7$"):
        asyncio.run(gated(7))
    assert len(fake.seen) == 4
