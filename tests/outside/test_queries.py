"""What each call of an agent costs: it asks a lot, and it asks again and again."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.outside.conftest import Agent

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("whole_house")]

# Statements; what one database needs more than the other is within.
PRICE = {"ask": 21, "ask again": 6, "pending": 5, "decided": 6, "consume": 17, "result": 13}


def cost(call: Any) -> int:
    with CaptureQueriesContext(connection) as queries:
        answer = call()
    assert answer.status_code < 300, answer.content
    return len([query for query in queries if "SAVEPOINT" not in query["sql"]])


def test_each_call_has_its_price(agent: Agent, say: Any) -> None:
    """Raised only with a reason; lowered with pleasure."""
    warm = agent.ask()
    say(warm)
    agent.take(warm)
    seen, found = {}, {}
    found["ask"] = cost(lambda: _kept(seen, agent.api.post("approvals/", agent.body(), key="k")))
    found["ask again"] = cost(lambda: agent.api.post("approvals/", agent.body(), key="k"))
    found["pending"] = cost(lambda: agent.api.get(f"approvals/{seen['id']}/"))
    say(seen)
    found["decided"] = cost(lambda: agent.api.get(f"approvals/{seen['id']}/"))
    taken: dict[str, Any] = {}
    found["consume"] = cost(lambda: _kept(taken, agent.act(seen, "consume")))
    found["result"] = cost(lambda: agent.act(seen, "result", {"token": taken["token"]}))
    assert {name: count for name, count in found.items() if count > PRICE[name]} == {}
    assert found.keys() == PRICE.keys()


def _kept(into: dict[str, Any], answer: Any) -> Any:
    into.update(answer.json())
    return answer
