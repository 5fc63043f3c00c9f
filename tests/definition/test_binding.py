"""What a decision is bound to: change anything that decides what will happen, and the digest is another."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from hitl import Action
from hitl.definition import canonical, parse
from hitl.definition.binding import action_digest, bind, binding_digest, edited
from hitl.exceptions import NotCanonical

PLACE: dict[str, Any] = {
    "workflow": "refund",
    "run": "01a1f863-9e38-7d5f-9cba-8408e9377f0d",
    "step": "review",
    "key": "review",
    "revision": 1,
    "requester": "user:1",
    "execute_within": 86400,
}
PROPOSED: dict[str, Any] = {
    "args": {"order_id": "A-17", "amount": 250},
    "type": "refund",
    "title": "Refund 250",
    "impact": "Money leaves",
    "target": "A-17",
}


def binding(**changed: Any) -> bytes:
    """The bytes of a refund, with some of it changed."""
    action = {**PROPOSED, **{name: value for name, value in changed.items() if name not in PLACE}}
    place = {**PLACE, **{name: value for name, value in changed.items() if name in PLACE}}
    return bind(Action(action.pop("args"), **action), **place)


def test_the_same_proposal_has_the_same_bytes() -> None:
    assert binding() == binding()
    assert binding() == canonical(parse(binding()))


def test_the_bytes_hold_what_decides_and_nothing_else() -> None:
    told = {name: PROPOSED[name] for name in ("args", "type", "impact", "target")}
    assert parse(binding()) == {"schema": 1, "reversible": False, **told, **PLACE}


def test_the_digest_is_sha_256_over_its_tag_and_the_bytes() -> None:
    assert binding_digest(binding()) == hashlib.sha256(b"hitl.action.v1\n" + binding()).hexdigest()


@pytest.mark.parametrize(
    "changed",
    [
        {"workflow": "other"},
        {"run": "01a1f863-9e38-7d5f-9cba-8408e9377f0e"},
        {"step": "other"},
        {"key": "other"},
        {"revision": 2},
        {"type": "other"},
        {"args": {"order_id": "A-17", "amount": 251}},
        {"args": {"order_id": "A-17", "amount": "250"}},
        {"args": {"order_id": "A-17", "amount": 250, "more": None}},
        {"args": {"order_id": "A-17 ", "amount": 250}},
        {"target": "other"},
        {"impact": "other"},
        {"reversible": True},
        {"requester": "key:1"},
        {"execute_within": 60},
    ],
)
def test_the_digest_changes_with_everything_that_decides(changed: dict[str, Any]) -> None:
    assert binding_digest(binding(**changed)) != binding_digest(binding())
    same_content = changed.keys() <= {"run", "revision"}
    assert (action_digest(binding(**changed)) == action_digest(binding())) is same_content


@pytest.mark.parametrize("changed", [{"title": "Look, a bird"}, {"description": "long"}])
def test_the_words_of_the_agent_are_not_bound(changed: dict[str, Any]) -> None:
    assert binding(**changed) == binding()


def test_the_two_digests_never_meet() -> None:
    assert action_digest(binding()) != binding_digest(binding())


def test_an_edit_changes_the_arguments_only() -> None:
    args = {"order_id": "A-17", "amount": 200}
    changed = edited(binding(), args, "refund")
    assert changed == binding(args=args)
    assert edited(changed, PROPOSED["args"], "refund") == binding()
    assert parse(changed) == {**parse(binding()), "args": args}


def test_an_edit_may_make_another_action_of_it() -> None:
    changed = edited(binding(), {"order_id": "A-17"}, "credit")
    assert parse(changed) == {**parse(binding()), "args": {"order_id": "A-17"}, "type": "credit"}


def test_an_edit_that_is_not_json_is_refused() -> None:
    with pytest.raises(NotCanonical) as error:
        edited(binding(), {"amount": float("nan")}, "refund")
    assert error.value.message == "action.args.amount is nan: JSON has no such number"
