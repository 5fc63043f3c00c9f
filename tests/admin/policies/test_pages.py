"""What everybody may read of policies: all of them, one, and two versions beside each other."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from hitl.models import Policy, Workflow
from hitl.policies import apply_policy
from tests.admin.conftest import browse
from tests.admin.policies.conftest import LIST, PAGE, TEXT, apply, shown
from tests.plans import statements

pytestmark = pytest.mark.django_db


def usual(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "default": {"stages": [{"reviewers": ["group:finance"]}]}, **fields}


# -- the list -----------------------------------------------------------------------------------------


def test_the_list_says_what_holds_since_when_and_by_whom(refunds: Policy, bob: Any) -> None:
    text = shown(bob, LIST)
    for words in (f'href="{PAGE}"', "refunds", "Money that goes back", "v1", "root", "ago"):
        assert words in text


def test_a_policy_without_description_is_told_in_a_sentence(finance: Any, bob: Any) -> None:
    apply_policy(usual("plain"), actor=bob)
    assert "Always: as many as the risk asks for of group:finance; if nobody decides, it is refused." in shown(
        bob, LIST
    )


def test_only_active_versions_are_listed(refunds: Policy, root: Any, bob: Any) -> None:
    apply(TEXT.replace("<= 100", "<= 200"), root)
    text = shown(bob, LIST)
    assert ("v2" in text, "v1" in text) == (True, False)


@pytest.mark.parametrize(("sought", "found"), [("refu", True), ("MONEY", True), ("nonsense", False), ("\0", False)])
def test_a_policy_is_found_by_its_name_and_description(refunds: Policy, bob: Any, sought: str, found: bool) -> None:
    assert (f'href="{PAGE}"' in shown(bob, LIST, {"q": sought})) is found


def test_a_search_without_results_leads_back(refunds: Policy, bob: Any) -> None:
    text = shown(bob, LIST, {"q": "<b>"})
    assert "Nothing has “<b>” in its name" in text
    assert "Show all policies" in text


def test_the_empty_list_says_how_to_make_the_first(bob: Any, root: Any) -> None:
    assert "Operators write them here" in shown(bob, LIST)
    text = shown(root, LIST)
    assert f'href="{LIST}new/"' in text
    assert "manage.py hitl policy apply policies.yaml" in text


def test_many_are_shown_in_pages(finance: Any, bob: Any) -> None:
    for number in range(51):
        apply_policy(usual(f"p-{number:02}"), actor=bob)
    assert "p-50" not in shown(bob, LIST)
    assert "p-50" in shown(bob, LIST, {"page": "2"})
    assert "p-50" in shown(bob, LIST, {"page": "99"})
    assert "p-00" in shown(bob, LIST, {"page": "nonsense"})


def test_only_who_is_signed_in_sees_any(refunds: Policy) -> None:
    for address in (LIST, PAGE, f"{PAGE}diff/", f"{LIST}simulate/", f"{LIST}new/", f"{PAGE}edit/"):
        assert Client().get(address).status_code == 302


def test_only_operators_are_offered_the_editor(refunds: Policy, bob: Any, root: Any) -> None:
    for address in (LIST, PAGE):
        assert ("/edit/" in shown(bob, address) or "/new/" in shown(bob, address)) is False
        assert "/edit/" in shown(root, address) or "/new/" in shown(root, address)


# -- one policy ---------------------------------------------------------------------------------------


def test_a_policy_is_shown_in_words_as_ladders_and_as_document(refunds: Policy, bob: Any) -> None:
    text = shown(bob, PAGE).replace("\xa0", " ")
    for words in (
        '1. If args.amount <= 100 && risk == "low" (small ones): it passes by itself, until 2099-01-31.',
        "Otherwise: as many as the risk asks for of group:finance; if nobody decides, it is refused.",
        "At high risk people give their password again.",
        "Who is asked, and when: Rule 2",
        "Asked: group:finance; 2 must agree",
        "after 1 hour",
        "Those who are asked are reminded",
        "after 2 hours",
        "Also asked: user:root",
        "after 4 hours",
        "If nobody has decided, it is refused",
        "Where these are not enough, also asked: user:root",
        "once the stage before agrees",
        "  timeout: 4h\n",
        "v1, active",
        "by root",
    ):
        assert words in text, words


def test_the_document_shown_is_one_that_can_be_applied(refunds: Policy, root: Any) -> None:
    from hitl.policies import written

    assert written.write(refunds.document) == TEXT
    assert apply(written.write(refunds.document), root).pk == refunds.pk


def test_an_older_version_says_that_it_was_replaced(refunds: Policy, root: Any, bob: Any) -> None:
    apply(TEXT.replace("<= 100", "<= 200"), root)
    old, now = shown(bob, PAGE, {"version": "1"}), shown(bob, PAGE)
    assert ("<= 100" in old, "This version was replaced" in old) == (True, True)
    assert ("<= 200" in now, "This version was replaced" in now) == (True, False)


@pytest.mark.parametrize("version", ["2", "0", "-1", "x", "٣", "9" * 40])
def test_a_version_that_is_none_is_not_there(refunds: Policy, bob: Any, version: str) -> None:
    assert browse(bob).get(PAGE, {"version": version}).status_code == 404


def test_what_is_no_policy_is_not_there(bob: Any, root: Any) -> None:
    for address in (PAGE, f"{PAGE}diff/"):
        assert browse(bob).get(address).status_code == 404
    assert browse(root).get(f"{PAGE}edit/").status_code == 404


def test_the_gates_that_ask_by_it_are_named(refunds: Policy, ask: Any, bob: Any) -> None:
    assert "No gate of a workflow names it." in shown(bob, PAGE)
    ask()
    text = shown(bob, PAGE)
    assert "review" in text
    assert "of refunding-0" in text


def test_a_gate_that_asks_otherwise_since_is_not_named(refunds: Policy, ask: Any, bob: Any) -> None:
    ask()
    row = Workflow.objects.get(name="refunding-0")
    body = row.body.replace('"policy":"refunds"', '"policy":"others"')
    Workflow.objects.create(name=row.name, version=2, digest="0" * 64, body=body, title=row.title)
    assert "No gate of a workflow names it." in shown(bob, PAGE)


def test_open_requests_are_counted_under_their_versions(
    refunds: Policy, ask: Any, root: Any, bob: Any, mallory: Any
) -> None:
    ask()
    apply(TEXT.replace("<= 100", "<= 200"), root)
    ask()
    ask()
    text = shown(bob, PAGE)
    assert '<b>1</b> <span class="second">refunds v1' in text
    assert '<b>2</b> <span class="second">refunds v2' in text
    assert "None that you may see." in shown(mallory, PAGE)


def test_a_version_that_cannot_be_read_any_more_says_so(refunds: Policy, bob: Any, root: Any) -> None:
    Policy.objects.update(document={"name": "refunds", "colour": "<b>red</b>"})
    for address in (PAGE, f"{LIST}simulate/?policy=refunds&risk=low"):
        assert "<b>red" not in browse(bob).get(address).content.decode()
    assert "This version cannot be read any more" in shown(bob, PAGE)
    assert "This version cannot be read any more" in shown(bob, LIST)
    assert "colour: <b>red</b>" in shown(root, f"{PAGE}edit/")
    assert shown(bob, f"{PAGE}diff/")


# -- two versions -------------------------------------------------------------------------------------


def test_two_versions_are_compared_with_signs_and_words(refunds: Policy, root: Any, bob: Any) -> None:
    apply(TEXT.replace("<= 100", "<= 200"), root)
    text = shown(bob, f"{PAGE}diff/", {"from": "1", "to": "2"})
    for words in (
        'aria-hidden="true">−</b><del><span class="sr">removed: </span>- when: args.amount <= 100',
        'aria-hidden="true">+</b><ins><span class="sr">added: </span>- when: args.amount <= 200',
        '<del><span class="sr">removed: </span>1. If args.amount <= 100',
        "refunds: from v1 to v2",
    ):
        assert words in text
    assert "refunds: from v1 to v2" in shown(bob, f"{PAGE}diff/")


def test_equal_versions_differ_in_nothing(refunds: Policy, bob: Any) -> None:
    assert "Both versions say the same." in shown(bob, f"{PAGE}diff/", {"from": "1", "to": "1"})


@pytest.mark.parametrize("data", [{"from": "1", "to": "7"}, {"from": "7"}, {"to": "99999999999999999999", "from": "3"}])
def test_a_version_that_is_none_is_not_compared(refunds: Policy, bob: Any, data: dict[str, str]) -> None:
    assert browse(bob).get(f"{PAGE}diff/", data).status_code == 404


# -- what is hostile, and what it costs ---------------------------------------------------------------


def test_hostile_words_are_shown_inert(finance: Any, bob: Any, root: Any) -> None:
    name = "<script>alert(1)</script>\u202e"
    rule = {"name": name, "when": 'type == "<img src=x>"', "level": "verify"}
    group = type(finance).objects.create(name="<b onclick=x>\u200b")
    stages = {"stages": [{"reviewers": [f"group:{group.name}"]}]}
    apply_policy({"name": "bad", "description": name, "rules": [rule], "default": stages}, actor=bob)
    apply_policy({"name": "bad", "description": name + "2", "rules": [rule], "default": stages}, actor=bob)
    addresses = ("", "bad/", "bad/diff/", "bad/edit/", "simulate/?policy=bad&risk=low&type=<img src=x>")
    for address in addresses:
        text = browse(root).get(LIST + address).content.decode()
        for tag in ("<script>alert", "<img src=x>", "<b onclick"):
            assert tag not in text, address
        if address != "bad/edit/":  # there it is what will be applied, and shown as what it is in the preview
            assert "\u202e" not in text, address
            assert "\u200b" not in text, address


@pytest.mark.parametrize("address", ["", "refunds/", "refunds/diff/", "simulate/?policy=refunds&risk=high"])
def test_pages_cost_as_much_for_many(refunds: Policy, ask: Any, root: Any, people: Any, address: str) -> None:
    def more(many: int) -> int:
        for _ in range(many):
            version = Policy.objects.filter(name="refunds").count()
            apply(TEXT.replace("<= 100", f"<= {version}"), root)
            apply_policy(usual(f"other-{version}"), actor=root)
            ask(amount=9000)
            people(f"reviewer-{version}", "finance")
        client = browse(root)
        return len(statements(lambda: client.get(LIST + address)))

    assert more(2) == more(10)
