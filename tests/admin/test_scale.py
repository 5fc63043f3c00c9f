"""Every page asks as many questions at ten thousand rows as at ten."""

from __future__ import annotations

from typing import Any

import pytest

from hitl import decisions
from hitl.admin.inbox.asked import VIEWS
from tests.admin.conftest import INBOX, browse, page_of
from tests.crowd import multiply
from tests.plans import statements

pytestmark = pytest.mark.postgres

ADDRESSES = [
    *(f"{INBOX}?view={view}" for view in VIEWS),
    f"{INBOX}?risk=medium",
    f"{INBOX}?q=nothing+like+this",
    "/review/counts/?view=me&seen=3",
    "/review/runs/",
    "/review/runs/?status=waiting",
    "/review/oversight/",
    "/review/audit/",
    "/review/policies/",
]


def prices(client: Any, addresses: list[str]) -> dict[str, int]:
    """How many statements each address takes."""
    found = {}
    for address in addresses:
        answers: list[Any] = []
        found[address] = len(statements(lambda at=address, to=answers: to.append(client.get(at))))
        assert answers[0].status_code == 200, address
    return found


def test_no_page_costs_more_at_ten_thousand(make: Any, bob: Any, carol: Any, root: Any, finance: Any) -> None:
    waits, decided = make(), make()
    decisions.decide(decided, actor=bob, verdict="reject", digest=decided.digest, comment="no")
    addresses = [*ADDRESSES, page_of(waits), f"{page_of(waits)}?tab=record", f"/review/runs/{waits.run_id}/"]
    multiply(waits, 10, group=finance)
    multiply(decided, 10, group=finance, status="rejected", voter=bob)
    own = [one for one in addresses if one not in ("/review/oversight/", "/review/audit/")]
    few = {who.username: prices(browse(who), at) for who, at in ((bob, own), (root, addresses))}
    multiply(waits, 10_000, group=finance)
    multiply(decided, 2_000, group=finance, status="rejected", voter=bob)
    many = {who.username: prices(browse(who), at) for who, at in ((bob, own), (root, addresses))}
    assert many == few
    assert max(price for found in many.values() for price in found.values()) <= 12
