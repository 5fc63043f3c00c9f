"""May she? The rules as tables: plain values in, a machine reason out. Only the owner of a key is looked up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hitl.audit import SYSTEM, Actor
from hitl.models import Approval, Decision
from hitl.policies import acts, create_key, own_people, why_not
from hitl.policies.eligibility import REASONS, Facts, gather, offered, place_of, verdict_problem

ALICE, BOB, CAROL, GINA = 1, 2, 3, 4
OWN, BOBS, CAROLS = 71, 72, 73  # assignments
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def person(pk: int) -> Actor:
    return Actor("user", str(pk), f"user {pk}")


def request(**columns: Any) -> Approval:
    """A pending request of Alice's that finance decides, opened at noon, for four hours; nothing is written."""
    stage = {"reviewers": ["group:finance"], "timeout": 4 * 3600}
    given = {
        "requirement": {"stages": [stage, stage]},
        "requester_id": ALICE,
        "status": "pending",
        "stage_opened_at": NOON,
        "expires_at": NOON + 4 * HOUR,
        "editable": None,
    }
    return Approval(**given | columns)


def asking(*stages: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A requirement of these stages."""
    return {"stages": [{"reviewers": ["group:finance"], "timeout": 4 * 3600, **stage} for stage in stages], **more}


def facts(pk: int = BOB, *votes: Decision, **given: Any) -> Facts:
    """Somebody active who is asked now, and whom nobody handed anything to."""
    usual = {"active": True, "direct": OWN, "later": False, "places": (), "taken": False, "people": frozenset()}
    found = usual | given
    return Facts(**found | {"people": found["people"] | {str(pk)}, "votes": votes})


def vote(actor: int, *, stage: int = 0, place: int | None = None, verdict: str = "approve") -> Decision:
    return Decision(actor_id=actor, stage=stage, for_user_id=place, verdict=verdict)


IN_HER_PLACE = {"direct": None, "places": ((BOB, BOBS),), "people": frozenset({str(BOB)})}
TAKEN = {"direct": None, "taken": True, "people": frozenset({str(BOB)})}


# -- why_not ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "pk", "votes", "given", "reason"),
    [
        pytest.param({}, BOB, (), {}, "", id="asked, and has not voted"),
        pytest.param({}, BOB, (), {"active": False}, "inactive", id="deactivated"),
        pytest.param({}, ALICE, (), {}, "own_request", id="asked for it, though among those asked"),
        pytest.param({"requester_id": None, "on_behalf_of_id": BOB}, BOB, (), {}, "own_request", id="it is for him"),
        pytest.param({"authors": f",{BOB},"}, BOB, (), {}, "own_request", id="wrote it by hand"),
        pytest.param({"authors": f",{BOB}7,"}, BOB, (), {}, "", id="another one with a longer id wrote it"),
        pytest.param({"prevent_self_review": False}, ALICE, (), {}, "", id="her own, where that is allowed"),
        pytest.param(
            {}, BOB, (), {"people": frozenset({str(ALICE)})}, "own_request", id="stands in for who asked, for nothing"
        ),
        pytest.param({"edited_by_id": BOB}, BOB, (), {}, "own_edit", id="wrote this version"),
        pytest.param({"edited_by_id": BOB}, GINA, (), IN_HER_PLACE, "own_edit", id="stands in for who wrote it"),
        pytest.param(
            {"edited_by_id": BOB, "prevent_self_review": False}, BOB, (), {}, "own_edit", id="one's own edit, always"
        ),
        pytest.param({}, BOB, (), {"direct": None}, "not_candidate", id="is not asked"),
        pytest.param({}, BOB, (), {"direct": None, "later": True}, "stage_not_open", id="is asked later"),
        pytest.param({}, BOB, (vote(BOB),), {}, "already_voted", id="has voted"),
        pytest.param({}, BOB, (vote(BOB),), {"direct": None}, "already_voted", id="has voted and was taken out since"),
        pytest.param({"stage": 1}, BOB, (vote(BOB),), {}, "voted_earlier_stage", id="has voted at the stage before"),
        pytest.param(
            {"stage": 1}, BOB, (vote(BOB),), {"direct": None}, "not_candidate", id="has voted before, and is done"
        ),
        pytest.param({}, BOB, (vote(CAROL),), {}, "", id="somebody else has voted"),
        pytest.param({}, GINA, (), IN_HER_PLACE, "", id="stands in"),
        pytest.param({}, GINA, (vote(BOB),), TAKEN, "place_taken", id="who she stands in for has voted"),
        pytest.param({}, BOB, (vote(GINA, place=BOB),), {}, "place_taken", id="who stands in has voted"),
        pytest.param(
            {"stage": 1}, BOB, (vote(GINA, place=BOB),), {}, "place_taken", id="who stands in has voted a stage before"
        ),
        pytest.param(
            {},
            BOB,
            (vote(GINA, place=BOB),),
            {"places": ((CAROL, CAROLS),)},
            "",
            id="he has another place",
        ),
        pytest.param({}, GINA, (vote(BOB),), {"taken": True}, "", id="is asked herself, whatever else was handed over"),
    ],
)
def test_who_may_not_vote_and_why(
    columns: dict[str, Any], pk: int, votes: tuple[Decision, ...], given: dict[str, Any], reason: str
) -> None:
    assert why_not(request(**columns), person(pk), facts(pk, *votes, **given)) == reason


def test_programs_never_decide(agent_key: Any, waiting: Approval) -> None:
    for actor in (Actor.of(agent_key[0]), SYSTEM):
        assert why_not(waiting, actor, gather(waiting, actor, [])) == "agent"


def test_the_owner_of_the_key_that_asked_is_one_of_those_who_asked(agent_key: Any, alice: Any, finance: Any) -> None:
    key, _ = agent_key
    team, _ = create_key("team-bot", owner=finance, scopes=["runs:start"], actor=alice)
    assert own_people(request(requester_id=None, agent_key_id=key.pk)) == {alice.pk}
    assert own_people(request(requester_id=None, agent_key_id=team.pk)) == set()
    everybody = request(requester_id=7, on_behalf_of_id=8, authors=",9,10,")
    assert own_people(everybody) == {7, 8, 9, 10}


# -- place_of ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pk", "votes", "given", "place"),
    [
        (BOB, (), {}, (None, OWN)),
        (BOB, (), {"places": ((CAROL, CAROLS),)}, (None, OWN)),
        (GINA, (), IN_HER_PLACE, (BOB, BOBS)),
        (GINA, (), {"direct": None, "places": ((CAROL, CAROLS), (BOB, BOBS))}, (CAROL, CAROLS)),
        (BOB, (vote(GINA, place=BOB),), {"places": ((CAROL, CAROLS),)}, (CAROL, CAROLS)),
    ],
)
def test_whose_place_a_vote_takes_and_by_which_asking(
    pk: int, votes: tuple[Decision, ...], given: dict[str, Any], place: tuple[int | None, int]
) -> None:
    assert place_of(person(pk), facts(pk, *votes, **given)) == place


# -- verdict_problem ------------------------------------------------------------------------------------------------

BOUND = {"revision": 3, "max_revisions": 2}
STEP_UP = {"requirement": asking({"approvals": 1}, step_up={"critical": "password"})}


@pytest.mark.parametrize(
    ("columns", "verdict", "fresh", "reason"),
    [
        ({}, "approve", False, ""),
        (STEP_UP, "approve", False, "step_up_required"),
        (STEP_UP, "edit", False, "step_up_required"),
        (STEP_UP, "respond", False, "step_up_required"),
        (STEP_UP, "reject", False, ""),
        (STEP_UP, "request_revision", False, ""),
        (STEP_UP, "approve", True, ""),
        (BOUND, "edit", False, "max_revisions"),
        ({**BOUND, "revision": 2}, "edit", False, ""),
        (BOUND, "approve", False, ""),
        (BOUND, "request_revision", False, ""),
        ({**BOUND, "requirement": asking({"approvals": 1})}, "edit", False, ""),
        ({**BOUND, **STEP_UP, "requirement": asking({"approvals": 2}, step_up={"high": "password"})}, "edit", True,
         "max_revisions"),
    ],
)  # fmt: skip
def test_what_a_verdict_needs_beside_the_right_to_vote(
    columns: dict[str, Any], verdict: str, fresh: bool, reason: str
) -> None:
    assert verdict_problem(request(**columns), verdict, fresh=fresh) == reason


@pytest.mark.parametrize(("verdict", "reason"), [("edit", "max_revisions"), ("approve", ""), ("reject", "")])
def test_an_edit_that_makes_a_revision_in_any_case_is_bounded_too(verdict: str, reason: str) -> None:
    row = request(**BOUND, requirement=asking({"approvals": 1}))
    assert verdict_problem(row, verdict, fresh=False, revises=True) == reason


@pytest.mark.parametrize(
    ("columns", "verdicts"),
    [
        ({}, ["approve", "edit", "request_revision", "reject"]),
        ({"editable": ["note"]}, ["approve", "edit", "request_revision", "reject"]),
        ({"editable": []}, ["approve", "request_revision", "reject"]),
        ({"editable": [], "types": {"wire": {}}}, ["approve", "edit", "request_revision", "reject"]),
        ({"kind": "question"}, ["respond"]),
    ],
)
def test_which_verdicts_a_request_offers(columns: dict[str, Any], verdicts: list[str]) -> None:
    assert offered(request(**columns)) == verdicts


# -- act_problem -----------------------------------------------------------------------------------------------------

LADDER = {"requirement": asking({"escalate": [{"after": 3600, "to": ["group:managers"]}], "fallback": ["user:x"]})}
CLAIMED = {"claimed_by_id": CAROL, "claimed_until": NOON + 2 * HOUR}
LATEST = NOON + timedelta(days=7, hours=4)
APPROVED = {"status": "approved"}


@pytest.mark.parametrize(
    ("act", "columns", "pk", "votes", "reason"),
    [
        ("claim", {}, BOB, (), ""),
        ("claim", {}, ALICE, (), "own_request"),
        ("claim", CLAIMED, BOB, (), "claimed"),
        ("claim", CLAIMED, CAROL, (), ""),
        ("claim", {**CLAIMED, "claimed_until": NOON + HOUR}, BOB, (), ""),
        ("release", CLAIMED, CAROL, (), ""),
        ("release", CLAIMED, BOB, (), "not_claimed"),
        ("release", {}, BOB, (), "not_claimed"),
        ("delegate", {}, BOB, (), ""),
        ("delegate", {}, BOB, (vote(BOB),), "already_voted"),
        ("delegate", {"requirement": asking({"reviewers": ["requester"]})}, BOB, (), "only_requester"),
        ("assign", {}, BOB, (), "not_operator"),
        ("escalate", {}, BOB, (), "no_rung"),
        ("escalate", LADDER, BOB, (), ""),
        ("escalate", LADDER, BOB, (vote(BOB),), ""),
        ("escalate", LADDER, ALICE, (), "own_request"),
        ("escalate", {**LADDER, "rung": 1}, BOB, (), ""),
        ("escalate", {**LADDER, "rung": 1, "fell_back": True}, BOB, (), "no_rung"),
        ("extend", {}, BOB, (), ""),
        ("extend", {"expires_at": LATEST}, BOB, (), "at_cap"),
        ("extend", {}, ALICE, (), "own_request"),
        ("remind", {}, BOB, (), ""),
        ("remind", {"reminded_at": NOON + HOUR / 2}, BOB, (), ""),
        ("remind", {"reminded_at": NOON + HOUR}, BOB, (), "too_soon"),
        ("remind", {"stage_opened_at": NOON + HOUR}, ALICE, (), "too_soon"),
        ("remind", {}, ALICE, (), ""),
        ("withdraw", {}, BOB, (), "no_vote"),
        ("withdraw", {}, BOB, (vote(BOB),), ""),
        ("withdraw", {"stage": 1}, BOB, (vote(BOB),), "no_vote"),
        ("withdraw", {"stage": 1}, BOB, (vote(BOB), vote(BOB, stage=1)), ""),
        ("cancel", {}, ALICE, (), ""),
        ("cancel", {}, BOB, (), "not_yours"),
        ("cancel", {"requester_id": None, "on_behalf_of_id": BOB}, BOB, (), ""),
        ("comment", {}, BOB, (), ""),
        ("comment", APPROVED, ALICE, (), ""),
        ("watch", APPROVED, ALICE, (), ""),
        ("revoke", APPROVED, BOB, (vote(BOB),), ""),
        ("revoke", APPROVED, BOB, (vote(BOB, verdict="edit"),), ""),
        ("revoke", APPROVED, BOB, (vote(BOB, verdict="reject"),), "not_voter"),
        ("revoke", APPROVED, BOB, (), "not_voter"),
        ("revoke", {**APPROVED, "consumed_at": NOON}, BOB, (vote(BOB),), "consumed"),
        ("revoke", {}, BOB, (vote(BOB),), "not_approved"),
        ("claim", APPROVED, BOB, (), "closed"),
        ("cancel", {"expires_at": NOON + HOUR}, ALICE, (), "closed"),
    ],
)
def test_who_may_do_what_else(
    act: str, columns: dict[str, Any], pk: int, votes: tuple[Decision, ...], reason: str
) -> None:
    """An hour after noon."""
    scene = acts.Scene(request(**columns), person(pk), facts(pk, *votes), False, NOON + HOUR)
    assert acts.act_problem(act, scene) == reason


@pytest.mark.parametrize(
    ("act", "columns", "reason"),
    [
        ("claim", {}, "not_candidate"),
        ("release", CLAIMED, ""),
        ("delegate", {}, "not_candidate"),
        ("assign", {}, ""),
        ("assign", {"requirement": asking({"reviewers": ["requester"]})}, "only_requester"),
        ("escalate", LADDER, ""),
        ("extend", {}, ""),
        ("remind", {}, ""),
        ("withdraw", {}, "no_vote"),
        ("cancel", {}, ""),
        ("comment", {}, ""),
        ("watch", {}, ""),
        ("revoke", APPROVED, ""),
    ],
)
def test_an_operator_moves_things_and_votes_on_nothing(act: str, columns: dict[str, Any], reason: str) -> None:
    found = facts(GINA, direct=None)
    scene = acts.Scene(request(**columns), person(GINA), found, True, NOON + HOUR)
    assert acts.act_problem(act, scene) == reason
    assert why_not(scene.approval, scene.actor, found) == "not_candidate"


@pytest.mark.parametrize("act", [*acts.PENDING, *acts.ANYTIME])
def test_whoever_is_deactivated_does_nothing(act: str) -> None:
    scene = acts.Scene(request(), person(BOB), facts(BOB, vote(BOB), active=False), False, NOON + HOUR)
    assert acts.act_problem(act, scene) == "inactive"


@pytest.mark.parametrize("act", [*acts.PENDING, *acts.ANYTIME])
def test_an_agent_calls_off_and_reminds_of_what_it_asked_and_nothing_else(act: str) -> None:
    bot = Actor("key", "0198", "bot")
    found = Facts(True, None, False, (), False, frozenset({bot.text}), ())
    own, other = (acts.Scene(request(agent_key_id=key), bot, found, False, NOON + HOUR) for key in ("0198", None))
    assert acts.act_problem(act, own) == ("" if act in ("cancel", "remind") else "agent")
    expected = {"cancel": "not_yours", "remind": "agent"}
    assert acts.act_problem(act, other) == expected.get(act, "agent")


def test_who_stands_in_hands_on_nothing() -> None:
    scene = acts.Scene(request(), person(GINA), facts(GINA, **IN_HER_PLACE), False, NOON + HOUR)
    assert acts.act_problem("delegate", scene) == "stands_in"
    assert acts.act_problem("claim", scene) == ""


def test_every_reason_has_a_sentence() -> None:
    assert all(sentence.endswith(".") for sentence in REASONS.values())
