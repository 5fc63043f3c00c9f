"""What the pages say about policies, people and acts happens: their documents are applied, their code is run."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import CommandError, call_command

from hitl import Action, Workflow, clock, decisions, engine
from hitl.definition import registry
from hitl.definition.policy import Rule
from hitl.exceptions import AlreadyConsumed, ConditionFailed, NotAllowed
from hitl.models import Approval, Assignment, Decision, Delegation, Feedback, Run
from hitl.policies import apply_policy, explain
from hitl.policies.delegations import create_delegation
from hitl.policies.eligibility import REASONS
from hitl.policies.simulate import facts_of, simulate
from tests.docs.test_docs import ROOT, answer, load, pending, read

HOWTO = "docs/howto"
SOON = re.compile(r"until: \d{4}-\d\d-\d\d")
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def empty_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """The examples of the project are registered already and share names with the pages."""
    monkeypatch.setattr(registry, "_workflows", {})


@pytest.fixture
def staff(people: Callable[..., Any], bob: Any, carol: Any) -> dict[str, Any]:
    """Everybody the pages name, by name; bob and carol review, and are in finance."""
    found = {
        "dana": people("dana"),
        "head": people("head"),
        "board": people("berta", "board"),
        "manager": people("mia", "managers"),
        "lead": people("lea", "leads"),
        "one": people("dora", "directors"),
        "two": people("emil", "directors"),
        "bob": bob,
        "carol": carol,
    }
    for name, members in (("buyers", [bob, carol]), ("team", [bob, carol]), ("on-call", [bob]), ("budget", [carol])):
        from django.contrib.auth.models import Group

        Group.objects.get_or_create(name=name)[0].user_set.set(members)
    return found


@pytest.fixture
def dana(people: Callable[..., Any]) -> Any:
    """Stands in."""
    return people("dana")


@pytest.fixture
def managers(people: Callable[..., Any]) -> Any:
    """Somebody further up."""
    return people("mia", "managers")


@pytest.fixture
def asked(alice: Any, bob: Any, carol: Any, work: Any) -> Callable[..., Approval]:
    """A request with these options, asked for by alice."""

    def ask(**options: Any) -> Approval:
        flow = Workflow(f"asked-{len(registry.registered())}")
        flow.step(lambda ctx: Action({"n": 1}, type="do", title="Do it", impact="It is done"), name="draft")
        flow.approval("review", after="draft", **{"reviewers": ["group:finance"], **options})
        flow.step(lambda ctx: "done", name="act", after="review")
        run = flow.start(requester=alice)
        work()
        return Approval.objects.get(run=run)

    return ask


def documents(page: str) -> dict[str, dict[str, Any]]:
    """The policies of a page by name; rules that end, end in a year from now."""
    later = f"until: {(clock.now() + timedelta(days=365)).date()}"
    texts = [SOON.sub(later, block.text) for block in read(ROOT / page) if block.kind == "yaml"]
    found = [document for text in texts for document in yaml.safe_load_all(text)]
    return {document["name"]: document for document in found if isinstance(document, dict)}


def text_of(page: str, kind: str, start: str) -> str:
    """The one block of a page that begins with these words."""
    [block] = [b for b in read(ROOT / page) if b.kind == kind and b.text.startswith(start)]
    return block.text


def run_fragment(page: str, containing: str, **names: Any) -> dict[str, Any]:
    """Run the one fragment of a page that has these words, with the names the page speaks of."""
    [block] = [b for b in read(ROOT / page) if b.kind == "python" and b.fragment and containing in b.text]
    exec(compile(block.text, block.name, "exec", dont_inherit=True), names)
    return names


def end(run: Any) -> Run:
    from hitl import audit

    assert audit.verify(run.pk).code == 0
    found: Run = Run.objects.get(pk=run.pk)
    return found


def later(delta: timedelta, work: Any, pass_time: Any) -> None:
    pass_time(delta)
    engine.sweep()
    work()


# -- the document -------------------------------------------------------------------------------------


def test_the_first_policy_says_what_its_comments_say(staff: Any, alice: Any) -> None:
    policy = apply_policy(documents(f"{HOWTO}/policies.md")["refunds"], actor=alice).value

    def asks(amount: int, **facts: Any) -> Any:
        return simulate(policy, facts_of(args={"amount": amount}, **facts)).requirement

    assert (asks(80, risk="low").auto, asks(80, risk="low").rule) == (True, "small change")
    assert (asks(80).auto, asks(80).rule) == (False, "default")
    large = asks(6_000)
    assert (large.level, [stage.need for stage in large.stages]) == ("verify", [1, 2])
    assert (asks(500).stages[0].timeout, asks(500).extend) == (4 * 3600, 2 * 24 * 3600)
    assert asks(500, risk="critical").step_up == {"critical": "password"}


def conditions() -> list[str]:
    text = text_of(f"{HOWTO}/policies.md", "text", "args.amount")
    return [line.partition("//")[0].strip() for line in text.splitlines()]


@pytest.mark.parametrize("when", conditions())
def test_every_condition_of_the_page_can_be_asked(when: str) -> None:
    args = {"amount": 80, "lines": [{"price": 5}], "recipients": ["a"]}
    assert Rule(when=when, level="confirm").matches(facts_of(args=args)) in (True, False)


@pytest.mark.parametrize("when", ["args.missing > 1", "args.word > 1", "args.word"])
def test_doubt_asks_people(when: str, asked: Any) -> None:
    passes = {"when": "true", "auto": "approve", "until": "2999-12-31"}
    strict = {"when": when, "level": "verify"}
    with pytest.raises(ConditionFailed):
        Rule(**strict).matches(facts_of(args={"word": "x"}))
    approval = asked(rules=[{**passes, "when": when}, passes])
    assert (approval.status, "could not be evaluated" in approval.required.rule) == ("pending", True)
    assert asked(rules=[strict, passes]).level == "verify"


def test_a_rule_that_only_informs_is_no_way_around_doubt(asked: Any) -> None:
    """The page says that a doubtful condition lets nothing pass by itself; `level: info` passes by itself."""
    assert asked(rules=[{"when": "args.missing > 1", "level": "info"}]).status == "pending"


def test_what_is_informed_goes_on_and_says_so(asked: Any) -> None:
    approval = asked(level="info")
    assert (approval.status, approval.decided_via, Decision.objects.count()) == ("approved", "policy", 0)


# -- route by risk --------------------------------------------------------------------------------------


@pytest.fixture
def purchases(staff: Any, alice: Any) -> Any:
    apply_policy(documents(f"{HOWTO}/policies.md")["purchases"], actor=alice)
    return load(f"{HOWTO}/policies.md", "purchase")


def test_low_risk_passes(purchases: Any, alice: Any, work: Any) -> None:
    run = purchases.start({"item": "pencils", "price": 12}, requester=alice)
    work()
    assert end(run).output == {"ordered": "pencils", "price": 12}
    assert Decision.objects.count() == 0


def test_medium_risk_asks_one(purchases: Any, alice: Any, bob: Any, work: Any) -> None:
    run = purchases.start({"item": "chairs", "price": 900}, requester=alice)
    work()
    answer(run, bob)
    work()
    assert end(run).status == "succeeded"


def test_high_risk_asks_seniors_and_climbs(
    purchases: Any, alice: Any, bob: Any, staff: Any, work: Any, pass_time: Any
) -> None:
    run = purchases.start({"item": "press", "price": 9_000}, requester=alice)
    work()
    assert explain(pending(run), staff["board"]).reason == "not_candidate"
    later(timedelta(hours=2, minutes=1), work, pass_time)
    answer(run, staff["board"])
    work()
    assert end(run).status == "succeeded"


def test_critical_risk_takes_three_of_two_departments(
    purchases: Any, alice: Any, bob: Any, staff: Any, work: Any
) -> None:
    run = purchases.start({"item": "van", "price": 60_000}, requester=alice)
    work()
    with pytest.raises(NotAllowed) as refused:
        answer(run, bob, phrase="APPROVE purchase")
    assert refused.value.details["reason"] == "step_up_required"
    sure = {"phrase": "APPROVE purchase", "reauthenticated_at": clock.now()}
    answer(run, bob, **sure)
    assert (pending(run).stage, explain(pending(run), bob).reason) == (1, "not_candidate")
    answer(run, staff["one"], **sure)
    answer(run, staff["two"], **sure)
    work()
    assert end(run).output["ordered"] == "van"


def test_who_starts_it_may_raise_the_risk(purchases: Any, alice: Any, staff: Any, work: Any) -> None:
    for price, risk, expected in ((12, "high", "high"), (60_000, "low", "critical")):
        run = purchases.start({"item": "pencils", "price": price}, requester=alice, risk=risk)
        work()
        assert (pending(run).risk, pending(run).required.rule) == (expected, expected)


def test_the_cases_of_the_page_hold(staff: Any, alice: Any, tmp_path: Path, capsys: Any) -> None:
    policies, cases = tmp_path / "policies.yaml", tmp_path / "cases.yaml"
    policies.write_text(yaml.safe_dump_all(documents(f"{HOWTO}/policies.md").values()))
    cases.write_text(text_of(f"{HOWTO}/policies.md", "yaml", "- name: pencils"))
    given = ["hitl", "policy", "test", str(policies), "--name", "purchases", "--cases", str(cases)]
    call_command(*given)
    assert "3 of 3 as expected" in capsys.readouterr().out
    cases.write_text(cases.read_text().replace("rule: low", "rule: high"))
    with pytest.raises(SystemExit) as ended:
        call_command(*given)
    assert ended.value.code == 1


def test_comparing_before_applying(staff: Any, tmp_path: Path, capsys: Any) -> None:
    policies = tmp_path / "policies.yaml"
    policies.write_text(yaml.safe_dump_all(documents(f"{HOWTO}/policies.md").values()))
    with pytest.raises(SystemExit) as ended:
        call_command("hitl", "policy", "diff", str(policies))
    assert ended.value.code == 1
    call_command("hitl", "policy", "apply", str(policies))
    call_command("hitl", "policy", "diff", str(policies))
    assert capsys.readouterr().out.endswith("nothing would change\n")


def test_a_group_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    policies = tmp_path / "policies.yaml"
    policies.write_text(yaml.safe_dump(documents(f"{HOWTO}/policies.md")["purchases"]))
    with pytest.raises(CommandError, match="group:buyers"):
        call_command("hitl", "policy", "apply", str(policies))


# -- on the gate ------------------------------------------------------------------------------------------


def test_stages_of_a_gate(staff: Any, alice: Any, bob: Any, carol: Any, work: Any) -> None:
    run = load(f"{HOWTO}/policies.md", "get-tool").start({"price": 90}, requester=alice)
    work()
    answer(run, bob)
    answer(run, carol)
    work()
    assert end(run).output == {"bought": "drill"}


def test_what_is_expensive_is_typed(staff: Any, alice: Any, work: Any) -> None:
    run = load(f"{HOWTO}/policies.md", "get-tool").start({"price": 2_000}, requester=alice)
    work()
    assert (pending(run).level, pending(run).phrase) == ("verify", "APPROVE buy")


def test_another_action_is_made_of_it(staff: Any, alice: Any, bob: Any, carol: Any, work: Any) -> None:
    run = load(f"{HOWTO}/policies.md", "get-tool").start({"price": 90}, requester=alice)
    work()
    answer(run, bob, "edit", args={"tool": "drill", "days": 3}, action_type="rent")
    fresh = pending(run)
    assert (fresh.revision, fresh.required.rule, len(fresh.required.stages)) == (2, "rented", 1)
    assert explain(fresh, bob).reason == "own_edit"
    answer(run, carol)
    work()
    assert end(run).output == {"rented": "drill", "days": 3}


def test_another_action_does_not_pass_by_itself(asked: Any, bob: Any, carol: Any) -> None:
    """The page says that others vote on it, whatever the rules say of the other action."""
    for says in ({"auto": "approve", "until": "2999-12-31"}, {"level": "info"}):
        approval = asked(approvals=2, types={"small": None}, rules=[{"when": 'type == "small"', **says}])
        vote = {"args": {"n": 2}, "action_type": "small", "digest": approval.digest}
        made = decisions.decide(approval, actor=bob, verdict="edit", **vote)
        assert made.approval.status == "pending", says


def test_making_others_of_it_is_bounded_too(asked: Any, bob: Any, carol: Any) -> None:
    """The page says that no edit makes a revision beyond `max_revisions`."""
    first = asked(types={"one": None, "other": None}, max_revisions=1)
    vote = {"verdict": "edit", "args": {"n": 2}}
    second = decisions.decide(first, actor=bob, digest=first.digest, action_type="one", **vote).approval
    with pytest.raises(NotAllowed) as refused:
        decisions.decide(second, actor=carol, digest=second.digest, action_type="other", **vote)
    assert refused.value.details["reason"] == "max_revisions"


def test_the_last_revision_goes_up(asked: Any, bob: Any, carol: Any, staff: Any, work: Any) -> None:
    stages = [{"reviewers": ["group:finance"], "escalate": [{"after": "2h", "to": ["group:board"]}]}]
    run = asked(reviewers=None, stages=stages, max_revisions=1, on_max_revisions="escalate").run
    answer(run, bob, "request_revision", comment="once more")
    work()
    answer(run, bob, "request_revision", comment="and again")
    assert (pending(run).revision, pending(run).rung) == (2, 1)
    answer(run, staff["board"])
    work()
    assert end(run).status == "succeeded"


def test_the_requester_confirms_alone(asked: Any, alice: Any, bob: Any) -> None:
    approval = asked(reviewers=["requester"])
    outcome = decisions.decide(approval, actor=alice, verdict="approve", digest=approval.digest)
    assert (outcome.approval.status, outcome.decision.confirmation) == ("approved", {"self": True})


def test_a_confirmation_comes_from_nobody_else(asked: Any, alice: Any, dana: Any) -> None:
    """The page says it is never handed over: not for a while either."""
    approval = asked(reviewers=["requester"])
    assert explain(approval, alice).acts["delegate"] == "only_requester"
    create_delegation(alice, dana, ends_at=clock.now() + timedelta(days=1), actor=alice)
    assert explain(approval, dana).can_decide is False


def test_an_operator_cannot_ask_somebody_else_to_confirm(asked: Any, root: Any, dana: Any) -> None:
    """A confirmation by somebody else would be recorded as the requester's own."""
    approval = asked(reviewers=["requester"])
    with pytest.raises(NotAllowed):
        decisions.assign(approval, actor=root, to=dana, reason="she knows")


# -- hand over --------------------------------------------------------------------------------------------


def test_one_request_is_handed_over(asked: Any, bob: Any, carol: Any, dana: Any) -> None:
    approval = asked(approvals=2)
    run_fragment(f"{HOWTO}/delegation.md", "decisions.delegate", approval=approval, bob=bob, dana=dana)
    vote = decisions.decide(approval, actor=dana, verdict="approve", digest=approval.digest)
    assert (vote.decision.actor, vote.decision.for_user, vote.open) == (dana, bob, True)
    assert explain(approval, bob).reason == "place_taken"
    assert explain(approval, dana).acts["delegate"] != ""


def test_for_a_while_and_no_longer(asked: Any, bob: Any, dana: Any) -> None:
    approval = asked()
    names = run_fragment(f"{HOWTO}/delegation.md", "create_delegation", bob=bob, dana=dana)
    assert Delegation.objects.get(pk=names["leave"].pk).revoked_at is not None
    assert explain(approval, dana).can_decide is False
    create_delegation(bob, dana, ends_at=clock.now() + timedelta(days=1), actor=bob)
    assert [row.pk for row in decisions.inbox(dana)] == [approval.pk]
    assert explain(approval, dana).stands_for == ("bob",)
    assert explain(approval, dana).acts["delegate"] == "stands_in"


def test_who_stands_in_for_the_requester_does_not_decide(asked: Any, alice: Any, bob: Any) -> None:
    approval = asked()
    create_delegation(alice, bob, ends_at=clock.now() + timedelta(days=1), actor=alice)
    assert explain(approval, bob).reason == "own_request"


# -- when people are slow ---------------------------------------------------------------------------------


def actions(run: Any) -> list[str]:
    from hitl import audit

    return [record.action.rpartition(".")[2] for record in audit.records_of(Run.objects.get(pk=run.pk).stream)]


def test_the_day_of_an_incident(staff: Any, alice: Any, bob: Any, asked: Any, work: Any, pass_time: Any) -> None:
    apply_policy(documents(f"{HOWTO}/escalation.md")["incidents"], actor=alice)
    approval = asked(reviewers=None, policy="incidents")

    def now_asked() -> set[str]:
        rows = Assignment.objects.filter(approval=approval, ended_at=None)
        return {str(row.group.name if row.group else row.user.get_username()) for row in rows}

    def at(minutes: int) -> None:
        passed = (clock.now() - approval.opened_at).total_seconds() / 60
        later(timedelta(minutes=minutes - passed, seconds=1), work, pass_time)

    at(15)
    assert actions(approval.run).count("reminded") == 1
    at(30)
    assert now_asked() == {"on-call", "leads"}
    at(45)
    assert actions(approval.run).count("reminded") == 2
    at(60)
    assert (now_asked(), explain(approval, bob).reason) == ({"head"}, "not_candidate")
    at(120)
    assert now_asked() == {"head", "board"}
    at(136)
    assert actions(approval.run).count("reminded") == 3
    at(242)
    assert (end(approval.run).status, end(approval.run).failure_code) == ("failed", "approval_expired")


@pytest.mark.usefixtures("managers")
def test_by_hand(asked: Any, alice: Any, bob: Any, root: Any, dana: Any, pass_time: Any) -> None:
    stages = [{"reviewers": ["group:finance"], "escalate": [{"after": "2h", "to": ["group:managers"]}]}]
    approval = asked(reviewers=None, stages=stages)
    assert explain(approval, alice).acts["remind"] == "too_soon"
    pass_time(timedelta(minutes=20))
    before = approval.expires_at
    run_fragment(
        f"{HOWTO}/escalation.md", "decisions.assign", approval=approval, alice=alice, bob=bob, operator=root, dana=dana
    )
    approval.refresh_from_db()
    assert (approval.rung, approval.expires_at - before) == (1, timedelta(hours=1))
    assert explain(approval, bob).acts["escalate"] == "no_rung"
    assert explain(approval, dana).can_decide
    assert explain(approval, root).acts["assign"] == "" != explain(approval, root).acts["claim"]


def test_too_few_are_left_and_it_never_approves_itself(asked: Any, bob: Any, carol: Any, staff: Any) -> None:
    stage = {"reviewers": ["group:finance"], "approvals": 2, "fallback": ["group:managers"]}
    approval = asked(reviewers=None, stages=[stage])
    type(carol).objects.filter(pk=carol.pk).update(is_active=False)
    decisions.decide(approval, actor=bob, verdict="approve", digest=approval.digest)
    approval.refresh_from_db()
    assert (approval.fell_back, approval.unsatisfiable) == (True, False)
    manager = staff["manager"]
    manager.is_active = False
    manager.save()
    decisions.withdraw(approval, actor=bob)
    approval.refresh_from_db()
    assert (approval.status, approval.unsatisfiable) == ("pending", True)


# -- review ---------------------------------------------------------------------------------------------


def test_the_acts_of_the_page(asked: Any, alice: Any, bob: Any, carol: Any, capsys: Any) -> None:
    approval = asked(approvals=2)
    names = run_fragment(f"{HOWTO}/review.md", "decisions.claim", approval=approval, alice=alice, bob=bob)
    assert (names["first"].have, names["first"].need) == (1, 2)
    assert capsys.readouterr().out == "[(1, 2)]\n"
    assert Decision.objects.filter(withdrawn_at=None).count() == 1


def test_the_inbox_from_code(asked: Any, bob: Any, capsys: Any) -> None:
    asked()
    run_fragment(f"{HOWTO}/review.md", "from hitl.decisions import inbox", user=bob)
    assert capsys.readouterr().out == "approved 1 1\n"


def test_an_edit_that_others_must_agree_to(asked: Any, bob: Any, carol: Any) -> None:
    approval = asked(approvals=2)
    decisions.decide(approval, actor=carol, verdict="approve", digest=approval.digest)
    made = decisions.decide(approval, actor=bob, verdict="edit", args={"n": 2}, digest=approval.digest)
    assert (made.approval.revision, made.have, made.approval.args) == (2, 0, {"n": 2})
    assert explain(made.approval, bob).reason == "own_edit"


def test_taking_an_approval_back(asked: Any, bob: Any, work: Any) -> None:
    slow, fast = asked(cool_off=timedelta(minutes=5)), asked()
    for approval in (slow, fast):
        decisions.decide(approval, actor=bob, verdict="approve", digest=approval.digest)
    work()
    decisions.revoke(slow, actor=bob, reason="wrong order")
    assert (end(slow.run).status, end(slow.run).failure_code) == ("rejected", "revoked")
    with pytest.raises(AlreadyConsumed):
        decisions.revoke(fast, actor=bob)


def test_every_reason_the_pages_name_exists() -> None:
    known = REASONS.keys() | {"step_up_blocked"}
    named = {
        reason
        for page in ("howto/delegation", "howto/escalation", "security")
        for words in re.findall(r"\((`\w+`(?:, `\w+`)*)\)|^\| (`\w+`) \|", (ROOT / f"docs/{page}.md").read_text(), re.M)
        for reason in re.findall(r"\w+", " ".join(words))
    }
    assert {"no_rung", "own_edit", "stands_in", "voted_earlier_stage", "step_up_blocked"} <= named
    assert named <= known


# -- feedback -------------------------------------------------------------------------------------------


def test_saying_how_it_went(asked: Any, alice: Any, bob: Any, work: Any) -> None:
    approval = asked()
    outcome = decisions.decide(approval, actor=bob, verdict="approve", digest=approval.digest)
    work()
    run_fragment(f"{HOWTO}/feedback.md", "give_feedback", run=approval.run, alice=alice, bob=bob, outcome=outcome)
    assert list(Feedback.objects.order_by("id").values_list("key", "score", "step__name")) == [
        ("helpfulness", 0.8, None),
        ("wording", 0.2, "draft"),
        ("good-call", None, None),
    ]
    assert end(approval.run).status == "succeeded"
