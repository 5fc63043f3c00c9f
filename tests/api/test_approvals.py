"""Requests over the API: what is listed to whom, and everything a reviewer must see."""

from __future__ import annotations

import uuid
from base64 import b64encode
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from hitl import decisions
from hitl.models import ApiKey, Approval
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
    assert ids(as_bob, status="approved") == ids(as_bob, risk="high") == []


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
        row.assignments.update(due_at=row.expires_at)
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


def test_each_view_has_its_own_requests(
    gate: Any, as_bob: Api, as_carol: Api, as_alice: Api, as_dave: Api, bob: Any, carol: Any
) -> None:
    ladder = [{"reviewers": ["group:finance"], "escalate": [{"after": "2h", "to": ["user:dave"]}]}]
    plain, taken, handed = (gate(name) for name in ("plain", "taken", "handed"))
    pushed = gate("pushed", stages=ladder)
    decisions.claim(taken, actor=bob)
    decisions.escalate(pushed, actor=carol)
    assert as_bob.post(f"approvals/{handed.pk}/delegate/", {"to": "dave"}).status_code == 200
    decisions.decide(plain, actor=carol, verdict="approve", digest=plain.digest)
    rows = {row.pk: name for name, row in [("p", plain), ("t", taken), ("h", handed), ("u", pushed)]}

    def named(api: Api, view: str) -> str:
        return "".join(rows[uuid.UUID(pk)] for pk in ids(api, view=view))

    assert named(as_bob, "inbox") == "thu"
    assert named(as_dave, "inbox") == "hu"
    assert (named(as_bob, "claimed"), named(as_carol, "claimed")) == ("t", "")
    assert (named(as_dave, "escalated"), named(as_bob, "escalated")) == ("u", "")
    assert (named(as_dave, "delegated"), named(as_bob, "delegated")) == ("h", "")
    assert (named(as_alice, "asked"), named(as_bob, "asked")) == ("uhtp", "")
    assert (named(as_carol, "decided"), named(as_bob, "decided")) == ("p", "")
    assert named(as_bob, "all") == named(as_bob, "") == "uhtp"
    for view in ("claimed", "decided"):
        assert ids(as_bob, view=view, status="expired") == []


@pytest.mark.parametrize("view", ["mine", "Inbox", "x" * 500, "in\0box"])
def test_there_is_no_other_view(view: str, waiting: Approval, as_bob: Api) -> None:
    with nothing_written():
        assert "inbox, claimed" in problem(as_bob.get("approvals/", view=view), 400, "bad_input")["detail"]


def test_a_program_has_no_views_of_people(asked_by_bot: Approval, bot: Api) -> None:
    assert ids(bot, view="asked") == ids(bot, view="all") == [str(asked_by_bot.pk)]
    for view in ("claimed", "escalated", "delegated", "decided"):
        problem(bot.get("approvals/", view=view), 400, "bad_input")


def test_a_filtered_inbox_goes_on_where_its_search_ended(
    gate: Any, as_bob: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    rare = [gate(f"flow-{n}", risk="low" if n in (4, 9) else "medium") for n in range(10)]
    wanted = [str(rare[4].pk), str(rare[9].pk)]
    assert ids(as_bob, view="inbox", risk="low", page_size="1") == wanted[:1]
    monkeypatch.setattr("hitl.api.pagination.Inbox.most_pages", 2)
    page = as_bob.get("approvals/", view="inbox", risk="low", page_size=1).json()
    seen, lengths = [row["id"] for row in page["results"]], [len(page["results"])]
    while page["next"]:
        assert page["previous"] is None
        page = as_bob.client.get(page["next"]).json()
        seen += [row["id"] for row in page["results"]]
        lengths.append(len(page["results"]))
    assert seen == wanted
    assert lengths[0] == 0


def test_a_page_of_the_inbox_costs_the_same_for_few_and_many(
    refund: Any, alice: Any, bob: Any, as_bob: Api, work: Any
) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    counts = []
    for number in (2, 10):
        for _ in range(number):
            refund.start(requester=alice)
        work()
        with CaptureQueriesContext(connection) as queries:
            as_bob.get("approvals/", view="inbox", page_size=10)
        counts.append(len(queries))
    assert counts[0] == counts[1]


@pytest.mark.parametrize("position", ["x", "2026-01-01", "2026-01-01T00:00:00+00:00", "9999-12-31T23:59:59-23:59"])
@pytest.mark.parametrize("view", ["inbox", "claimed"])
def test_a_forged_cursor_breaks_nothing(position: str, view: str, waiting: Approval, as_bob: Api) -> None:
    for told in (position, f"{position}|{NEVER}", f"{position}|x"):
        cursor = b64encode(urlencode({"p": told, "r": 1, "o": 3}).encode()).decode()
        assert as_bob.get("approvals/", cursor=cursor, view=view).status_code in (200, 404)


def test_a_program_takes_its_request_back_once_with_an_idempotency_key(asked_by_bot: Approval, bot: Api) -> None:
    ApiKey.objects.update(scopes=["approvals:request"])
    first = bot.post(f"approvals/{asked_by_bot.pk}/cancel/", {"reason": "not needed"}, key="k")
    again = bot.post(f"approvals/{asked_by_bot.pk}/cancel/", {"reason": "not needed"}, key="k")
    assert (first.status_code, first.json()["status"]) == (200, "cancelled")
    assert (again.status_code, again.json()) == (200, first.json())
