"""Stages one after the other, people who are not enough, and edits that others must agree to."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from hitl import audit, clock, decisions, notifications
from hitl.exceptions import NotAllowed, StaleApproval
from hitl.models import Approval, Assignment, Decision, Notification, Run
from hitl.policies import explain

pytestmark = pytest.mark.usefixtures("whole_house")

TWO = [{"reviewers": ["group:finance"]}, {"reviewers": ["group:directors"], "approvals": 2, "timeout": "2h"}]


def decide(approval: Approval, actor: Any, verdict: str = "approve", **options: Any) -> decisions.Outcome:
    return decisions.decide(approval, actor=actor, verdict=verdict, **{"digest": approval.digest, **options})


def reason(approval: Approval, actor: Any, **options: Any) -> str:
    with pytest.raises(NotAllowed) as error:
        decide(approval, actor, **options)
    return str(error.value.details["reason"])


def actions(run: Any) -> list[str]:
    return [record.action for record in audit.records_of(Run.objects.get(pk=run).stream)]


@pytest.fixture
def directors(people: Any) -> list[Any]:
    return [people(name, "directors") for name in ("dora", "emil", "fred")]


def test_one_stage_after_the_other_and_then_it_runs(make_gate: Any, bob: Any, directors: Any, work: Any) -> None:
    approval = make_gate(stages=TWO)
    assert reason(approval, directors[0]) == "stage_not_open"
    first = decide(approval, bob)
    assert (first.open, first.have, first.need) == (True, 1, 1)
    approval.refresh_from_db()
    assert approval.stage == 1
    assert approval.expires_at - approval.stage_opened_at == timedelta(hours=2)
    assert decide(approval, directors[0]).open
    assert decide(approval, directors[1]).approval.status == "approved"
    work()
    run = Run.objects.get(pk=approval.run_id)
    assert (run.status, run.output) == ("succeeded", {"ran": "do", "n": 1})
    assert actions(run.pk).count("hitl.approval.stage_passed") == 1


def test_each_stage_takes_other_people(make_gate: Any, bob: Any, directors: Any, people: Any) -> None:
    both = people("gina", "finance", "directors")
    approval = make_gate(stages=TWO)
    decide(approval, both)
    approval.refresh_from_db()
    assert reason(approval, both, verdict="reject", comment="on second thought") == "voted_earlier_stage"
    assert decisions.inbox(both) == []
    assert [row.pk for row in decisions.inbox(directors[0])] == [approval.pk]
    assert reason(approval, bob, verdict="reject", comment="not mine") == "not_candidate"


def test_the_same_vote_again_after_the_stage_passed_is_the_recorded_one(
    make_gate: Any, bob: Any, directors: Any
) -> None:
    approval = make_gate(stages=TWO)
    decide(approval, bob)
    again = decide(approval, bob)
    assert (again.duplicate, again.have, again.need) == (True, 1, 1)
    assert Decision.objects.count() == 1


def test_a_no_at_any_stage_ends_it(make_gate: Any, bob: Any, directors: Any) -> None:
    approval = make_gate(stages=TWO)
    decide(approval, bob)
    outcome = decide(approval, directors[2], "reject", comment="not now")
    assert outcome.approval.status == "rejected"
    assert Run.objects.get(pk=approval.run_id).status == "rejected"


def test_the_inbox_follows_the_stage(make_gate: Any, bob: Any, carol: Any, directors: Any) -> None:
    approval = make_gate(stages=TWO)
    assert [row.pk for row in decisions.inbox(carol)] == [approval.pk]
    assert decisions.inbox(directors[0]) == []
    decide(approval, bob)
    assert decisions.inbox(carol) == []
    due = Assignment.objects.filter(due_at__isnull=False)
    approval.refresh_from_db()
    assert [(row.stage, row.due_at) for row in due] == [(1, approval.expires_at)]


def test_too_few_people_bring_the_fallback(make_gate: Any, people: Any, bob: Any, carol: Any) -> None:
    spare = people("gina", "spare")
    people("hans", "lonely")
    approval = make_gate(stages=[{"reviewers": ["group:lonely"], "approvals": 2, "fallback": ["group:spare"]}])
    assert (approval.fell_back, approval.unsatisfiable) == (True, False)
    assert [row.pk for row in decisions.inbox(spare)] == [approval.pk]
    assert Assignment.objects.get(source="fallback").group.name == "spare"


def test_nobody_left_is_said_and_never_a_yes(make_gate: Any, alice: Any, people: Any, pass_time: Any) -> None:
    operator = people("otto", is_superuser=True)
    approval = make_gate(reviewers=["user:alice"])  # her own request
    assert approval.unsatisfiable
    assert not explain(approval, alice).satisfiable
    assert "hitl.approval.unsatisfiable" in actions(approval.run_id)
    assert Notification.objects.filter(kind="unsatisfiable", approval=approval).count() == 1
    assert reason(approval, alice) == "own_request"
    decisions.assign(approval, actor=operator, to=people("gina"), reason="nobody else is there")
    approval.refresh_from_db()
    assert not approval.unsatisfiable
    pass_time(timedelta(hours=4))
    assert decisions.expire(approval)
    approval.refresh_from_db()
    assert approval.status == "expired"


def test_a_refusal_that_makes_the_quorum_impossible_brings_the_fallback(
    make_gate: Any, bob: Any, carol: Any, people: Any
) -> None:
    people("gina", "spare")
    stage = {"reviewers": ["group:finance"], "approvals": 2, "rejections": 2, "fallback": ["group:spare"]}
    approval = make_gate(stages=[stage])
    assert not approval.fell_back
    decide(approval, bob, "reject", comment="no")
    approval.refresh_from_db()
    assert (approval.fell_back, approval.unsatisfiable, approval.status) == (True, False, "pending")


def test_an_edit_where_others_must_agree_voids_their_votes(
    make_gate: Any, bob: Any, carol: Any, people: Any, work: Any
) -> None:
    gina = people("gina", "finance")
    approval = make_gate(reviewers=["group:finance"], approvals=2)
    decide(approval, carol)
    fresh = decide(approval, bob, "edit", args={"n": 2}).approval
    assert (fresh.revision, fresh.supersedes_id, fresh.edited_by) == (2, approval.pk, bob)
    with pytest.raises(StaleApproval) as error:
        decide(approval, gina)
    assert error.value.details == {"approval": str(fresh.pk), "revision": 2, "digest": fresh.digest}
    assert reason(fresh, bob) == "own_edit"
    again = decide(approval, bob, "edit", args={"n": 2})
    assert (again.duplicate, again.approval.pk) == (True, fresh.pk)
    decide(fresh, carol)
    assert decide(fresh, gina).approval.status == "approved"
    work()
    assert Run.objects.get(pk=approval.run_id).output == {"ran": "do", "n": 2}


def test_revisions_by_edit_are_bounded(make_gate: Any, bob: Any, carol: Any, people: Any) -> None:
    gina = people("gina", "finance")
    approval = make_gate(reviewers=["group:finance"], approvals=2, max_revisions=1)
    fresh = decide(approval, bob, "edit", args={"n": 2}).approval
    assert explain(fresh, gina).verdicts == {
        "approve": "",
        "edit": "max_revisions",
        "request_revision": "",
        "reject": "",
    }
    assert reason(fresh, gina, verdict="edit", args={"n": 3}) == "max_revisions"


def test_another_action_is_under_the_policy_anew(make_gate: Any, bob: Any, carol: Any, directors: Any) -> None:
    approval = make_gate(
        reviewers=["group:finance"],
        rules=[{"when": 'type == "wire"', "stages": [{"reviewers": ["group:directors"]}]}],
        types={"wire": {"type": "object", "required": ["iban"], "properties": {"iban": {"type": "string"}}}},
    )
    fresh = decide(approval, bob, "edit", args={"iban": "DE00"}, action_type="wire").approval
    assert (fresh.action_type, fresh.required.rule.partition(":")[0]) == ("wire", "rule 1")
    assert [stage.reviewers for stage in fresh.required.stages] == [("group:directors",)]
    assert reason(fresh, carol) == "not_candidate"
    assert decide(fresh, directors[0]).approval.status == "approved"


def test_only_the_named_actions_can_be_made_of_it(make_gate: Any, bob: Any) -> None:
    from hitl.exceptions import InvalidDecision

    approval = make_gate(reviewers=["group:finance"], types={"wire": {"required": ["iban"]}})
    for args, kind, field in (({"x": 1}, "bomb", "action_type"), ({"x": 1}, "wire", "args")):
        with pytest.raises(InvalidDecision) as error:
            decide(approval, bob, "edit", args=args, action_type=kind)
        assert list(error.value.details["fields"]) == [field]


def test_at_the_last_revision_it_goes_up_where_the_gate_says_so(make_gate: Any, bob: Any, people: Any) -> None:
    boss = people("boss", "managers")
    stage = {"reviewers": ["group:finance"], "escalate": [{"after": "1h", "to": ["group:managers"], "mode": "replace"}]}
    approval = make_gate(stages=[stage], max_revisions=0, on_max_revisions="escalate")
    outcome = decide(approval, bob, "request_revision", comment="again, please")
    assert outcome.open
    assert decide(approval, boss).approval.status == "approved"


def test_what_only_informs_goes_on_at_once(make_gate: Any, bob: Any, work: Any) -> None:
    approval = make_gate(reviewers=["group:finance"], level="info")
    assert (approval.status, approval.decided_via) == ("approved", "policy")
    work()
    run = Run.objects.get(pk=approval.run_id)
    assert run.status == "succeeded"
    assert "hitl.approval.informed" in actions(run.pk)
    assert Notification.objects.filter(kind="info", approval=approval).exists()
    assert not Decision.objects.exists()
    assert decisions.inbox(bob) == []


def test_what_a_rule_lets_pass_is_still_on_record(make_gate: Any, bob: Any, work: Any) -> None:
    until = (clock.now() + timedelta(days=10)).date()
    rules = [{"when": "args.n < 5", "auto": "approve", "until": str(until)}]
    approval = make_gate(reviewers=["group:finance"], rules=rules)
    assert (approval.status, approval.decided_via, approval.required.auto) == ("approved", "policy", True)
    work()
    run = Run.objects.get(pk=approval.run_id)
    assert run.status == "succeeded"
    assert "hitl.approval.passed" in actions(run.pk)
    assert not Decision.objects.exists()
    notifications.deliver()
    assert not Notification.objects.filter(approval=approval).exclude(recipient=None).exists()


def test_inside_a_handler_a_rule_lets_pass_too(finance: Any, alice: Any, work: Any) -> None:
    from hitl import Action, Workflow

    flow = Workflow("inside")
    seen: list[Any] = []

    @flow.step
    def act(ctx: Any) -> Any:
        action = Action({"n": 1}, type="do", title="Do it", impact="Done")
        until = str((clock.now() + timedelta(days=10)).date())
        rules = [{"when": "args.n < 5", "auto": "approve", "until": until}]
        result = ctx.approve("it", action, reviewers=["group:finance"], rules=rules)
        told = ctx.approve("told", action, reviewers=["group:finance"], level="info")
        seen.append((result.approved, told.approved, result.decided_by))
        return "done"

    run = flow.start(requester=alice)
    work()
    assert Run.objects.get(pk=run.pk).status == "succeeded"
    assert seen == [(True, True, ())]


def test_the_requester_confirms_what_is_harmless(make_gate: Any, alice: Any, bob: Any) -> None:
    approval = make_gate(reviewers=["requester"], risk="low")
    assert [row.pk for row in decisions.inbox(alice)] == [approval.pk]
    with pytest.raises(Exception, match="no request"):
        decide(approval, bob)
    outcome = decide(approval, alice)
    assert outcome.approval.status == "approved"
    assert outcome.decision.confirmation == {"self": True}


def test_an_open_request_keeps_its_policy(make_gate: Any, alice: Any, bob: Any, people: Any) -> None:
    from hitl.policies import apply_policy

    people("dora", "directors")
    document = {"name": "p", "default": {"stages": [{"reviewers": ["group:finance"]}]}}
    apply_policy(document, actor=alice)
    approval = make_gate(policy="p")
    apply_policy({**document, "default": {"stages": [{"reviewers": ["group:directors"]}]}}, actor=alice)
    assert decide(approval, bob).approval.status == "approved"
    assert approval.required.policy == "p v1"


def test_critical_is_confirmed_with_the_password_where_the_policy_says_so(make_gate: Any, bob: Any, carol: Any) -> None:
    approval = make_gate(
        stages=[{"reviewers": ["group:finance"], "approvals": 1}], risk="critical", step_up={"critical": "password"}
    )
    assert explain(approval, bob).verdicts["approve"] == "step_up_required"
    assert explain(approval, bob).verdicts["reject"] == ""
    assert explain(approval, bob, fresh=True).verdicts["approve"] == ""
    phrase = {"phrase": approval.phrase}
    assert reason(approval, bob, **phrase) == "step_up_required"
    long_ago = clock.now() - timedelta(minutes=5)
    assert reason(approval, bob, reauthenticated_at=long_ago, **phrase) == "step_up_required"
    outcome = decide(approval, bob, reauthenticated_at=clock.now(), **phrase)
    assert outcome.approval.status == "approved"
    assert set(outcome.decision.confirmation) == {"phrase", "password"}


def test_who_starts_a_run_may_raise_its_risk_and_never_lower_it(refund: Any, alice: Any, bob: Any, work: Any) -> None:
    for given, meant in (("", "medium"), ("low", "medium"), ("high", "high"), ("critical", "critical")):
        run = refund.start({}, requester=alice, risk=given)
        work()
        approval = Approval.objects.get(run=run)
        assert approval.risk == meant
    assert (approval.level, approval.required.need) == ("verify", 2)


def test_nobody_confirms_in_the_requesters_place(make_gate: Any, alice: Any, bob: Any) -> None:
    from hitl.policies.delegations import create_delegation

    approval = make_gate(reviewers=["requester"], risk="low")
    create_delegation(alice, bob, ends_at=clock.now() + timedelta(hours=1), actor=alice)
    assert decisions.inbox(bob) == []
    assert reason(approval, bob) == "not_candidate"


def test_explain_tells_who_can_and_who_cannot(make_gate: Any, alice: Any, bob: Any, carol: Any, people: Any) -> None:
    people("gone", "finance", is_active=False)
    people("gina", "finance")
    approval = make_gate(reviewers=["group:finance", "user:alice", "user:gone"], approvals=2)
    decide(approval, bob)
    told = explain(approval, carol)
    assert (told.can_still, told.satisfiable) == (("carol", "gina"), True)
    assert dict(told.cannot) == {"alice": "own_request", "bob": "already_voted", "gone": "inactive"}
