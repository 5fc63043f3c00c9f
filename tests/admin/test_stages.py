"""How far a request is, who is asked by which rule, what comes next, and who cannot bring it any further."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from hitl import Action, Workflow
from hitl.models import Approval, Decision
from hitl.policies import apply_policy
from tests.admin.conftest import browse, decide, page_of
from tests.conftest import _user


def shown(approval: Approval, who: Any) -> str:
    response = browse(who).get(page_of(approval))
    assert response.status_code == 200
    return str(response.content.decode())


@pytest.fixture
def dave(db: None) -> Any:
    """Asked at the second stage."""
    return _user("dave")


@pytest.fixture
def two_stages(make: Any, dave: Any, root: Any) -> Approval:
    """Two of finance, then dave."""
    first = {
        "reviewers": ["group:finance"],
        "approvals": 2,
        "timeout": "4h",
        "remind": ["1h"],
        "escalate": [{"after": "2h", "to": ["user:root"]}],
    }
    found: Approval = make(stages=[first, {"reviewers": ["user:dave"]}])
    return found


def test_the_page_says_which_stage_is_open(two_stages: Approval, bob: Any, carol: Any, dave: Any) -> None:
    text = shown(two_stages, bob)
    assert "stage 1 of 2 · 0 of 2 approvals" in text
    assert re.findall(r"<b>Stage (\d)</b> <span[^>]*>([^<]+)<", text) == [("1", "open now"), ("2", "later")]
    assert "2 approvals of group:finance; 1 refusal ends it." in text
    assert "1 approval of user:dave; 1 refusal ends it." in text
    assert "Can still decide: bob, carol." in text
    assert "You are asked at a later stage, which has not opened yet." in shown(two_stages, dave)
    decide(browse(bob), two_stages)
    decide(browse(carol), two_stages)
    text = shown(two_stages, dave)
    assert "stage 2 of 2 · 0 of 1 approval<" in text
    assert re.findall(r"<b>Stage (\d)</b> <span[^>]*>([^<]+)<", text) == [("1", "agreed"), ("2", "open now")]
    assert "Can still decide: dave." in text
    decide(browse(dave), two_stages, "reject", comment="no")
    text = shown(two_stages, bob)
    assert re.findall(r"<b>Stage (\d)</b> <span[^>]*>([^<]+)<", text) == [("1", "agreed"), ("2", "ended here")]
    assert "Can still decide" not in text


def test_a_stage_that_was_not_reached_says_so(two_stages: Approval, bob: Any) -> None:
    decide(browse(bob), two_stages, "reject", comment="no")
    text = shown(two_stages, bob)
    assert re.findall(r"<b>Stage (\d)</b> <span[^>]*>([^<]+)<", text) == [("1", "ended here"), ("2", "not reached")]


def test_what_happens_next_is_told_in_its_order(two_stages: Approval, bob: Any, carol: Any) -> None:
    part = shown(two_stages, bob).split("<h2>What happens next</h2>", 1)[1].split("</section>", 1)[0]
    assert re.findall(r"<span>([^<]+?) <span", part) == [
        "Those who are asked are reminded",
        "Also asked, if nobody has decided: user:root",
        "It is refused, if nobody has decided",
    ]
    times = re.findall(r'datetime="([^"]+)"', part)
    assert times == sorted(times)
    assert len(set(times)) == 3
    decide(browse(bob), two_stages, "reject", comment="no")
    assert "What happens next" not in shown(two_stages, carol)


@pytest.mark.parametrize(
    ("options", "words", "bar"),
    [
        ({}, "It is refused, if nobody has decided", "refused at"),
        (
            {"on_timeout": "approve", "risk": "low", "reversible": True},
            "It is approved, if nobody has decided",
            "approved at",
        ),
    ],
)
def test_silence_is_told_as_what_it_means(options: Any, words: str, bar: str, make: Any, bob: Any) -> None:
    text = shown(make(**options), bob)
    assert words in text
    assert bar in text


def test_silence_that_goes_further_up_names_who(make: Any, bob: Any, root: Any) -> None:
    stage = {"reviewers": ["group:finance"], "timeout": "4h", "fallback": ["user:root"]}
    text = shown(make(stages=[stage], on_timeout="escalate"), bob)
    assert "Also asked, if nobody has decided: user:root" in text
    assert "escalated at" in text


def test_too_few_people_is_a_warning(make: Any, bob: Any, carol: Any) -> None:
    approval = make(approvals=2)
    assert "The quorum cannot be reached" not in shown(approval, bob)
    carol.is_active = False
    carol.save()
    assert "The quorum cannot be reached" in shown(approval, bob)


def with_policy(alice: Any, work: Any, root: Any, *, args: Any, **gate: Any) -> Approval:
    """A request under a policy that lets small things pass."""
    small = {"when": "args.n <= 10", "name": "small ones", "auto": "approve", "until": "2999-01-01"}
    large = {"when": "args.n > 99", "name": "large ones", "stages": [{"reviewers": ["group:finance"], "approvals": 2}]}
    default = {"stages": [{"reviewers": ["group:finance"]}]}
    apply_policy({"name": "sizes", "rules": [small, large], "default": default}, actor=root)
    flow = Workflow("sized")
    flow.step(lambda ctx: Action(args, type="do", title="Do it", impact="It is done"), name="draft")
    flow.approval("ask", after="draft", policy="sizes", **gate)
    flow.step(lambda ctx: None, name="act", after="ask")
    run = flow.start(requester=alice)
    work()
    return Approval.objects.get(run=run)


@pytest.mark.parametrize(("n", "rule", "need"), [(100, "large ones", 2), (50, "default", 1)])
def test_the_page_names_policy_and_rule(
    n: int, rule: str, need: int, alice: Any, bob: Any, root: Any, work: Any
) -> None:
    text = shown(with_policy(alice, work, root, args={"n": n}), bob)
    assert "<dt>Policy</dt><dd>sizes v1</dd>" in text
    assert f"<dt>Rule</dt><dd>{rule}</dd>" in text
    assert f"{need} approval" in text


def test_what_a_policy_lets_pass_says_that_nobody_decided(alice: Any, bob: Any, root: Any, work: Any) -> None:
    approval = with_policy(alice, work, root, args={"n": 5})
    assert (approval.status, Decision.objects.count()) == ("approved", 0)
    text = shown(approval, alice)
    assert "passed by policy: nobody decided" in text
    assert "Why nobody was asked" in text
    assert "<dt>Rule</dt><dd>small ones</dd>" in text
    assert "Why you are asked" not in text
    assert "by policy" in browse(alice).get("/review/hitl/approval/", {"view": "asked"}).content.decode()


def test_what_only_informs_says_so(make: Any, bob: Any) -> None:
    text = shown(make(level="info"), bob)
    assert "This only tells people: it went on by itself, and nobody decided it." in text
    assert 'name="verdict"' not in text


def test_an_edit_under_a_quorum_leads_to_the_revision_it_made(make: Any, bob: Any, carol: Any, dave: Any) -> None:
    dave.groups.add(*bob.groups.all())
    approval, client = make(approvals=2), browse(bob)
    assert "your version goes to the others as the next revision" in shown(approval, bob)
    response = decide(client, approval, "edit", **{"arg-n": "2"})
    new = Approval.objects.get(revision=2)
    assert (response.status_code, response["Location"]) == (302, page_of(new))
    text = client.get(page_of(new)).content.decode()
    assert "Your version is revision 2; it goes to the others." in text
    assert "revision 2, changed by bob" in text
    assert "wrote this version" in text
    assert (new.args, new.status) == ({"n": 2}, "pending")
    decide(browse(carol), new)
    decide(browse(dave), new)
    assert Approval.objects.get(pk=new.pk).status == "approved"


TYPES = {"undo": {"type": "object", "properties": {"why": {"type": "string"}}, "required": ["why"]}}


def test_making_another_action_of_it(make: Any, bob: Any) -> None:
    approval = make(types=TYPES)
    text = shown(approval, bob)
    assert '<option value="undo">undo</option>' in text
    fields = {"action_type": "undo", "other_args": '{"why": "a slip"}', "arg-n": "nonsense"}
    response = decide(browse(bob), approval, "edit", **fields)
    new = Approval.objects.get(revision=2)
    assert response["Location"] == page_of(new)
    assert (new.action_type, new.args) == ("undo", {"why": "a slip"})


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("", "Write the arguments of this action as JSON."),
        ("{why}", "not JSON"),
        ("[1]", "a JSON object"),
        ('{"why": 1}', "is not of type"),
        ("{}", "required property"),
    ],
)
def test_wrong_arguments_of_another_action_are_told_beside_them(typed: str, told: str, make: Any, bob: Any) -> None:
    approval = make(types=TYPES)
    response = decide(browse(bob), approval, "edit", action_type="undo", other_args=typed, comment="kept")
    assert response.status_code == 422
    text = response.content.decode()
    assert re.search(rf'id="error-other_args">[^<]*{told}', text)
    assert '<option value="undo" selected>' in text
    assert ">\nkept</textarea>" in text
    assert Approval.objects.get(pk=approval.pk).status == "pending"


def test_an_action_that_is_not_offered_is_none(make: Any, bob: Any) -> None:
    approval = make(types=TYPES)
    assert decide(browse(bob), approval, "edit", action_type="wipe", other_args="{}").status_code == 422
    decide(browse(bob), approval, "approve", action_type="undo", other_args='{"why": "x"}')
    assert Approval.objects.get(pk=approval.pk).effective_bytes is None
    assert Approval.objects.get(pk=approval.pk).status == "approved"


def test_the_deadline_moves_with_the_stage(two_stages: Approval, bob: Any, carol: Any, pass_time: Any) -> None:
    pass_time(timedelta(hours=3))
    decide(browse(bob), two_stages)
    decide(browse(carol), two_stages)
    assert Approval.objects.get(pk=two_stages.pk).expires_at > two_stages.expires_at
