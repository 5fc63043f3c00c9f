"""What is done to runs on their page: by whom, once, and what is said where it is refused."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from hitl import Signal as SignalTo
from hitl import Timer, Workflow, engine
from hitl.models import Approval, Feedback, Freeze, Run, Signal, Step
from tests.admin.conftest import browse, post
from tests.admin.runs.conftest import act, page, text_of
from tests.rows import nothing_written

CONTROL = ("cancel", "retry", "fork", "freeze", "unfreeze", "resolve")
FIELDS: dict[str, dict[str, Any]] = {
    "fork": {"step": "draft"},
    "resolve": {"step": "draft", "outcome": "failed"},
    "signal": {"signal": "parcel"},
    "feedback": {"key": "quality", "score": "1"},
}


@pytest.mark.parametrize("name", [*CONTROL, "signal", "feedback"])
def test_who_may_not_see_a_run_does_nothing_to_it(name: str, waiting: Approval, mallory: Any) -> None:
    client = browse(mallory)
    with nothing_written():
        assert act(client, waiting.run, name, **FIELDS.get(name, {})).status_code == 404


@pytest.mark.parametrize("name", CONTROL)
def test_who_only_reviews_sees_and_does_nothing(name: str, waiting: Approval, bob: Any) -> None:
    client = browse(bob)
    with nothing_written():
        assert act(client, waiting.run, name, **FIELDS.get(name, {})).status_code in (409, 422)
    text = text_of(client.session and bob, page(waiting.run))
    assert "Only who asked for this run and operators act upon it." in text
    assert f"{page(waiting.run)}act/cancel/" not in text


@pytest.mark.parametrize("name", CONTROL)
def test_without_the_token_of_the_page_nothing_happens(name: str, waiting: Approval, root: Any) -> None:
    client = browse(root)
    with nothing_written():
        assert client.post(f"{page(waiting.run)}act/{name}/", {"once": "page:1"}).status_code == 403
        assert client.get(f"{page(waiting.run)}act/{name}/").status_code == 405


def test_an_act_that_does_not_exist_is_not_found(waiting: Approval, alice: Any) -> None:
    assert act(alice, waiting.run, "delete").status_code == 404


def test_who_asked_cancels_with_a_reason(waiting: Approval, alice: Any) -> None:
    answer = act(alice, waiting.run, "cancel", reason="the customer called")
    assert (answer.status_code, answer.url) == (302, page(waiting.run))
    run = Run.objects.get(pk=waiting.run_id)
    assert (run.status, run.failure_text) == ("cancelled", "the customer called")
    assert "Why it was cancelled" in text_of(alice, page(run))


def test_a_second_cancel_says_that_the_run_has_ended(waiting: Approval, alice: Any) -> None:
    act(alice, waiting.run, "cancel")
    again = act(alice, waiting.run, "cancel", reason="kept words")
    assert again.status_code == 409
    assert "The run has cancelled already." in again.content.decode()
    assert "kept words" in again.content.decode()


def test_a_failed_run_is_tried_again_once(failed: Run, alice: Any) -> None:
    client = browse(alice)
    first = act(client, failed, "retry", once="page:a")
    second = act(client, failed, "retry", once="page:a")
    made = Run.objects.get(retry_of=failed)
    assert first.url == second.url == page(made)
    assert "It was done already" in client.get(second.url).content.decode()
    assert act(client, failed, "retry", once="page:b").url != first.url


def test_a_token_of_another_form_does_nothing(failed: Run, alice: Any) -> None:
    client = browse(alice)
    act(client, failed, "retry", once="page:a")
    with nothing_written():
        assert act(client, failed, "fork", once="page:a", step="draft").status_code == 409


def test_a_live_run_is_not_tried_again(waiting: Approval, alice: Any) -> None:
    client = browse(alice)
    with nothing_written():
        answer = act(client, waiting.run, "retry")
    assert answer.status_code == 409
    assert "Only a run that ended badly can be tried again; this one is waiting." in answer.content.decode()


def test_a_run_begins_again_at_a_step_with_another_output(failed: Run, alice: Any) -> None:
    answer = act(alice, failed, "fork", step="pay", patch='{"draft": {"amount": 7}}')
    made = Run.objects.get(forked_from=failed)
    assert answer.url == page(made)
    assert Step.objects.get(run=made, name="draft").output == {"amount": 7}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"step": ""}, "This field is required."),
        ({"step": "nonsense"}, "Select a valid choice"),
        ({"step": "pay", "patch": "{"}, "not JSON"),
        ({"step": "pay", "patch": "[1]"}, "Write a JSON object"),
        ({"step": "draft", "patch": '{"draft": 1}'}, "cannot be patched"),
        ({"step": "pay", "once": ""}, "That was not done"),
    ],
)
def test_what_makes_no_fork_is_said_and_kept(fields: Any, words: str, failed: Run, alice: Any) -> None:
    client = browse(alice)
    with nothing_written():
        answer = act(client, failed, "fork", **fields)
    text = answer.content.decode()
    assert answer.status_code in (409, 422)
    assert words in text
    assert fields.get("patch", "").replace('"', "&quot;") in text


def test_a_run_is_frozen_and_goes_on(refund: Any, alice: Any, work: Any) -> None:
    run = refund.start(requester=alice)
    act(alice, run, "freeze", reason="wait for the bank")
    assert Freeze.objects.get().target == f"run:{run.pk}"
    assert work() == 0
    text = text_of(alice, page(run))
    assert "This run is frozen" in text
    assert "wait for the bank" in text
    assert act(alice, run, "freeze").status_code == 302
    assert Freeze.objects.count() == 1
    assert act(alice, run, "unfreeze").status_code == 302
    assert work() > 0


def test_a_freeze_of_an_operators_is_not_lifted_by_who_asked(waiting: Approval, alice: Any, operator: Any) -> None:
    act(operator, waiting.run, "freeze")
    client = browse(alice)
    with nothing_written():
        answer = act(client, waiting.run, "unfreeze")
    assert "Operators lift it, and who set it." in answer.content.decode()
    assert act(operator, waiting.run, "unfreeze").status_code == 302


@pytest.mark.parametrize(("outcome", "status"), [("succeeded", "succeeded"), ("failed", "failed")])
def test_operators_say_what_became_of_a_step(outcome: str, status: str, uncertain: Run, operator: Any) -> None:
    assert "Say what became of a step" in text_of(operator, page(uncertain))
    output = '{"paid": 5}' if outcome == "succeeded" else ""
    answer = act(operator, uncertain, "resolve", step="pay", outcome=outcome, output=output, reason="the statement")
    assert answer.status_code == 302
    assert Run.objects.get(pk=uncertain.pk).status == status
    assert Step.objects.get(run=uncertain).output == ({"paid": 5} if output else None)


def test_who_asked_does_not_say_what_became_of_it(uncertain: Run, alice: Any) -> None:
    client = browse(alice)
    with nothing_written():
        answer = act(client, uncertain, "resolve", step="pay", outcome="succeeded")
    assert answer.status_code == 409
    assert "That was not done" in answer.content.decode()


def test_only_what_succeeded_has_an_output(uncertain: Run, operator: Any) -> None:
    client = browse(operator)
    with nothing_written():
        answer = act(client, uncertain, "resolve", step="pay", outcome="failed", output="1", reason="kept")
    assert "Only what succeeded has an output." in answer.content.decode()
    assert 'value="kept"' in answer.content.decode()


def test_a_signal_is_offered_and_sent_once(listening: Run, alice: Any, work: Any) -> None:
    text = text_of(alice, page(listening, tab="signals"))
    assert 'value="parcel"' in text
    client = browse(alice)
    for _ in range(2):
        answer = act(client, listening, "signal", signal="parcel", payload='{"ok": true}', once="page:s")
        assert answer.url == page(listening, tab="signals")
    assert Signal.objects.get().payload == {"ok": True}
    work()
    assert Run.objects.get().output == {"ok": True}
    assert "taken by arrival" in text_of(alice, page(listening, tab="signals"))


def test_signals_of_a_wait_for_several_are_offered(alice: Any, work: Any) -> None:
    flow = Workflow("several")
    flow.step(
        lambda ctx: ctx.wait_any("first", SignalTo("left"), SignalTo("right"), Timer(timedelta(hours=1))), name="w"
    )
    run = flow.start(requester=alice)
    work()
    text = text_of(alice, page(run, tab="signals"))
    assert '<option value="left"><option value="right">' in text


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"signal": ""}, "This field is required."),
        ({"signal": "parcel", "payload": "{oops"}, "not JSON"),
        ({"signal": "x" * 181}, "at most 180"),
    ],
)
def test_what_is_no_signal_is_said_and_kept(fields: Any, words: str, listening: Run, alice: Any) -> None:
    client = browse(alice)
    with nothing_written():
        answer = act(client, listening, "signal", **fields)
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert fields.get("payload", "") in answer.content.decode()


def test_a_run_that_has_ended_takes_no_signal_and_gives_back_what_was_typed(listening: Run, alice: Any) -> None:
    engine.cancel(listening, actor=alice)
    answer = act(alice, listening, "signal", signal="parcel", payload='"kept"')
    assert answer.status_code == 409
    assert "&quot;kept&quot;" in answer.content.decode()


def test_who_reviews_gives_feedback_once(waiting: Approval, bob: Any) -> None:
    client = browse(bob)
    for _ in range(2):
        answer = act(client, waiting.run, "feedback", key="quality", score="0.5", comment="<b>fine</b>", once="page:f")
        assert answer.url == page(waiting.run, tab="feedback")
    row = Feedback.objects.get()
    assert (row.score, row.comment, row.by) == (0.5, "<b>fine</b>", f"user:{bob.pk}")
    assert "&lt;b&gt;fine&lt;/b&gt;" in text_of(bob, page(waiting.run, tab="feedback"))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"key": "quality"}, "Give a score, a comment, or both."),
        ({"key": "quality", "score": "2", "comment": "kept"}, "less than or equal to 1"),
        ({"key": "quality", "score": "nan", "comment": "kept"}, "Enter a number"),
        ({"key": "a\nb\x07", "score": "1"}, "printable"),
    ],
)
def test_what_is_no_feedback_is_said_and_kept(fields: Any, words: str, waiting: Approval, bob: Any) -> None:
    client = browse(bob)
    with nothing_written():
        answer = act(client, waiting.run, "feedback", **fields)
    assert answer.status_code in (409, 422)
    assert words in answer.content.decode()
    assert fields.get("comment", "") in answer.content.decode()


def test_a_form_without_the_script_is_a_form(waiting: Approval, alice: Any) -> None:
    client = browse(alice)
    text = client.get(page(waiting.run)).content.decode()
    start = text.index(f'<form method="post" action="{page(waiting.run)}act/cancel/">')
    form = text[start : text.index("</form>", start)]
    assert "csrfmiddlewaretoken" in form
    assert 'name="reason"' in form
    assert post(client, f"{page(waiting.run)}act/cancel/", {"once": "page:x", "reason": ""}).status_code == 302
