"""Who is there to decide: one's own agent and a team's, holidays, and requests that nobody is left for."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission

from hitl import clock, engine
from hitl.models import Decision, Notification, Run
from hitl.notifications.deliver import deliver
from hitl.policies import create_key
from project.examples import psp
from tests.api.conftest import Api
from tests.journeys.conftest import Person, doctor, ended

SCOPES = ["runs:start", "runs:read", "approvals:read"]
ORDER = {"workflow": "process-refund", "input": {"order_id": "A-1", "amount": 300}}


def ask(token: str) -> Run:
    """An agent asks for a refund."""
    started = Api(token=token).post("runs/", ORDER)
    assert started.status_code == 201, started.content
    engine.drain("default")
    return Run.objects.get(pk=started.json()["id"])


@pytest.fixture
def operator(meet: Any) -> Person:
    """Otis, who operates and is asked nothing."""
    otis: Person = meet("otis")
    otis.user.user_permissions.add(Permission.objects.get(codename="operate", content_type__app_label="hitl"))
    return otis


# -- one's own agent, and a team's ---------------------------------------------------------------------------


def test_who_works_alone_with_their_agent_is_reviewed_by_their_team(fay: Person, meet: Any) -> None:
    mate = meet("gus", "finance")
    _, token = create_key("fays-bot", owner=fay.user, scopes=SCOPES, actor=fay.user)
    run = ask(token)
    assert fay.inbox() == []
    request = mate.asked(run)
    refused = fay.vote(request)
    assert (refused.status_code, refused.json()["reason"], psp.ledger) == (403, "own_request", {})
    mate.say(run)
    assert ended(run)["refunded"] == 300


def test_who_is_alone_in_their_team_decides_nothing_of_their_own(fay: Person, operator: Person) -> None:
    Group.objects.get(name="finance").user_set.set([fay.user])
    _, token = create_key("fays-bot", owner=fay.user, scopes=SCOPES, actor=fay.user)
    run = ask(token)
    assert fay.inbox() == []
    assert "unsatisfiable: 1" in doctor()
    engine.cancel(run.pk, actor=operator.user)
    ended(run, "cancelled", "cancelled")
    assert psp.ledger == {}


def test_a_teams_agent_belongs_to_nobody_alone_so_each_of_them_may_decide(fay: Person, meet: Any) -> None:
    mate, outsider = meet("gus", "finance"), meet("eve", "support")
    _, token = create_key("team-bot", owner=Group.objects.get(name="finance"), scopes=SCOPES, actor=fay.user)
    run = ask(token)
    assert outsider.vote(fay.asked(run)).status_code == 404
    assert len(mate.inbox()) == 1
    fay.say(run)
    assert (ended(run)["refunded"], mate.inbox()) == (300, [])


def test_what_an_agent_asks_for_a_person_is_not_decided_by_that_person(fay: Person, meet: Any) -> None:
    from project.examples.process_refund import process_refund

    mate = meet("gus", "finance")
    key, _ = create_key("team-bot", owner=Group.objects.get(name="finance"), scopes=SCOPES, actor=fay.user)
    run = process_refund.start(ORDER["input"], requester=key, on_behalf_of=fay.user)
    engine.drain("default")
    assert fay.vote(mate.asked(run)).json()["reason"] == "own_request"
    mate.say(run)
    assert ended(run)["refunded"] == 300


# -- holidays ---------------------------------------------------------------------------------------------------


def holiday(giver: Person, to: Person, **period: float) -> Any:
    """`giver` has `to` stand in from now on for this long, over the API."""
    ends = (clock.now() + timedelta(**period)).isoformat()
    body = {"to": to.user.get_username(), "ends_at": ends, "reason": "holiday"}
    response = giver.api.post("delegations/", body)
    assert response.status_code == 201, response.content
    return response.json()


@pytest.fixture
def only_fay(fay: Person) -> Person:
    """Nobody but Fay is in the group finance."""
    Group.objects.get(name="finance").user_set.set([fay.user])
    return fay


def test_during_holidays_somebody_stands_in_and_both_are_on_record(
    asker: Person, only_fay: Person, meet: Any, later: Any
) -> None:
    gina = meet("gina", "support")
    holiday(only_fay, gina, days=14)
    run = asker.start("process-refund", ORDER["input"])
    told = gina.api.get(f"approvals/{gina.asked(run)['id']}/explain/").json()
    assert told["stands_for"] == ["fay"]
    gina.say(run)
    assert ended(run)["refunded"] == 300
    vote = Decision.objects.get()
    assert (vote.actor, vote.for_user) == (gina.user, only_fay.user)
    later(days=14)
    other = asker.start("process-refund", {"order_id": "A-2", "amount": 300})
    assert gina.inbox() == []
    only_fay.say(other)
    ended(other)


def test_who_is_back_early_ends_it(asker: Person, only_fay: Person, meet: Any) -> None:
    gina = meet("gina", "support")
    row = holiday(only_fay, gina, days=14)
    run = asker.start("process-refund", ORDER["input"])
    request = gina.asked(run)
    assert only_fay.api.post(f"delegations/{row['id']}/revoke/", {}).status_code == 200
    assert (gina.inbox(), gina.vote(request).status_code) == ([], 404)
    only_fay.say(run)
    ended(run)


def test_who_stands_in_decides_nothing_of_their_own(only_fay: Person, meet: Any) -> None:
    gina = meet("gina")
    holiday(only_fay, gina, days=14)
    run = gina.start("process-refund", ORDER["input"])
    assert gina.inbox() == []
    assert gina.vote(only_fay.asked(run)).json()["reason"] == "own_request"
    only_fay.say(run)
    ended(run)


def test_a_substitute_does_not_pass_it_on(asker: Person, only_fay: Person, meet: Any) -> None:
    gina, hans = meet("gina", "support"), meet("hans", "support")
    holiday(only_fay, gina, days=14)
    holiday(gina, hans, days=14)
    run = asker.start("process-refund", ORDER["input"])
    assert hans.inbox() == []
    passed_on = gina.act(gina.asked(run), "delegate", to="hans")
    assert (passed_on.status_code, passed_on.json()["reason"]) == (403, "stands_in")
    gina.say(run)
    ended(run)


def test_one_request_is_handed_to_a_colleague(asker: Person, only_fay: Person, meet: Any) -> None:
    gina = meet("gina", "support")
    run = asker.start("process-refund", ORDER["input"])
    request = only_fay.asked(run)
    assert only_fay.act(request, "delegate", to="gina", reason="she knows the customer").status_code == 200
    [row] = gina.api.get("approvals/", view="delegated").json()["results"]
    assert row["id"] == request["id"]
    gina.say(run)
    assert only_fay.vote(request).status_code == 409
    ended(run)


# -- nobody left -----------------------------------------------------------------------------------------------


def test_a_request_nobody_is_left_for_is_found_told_and_given_to_somebody(
    asker: Person, only_fay: Person, operator: Person, meet: Any
) -> None:
    run = asker.start("process-refund", ORDER["input"])
    request = only_fay.asked(run)
    assert "unsatisfiable" not in doctor()
    only_fay.user.is_active = False
    only_fay.user.save()
    found = doctor()
    assert "unsatisfiable: 1" in found
    assert request["id"] in found
    gina = meet("gina", "support")
    assert operator.act(request, "assign", to="gina", reason="fay has left").status_code == 200
    assert "unsatisfiable" not in doctor()
    gina.say(run)
    assert ended(run)["refunded"] == 300


def test_operators_are_told_when_a_request_opens_that_nobody_can_decide(
    fay: Person, operator: Person, mailoutbox: list[Any]
) -> None:
    Group.objects.get(name="finance").user_set.set([fay.user])
    _, token = create_key("fays-bot", owner=fay.user, scopes=SCOPES, actor=fay.user)
    run = ask(token)
    mailoutbox.clear()
    deliver()
    assert [mail.to for mail in mailoutbox if "Nobody left to decide" in mail.subject] == [[operator.user.email]]
    assert Notification.objects.filter(kind="unsatisfiable", approval__run=run, recipient=operator.user).exists()
    [row] = operator.api.get("approvals/", view="all").json()["results"]
    assert operator.api.get(f"approvals/{row['id']}/").json()["unsatisfiable"] is True
    assert psp.ledger == {}
