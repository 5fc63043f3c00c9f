"""The editor: what is wrong has a line, what is typed stays, and only operators apply."""

from __future__ import annotations

from html import unescape
from typing import Any

import pytest

from hitl import audit
from hitl.models import Policy
from tests.admin.conftest import browse, post
from tests.admin.policies.conftest import EDIT, NEW, PAGE, TEXT, TRY, apply
from tests.rows import nothing_written

pytestmark = pytest.mark.django_db
OTHER = TEXT.replace("<= 100", "<= 200")


def sent(who: Any, address: str, text: str, act: str = "apply", *, base: Any = 1, status: int = 200) -> str:
    """Submit the form; what the page says then."""
    response = post(browse(who), address, {"text": text, "act": act, "base": base})
    assert response.status_code == status
    return unescape(response.content.decode())


# -- who ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", [EDIT, NEW])
@pytest.mark.parametrize("act", ["preview", "apply"])
def test_a_reviewer_may_not_write_policies(refunds: Policy, bob: Any, address: str, act: str) -> None:
    client = browse(bob)
    with nothing_written():
        assert client.get(address).status_code == 403
        response = post(client, address, {"text": OTHER, "act": act, "base": 1})
    assert response.status_code == 403
    assert "Nothing was changed." in response.content.decode()


def test_a_reviewer_may_not_try_a_text_of_their_own(refunds: Policy, bob: Any) -> None:
    assert post(browse(bob), TRY, {"text": TEXT}).status_code == 403


def test_applying_needs_the_token_of_the_form(refunds: Policy, root: Any) -> None:
    client = browse(root)
    with nothing_written():
        assert client.post(EDIT, {"text": OTHER, "act": "apply", "base": 1}).status_code == 403


# -- preview and apply --------------------------------------------------------------------------------


def test_the_editor_begins_with_the_active_version(refunds: Policy, root: Any) -> None:
    text = unescape(browse(root).get(EDIT).content.decode())
    assert f"\n{TEXT}</textarea>" in text
    assert 'name="base" value="1"' in text


def test_a_preview_says_what_would_hold_and_applies_nothing(refunds: Policy, root: Any) -> None:
    client = browse(root)
    with nothing_written():
        response = post(client, EDIT, {"text": OTHER, "act": "preview", "base": 1})
    text = unescape(response.content.decode())
    assert response.status_code == 200
    for words in (
        "Preview: nothing is applied yet",
        "1. If args.amount <= 200",
        '<span class="sr">removed: </span>- when: args.amount <= 100',
        '<span class="sr">added: </span>- when: args.amount <= 200',
        f"\n{OTHER}</textarea>",
    ):
        assert words in text


def test_applying_makes_a_new_version_of_the_person(refunds: Policy, root: Any) -> None:
    response = post(browse(root), EDIT, {"text": OTHER.replace("\n", "\r\n"), "act": "apply", "base": 1})
    assert (response.status_code, response.url) == (302, PAGE)
    newest = Policy.objects.get(name="refunds", active=True)
    assert (newest.version, newest.author, newest.value.rules[0].when[:18]) == (2, root, "args.amount <= 200")
    assert audit.timeline("policy:refunds")[-1].data["version"] == 2


def test_applying_the_same_changes_nothing(refunds: Policy, root: Any) -> None:
    client = browse(root)
    response = client.post(
        EDIT, {"csrfmiddlewaretoken": "c" * 32, "text": TEXT, "act": "apply", "base": 1}, follow=True
    )
    assert "Nothing was changed: version 1 says this." in response.content.decode()
    assert Policy.objects.count() == 1


def test_the_first_version_is_written_under_new(finance: Any, root: Any) -> None:
    text = unescape(browse(root).get(NEW).content.decode())
    typed = text.split('aria-describedby="help">\n')[1].split("</textarea>")[0]
    assert "What is new" in sent(root, NEW, typed, "preview", base=0)
    sent(root, NEW, typed, base=0, status=302)
    assert Policy.objects.get().version == 1


# -- what is wrong ------------------------------------------------------------------------------------


@pytest.mark.parametrize("act", ["preview", "apply"])
@pytest.mark.parametrize(
    ("old", "new", "line", "told"),
    [
        ("group:finance", "group:nobody", 11, "there is no such user or group"),
        ("args.amount > 5000", "args.amount and 1", 8, "write && for and"),
        ("level: verify", "level: verified", 24, "Input should be"),
        ("level: verify", "colour: red", 24, "there is no such field here"),
        ("timeout: 4h", "timeout: soon", 13, "is no duration"),
        ("  until: 2099-01-31\n", "", 4, "auto: approve has an end"),
        ("name: refunds\n", "", 0, "is missing"),
        ("name: refunds", "name: other", 0, "this page is about refunds"),
        ("name: refunds", "name: [", 3, "expected"),
    ],
)
def test_every_mistake_has_its_line_and_nothing_typed_is_lost(
    refunds: Policy, root: Any, old: str, new: str, line: int, told: str, act: str
) -> None:
    typed = TEXT.replace(old, new, 1)
    client = browse(root)
    with nothing_written():
        response = post(client, EDIT, {"text": typed, "act": act, "base": 1})
    text = unescape(response.content.decode())
    assert response.status_code == 422
    assert told in text
    assert f"\n{typed}</textarea>" in text
    assert (f'data-line="{line}"' in text) is bool(line)


def test_several_mistakes_are_told_at_once(refunds: Policy, root: Any) -> None:
    typed = TEXT.replace("group:finance", "group:nobody").replace("user:root", "user:nobody")
    assert "2 things to correct" in sent(root, EDIT, typed, status=422)


@pytest.mark.parametrize("name", ["new", "simulate"])
def test_a_policy_is_not_named_like_a_page(finance: Any, root: Any, name: str) -> None:
    assert "is a page" in sent(root, NEW, TEXT.replace("name: refunds", f"name: {name}"), base=0, status=422)


def test_hostile_mistakes_are_shown_inert(refunds: Policy, root: Any) -> None:
    typed = TEXT.replace("level: verify", '"<script>alert(1)</script>\u202e": 1')
    response = post(browse(root), EDIT, {"text": typed, "act": "apply", "base": 1})
    text = response.content.decode()
    assert "<script>alert" not in text
    assert "U+202E" in text.split("<textarea")[0]
    assert "\u202e" not in text.split("<textarea")[0]


# -- somebody else meanwhile --------------------------------------------------------------------------


def test_a_version_of_somebody_else_meanwhile_is_shown_and_not_overwritten(
    refunds: Policy, root: Any, carol: Any
) -> None:
    apply(TEXT.replace("> 5000", "> 7000"), carol)
    client = browse(root)
    with nothing_written():
        response = post(client, EDIT, {"text": OTHER, "act": "apply", "base": 1})
    text = unescape(response.content.decode())
    assert response.status_code == 409
    for words in (
        "carol applied version 2 meanwhile.",
        '<span class="sr">added: </span>- when: args.amount > 7000',
        f"\n{OTHER}</textarea>",
        'name="base" value="2"',
    ):
        assert words in text
    sent(root, EDIT, OTHER, base=2, status=302)
    assert Policy.objects.get(name="refunds", active=True).version == 3


def test_a_new_policy_never_replaces_one_that_is_there(refunds: Policy, root: Any) -> None:
    text = sent(root, NEW, OTHER, base=0, status=409)
    assert "root applied version 1 meanwhile." in text
    assert f'action="{EDIT}"' in text


@pytest.mark.parametrize("base", ["", "x", "-1", "٣", "9" * 50])
def test_a_form_without_its_base_overwrites_nothing(refunds: Policy, root: Any, base: str) -> None:
    sent(root, EDIT, OTHER, base=base, status=409)
    assert Policy.objects.count() == 1


# -- what may not be meant ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("approvals: 2", "approvals: 4", "Rule 2, stage 1: 4 must agree, and only 2 active people are asked."),
        ("- group:finance\n    approvals", "- group:empty\n    approvals", "nobody active is behind group:empty."),
        ("2099-01-31", "2020-01-31", "Rule 1 (small ones) lets nothing pass any more: it ended on 2020-01-31."),
        ("step_up:", "prevent_self_review: false\nstep_up:", "Who asks may approve it themselves"),
        ("step_up:", "on_timeout: approve\nstep_up:", "Otherwise: silence means yes"),
    ],
)
def test_what_may_not_be_meant_is_asked(refunds: Policy, root: Any, people: Any, old: str, new: str, told: str) -> None:
    people("nobody", "empty", is_active=False)
    assert "Is this meant?" not in sent(root, EDIT, OTHER, "preview")
    assert told in sent(root, EDIT, OTHER.replace(old, new), "preview")


def test_a_rule_that_ends_soon_is_told(refunds: Policy, root: Any) -> None:
    from datetime import timedelta

    from hitl import clock

    soon = (clock.now() + timedelta(days=3)).date().isoformat()
    assert f"ends soon, after {soon}" in sent(root, EDIT, OTHER.replace("2099-01-31", soon), "preview")
