"""Opinions afterwards: kept beside the run and on record, and they change nothing."""

from __future__ import annotations

import math
import uuid
from typing import Any

import pytest

from hitl import audit, decisions, invariants
from hitl.exceptions import BadInput, UnknownApproval, UnknownRun, UnknownStep
from hitl.models import Approval, Comment, Decision, Feedback, Run, Step
from tests.rows import nothing_written

pytestmark = pytest.mark.usefixtures("whole_house")


@pytest.fixture
def decided(waiting: Approval, bob: Any, work: Any) -> Decision:
    """Bob's yes; the run has ended."""
    outcome = decisions.decide(waiting, actor=bob, verdict="approve", digest=waiting.digest)
    work()
    return outcome.decision


def test_an_opinion_is_kept_and_on_record_with_who_gave_it(waiting: Approval, alice: Any) -> None:
    decisions.give_feedback(waiting.run, "helpfulness", actor=alice, score=0.5, comment=" quick ")
    row = Feedback.objects.get()
    assert (row.run, row.key, row.score, row.value, row.comment) == (waiting.run, "helpfulness", 0.5, None, "quick")
    assert (row.step, row.decision, row.by) == (None, None, f"user:{alice.pk}")
    line = audit.timeline(waiting.run.stream)[-1]
    assert (line.action, line.actor, line.data) == (
        "hitl.feedback.given",
        "alice",
        {"key": "helpfulness", "score": 0.5, "comment": "quick"},
    )


def test_what_comes_back_is_the_row_that_was_kept(waiting: Approval, alice: Any) -> None:
    row = decisions.give_feedback(waiting.run, "helpfulness", actor=alice, score=1)
    assert row.pk == Feedback.objects.get().pk
    said = decisions.comment(waiting, actor=alice, text="It is for the fair.")
    assert said.pk == Comment.objects.get().pk


def test_also_after_the_end_and_the_run_stays_as_it_is(decided: Decision, alice: Any) -> None:
    run = Run.objects.get()
    before = {**run.__dict__}
    decisions.give_feedback(run.pk, "correctness", actor=alice, value={"right": True})
    after = Run.objects.get().__dict__
    assert {name for name in after if after[name] != before[name]} == {"_state", "audit_seq", "audit_hash"}
    assert audit.verify(run.pk).code == 0


def test_what_people_say_and_watch_after_the_end_breaks_no_rule(decided: Decision, bob: Any) -> None:
    decisions.comment(decided.approval, actor=bob, text="It went well.")
    decisions.watch(decided.approval, actor=bob)
    decisions.unwatch(decided.approval, actor=bob)
    assert [str(violation) for violation in invariants.check()] == []


def test_it_may_be_about_one_step_its_newest_row(waiting: Approval, alice: Any) -> None:
    row = decisions.give_feedback(waiting.run, "tone", actor=alice, score=1, step="draft")
    assert row.step == Step.objects.get(run=waiting.run, name="draft")


def test_it_may_be_about_one_decision(decided: Decision, alice: Any) -> None:
    for pk in (decided.pk, str(decided.pk)):
        row = decisions.give_feedback(Run.objects.get(), "fair", actor=alice, score=0, decision=pk)
        assert row.decision == decided


def test_programs_have_opinions_too(waiting: Approval, agent_key: Any) -> None:
    key, _ = agent_key
    assert decisions.give_feedback(str(waiting.run_id), "eval", actor=key, score=1).by == f"key:{key.pk}"


@pytest.mark.parametrize("value", [0, False, "", [], {"deep": [1, None]}])
def test_any_value_is_one(value: Any, waiting: Approval, alice: Any) -> None:
    decisions.give_feedback(waiting.run, "k", actor=alice, value=value)
    row = Feedback.objects.get()
    assert (row.value, type(row.value)) == (value, type(value))


@pytest.mark.parametrize("score", [0, 1, 0.0, 1.0, 0.25])
def test_a_score_is_from_nothing_to_one(score: float, waiting: Approval, alice: Any) -> None:
    assert decisions.give_feedback(waiting.run, "k", actor=alice, score=score).score == score


@pytest.mark.parametrize(
    ("key", "options"),
    [
        ("k", {}),
        ("k", {"comment": "  \n"}),
        ("k", {"score": -0.01}),
        ("k", {"score": 1.01}),
        ("k", {"score": math.nan}),
        ("k", {"score": math.inf}),
        ("k", {"score": True}),
        ("k", {"score": "1"}),
        ("k", {"value": math.nan}),
        ("k", {"value": {1, 2}}),
        ("k", {"value": "a\0b"}),
        ("k", {"value": "x" * 20_000}),
        ("k", {"comment": "a\0b"}),
        ("k", {"comment": "x" * 20_000}),
        ("k", {"comment": "\ud800"}),
        ("", {"score": 1}),
        ("x" * 101, {"score": 1}),
        ("a\nb", {"score": 1}),
        ("a\0b", {"score": 1}),
    ],
)
def test_what_is_no_opinion_is_not_kept(key: str, options: dict[str, Any], waiting: Approval, alice: Any) -> None:
    with nothing_written(), pytest.raises(BadInput):
        decisions.give_feedback(waiting.run, key, actor=alice, **options)


def test_it_is_on_a_step_or_on_a_decision(decided: Decision, alice: Any) -> None:
    with nothing_written(), pytest.raises(BadInput, match="not on both"):
        decisions.give_feedback(Run.objects.get(), "k", actor=alice, score=1, step="draft", decision=decided.pk)


@pytest.mark.parametrize("run", [uuid.UUID(int=1), str(uuid.UUID(int=1)), "nonsense"])
def test_there_is_no_such_run(run: Any, alice: Any) -> None:
    with nothing_written(), pytest.raises(UnknownRun):
        decisions.give_feedback(run, "k", actor=alice, score=1)


def test_what_it_is_about_belongs_to_the_run(decided: Decision, refund: Any, alice: Any, work: Any) -> None:
    other = refund.start({"order_id": "B-1"}, requester=alice)
    work()
    with nothing_written():
        with pytest.raises(UnknownStep, match="nowhere"):
            decisions.give_feedback(other, "k", actor=alice, score=1, step="nowhere")
        for pk in (decided.pk, uuid.uuid4(), "nonsense"):
            with pytest.raises(UnknownApproval):
                decisions.give_feedback(other, "k", actor=alice, score=1, decision=pk)


def test_the_same_opinion_twice_is_two(waiting: Approval, alice: Any) -> None:
    for _ in range(2):
        decisions.give_feedback(waiting.run, "k", actor=alice, score=1)
    assert Feedback.objects.filter(run=waiting.run).count() == 2
