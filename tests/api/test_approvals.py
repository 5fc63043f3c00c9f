"""Requests over the API: what is listed to whom, and everything a reviewer must see."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest

from hitl import decisions
from hitl.models import Approval
from tests.api.conftest import Api, problem
from tests.rows import nothing_written

NEVER = "01a1f863-9e38-7d5f-9cba-8408e9377f0d"


def ids(api: Api, **query: str) -> list[str]:
    response = api.get("approvals/", **query)
    assert response.status_code == 200
    return [row["id"] for row in response.json()["results"]]


def test_each_sees_what_concerns_them(
    waiting: Approval, as_bob: Api, as_carol: Api, as_alice: Api, as_mallory: Api, root: Any
) -> None:
    one = [str(waiting.pk)]
    assert [ids(who) for who in (as_bob, as_carol, as_alice, as_mallory)] == [one, one, one, []]
    assert ids(Api(user=root)) == one


def test_the_inbox_has_what_waits_for_the_one_who_asks(
    waiting: Approval, as_bob: Api, as_carol: Api, as_alice: Api, root: Any, bob: Any
) -> None:
    assert ids(as_bob, view="inbox") == ids(as_carol, view="inbox") == [str(waiting.pk)]
    assert ids(as_alice, view="inbox") == ids(Api(user=root), view="inbox") == []
    decisions.decide(waiting, actor=bob, verdict="approve", digest=waiting.digest)
    assert ids(as_carol, view="inbox") == []
    assert ids(as_carol) == [str(waiting.pk)]


def test_an_agent_sees_what_its_own_runs_asked(waiting: Approval, asked_by_bot: Approval, bot: Api) -> None:
    assert ids(bot) == ids(bot, view="inbox") == [str(asked_by_bot.pk)]


def test_the_list_is_filtered(waiting: Approval, as_bob: Api) -> None:
    one = [str(waiting.pk)]
    assert ids(as_bob, status="pending") == ids(as_bob, risk="medium") == one
    assert ids(as_bob, status="pending", risk="medium", view="inbox") == one
    assert ids(as_bob, status="approved") == ids(as_bob, risk="high") == ids(as_bob, status="nul\0") == []


def test_a_request_is_shown_with_all_a_reviewer_needs(waiting: Approval, as_bob: Api) -> None:
    body = as_bob.get(f"approvals/{waiting.pk}/").json()
    assert body["action"] == {
        "type": "refund",
        "args": {"order_id": "A-17", "amount": 250},
        "target": "",
        "impact": "Money leaves at once",
        "reversible": False,
    }
    assert (body["digest"], body["revision"], body["status"]) == (waiting.digest, 1, "pending")
    assert (body["workflow"], body["step"], body["run"]) == ("test-refund", "review", str(waiting.run_id))
    assert body["can"] == {"approve": "", "edit": "", "request_revision": "", "reject": ""}
    assert body["args_schema"]["additionalProperties"] is False
    assert body["effective_args"] is None
    assert body["expires_at"]


@pytest.mark.parametrize(("who", "reason"), [("as_alice", "own_request"), ("bot", "agent")])
def test_who_cannot_decide_is_told_why(who: str, reason: str, asked_by_bot: Approval, request: Any) -> None:
    if who == "as_alice":
        asked_by_bot.on_behalf_of_id = asked_by_bot.agent_key.owner_user_id
        asked_by_bot.save(update_fields=["on_behalf_of"])
    body = request.getfixturevalue(who).get(f"approvals/{asked_by_bot.pk}/").json()
    assert body["can"] == dict.fromkeys(("approve", "edit", "request_revision", "reject"), reason)


def test_an_edit_shows_both_what_was_proposed_and_what_was_approved(waiting: Approval, as_bob: Api, bob: Any) -> None:
    args = {"order_id": "A-17", "amount": 200}
    decisions.decide(waiting, actor=bob, verdict="edit", digest=waiting.digest, args=args)
    body = as_bob.get(f"approvals/{waiting.pk}/").json()
    assert (body["action"]["args"]["amount"], body["effective_args"]) == (250, args)
    assert body["effective_digest"] not in ("", body["digest"])
    assert body["can"]["approve"] == "closed"


def test_what_is_not_yours_and_what_never_was_look_alike(waiting: Approval, as_mallory: Api, bot: Api) -> None:
    for who in (as_mallory, bot):
        for pk in (waiting.pk, NEVER, uuid.uuid4()):
            body = problem(who.get(f"approvals/{pk}/"), 404, "unknown_approval")
            assert body["detail"] == f"there is no request {pk} that you may see"


def test_reading_changes_nothing(waiting: Approval, as_bob: Api) -> None:
    with nothing_written():
        for path in ("approvals/", f"approvals/{waiting.pk}/", f"runs/{waiting.run_id}/", "runs/"):
            assert as_bob.get(path).status_code == 200
            assert as_bob.call("HEAD", path).status_code == 200


def test_the_list_costs_the_same_for_few_and_many(
    refund: Any, alice: Any, bob: Any, as_bob: Api, work: Any, django_assert_num_queries: Any
) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    counts = []
    for number in (2, 10):
        for _ in range(number):
            refund.start(requester=alice)
        work()
        with CaptureQueriesContext(
            connection,
        ) as queries:
            as_bob.get("approvals/")
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_the_inbox_comes_due_soonest_first_over_all_its_pages(
    refund: Any, alice: Any, bob: Any, as_bob: Api, work: Any
) -> None:
    for _ in range(5):
        refund.start(requester=alice)
    work()
    rows = list(Approval.objects.order_by("id"))
    for n, row in enumerate([*rows[1:], rows[0]]):  # two of them at the very same moment
        row.expires_at = rows[0].expires_at + timedelta(minutes=min(n, 3))
        row.save(update_fields=["expires_at"])
    page = as_bob.get("approvals/", view="inbox", page_size=2).json()
    seen = [row["id"] for row in page["results"]]
    while page["next"]:
        page = as_bob.client.get(page["next"]).json()
        seen += [row["id"] for row in page["results"]]
    due = {str(row.pk): row.expires_at for row in Approval.objects.all()}
    assert sorted(seen) == sorted(due)
    assert [due[pk] for pk in seen] == sorted(due.values())


@pytest.mark.parametrize(
    "cursor", ["nonsense", "cD1ub25zZW5zZQ==", "cD0lMDA=", "cD0yMDI2LTAxLTAx", "cD05OTk5OTk5OTk5OTk="]
)
@pytest.mark.parametrize("view", ["inbox", "all"])
def test_a_broken_cursor_is_not_found(cursor: str, view: str, waiting: Approval, as_bob: Api) -> None:
    response = as_bob.get("approvals/", cursor=cursor, view=view)
    assert response.status_code in (200, 404)
