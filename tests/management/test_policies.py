"""`hitl policy …`: what applying would change, and what a policy would ask, before anybody is asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hitl.definition.policy import FACTS
from hitl.models import Policy
from hitl.policies import apply_policy
from hitl.policies.simulate import facts_of
from tests.management.test_hitl_command import hitl, refused, value
from tests.rows import nothing_written

pytestmark = pytest.mark.django_db
REFUNDS = """
name: refunds
rules:
  - {when: 'args.amount <= 100 && risk == "low"', name: small ones, auto: approve, until: 2099-01-31}
  - when: args.amount > 5000
    level: verify
    stages:
      - {reviewers: ["group:finance"], approvals: 2}
      - {reviewers: ["group:directors", "user:root"], timeout: 4h, remind: [1h],
         escalate: [{after: 2h, to: ["user:mallory"], mode: replace}], fallback: ["user:carol"]}
default:
  stages: [{reviewers: ["group:finance"]}]
"""


@pytest.fixture
def path(tmp_path: Path, bob: Any, carol: Any, mallory: Any, root: Any, finance: Any) -> str:
    """A file with the policy of refunds, whose people all exist."""
    from django.contrib.auth.models import Group

    Group.objects.create(name="directors")
    file = tmp_path / "refunds.yaml"
    file.write_text(REFUNDS)
    return str(file)


def changed(path: str, old: str, new: str) -> None:
    text = Path(path).read_text()
    assert old in text
    Path(path).write_text(text.replace(old, new))


def tried(path: str, args: dict[str, Any], *words: str) -> Any:
    with nothing_written():
        return value("policy", "test", path, "--action", json.dumps(args), *words)


# -- before it holds ----------------------------------------------------------------------------------


def test_what_applying_would_change_is_shown(path: str, alice: Any) -> None:
    with nothing_written():
        code, out = hitl("policy", "diff", path)
    assert code == 1
    assert "+name: refunds" in out.splitlines()
    hitl("policy", "apply", path)
    assert hitl("policy", "diff", path) == (0, "nothing would change\n")
    changed(path, "<= 100", "<= 200")
    with nothing_written():
        code, out = hitl("policy", "diff", path)
    assert code == 1
    assert [line for line in out.splitlines() if line[0] in "+-"] == [
        "--- refunds v1",
        f"+++ refunds in {path}",
        '-  when: args.amount <= 100 && risk == "low"',
        '+  when: args.amount <= 200 && risk == "low"',
    ]
    code, out = hitl("policy", "diff", path, "--json")
    [told] = json.loads(out)
    assert (code, told["name"], told["active"], told["changes"]) == (1, "refunds", 1, True)


def test_a_difference_shows_what_cannot_be_seen(path: str) -> None:
    changed(path, "small ones", "sm\u202eall")
    assert "sm\\u202eall" in hitl("policy", "diff", path)[1]


def test_a_wrong_file_has_no_differences(path: str) -> None:
    changed(path, "group:directors", "group:nobody")
    assert refused("policy", "diff", path).endswith("(unknown_reviewer)")
    assert refused("policy", "apply", "--dry-run", path).endswith("(unknown_reviewer)")


def test_a_dry_run_applies_nothing(path: str) -> None:
    with nothing_written():
        assert hitl("policy", "apply", path, "--dry-run") == (0, "would be active: refunds v1\n")
    assert value("policy", "apply", path) == [{"name": "refunds", "version": 1}]
    with nothing_written():
        assert hitl("policy", "apply", path, "--dry-run") == (0, "unchanged: refunds v1\n")
        assert value("policy", "apply", path, "--dry-run") == [{"name": "refunds", "version": 1, "changed": False}]


def test_versions_are_listed(path: str, alice: Any) -> None:
    hitl("policy", "apply", path, "--as", "alice")
    changed(path, "<= 100", "<= 200")
    hitl("policy", "apply", path)
    found = [(row["version"], row["active"], row["author"]) for row in value("policy", "versions", "refunds")]
    assert found == [(2, True, None), (1, False, "alice")]
    lines = hitl("policy", "versions", "refunds")[1].splitlines()
    assert ("active" in lines[0], "active" in lines[1]) == (True, False)
    assert refused("policy", "versions", "nonsense").endswith("(unknown_policy)")


@pytest.mark.parametrize("timeout", ["99999999999999d", "1e999", "-1", "nan", "soon"])
def test_a_timeout_that_is_none_is_refused(timeout: str, path: str) -> None:
    changed(path, "timeout: 4h", f"timeout: {timeout}")
    assert refused("policy", "apply", path).endswith("(invalid_policy)")


# -- one action ---------------------------------------------------------------------------------------


def test_the_rule_that_holds_is_named(path: str) -> None:
    found = tried(path, {"amount": 50}, "--risk", "low")
    assert (found["auto"], found["rule"], found["why"], found["stages"]) == (True, 1, "small ones", [])
    found = tried(path, {"amount": 9000})
    assert (found["auto"], found["rule"], found["level"], len(found["stages"])) == (False, 2, "verify", 2)
    found = tried(path, {"amount": 500})
    assert (found["rule"], found["why"], found["level"]) == (None, "default", "confirm")
    assert [rule["matched"] for rule in found["rules"]] == [False, False]


def test_who_would_be_asked_is_counted(path: str, bob: Any) -> None:
    first, second = tried(path, {"amount": 9000})["stages"]
    assert (first["reviewers"], first["people"], first["approvals"]) == ({"group:finance": 2}, 2, 2)
    assert second["reviewers"] == {"group:directors": 0, "user:root": 1}
    assert (second["people"], second["timeout"], second["remind"]) == (1, 14400, [3600])
    assert second["escalate"] == [{"after": 7200, "to": {"user:mallory": 1}, "mode": "replace"}]
    assert (second["fallback"], second["enough"]) == ({"user:carol": 1}, True)
    bob.is_active = False
    bob.save()
    first = tried(path, {"amount": 9000})["stages"][0]
    assert (first["people"], first["enough"]) == (1, False)


def test_who_asks_is_not_counted(path: str) -> None:
    first = tried(path, {"amount": 9000}, "--requester", "bob")["stages"][0]
    assert (first["people"], first["enough"]) == (1, False)
    assert tried(path, {"amount": 9000}, "--requester", "not here")["stages"][0]["people"] == 2


def test_who_is_not_there_is_named(path: str, carol: Any) -> None:
    changed(path, "user:carol", "user:dora")
    assert tried(path, {"amount": 9000})["stages"][1]["fallback"] == {"user:dora": None}
    out = hitl("policy", "test", path, "--action", '{"amount": 9000}')[1]
    assert "user:dora (no such)" in out


def test_doubt_asks_people_and_says_why(path: str) -> None:
    found = tried(path, {"total": 5}, "--risk", "low")
    assert (found["auto"], found["rule"]) == (False, 2)
    assert [rule["matched"] for rule in found["rules"]] == [None, None]
    out = hitl("policy", "test", path, "--action", '{"total": 5}')[1]
    assert "rule 1: small ones" in out
    assert "could not be evaluated, which counts as matching" in out


def test_what_matches_but_may_not_pass_is_told(path: str) -> None:
    changed(path, "2099-01-31", "2020-01-31")
    assert tried(path, {"amount": 50}, "--risk", "low")["rule"] is None
    out = hitl("policy", "test", path, "--action", '{"amount": 50}', "--risk", "low")[1]
    assert "matches, and may not pass this by itself" in out
    changed(path, "auto: approve, until: 2020-01-31", "level: info")
    changed(path, "args.amount > 5000", "args.amount > 5")
    out = hitl("policy", "test", path, "--action", '{"amount": 50}', "--risk", "low")[1]
    assert "* rule 1: small ones" in out
    assert "matches too, after the one that holds" in out


def test_two_rules_of_one_name_are_told_apart(path: str) -> None:
    changed(path, "- when: args.amount > 5000", "- when: args.amount > 5000\n    name: small ones")
    found = tried(path, {"amount": 9000})
    assert (found["rule"], found["why"]) == (2, "small ones")
    changed(path, "name: small ones\n", "name: default\n")
    assert (tried(path, {"amount": 9000})["rule"], tried(path, {"amount": 500})["rule"]) == (2, None)


@pytest.mark.parametrize(
    ("fact", "words"),
    [
        ('type == "pay"', ["--type", "pay"]),
        ('target == "A"', ["--target", "A"]),
        ("reversible", ["--reversible"]),
        ('risk == "high"', ["--risk", "high"]),
        ('agent == "bot"', ["--agent", "bot"]),
        ('requester == "bob"', ["--requester", "bob"]),
        ('workflow == "w"', ["--workflow", "w"]),
        ('step == "s"', ["--step", "s"]),
        ("iteration == 3", ["--iteration", "3"]),
    ],
)
def test_every_fact_can_be_given(fact: str, words: list[str], path: str) -> None:
    changed(path, "args.amount > 5000", fact)
    assert tried(path, {"amount": 500}, *words)["rule"] == 2
    assert tried(path, {"amount": 500})["rule"] is None


def test_the_facts_are_those_of_a_request(path: str) -> None:
    assert set(facts_of()) == set(FACTS)
    assert facts_of(args={"confidence": 0.4})["confidence"] == 0.4
    changed(path, "args.amount > 5000", "confidence < 0.5")
    assert tried(path, {"amount": 1, "confidence": 0.4})["rule"] == 2


def test_an_action_is_given_as_a_whole(path: str) -> None:
    changed(path, "args.amount > 5000", 'type == "pay" && reversible && args.amount == 5')
    assert tried(path, {"args": {"amount": 5}, "type": "pay", "reversible": True})["rule"] == 2
    assert tried(path, {"args": {"amount": 5}, "amount": 5}, "--type", "pay", "--reversible")["rule"] == 2


@pytest.mark.parametrize("action", ["[]", "1", "{", '{"args": {}, "type": 5}', '{"args": {}, "reversible": "no"}'])
def test_an_action_that_is_none_is_refused(action: str, path: str) -> None:
    refused("policy", "test", path, "--action", action)


def test_the_active_version_is_tried_by_name(path: str, alice: Any) -> None:
    assert refused("policy", "test", "refunds", "--action", "{}").endswith("(unknown_policy)")
    hitl("policy", "apply", path)
    assert (tried("refunds", {"amount": 500})["version"], tried(path, {"amount": 500})["version"]) == (1, None)


def test_a_file_of_several_wants_a_name(path: str) -> None:
    changed(path, "\nname: refunds", "name: first\ndefault: {stages: [{reviewers: ['user:bob']}]}\n---\nname: refunds")
    assert "first, refunds" in refused("policy", "test", path, "--action", "{}")
    assert tried(path, {"amount": 1}, "--name", "first")["policy"] == "first"
    assert "first, refunds" in refused("policy", "test", path, "--action", "{}", "--name", "third")


def test_what_could_not_be_asked_is_refused(path: str) -> None:
    changed(path, '{reviewers: ["group:finance"]}]', "{reviewers: [requester]}]")
    assert refused("policy", "test", path, "--action", '{"amount": 9}', "--risk", "high").endswith("(invalid_policy)")
    [stage] = tried(path, {"amount": 9}, "--requester", "bob")["stages"]
    assert (stage["reviewers"], stage["people"]) == ({"requester": 1}, 1)


def test_the_words_say_who_and_when(path: str) -> None:
    code, out = hitl("policy", "test", path, "--action", '{"amount": 9000}')
    assert code == 0
    assert "refunds: people are asked, level verify" in out
    assert "stage 1: 2 of group:finance (2 people), 1 can refuse, within" in out
    assert "stage 2: after 2:00:00 instead user:mallory (1 person)" in out
    assert "silence: reject" in out
    assert "passes by itself" in hitl("policy", "test", path, "--action", '{"amount": 9}', "--risk", "low")[1]


# -- cases --------------------------------------------------------------------------------------------

CASES = """
- {name: small, action: {amount: 50}, risk: low, expect: {rule: small ones, auto: true}}
- {action: {amount: 500}, expect: {rule: default, auto: false, level: confirm, stages: 1}}
- action: {args: {amount: 9000}, type: refund}
  expect:
    rule: 2
    stages: [{reviewers: ["group:finance"], approvals: 2}, ["group:directors", "user:root"]]
- {action: {amount: 9000}, risk: high, expect: {stages: [["group:finance"], {reviewers: ["group:directors", "user:root"], timeout: 4h}]}}
"""  # noqa: E501


@pytest.fixture
def cases(tmp_path: Path) -> Path:
    file = tmp_path / "cases.yaml"
    file.write_text(CASES)
    return file


def test_cases_that_hold_exit_with_0(path: str, cases: Path) -> None:
    code, out = hitl("policy", "test", path, "--cases", str(cases))
    assert (code, out) == (0, "ok  small\nok  case 2\nok  case 3\nok  case 4\n4 of 4 as expected\n")
    told = value("policy", "test", path, "--cases", str(cases))
    assert [one["ok"] for one in told["cases"]] == [True] * 4


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("auto: true", "auto: false", "auto: expected false, got true"),
        ("rule: small ones", "rule: large ones", "rule: expected large ones, got small ones"),
        ("rule: 2", "rule: 1", "rule: expected 1"),
        ("rule: default", "rule: 2", "rule: expected 2, got default"),
        ("level: confirm", "level: verify", "level: expected verify, got confirm"),
        ("stages: 1", "stages: 2", "stages: expected 2, got 1"),
        ("approvals: 2}", "approvals: 1}", "stages: expected"),
        ("timeout: 4h", "timeout: 5h", "stages: expected"),
        (', ["group:directors", "user:root"]]', "]", "stages: expected"),
        ("{amount: 500}", "{total: 500}", "got rule 2: args.amount > 5000 (could not be evaluated"),
        ("{args: {amount: 9000}, type: refund}", "{total: 9000}", "rule: expected 2, got rule 2"),
    ],
)
def test_a_case_that_does_not_hold_exits_with_1(old: str, new: str, told: str, path: str, cases: Path) -> None:
    changed(str(cases), old, new)
    code, out = hitl("policy", "test", path, "--cases", str(cases))
    assert code == 1
    assert told in out
    assert "3 of 4 as expected" in out
    code, out = hitl("policy", "test", path, "--cases", str(cases), "--json")
    assert (code, json.loads(out)["code"]) == (1, 1)


def test_a_case_that_could_not_be_asked_does_not_hold(path: str, cases: Path) -> None:
    changed(path, '{reviewers: ["group:finance"]}]', "{reviewers: [requester]}]")
    cases.write_text("- {action: {amount: 500}, risk: high, expect: {auto: false}}")
    code, out = hitl("policy", "test", path, "--cases", str(cases))
    assert (code, "not for the requester to confirm alone" in out) == (1, True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "- 5",
        "- {action: {amount: 1}}",
        "- {action: {amount: 1}, expect: {}}",
        "- {action: {amount: 1}, expect: {rules: 1}}",
        "- {action: {amount: 1}, expect: {stages: [[]]}}",
        "- {action: {amount: 1}, expect: {stages: {}}}",
        "- {action: {amount: 1}, risk: enormous, expect: {auto: true}}",
        "- {action: {amount: 1}, iteration: one, expect: {auto: true}}",
        "- {action: {day: 2027-01-31}, expect: {auto: true}}",
        "- {expect: {auto: true}}",
        "- {action: {amount: 1}, nonsense: 1, expect: {auto: true}}",
        "- [",
    ],
)
def test_cases_that_say_nothing_are_refused(text: str, path: str, cases: Path) -> None:
    cases.write_text(text)
    refused("policy", "test", path, "--cases", str(cases))


def test_cases_need_no_people(path: str, cases: Path, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert hitl("policy", "test", path, "--cases", str(cases))[0] == 0


def test_what_is_tried_is_what_holds(path: str, ask: Any, alice: Any) -> None:
    """The trial and a real request come to the same requirement."""
    apply_policy({**Policy_of(path), "name": "refunds"}, actor=alice)
    row = ask(policy="refunds")
    found = tried("refunds", {"amount": 250}, "--type", "pay", "--requester", "alice")
    assert (row.required.rule, row.required.policy) == (found["why"], f"{found['policy']} v{found['version']}")
    stage = row.required.stages[0]
    assert (list(stage.reviewers), stage.need) == (
        list(found["stages"][0]["reviewers"]),
        found["stages"][0]["approvals"],
    )
    assert Policy.objects.count() == 1


def Policy_of(path: str) -> Any:
    import yaml

    return yaml.safe_load(Path(path).read_text())
