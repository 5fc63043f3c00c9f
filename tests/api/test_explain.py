"""What the API says of who can do what with a request, why not, who is still needed, and what comes next."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from hitl import decisions
from hitl.audit import SYSTEM
from hitl.models import Approval
from hitl.policies import REASONS, apply_policy
from tests.api.conftest import Api, problem
from tests.rows import nothing_written

TWO = [
    {"reviewers": ["user:bob"], "remind": ["1h"], "escalate": [{"after": "2h", "to": ["user:carol"]}]},
    {"reviewers": ["group:finance"], "approvals": 1},
]


def explain(api: Api, approval: Approval) -> dict[str, Any]:
    response = api.get(f"approvals/{approval.pk}/explain/")
    assert response.status_code == 200
    body: dict[str, Any] = response.json()
    return body


def test_it_says_what_one_can_do(waiting: Approval, as_bob: Api) -> None:
    with nothing_written():
        told = explain(as_bob, waiting)
    assert told["verdicts"] == {"approve": "", "edit": "", "request_revision": "", "reject": ""}
    assert told["acts"]["claim"] == told["acts"]["comment"] == told["acts"]["delegate"] == ""
    assert (told["acts"]["release"], told["acts"]["assign"]) == ("not_claimed", "not_operator")
    assert (told["have"], told["need"], told["refusals"], told["refusals_need"]) == (0, 1, 0, 1)
    assert (told["stage"], told["stages"], told["satisfiable"], told["stands_for"]) == (1, 1, True, [])
    assert (told["can_still"], told["cannot"]) == (["bob", "carol"], [])
    assert told["next"] == [{"what": "reject", "at": waiting.expires_at.isoformat().replace("+00:00", "Z")}]


@pytest.mark.parametrize(("who", "reason"), [("as_alice", "own_request"), ("as_root", "not_candidate")])
def test_each_reason_has_its_sentence(who: str, reason: str, waiting: Approval, as_alice: Api, root: Any) -> None:
    told = explain(as_alice if who == "as_alice" else Api(user=root), waiting)
    assert set(told["verdicts"].values()) == {reason}
    assert told["sentences"][reason] == REASONS[reason]
    assert told["sentences"].keys() == {*told["verdicts"].values(), *told["acts"].values()} - {""}
    assert told["cannot"] == []


def test_a_program_is_told_that_it_never_decides(asked_by_bot: Approval, bot: Api) -> None:
    told = explain(bot, asked_by_bot)
    assert set(told["verdicts"].values()) == {"agent"}
    assert (told["acts"]["cancel"], told["acts"]["claim"]) == ("", "agent")


def test_what_comes_next_is_told_with_its_time(gate: Any, as_bob: Api) -> None:
    row = gate(stages=TWO)
    told = explain(as_bob, row)
    assert (told["stage"], told["stages"], told["can_still"]) == (1, 2, ["bob"])
    times = [(one["what"], datetime.fromisoformat(one["at"]) - row.opened_at) for one in told["next"]]
    assert times == [("remind", timedelta(hours=1)), ("escalate", timedelta(hours=2)), ("reject", timedelta(hours=4))]


def test_the_stage_moves_on(gate: Any, as_bob: Api, as_carol: Api, bob: Any) -> None:
    row = gate(stages=TWO)
    assert explain(as_carol, row)["verdicts"]["approve"] == "stage_not_open"
    decisions.decide(row, actor=bob, verdict="approve", digest=row.digest)
    assert explain(as_bob, row)["verdicts"]["approve"] == "voted_earlier_stage"
    told = explain(as_carol, row)
    assert (told["stage"], told["have"], told["can_still"], told["verdicts"]["approve"]) == (2, 0, ["carol"], "")


def test_nobody_left_is_said(gate: Any, as_bob: Api, as_carol: Api, bob: Any, carol: Any) -> None:
    row = gate(reviewers=["user:bob", "user:carol"], approvals=2)
    carol.is_active = False
    carol.save()
    decisions.decide(row, actor=bob, verdict="approve", digest=row.digest)
    told = explain(as_bob, row)
    assert (told["satisfiable"], told["can_still"], told["have"], told["need"]) == (False, [], 1, 2)
    assert {one["name"]: one["reason"] for one in told["cannot"]} == {"bob": "already_voted", "carol": "inactive"}
    assert told["sentences"]["inactive"] == REASONS["inactive"]
    assert as_bob.get(f"approvals/{row.pk}/").json()["unsatisfiable"] is True


def test_what_is_over_is_closed(waiting: Approval, as_carol: Api, bob: Any) -> None:
    decisions.decide(waiting, actor=bob, verdict="approve", digest=waiting.digest)
    told = explain(as_carol, waiting)
    assert set(told["verdicts"].values()) == {"closed"}
    assert (told["next"], told["can_still"], told["sentences"]["closed"]) == ([], [], REASONS["closed"])


def test_the_request_says_the_same(gate: Any, as_bob: Api, as_alice: Api) -> None:
    stages = [{"reviewers": ["group:finance"], "timeout": "4h", "remind": ["1h"]}]
    apply_policy({"name": "house", "default": {"stages": stages}, "rules": []}, actor=SYSTEM)
    row = gate(policy="house")
    for api in (as_bob, as_alice):
        body, told = api.get(f"approvals/{row.pk}/").json(), explain(api, row)
        assert (body["can"], body["acts"]) == (told["verdicts"], told["acts"])
        same = ("stage", "stages", "have", "need")
        assert [body[name] for name in same] == [told[name] for name in same]
    assert body["requirement"] == {"policy": "house v1", "rule": ""}
    assert datetime.fromisoformat(body["remind_at"]) == row.opened_at + timedelta(hours=1)
    assert (body["escalate_at"], body["unsatisfiable"], body["claimed_by"], body["edited_by"]) == (
        None,
        False,
        None,
        None,
    )


def test_an_outsider_learns_nothing(waiting: Approval, as_mallory: Api, nobody: Api) -> None:
    with nothing_written():
        problem(as_mallory.get(f"approvals/{waiting.pk}/explain/"), 404, "unknown_approval")
        problem(nobody.get(f"approvals/{waiting.pk}/explain/"), 401, "not_authenticated")
