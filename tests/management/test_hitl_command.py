"""`manage.py hitl …`: what each command prints, with and without --json, and its exit code."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.core.management.base import CommandParser

from hitl import Workflow, audit, decisions
from hitl.models import ApiKey, Approval, Notification, Policy, Run, Signal, SweepMark, triggers
from hitl.policies import authenticate
from tests.rows import nothing_written

NEVER = "01a1f863-9e38-7d5f-9cba-8408e9377f0d"
pytestmark = pytest.mark.django_db


def hitl(*words: str) -> tuple[int, str]:
    """Exit code and output."""
    out = StringIO()
    try:
        call_command("hitl", *words, stdout=out)
    except SystemExit as error:
        return int(error.code or 0), out.getvalue()
    return 0, out.getvalue()


def value(*words: str) -> Any:
    """What --json prints."""
    code, out = hitl(*words, "--json")
    assert code == 0
    return json.loads(out)


def refused(*words: str) -> str:
    """The message of a refusal; nothing may be written."""
    with nothing_written(), pytest.raises(CommandError) as error:
        hitl(*words)
    assert error.value.returncode != 0
    return str(error.value)


@pytest.fixture
def policy_file(tmp_path: Path, finance: Any) -> Path:
    """A file with one good policy."""
    path = tmp_path / "policies.yaml"
    path.write_text("name: refunds\ndefault:\n  stages:\n    - {reviewers: ['group:finance']}\n")
    return path


# -- runs -------------------------------------------------------------------------------------------


def test_a_run_is_started(refund: Any, alice: Any) -> None:
    code, out = hitl("run", "start", "test-refund", '{"order_id": "A-1"}', "--as", "alice", "--key", "k")
    run = Run.objects.get()
    assert (code, out) == (0, f"started {run.pk}\n")
    assert (run.input, run.requester, run.idempotency_key) == ({"order_id": "A-1"}, alice, "k")
    again = value("run", "start", "test-refund", '{"order_id": "A-1"}', "--as", "alice", "--key", "k")
    assert again == {"id": str(run.pk), "status": "running"}


def test_a_run_without_a_person_is_the_systems(refund: Any) -> None:
    hitl("run", "start", "test-refund")
    assert (Run.objects.get().principal, Run.objects.get().input) == ("system", None)


@pytest.mark.parametrize("text", ["{", "NaN", '{"a":1,"a":2}', '"\\u0000"', "", "[" * 999])
def test_an_argument_that_is_no_json_is_refused(text: str, refund: Any, waiting: Approval) -> None:
    assert "cannot be taken" in refused("run", "start", "test-refund", text)
    assert "cannot be taken" in refused("signal", "send", str(waiting.run_id), "go", text)


def test_what_cannot_be_started_is_refused(refund: Any, alice: Any) -> None:
    assert refused("run", "start", "nonsense").endswith("(unknown_workflow)")
    assert refused("run", "start", "test-refund", "--as", "nobody") == "there is no user 'nobody'"
    hitl("run", "start", "test-refund", "1", "--key", "k")
    assert refused("run", "start", "test-refund", "2", "--key", "k").endswith("(idempotency_conflict)")


def test_runs_are_listed(waiting: Approval, refund: Any) -> None:
    refund.start(requester=waiting.requester)
    assert [row["status"] for row in value("run", "list")] == ["running", "waiting"]
    assert [row["id"] for row in value("run", "list", "--status", "waiting")] == [str(waiting.run_id)]
    assert len(value("run", "list", "--limit", "1")) == 1
    assert value("run", "list", "--workflow", "nonsense") == []
    assert hitl("run", "list", "--workflow", "nonsense") == (0, "no runs\n")
    assert str(waiting.run_id) in hitl("run", "list")[1]


@pytest.mark.parametrize("limit", ["0", "-1", "x"])
def test_a_list_has_at_least_one_row(limit: str, waiting: Approval) -> None:
    refused("run", "list", f"--limit={limit}")


def test_a_run_is_shown_with_its_timeline(waiting: Approval) -> None:
    shown = value("run", "show", str(waiting.run_id))
    assert [step["name"] for step in shown["steps"]] == ["draft", "review", "pay"]
    assert (shown["workflow"], shown["status"]) == ("test-refund", "waiting")
    assert [line["seq"] for line in shown["timeline"]] == list(range(1, len(shown["timeline"]) + 1))
    code, out = hitl("run", "show", str(waiting.run_id))
    assert code == 0
    assert "People were asked to decide: Refund 250 to order A-17" in out


@pytest.mark.parametrize("pk", [NEVER, "nonsense", "1"])
def test_a_run_that_is_not_there_is_refused(pk: str, root: Any) -> None:
    for words in (["run", "show", pk], ["run", "cancel", pk], ["signal", "send", pk, "go"]):
        assert refused(*words).endswith("(unknown_run)")


def test_a_run_is_cancelled_once(waiting: Approval, root: Any) -> None:
    code, out = hitl("run", "cancel", str(waiting.run_id), "--reason", "not needed", "--as", "root")
    assert (code, out) == (0, f"cancelled {waiting.run_id}\n")
    run = Run.objects.get()
    assert (run.status, run.failure_text) == ("cancelled", "not needed")
    with nothing_written("hitl.cancel.refused"), pytest.raises(CommandError, match="run_ended"):
        hitl("run", "cancel", str(waiting.run_id))


def test_a_signal_is_sent(root: Any, work: Any) -> None:
    flow = Workflow("listening")
    flow.step(lambda ctx: ctx.wait_for_signal("go"), name="wait")
    run = flow.start(requester=root)
    work()
    assert hitl("signal", "send", str(run.pk), "go", '{"n": 1}', "--as", "root", "--key", "k") == (0, "sent go\n")
    assert (Signal.objects.get().payload, Signal.objects.get().sender) == ({"n": 1}, f"user:{root.pk}")
    assert value("signal", "send", str(run.pk), "go", '{"n": 1}', "--as", "root", "--key", "k")["late"] is False
    assert Signal.objects.count() == 1


# -- policies and keys ------------------------------------------------------------------------------


def test_a_policy_is_applied_and_shown(policy_file: Path, alice: Any) -> None:
    assert value("policy", "apply", str(policy_file), "--as", "alice") == [{"name": "refunds", "version": 1}]
    assert Policy.objects.get().author == alice
    assert hitl("policy", "apply", str(policy_file)) == (0, "active: refunds v1\n")
    policy_file.write_text(policy_file.read_text() + "comment: always\n")
    assert hitl("policy", "apply", str(policy_file)) == (0, "active: refunds v2\n")
    assert [row["version"] for row in value("policy", "show", "refunds")] == [2]
    assert "comment: always" in hitl("policy", "show")[1]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no policy in it"),
        ("- a: [", "policies.yaml"),
        ("just text", "invalid_policy"),
        ("name: x", "default"),
        ("name: x\ndefault: {stages: []}", "stages"),
        ("name: x\ndefault: {stages: [{reviewers: []}]}", "reviewers"),
        ("name: x\ndefault: {stages: [{reviewers: ['group:nobody']}]}", "unknown_reviewer"),
        ("name: x\ndefault: {stages: [{reviewers: ['finance']}]}", "is no reviewer"),
        ("name: x\nextra: 1\ndefault: {stages: [{reviewers: ['group:finance']}]}", "extra"),
        ("!!python/object/apply:os.system ['true']", "policies.yaml"),
    ],
)
def test_a_policy_that_is_wrong_is_refused(text: str, told: str, policy_file: Path) -> None:
    policy_file.write_text(text)
    assert told in refused("policy", "apply", str(policy_file))


def test_a_file_with_one_wrong_policy_changes_none(policy_file: Path) -> None:
    policy_file.write_text(policy_file.read_text() + "---\nname: second\n")
    assert "invalid_policy" in refused("policy", "apply", str(policy_file))
    assert not Policy.objects.exists()


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    assert "missing.yaml" in refused("policy", "apply", str(tmp_path / "missing.yaml"))
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    assert "binary.yaml" in refused("policy", "apply", str(tmp_path / "binary.yaml"))
    assert refused("policy", "show", "nonsense").endswith("(unknown_policy)")
    assert hitl("policy", "show") == (0, "no policies\n")


def test_a_key_is_created_listed_and_revoked(alice: Any) -> None:
    made = value("key", "create", "bot", "--owner", "alice", "--scope", "runs:read", "--scope", "runs:start")
    key = authenticate(made["secret"])
    assert key is not None
    assert (key.agent, key.owner_user, made["scopes"]) == ("bot", alice, ["runs:read", "runs:start"])
    code, listed = hitl("key", "list")
    assert code == 0
    assert key.prefix in listed
    assert made["secret"] not in listed + json.dumps(value("key", "list"))
    assert hitl("key", "revoke", f"hitl_{key.prefix}_…")[0] == 0
    assert authenticate(made["secret"]) is None
    assert "revoked" in hitl("key", "list")[1]


def test_a_team_owns_a_key(finance: Any) -> None:
    out = hitl("key", "create", "bot", "--owner-group", "finance", "--scope", "runs:read")[1]
    assert "cannot be shown again" in out
    assert ApiKey.objects.get().owner_group == finance


def test_a_key_that_cannot_be_is_refused(alice: Any) -> None:
    scope = ["--scope", "runs:read"]
    assert "no user" in refused("key", "create", "bot", "--owner", "nobody", *scope)
    assert "no group" in refused("key", "create", "bot", "--owner-group", "nobody", *scope)
    assert "invalid choice" in refused("key", "create", "bot", "--owner", "alice", "--scope", "decide")
    assert "required" in refused("key", "create", "bot", "--owner", "alice")
    assert "required" in refused("key", "create", "bot", *scope)
    assert "bad_input" in refused("key", "create", "x" * 101, "--owner", "alice", *scope)
    assert "no key" in refused("key", "revoke", "nonsense")
    assert hitl("key", "list") == (0, "no keys\n")


# -- proofs and duties ------------------------------------------------------------------------------


def test_the_audit_is_verified(waiting: Approval, bob: Any) -> None:
    decisions.decide(waiting, actor=bob, verdict="approve", digest=waiting.digest)
    count = audit.records_of(waiting.run.stream).count()
    told = f"audit: verified ({count} records in 1 streams)\n"
    assert hitl("audit", "verify") == hitl("audit", "verify", "--all") == (0, told)
    assert hitl("audit", "verify", "--run", str(waiting.run_id)) == (0, told)
    assert value("audit", "verify")["problems"] == []


def test_a_record_that_was_tampered_with_is_found(waiting: Approval) -> None:
    triggers.remove()
    try:
        record = audit.records_of(waiting.run.stream).first()
        type(record).objects.filter(pk=record.pk).update(actor="user:999")
    finally:
        triggers.install()
    code, out = hitl("audit", "verify")
    assert code == 1
    assert "tampered:" in out
    assert "NOT verified" in out
    code, out = hitl("audit", "verify", "--run", str(waiting.run_id), "--json")
    assert (code, json.loads(out)["code"], json.loads(out)["problems"][0]["seq"]) == (1, 1, 1)


def test_what_cannot_be_verified_is_incomplete(db: None) -> None:
    code, out = hitl("audit", "verify", "--run", NEVER)
    assert (code, "there are no records" in out) == (2, True)
    assert refused("audit", "verify", "--run", "nonsense").endswith("(unknown_run)")


def test_a_sweep_does_the_duties_once(waiting: Approval, pass_time: Any) -> None:
    from datetime import timedelta

    pass_time(timedelta(hours=5))
    moved = value("sweep")
    assert (moved["expire"], SweepMark.objects.count()) == (1, 1)
    code, out = hitl("sweep")
    assert (code, "expire: 0" in out) == (0, True)
    assert Notification.objects.count() >= 1


def test_a_duty_that_fails_shows_in_the_exit_code(monkeypatch: Any) -> None:
    from hitl.engine import sweeps

    def fail() -> int:
        raise RuntimeError

    monkeypatch.setitem(sweeps.DUTIES, "wake", fail)
    code, out = hitl("sweep", "--json")
    assert (code, json.loads(out)["wake"]) == (1, -1)


# -- the commands themselves ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words", [[], ["nonsense"], ["run"], ["run", "nonsense"], ["policy", "apply"], ["run", "start"]]
)
def test_a_command_that_is_not_there_is_refused(words: list[str]) -> None:
    refused(*words)


def test_every_command_says_what_it_does(capsys: Any) -> None:
    from hitl.management.commands.hitl import Command

    for words in (["--help"], ["run", "--help"], ["run", "start", "--help"], ["audit", "verify", "--help"]):
        with pytest.raises(SystemExit) as stopped:
            CommandParserOf(Command()).parse_args(words)
        assert stopped.value.code == 0
    assert "start a run of a workflow" in capsys.readouterr().out


def CommandParserOf(command: Any) -> CommandParser:
    parser: CommandParser = command.create_parser("manage.py", "hitl")
    return parser
