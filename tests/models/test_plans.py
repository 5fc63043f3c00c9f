"""What people do all day walks along indexes, however many requests wait: the plans are read, nothing is timed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db.models import Q

from hitl import clock, decisions
from hitl.decisions.inbox import Desk
from hitl.engine import sweep
from hitl.models import Approval
from hitl.models.inbox.views import BY_DUE, VIEWS
from hitl.policies import explain
from hitl.policies.delegations import create_delegation
from tests.crowd import multiply
from tests.plans import statements, walked

pytestmark = pytest.mark.postgres


def test_nothing_people_wait_for_reads_a_table_from_end_to_end(
    waiting: Approval, finance: Group, bob: Any, people: Any
) -> None:
    """Thousands wait for finance, thousands for others, thousands are decided."""
    multiply(waiting, 8000, group=finance)
    multiply(waiting, 4000, group=Group.objects.create(name="others"))
    multiply(waiting, 8000, group=finance, status="rejected", voter=bob)
    gina, lonely = people("gina"), people("lonely", "lonely-group")
    create_delegation(bob, gina, ends_at=clock.now() + timedelta(hours=1), actor=bob)
    last = decisions.inbox(bob)[-1]
    assert [len(decisions.inbox(user)) for user in (bob, gina, lonely)] == [50, 50, 0]

    def decide() -> None:
        decisions.decide(waiting, actor=bob, verdict="approve", digest=waiting.digest)

    acts = {
        "inbox": lambda: decisions.inbox(bob),
        "its next page": lambda: decisions.inbox(bob, after=(last.expires_at, last.pk)),
        "inbox of one who is asked little": lambda: decisions.inbox(lonely),
        "inbox of a stand-in": lambda: decisions.inbox(gina),
        "explain": lambda: explain(waiting, bob),
        "decide": decide,
        "sweep": sweep,
    }
    assert {name: found for name, act in acts.items() if (found := walked(statements(act)))} == {}
    desk = Desk(bob)
    beyond = (last.expires_at, last.pk)
    pages = {view: lambda view=view: list(desk.page(view, limit=51, after=beyond)) for view in VIEWS}
    pages |= {f"{view} to its edge": lambda view=view: desk.edge(view, scan=5000) for view in VIEWS}
    only = Q(risk="critical", payload__icontains="nothing")
    pages |= {
        f"{view} searched": lambda view=view: list(desk.page(view, limit=51, until=beyond, only=only))
        for view in BY_DUE
    }
    pages["counts"] = lambda: desk.counts(VIEWS, most=51)
    assert {name: found for name, act in pages.items() if (found := walked(statements(act)))} == {}
    by_title = Approval.objects.filter(title__contains="x")
    assert walked(statements(lambda: list(by_title))) != []  # the reader of plans sees a walk where there is one
