"""The page of one request: exactly what will run, whole and unmistakable."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from hitl import decisions
from hitl.models import Approval, Assignment
from tests.admin.conftest import browse, page_of
from tests.rows import nothing_written


def shown(approval: Approval, who: Any) -> str:
    response = browse(who).get(page_of(approval))
    assert response.status_code == 200
    return str(response.content.decode())


def rows_of(text: str) -> dict[str, str]:
    """The table of arguments as a person reads it."""
    table = text.split('<table class="args">', 1)[1].split("</table>", 1)[0]
    cells = re.findall(r'<th scope="row">(.*?)</th><td>(?:<pre>|<code>)(.*?)(?:</pre>|</code>)', table, re.DOTALL)
    return {html.unescape(name): html.unescape(value) for name, value in cells}


def test_it_shows_what_will_happen_and_exactly_what_will_run(waiting: Approval, bob: Any) -> None:
    text = shown(waiting, bob)
    assert rows_of(text) == {"type": "refund", "order_id": "A-17", "amount": "250"}
    for words in (
        "<h1>Refund 250 to order A-17</h1>",
        '<p class="lead">Money leaves at once</p>',
        "Cannot be undone",
        "Medium risk",
        f"sha256:{waiting.digest[:8]}",
        "0 of 1 approval",
        "group:finance",
        "Nobody has voted yet.",
        "asked by alice",
        "if nobody answers",
    ):
        assert words in text


def test_the_arguments_are_those_of_the_canonical_bytes(make: Any, bob: Any) -> None:
    approval = make({"b": 2**60, "a": {"z": [1, None, True]}, "ß": "é", "f": 1.5, "n": None, "empty": ""})
    assert rows_of(shown(approval, bob)) == {
        "type": "do",
        "a": '{\n  "z": [\n    1,\n    null,\n    true\n  ]\n}',
        "b": str(2**60),
        "empty": "",
        "f": "1.5",
        "n": "null",
        "ß": "é",
    }
    Approval.objects.filter(pk=approval.pk).update(args_schema={})
    assert approval.args == {"b": 2**60, "a": {"z": [1, None, True]}, "ß": "é", "f": 1.5, "n": None, "empty": ""}


def test_an_argument_called_items_hides_nothing(make: Any, bob: Any) -> None:
    text = shown(make({"items": [["x", "y"]], "amount": 9, "keys": "k", "get": 1}), bob)
    assert rows_of(text) == {
        "type": "do",
        "amount": "9",
        "get": "1",
        "items": '[\n  [\n    "x",\n    "y"\n  ]\n]',
        "keys": "k",
    }


def test_nothing_is_truncated(make: Any, bob: Any) -> None:
    long, words = "x" * 20_000 + "END", "word " * 3000 + "END"
    text = shown(make({"long": long, "words": words, "list": list(range(3000))}, description=words), bob)
    rows = rows_of(text)
    assert (rows["long"], rows["words"]) == (long, words)
    assert rows["list"].endswith("  2999\n]")
    assert text.count("END") >= 5


@pytest.mark.parametrize(
    ("char", "chip"),
    [
        ("\u200b", "U+200B"),
        ("\u202e", "U+202E"),
        ("\u2066", "U+2066"),
        ("\ufeff", "U+FEFF"),
        ("\u00ad", "U+00AD"),
        ("\U000e0041", "U+E0041"),
        ("\ufe0f", "U+FE0F"),
        ("\u3164", "U+3164"),
        ("\u2028", "U+2028"),
        ("\x1b", "U+001B"),
        ("\r", "U+000D"),
    ],
)
def test_what_cannot_be_seen_is_shown_as_a_chip(char: str, chip: str, make: Any, bob: Any) -> None:
    word = f"prod{char}-exports"
    text = shown(make({"bucket": word}, title=word, impact=word, description=word, target=word), bob)
    page, _ = text.split('<aside class="panel decide"', 1)
    assert char not in page.replace("\r\n", "\n")
    assert page.count(f"prod⟦{chip}⟧-exports") >= 5
    assert '<span class="chip high">1 invisible character</span>' in page


def test_hostile_html_is_text(make: Any, bob: Any) -> None:
    evil = "</pre><script>alert(1)</script><img src=x onerror=alert(1)>{{ 1|add:1 }}{% now 'Y' %}"
    approval = make({"a": evil, evil: [evil]}, title=evil, impact=evil, description=evil, target=evil)
    text = shown(approval, bob)
    for tag in ("<script>", "<img", "</pre><"):
        assert tag not in text.replace("</pre></td>", "").replace("</pre></details>", "")
    assert "{{ 1|add:1 }}" in text
    assert "<title>&lt;/pre&gt;&lt;script&gt;" in text


def test_the_agents_words_are_marked_as_such(make: Any, bob: Any) -> None:
    text = shown(make(description="Trust me\n\nit is <b>fine</b>"), bob)
    box = text.split('<div class="agent">', 1)[1].split("</div>", 1)[0]
    assert "Written by the agent, not verified" in box
    assert "Trust me<br><br>it is &lt;b&gt;fine&lt;/b&gt;" in box
    assert text.count("Trust me") == 1


def test_nothing_is_chosen_beforehand(waiting: Approval, bob: Any) -> None:
    form = shown(waiting, bob).split("<aside", 1)[1].split("</aside>")[0]
    assert form.count('type="radio"') == 4
    assert "checked" not in form


def test_steps_stand_in_the_order_of_the_definition(waiting: Approval, bob: Any) -> None:
    steps = shown(waiting, bob).split('<ol class="steps">', 1)[1].split("</ol>", 1)[0]
    assert re.findall(r"<li class=\"(\w+)\">(\w+)", steps) == [
        ("succeeded", "draft"),
        ("waiting", "review"),
        ("pending", "pay"),
    ]


@pytest.mark.parametrize(
    ("who", "words"),
    [("alice", "an agent of yours asked for this"), ("root", "You are not among the people who were asked.")],
)
def test_who_cannot_decide_reads_why_and_has_no_form(who: str, words: str, waiting: Approval, request: Any) -> None:
    request.getfixturevalue("root")
    text = shown(waiting, request.getfixturevalue(who))
    assert words in text
    assert 'name="verdict"' not in text


def test_an_edit_goes_to_the_others_where_more_must_agree(make: Any, bob: Any) -> None:
    text = shown(make(approvals=2), bob)
    assert "your version goes to the others as the next revision" in text
    assert "Change arguments" in text
    assert "0 of 2 approvals" in text


def test_an_edit_that_cannot_be_is_closed_with_its_reason(make: Any, bob: Any) -> None:
    text = shown(make(approvals=2, max_revisions=0), bob)
    assert 'value="edit" required disabled' in text
    assert "revised as often as it may be" in text
    assert "Change arguments" not in text


def test_what_may_not_be_changed_is_disabled(make: Any, bob: Any) -> None:
    text = shown(make({"n": 1, "m": 2}, editable=["n"]), bob)
    fields = dict(
        re.findall(r'<input [^>]*name="arg-(\w)"([^>]*)>', text) or re.findall(r'name="arg-(\w)"([^>]*)>', text)
    )
    assert "disabled" in fields["m"]
    assert "disabled" not in fields["n"]


def test_the_first_look_of_who_is_asked_by_name_is_remembered(make: Any, bob: Any, carol: Any) -> None:
    approval = make(reviewers=["user:bob", "user:carol"])
    browse(carol).head(page_of(approval))
    assert not Assignment.objects.exclude(first_seen_at=None).exists()
    browse(bob).get(page_of(approval))
    seen = Assignment.objects.get(user=bob).first_seen_at
    assert seen is not None
    browse(bob).get(page_of(approval))
    assert Assignment.objects.get(user=bob).first_seen_at == seen
    assert Assignment.objects.get(user=carol).first_seen_at is None


def test_looking_changes_nothing_else(waiting: Approval, bob: Any, alice: Any) -> None:
    clients = [browse(bob), browse(alice)]
    with nothing_written():
        for client in clients:
            assert client.get(page_of(waiting)).status_code == 200


def test_what_is_not_yours_is_not_there(waiting: Approval, mallory: Any) -> None:
    client = browse(mallory)
    with nothing_written():
        for path in (page_of(waiting), "/review/hitl/approval/01a1f863-9e38-7d5f-9cba-8408e9377f0d/"):
            assert client.get(path).status_code == 404
        assert client.get("/review/hitl/approval/nonsense/").status_code in (302, 404)


def test_a_decided_request_shows_who_said_what_and_the_edit(waiting: Approval, bob: Any, carol: Any) -> None:
    args = {"order_id": "A-17", "amount": 200}
    decisions.decide(waiting, actor=bob, verdict="edit", digest=waiting.digest, args=args, comment="half <of> it")
    text = shown(waiting, carol)
    assert "<b>Approved</b>" in text
    assert "As approved, after edits" in text
    assert "<pre>200</pre>" in text
    assert "bob · Edit" in text
    assert "half &lt;of&gt; it" in text
    assert "This request is closed." in text


def test_the_price_does_not_grow_with_votes_steps_or_history(make: Any, bob: Any, carol: Any, refund: Any) -> None:
    prices = []
    for number in (2, 12):
        approval = make(reviewers=["group:finance"], approvals=50)
        for n in range(number):
            from tests.conftest import _user

            voter = _user(f"voter-{number}-{n}")
            voter.groups.add(*bob.groups.all())
            decisions.decide(approval, actor=voter, verdict="approve", digest=approval.digest)
        client = browse(bob)
        client.get(page_of(approval))
        with CaptureQueriesContext(connection) as queries:
            client.get(page_of(approval))
        prices.append(len(queries))
    assert prices[0] == prices[1] <= 34
