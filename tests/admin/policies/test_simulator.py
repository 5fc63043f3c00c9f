"""The simulator: who would be asked, why, and when. It writes nothing and tells no more than its reader may know."""

from __future__ import annotations

import json
from html import unescape
from typing import Any

import pytest

from hitl.models import Policy
from hitl.policies import create_key
from hitl.policies.delegations import create_delegation
from tests.admin.conftest import browse, page_of, post
from tests.admin.policies.conftest import TEXT, TRY, apply, shown
from tests.rows import nothing_written

pytestmark = pytest.mark.django_db


def tried(who: Any, args: Any = None, *, risk: str = "medium", status: int = 200, **facts: Any) -> str:
    """What the simulator says, on one line for each."""
    data = {"policy": "refunds", "risk": risk, "args": json.dumps(args or {"amount": 500}), **facts}
    client = browse(who)
    with nothing_written():
        response = client.get(TRY, data)
    assert response.status_code == status
    return unescape(response.content.decode()).replace("\xa0", " ")


def test_an_empty_simulator_asks_for_an_action(refunds: Policy, bob: Any) -> None:
    text = shown(bob, TRY)
    assert "The answer comes here" in text
    assert '<option value="refunds">' in text
    assert '<option value="refunds" selected>' in shown(bob, TRY, {"policy": "refunds"})


def test_a_rule_that_passes_by_itself_asks_nobody(refunds: Policy, bob: Any) -> None:
    text = tried(bob, {"amount": 50}, risk="low")
    assert "It passes by itself: nobody is asked, and it is on record." in text
    assert "Because of: small ones" in text
    assert "Who is asked, and when" not in text


def test_the_rule_that_holds_and_the_others_are_told(refunds: Policy, bob: Any) -> None:
    text = tried(bob, {"amount": 9000}, risk="high")
    for words in (
        "People are asked, and type a phrase to confirm.",
        '<span class="chip now">Rule 2</span>',
        "does not match",
        "matches, and holds",
        "refunds v1",
        "Password again",
        "If nobody decides, it is refused.",
        "Who refuses says why.",
        "Stage 2",
        "Also asked: user:root",
        "after 2 hours",
        "once the stage before agrees",
    ):
        assert words in text, words
    assert text.count("<time datetime=") == 4


def test_doubt_asks_people_and_says_why(refunds: Policy, bob: Any) -> None:
    text = tried(bob, {"total": 1}, risk="low")
    assert "could not be evaluated, which counts as matching" in text
    assert '<span class="chip medium">could not be evaluated</span>' in text


def test_nothing_matching_is_the_default(refunds: Policy, bob: Any) -> None:
    assert '<span class="chip">Default</span>' in tried(bob)


def test_people_are_counted_and_named_to_operators_only(refunds: Policy, bob: Any, root: Any) -> None:
    theirs, all_of_it = tried(bob), tried(root)
    for text in (theirs, all_of_it):
        assert "2 active people" in text
    assert ("carol" in theirs, "carol" in all_of_it) == (False, True)


def test_at_most_twenty_are_named(refunds: Policy, root: Any, people: Any) -> None:
    for number in range(30):
        people(f"member-{number:02}", "finance")
    text = tried(root)
    assert text.count("member-") == 18
    assert "32 active people" in text


def test_too_few_people_is_said(refunds: Policy, root: Any, carol: Any, bob: Any) -> None:
    carol.is_active = bob.is_active = False
    carol.save()
    bob.save()
    text = tried(root)
    assert "nobody active" in text
    assert "These are too few to agree." in text


def test_the_side_of_who_asks_is_left_out(refunds: Policy, root: Any, alice: Any, bob: Any, carol: Any) -> None:
    from datetime import timedelta

    from hitl import clock

    create_key("bob-bot", owner=bob, scopes=["runs:read"], actor=bob)
    assert "1 active person" in tried(root, requester="bob")
    assert "1 active person" in tried(root, agent="bob-bot")
    create_delegation(bob, carol, ends_at=clock.now() + timedelta(days=1), actor=bob)
    text = tried(root, requester="bob")
    assert "nobody active" in text
    assert "2 people on the side of who asks may not decide" in text


def test_counts_tell_a_reviewer_nothing_about_others(refunds: Policy, bob: Any, alice: Any, carol: Any) -> None:
    create_key("carol-bot", owner=carol, scopes=["runs:read"], actor=carol)
    for facts in ({"requester": "carol"}, {"requester": "alice"}, {"requester": "not here"}, {"agent": "carol-bot"}):
        text = tried(bob, **facts)
        assert "2 active people" in text
        assert "on the side of who asks may not decide" not in text
    assert "1 active person" in tried(bob, requester="bob", agent="carol-bot")


def test_what_could_not_be_asked_is_said(refunds: Policy, root: Any, bob: Any) -> None:
    apply("name: refunds\ndefault: {stages: [{reviewers: [requester]}]}\n", root)
    assert "high risk is not for the requester to confirm alone" in tried(bob, risk="high")
    text = tried(bob, requester="bob")
    assert "Who asks confirms it alone." in text
    assert "no such group or user" not in text


def test_being_told_waits_for_nobody(finance: Any, root: Any, bob: Any) -> None:
    apply("name: refunds\ndefault: {stages: [{reviewers: ['group:finance'], remind: [1h]}], level: info}\n", root)
    text = tried(bob)
    assert "People are told; nobody is waited for." in text
    assert "Who is told" in text
    assert "reminded" not in text


# -- from a request -----------------------------------------------------------------------------------


def test_the_facts_of_a_request_are_taken(refunds: Policy, ask: Any, bob: Any) -> None:
    row = ask(amount=9000)
    for named in (str(row.pk), f"https://example.com{page_of(row)}?x=1", str(row.pk).upper()):
        text = shown(bob, TRY, {"request": named})
        for words in (
            'value="pay"',
            'value="A-17"',
            'value="refunding-0"',
            "Pay back",
            '<span class="chip now">Rule 2',
        ):
            assert words in text


def test_what_is_simulated_is_what_was_asked(refunds: Policy, ask: Any, root: Any) -> None:
    row = ask(amount=9000)
    text = shown(root, TRY, {"request": str(row.pk)})
    assert f"Because of: {row.required.rule}" in text
    assert row.required.policy in text


@pytest.mark.parametrize("named", ["", "nonsense", "\0", "00000000-0000-7000-8000-000000000000"])
def test_a_request_that_is_none_is_not_there(refunds: Policy, bob: Any, named: str) -> None:
    assert "There is no such request that you may see" in shown(bob, TRY, {"request": named}, status=404)


def test_a_request_of_others_is_not_there(refunds: Policy, ask: Any, mallory: Any) -> None:
    text = shown(mallory, TRY, {"request": str(ask().pk)}, status=404)
    assert "Pay back" not in text


# -- what is wrong ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "facts",
    [
        {"policy": "nonsense"},
        {"args": "[1]"},
        {"args": "{"},
        {"args": '{"a": 1, "a": 2}'},
        {"args": '{"a": NaN}'},
        {"risk": "enormous"},
        {"iteration": "-1"},
        {"confidence": "nan"},
        {"type": "\0"},
    ],
)
def test_facts_that_are_none_are_refused_beside_their_field(refunds: Policy, bob: Any, facts: dict[str, str]) -> None:
    data = {"policy": "refunds", "risk": "low", "args": "{}", **facts}
    text = shown(bob, TRY, data, status=422)
    name = next(iter(facts))
    assert f'id="error-{name}"></p>' not in text
    assert f'id="error-{name}">' in text


def test_a_large_list_and_a_slow_condition_end_in_doubt(refunds: Policy, root: Any, bob: Any) -> None:
    apply(TEXT.replace("args.amount > 5000", "args.list.all(x, args.list.all(y, x == y))"), root)
    assert "a list of more than 100 items" in tried(bob, {"amount": 500, "list": [1] * 5000})


# -- what stands in the editor ------------------------------------------------------------------------


def test_an_operator_tries_what_stands_in_the_editor(refunds: Policy, root: Any) -> None:
    client = browse(root)
    typed = TEXT.replace("> 5000", "> 50")
    with nothing_written():
        first = post(client, TRY, {"text": typed, "act": ""})
        found = post(client, TRY, {"text": typed, "risk": "medium", "args": '{"amount": 60}'})
    assert (first.status_code, found.status_code) == (200, 200)
    assert "The answer comes here" in first.content.decode()
    assert "as typed" in found.content.decode()
    assert '<span class="chip now">Rule 2</span>' in found.content.decode()


def test_a_text_that_is_no_policy_is_told_with_its_line(refunds: Policy, root: Any) -> None:
    response = post(browse(root), TRY, {"text": "name: refunds\ncolour: red\n"})
    assert response.status_code == 422
    assert 'data-line="2"' in response.content.decode()
