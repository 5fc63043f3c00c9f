"""A client that waits is answered when something has moved, and costs nothing until then."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.waiting.serving import Server, until


def test_whoever_waits_for_a_decision_is_answered_when_it_falls(
    door: Server, token: str, asked: Any, says: Any
) -> None:
    answer = door.soon(f"approvals/{asked.pk}/?wait=50", token)
    assert not answer.done()
    says(asked)
    found = answer.result(20)
    assert (found.status_code, found.json()["status"]) == (200, "approved")
    assert door.asked(f"approvals/{asked.pk}/") == 2


def test_what_is_decided_is_answered_at_once(door: Server, token: str, asked: Any, says: Any) -> None:
    says(asked, "reject", comment="no")
    found = door.get(f"approvals/{asked.pk}/?wait=50", token)
    assert (found.status_code, found.json()["status"]) == (200, "rejected")
    assert door.asked(f"approvals/{asked.pk}/") == 1


def test_when_the_time_is_up_the_request_is_answered_as_it_is(door: Server, token: str, asked: Any) -> None:
    found = door.get(f"approvals/{asked.pk}/?wait=0.6", token)
    assert (found.status_code, found.json()["status"]) == (200, "pending")
    assert door.asked(f"approvals/{asked.pk}/") == 2


def test_each_is_told_of_its_own(
    door: Server, token: str, asked: Any, refund: Any, key: Any, says: Any, work: Any
) -> None:
    from hitl.models import Approval

    other = refund.start({"order_id": "B-2"}, requester=key[0])
    work()
    other_request = Approval.objects.get(run=other)
    one, two = (door.soon(f"approvals/{row.pk}/?wait=50", token) for row in (asked, other_request))
    says(other_request)
    assert two.result(20).json()["id"] == str(other_request.pk)
    assert not one.done()
    says(asked)
    assert one.result(20).json()["id"] == str(asked.pk)


def test_whoever_waits_for_a_run_is_answered_when_it_ends(
    door: Server, token: str, asked: Any, says: Any, work: Any
) -> None:
    path = f"runs/{asked.run_id}/"
    answer = door.soon(f"{path}?wait=50", token)
    says(asked)
    assert not answer.done()
    work()
    assert answer.result(20).json()["status"] == "succeeded"


def test_whoever_waits_for_an_event_is_answered_when_it_is_published(
    door: Server, token: str, telling: Any, go: Any
) -> None:
    path = f"runs/{telling.pk}/events/progress/"
    answer = door.soon(f"{path}?wait=50", token)
    go(1)
    first = answer.result(20)
    assert (first.status_code, first.json()["value"]) == (200, 1)
    again = door.soon(f"{path}?wait=50&after={first.json()['at']}", token)
    go(2)
    assert again.result(20).json()["value"] == 2
    assert door.get(f"{path}?wait=50", token).json()["value"] == 2


def test_an_event_that_never_comes_is_not_found_when_the_time_is_up(door: Server, token: str, telling: Any) -> None:
    assert door.get(f"runs/{telling.pk}/events/other/?wait=0.5", token).status_code == 404


def test_whoever_waits_for_output_gets_what_came_after_the_last_piece(
    door: Server, token: str, telling: Any, go: Any
) -> None:
    path = f"runs/{telling.pk}/stream/"
    answer = door.soon(f"{path}?wait=50", token)
    go(1)
    first = answer.result(20).json()
    assert [piece["chunk"] for piece in first["results"]] == ["piece 1"]
    again = door.soon(f"{path}?after={first['after']}&wait=50", token)
    go(2)
    assert [piece["chunk"] for piece in again.result(20).json()["results"]] == ["piece 2"]


def test_nobody_waits_for_more_output_of_a_run_that_has_ended(door: Server, token: str, telling: Any, go: Any) -> None:
    for n in (1, 2):
        go(n)
    telling.refresh_from_db()
    assert telling.status == "succeeded"
    every = door.get(f"runs/{telling.pk}/stream/", token).json()
    none = door.get(f"runs/{telling.pk}/stream/?after={every['after']}&wait=50", token)
    assert none.json() == {"after": every["after"], "results": []}


def test_a_request_without_a_wait_is_djangos_own(door: Server, token: str, asked: Any) -> None:
    found = door.get(f"approvals/{asked.pk}/", token)
    assert (found.status_code, found.json()["status"]) == (200, "pending")
    assert door.get("runs/?status=waiting&wait=5", token).json()["results"][0]["id"] == str(asked.run_id)
    with door.client() as client:
        page = client.get("/review/", follow_redirects=True)
    assert (page.status_code, "csrfmiddlewaretoken" in page.text) == (200, True)


def test_a_post_passes_with_its_body(door: Server, token: str, refund: Any, bob: Any) -> None:
    started = door.post("runs/", token, {"workflow": "nowhere", "input": {"ü": "ä" * 300_000}})
    assert (started.status_code, started.json()["code"]) == (404, "unknown_workflow")


def test_whoever_may_not_see_it_does_not_wait(door: Server, asked: Any, token: str) -> None:
    path = f"approvals/{asked.pk}/?wait=50"
    assert door.get(path, "").status_code in (401, 403)
    assert door.get(path, "hitl_abc_def").status_code == 401
    assert door.get("approvals/00000000-0000-0000-0000-000000000000/?wait=50", token).status_code == 404
    assert door.asked(f"approvals/{asked.pk}/") == 2


def test_a_key_revoked_meanwhile_is_told_so(door: Server, key: Any, alice: Any, asked: Any, says: Any) -> None:
    from hitl.policies import revoke_key

    answer = door.soon(f"approvals/{asked.pk}/?wait=50", key[1])
    revoke_key(key[0], actor=alice)
    says(asked)
    assert answer.result(20).status_code == 401


def test_waiting_asks_django_nothing(door: Server, token: str, asked: Any, says: Any) -> None:
    """Many looks later Django still was asked once for each."""
    answers = [door.soon(f"approvals/{asked.pk}/?wait=50", token) for _ in range(5)]
    door.get(f"runs/{asked.run_id}/?wait=1.5", token)
    assert door.asked(f"approvals/{asked.pk}/") == 5
    says(asked)
    assert {answer.result(20).json()["status"] for answer in answers} == {"approved"}
    assert door.asked(f"approvals/{asked.pk}/") == 10


def test_whoever_hangs_up_is_forgotten(door: Server, token: str, asked: Any, says: Any) -> None:
    path = f"approvals/{asked.pk}/"
    with door.client(token) as client, pytest.raises(httpx.ReadTimeout):
        client.get(f"/api/v1/{path}?wait=50", timeout=1)
    stays = door.soon(f"{path}?wait=50", token)
    says(asked)
    assert stays.result(20).json()["status"] == "approved"
    assert door.asked(path) == 3  # both came, and only the one that stayed was asked for again
    until(lambda: door.get("runs/", token).status_code == 200, "the door to go on")
