"""`hitl run watch|retry|fork|resolve`, `hitl freeze|unfreeze`, and `hitl approvals …`."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError

from hitl import Workflow, engine
from hitl.models import Approval, Decision, Freeze, Run, Step
from tests.management.test_hitl_command import NEVER, hitl, refused, value

pytestmark = pytest.mark.django_db
PASSWORD = "a long one for bob"


@pytest.fixture
def failed(alice: Any, work: Any) -> Any:
    """A run whose second step fails until `fixed` is in the list."""
    fixed: list[int] = []
    flow = Workflow("cli-fails")
    flow.step(lambda ctx: 20, name="a")

    @flow.step(after="a", max_attempts=1)
    def b(ctx: Any) -> int:
        return ctx.results["a"] + fixed[0]

    run = flow.start(requester=alice)
    work()
    fixed.append(1)
    return run


# -- watch, retry, fork, resolve ----------------------------------------------------------------------


def test_a_run_that_has_ended_is_watched_to_its_end(failed: Run) -> None:
    code, out = hitl("run", "watch", str(failed.pk))
    assert code == 1
    assert "alice started cli-fails" in out
    assert out.endswith(f"failed  {failed.pk}\n")
    code, out = hitl("run", "watch", str(failed.pk), "--json")
    assert (code, '"failure": "IndexError"' in out, "started" in out) == (1, False, False)


def test_watching_shows_each_line_once_until_the_end(waiting: Approval, bob: Any, work: Any, monkeypatch: Any) -> None:
    from hitl import decisions
    from hitl.management.cli import control

    def meanwhile(seconds: float) -> None:
        assert seconds == 0.5
        decisions.decide(waiting, actor=bob, verdict="approve", digest=waiting.digest)
        work()

    monkeypatch.setattr(control.time, "sleep", meanwhile)
    code, out = hitl("run", "watch", str(waiting.run_id), "--every", "0.5")
    assert code == 0
    assert out.count("People were asked to decide") == out.count("bob approved") == out.count("succeeded  ") == 1


def test_watching_gives_up(waiting: Approval, monkeypatch: Any) -> None:
    from hitl.management.cli import control

    monkeypatch.setattr(control.time, "sleep", lambda seconds: None)
    code, out = hitl("run", "watch", str(waiting.run_id), "--for", "0.01")
    assert (code, out.splitlines()[-1]) == (1, f"waiting  {waiting.run_id}")


@pytest.mark.parametrize("every", ["0", "-1", "x", "inf", "nan"])
def test_a_pause_is_longer_than_nothing(every: str, waiting: Approval) -> None:
    refused("run", "watch", str(waiting.run_id), f"--every={every}")


def test_a_failed_run_is_tried_again(failed: Run, root: Any, work: Any) -> None:
    new = value("run", "retry", str(failed.pk), "--as", "root")
    work()
    run = Run.objects.get(pk=new["id"])
    assert (run.retry_of, run.output) == (failed, 21)
    assert "only a run that ended badly" in refused("run", "retry", str(run.pk))


def test_a_run_is_forked_with_a_patch(failed: Run, work: Any) -> None:
    new = value("run", "fork", str(failed.pk), "b", "--patch", '{"a": 1}')
    work()
    assert Run.objects.get(pk=new["id"]).output == 2
    assert "JSON object" in refused("run", "fork", str(failed.pk), "b", "--patch", "[]")
    assert "no step 'x'" in refused("run", "fork", str(failed.pk), "x")
    assert "cannot be patched: b" in refused("run", "fork", str(failed.pk), "b", "--patch", '{"b": 1}')


@pytest.fixture
def uncertain(alice: Any, pass_time: Any) -> Run:
    """A run whose worker died inside a step that must not be repeated."""
    from hitl.engine.claim import claim, pick

    flow = Workflow("cli-uncertain")
    flow.step(lambda ctx: 1, name="send", repeatable=False)
    run: Run = flow.start(requester=alice)
    assert claim(pick("default")[0]) is not None
    pass_time(timedelta(minutes=5))
    engine.sweep()
    return run


def test_a_person_says_what_became_of_a_step(uncertain: Run, root: Any) -> None:
    words = ["run", "resolve", str(uncertain.pk), "send", "succeeded", "--output", '{"sent": 1}']
    with pytest.raises(CommandError, match="--as"):
        hitl(*words)
    code, out = hitl(*words, "--reason", "the provider says so", "--as", "root")
    assert (code, out) == (0, "step send: succeeded; run succeeded\n")
    assert Run.objects.get().output == {"sent": 1}
    assert "not uncertain" in refused(*words, "--as", "root")
    refused("run", "resolve", str(uncertain.pk), "send", "perhaps", "--as", "root")


@pytest.mark.parametrize("pk", [NEVER, "nonsense"])
def test_a_run_that_is_not_there_is_refused(pk: str, root: Any) -> None:
    ways = (["watch", pk], ["retry", pk], ["fork", pk, "a"], ["resolve", pk, "a", "failed", "--as", "root"])
    for words in ways:
        assert refused("run", *words).endswith("(unknown_run)")


# -- freeze -------------------------------------------------------------------------------------------


def test_freezing_and_lifting(refund: Any, alice: Any, root: Any, work: Any) -> None:
    run = refund.start(requester=alice)
    assert hitl("freeze", "workflow:test-refund", "--reason", "wrong prices", "--as", "root") == (
        0,
        "frozen: workflow:test-refund\n",
    )
    assert work() == 0
    assert value("freeze") == {"target": "all", "in_flight": []}
    assert value("unfreeze") == {"target": "all", "lifted": True}
    assert hitl("unfreeze") == (0, "was not frozen: all\n")
    assert hitl("unfreeze", "workflow:test-refund") == (0, "lifted: workflow:test-refund\n")
    assert work() == 1
    assert not Freeze.objects.filter(lifted_at=None).exists()
    assert "cannot be frozen" in refused("freeze", "nonsense")
    Step.objects.filter(run=run, name="pay").update(
        status="running", lease_token=run.pk, lease_expires_at=run.created_at
    )
    assert hitl("freeze", f"run:{run.pk}")[1].splitlines()[1] == f"still runs: {run.pk} pay"


# -- approvals ----------------------------------------------------------------------------------------


@pytest.fixture
def typed(bob: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What is typed at the prompt; bob's password at first."""
    bob.set_password(PASSWORD)
    bob.save()
    said = [PASSWORD]
    monkeypatch.setattr("getpass.getpass", lambda prompt: said[0])
    return said


def vote(verb: str, row: Approval, *words: str, digest: str = "") -> list[str]:
    return ["approvals", verb, str(row.pk), *words, "--as", "bob", "--digest", digest or row.digest[:8]]


def test_requests_are_listed_and_shown(waiting: Approval, alice: Any, bob: Any) -> None:
    assert [row["id"] for row in value("approvals", "list")] == [str(waiting.pk)]
    assert [row["title"] for row in value("approvals", "list", "--as", "bob")] == ["Refund 250 to order A-17"]
    assert value("approvals", "list", "--as", "alice") == []
    assert hitl("approvals", "list", "--as", "alice") == (0, "no requests\n")
    assert "Refund 250 to order A-17" in hitl("approvals", "list")[1]
    shown = value("approvals", "show", str(waiting.pk))
    assert (shown["digest"], shown["args"]) == (waiting.digest, {"order_id": "A-17", "amount": 250})
    Approval.objects.update(title="a\x1b[2Jb\u202ec")
    assert "a\\u001b[2Jb\\u202ec" in hitl("approvals", "show", str(waiting.pk))[1]
    assert refused("approvals", "show", NEVER).endswith("(unknown_approval)")


def test_a_person_approves_with_their_password(waiting: Approval, typed: Any, work: Any, refund: Any) -> None:
    code, out = hitl(*vote("approve", waiting, "--comment", "fine"))
    assert (code, out) == (0, f"approved  {waiting.pk}\n")
    made = Decision.objects.get()
    assert (made.actor.get_username(), made.channel, made.comment) == ("bob", "shell", "fine")
    work()
    assert refund.paid == [("A-17", 250)]
    assert value(*vote("approve", waiting, "--comment", "fine"))["duplicate"] is True


def test_a_person_approves_with_edits_and_the_password_from_a_pipe(
    waiting: Approval, typed: Any, monkeypatch: Any
) -> None:
    typed[0] = "not asked"
    monkeypatch.setattr("sys.stdin", StringIO(PASSWORD + "\n"))
    words = ["--args", '{"order_id": "A-17", "amount": 9}', "--password-stdin"]
    assert value(*vote("approve", waiting, *words))["status"] == "approved"
    assert Approval.objects.get().current_args["amount"] == 9


def test_a_person_rejects(waiting: Approval, typed: Any) -> None:
    assert "comment" in "".join(refused_with_line(*vote("reject", waiting)))
    assert hitl(*vote("reject", waiting, "--comment", "no"))[0] == 0
    assert Approval.objects.get().status == "rejected"


def test_a_question_is_answered(bob: Any, alice: Any, typed: Any, work: Any) -> None:
    flow = Workflow("cli-asks")
    flow.question("q", question="Well?", reviewers=["user:bob"])
    flow.start(requester=alice)
    work()
    row = Approval.objects.get()
    assert value(*vote("respond", row, '"yes"'))["status"] == "answered"
    work()
    assert Run.objects.get().output == "yes"


def refused_with_line(*words: str) -> str:
    """A refusal that the audit tells of."""
    with pytest.raises(CommandError) as error:
        hitl(*words)
    assert error.value.returncode != 0
    return str(error.value)


@pytest.mark.parametrize("password", ["", "wrong", PASSWORD + " "])
def test_a_wrong_password_decides_nothing(password: str, waiting: Approval, typed: Any) -> None:
    typed[0] = password
    assert refused(*vote("approve", waiting)) == "the name or the password is wrong"


def test_a_deactivated_or_unknown_person_decides_nothing(waiting: Approval, typed: Any, bob: Any) -> None:
    bob.is_active = False
    bob.save()
    assert refused(*vote("approve", waiting)) == "the name or the password is wrong"
    words = ["approvals", "approve", str(waiting.pk), "--as", "nobody", "--digest", waiting.digest]
    assert refused(*words) == "the name or the password is wrong"


def test_a_password_opens_no_door_that_is_closed(waiting: Approval, typed: Any, bob: Any) -> None:
    bob.groups.clear()
    assert refused_with_line(*vote("approve", waiting)).endswith("(unknown_approval)")
    assert Approval.objects.get().status == "pending"


@pytest.mark.parametrize("digest", ["f" * 64, "short", "0"])
def test_what_was_not_seen_is_not_decided(digest: str, waiting: Approval, typed: Any) -> None:
    assert refused_with_line(*vote("approve", waiting, digest=digest)).endswith("(stale_approval)")
    assert refused_with_line(*vote("approve", waiting, digest=waiting.digest[:7])).endswith("(stale_approval)")
