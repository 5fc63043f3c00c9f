"""The page of one request: exactly what will run, whole and unmistakable."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest

from hitl import Action, Workflow, decisions
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


def value_of(client: Any, approval: Approval, part: str) -> str:
    """The page of one value, as a person reads it."""
    response = client.get(f"{page_of(approval)}value/{part}/")
    assert response.status_code == 200
    return html.unescape(response.content.decode().split("<pre>", 1)[1].split("</pre>", 1)[0])


def test_what_is_large_is_folded_with_its_exact_size_and_whole_on_a_page_of_its_own(make: Any, bob: Any) -> None:
    long, words = "x" * 20_000 + "END", "word " * 3000 + "END"
    approval = make(
        {"long": long, "list": list(range(3000)), "object": {f"k{n}": n for n in range(1500)}}, description=words
    )
    text, client = shown(approval, bob), browse(bob)
    for size in (
        "Show all 20,003 characters",
        "Show all 3,000 items",
        "Show all 1,500 fields",
        "Show all 15,003 characters",
    ):
        assert size in text
    assert "END" not in text.split("<aside", 1)[0]
    assert value_of(client, approval, "args/1") == long
    assert value_of(client, approval, "args/0").endswith("  2999\n]")
    assert value_of(client, approval, "description") == words
    assert value_of(client, approval, "raw").count("END") == 1
    assert f'href="{page_of(approval)}value/args/1/"' in text


def test_the_values_page_is_for_those_who_see_the_request_and_knows_no_other_part(
    waiting: Approval, bob: Any, mallory: Any
) -> None:
    client = browse(bob)
    assert value_of(client, waiting, "args/0") == "250"
    for part in ("args/2", "requirement", "effective/0", "output", f"output/{waiting.pk}"):
        assert client.get(f"{page_of(waiting)}value/{part}/").status_code == 404
    assert browse(mallory).get(f"{page_of(waiting)}value/args/0/").status_code == 404


def test_what_a_step_returned_is_there_to_be_read(make: Any, alice: Any, bob: Any, work: Any) -> None:
    flow = Workflow("long-output")
    flow.step(lambda ctx: {"log": "line " * 2000}, name="look")
    flow.step(lambda ctx: Action({"n": 1}, type="t", title="T", impact="I"), name="draft", after="look")
    flow.approval("ask", after="draft", reviewers=["group:finance"])
    flow.step(lambda ctx: None, name="act", after="ask")
    run = flow.start({"ticket": "LEG-212"}, requester=alice)
    work()
    approval = Approval.objects.get(run=run)
    text = shown(approval, bob)
    assert "LEG-212" in text
    step = run.steps.get(name="look")
    assert f"value/output/{step.pk}/" in text
    assert value_of(browse(bob), approval, f"output/{step.pk}").count("line ") == 2000


@pytest.mark.parametrize("char", ["x", "<", '"', "\u200b", "\n", "я"])
def test_a_page_stays_small(char: str, make: Any, bob: Any, settings: Any) -> None:
    settings.HITL_MAX_ACTION = 256 * 1024
    size, words = 8000 // len(char.encode()), {"description": f"D{char * 2000}", "impact": f"I{char * 500}"}
    small = make({"one": char * (size // 4), "many": [char * 10] * (size // 48)}, **words)
    assert len(shown(small, bob).encode()) < 150_000
    large = make({"one": char * 60_000, **{f"{char * 50}{n}": n for n in range(300)}}, **words)
    text = shown(large, bob)
    assert len(text.encode()) < 150_000
    assert "Open them to approve with edits" in text
    assert 'value="edit" required disabled' in text
    opened = browse(bob).get(page_of(large), {"edit": "1"}).content.decode()
    assert 'value="edit" required>' in opened
    assert 'name="arg' in opened


def test_text_that_looks_like_something_else_says_that_it_is_text(make: Any, bob: Any) -> None:
    text = shown(make({"a": "250", "b": 250, "c": "null", "d": "", "e": "plain"}), bob)
    cells = re.findall(r'<th scope="row">(\w)</th><td><pre>[^<]*</pre>(?:<small>([^<]*))?', text)
    assert cells == [("a", "text"), ("b", ""), ("c", "text"), ("d", "empty text"), ("e", "")]


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
    seen = re.sub(r'<span class="cp" title="[\w -]+">(.+?)</span>', r"⟦\1⟧", page)
    assert seen.count(f"prod⟦{chip}⟧-exports") >= 5
    assert '<span class="chip high">1 invisible character</span>' in page


def test_hostile_html_is_text(make: Any, bob: Any) -> None:
    evil = "</pre><script>alert(1)</script><img src=x onerror=alert(1)>{{ 1|add:1 }}{% now 'Y' %}"
    approval = make({"a": evil, evil: [evil]}, title=evil, impact=evil, description=evil, target=evil)
    text = shown(approval, bob)
    for tag in ("<script>", "<img", "</pre><s"):
        assert tag not in text.replace("</pre><small>", "")
    assert "{{ 1|add:1 }}" in text
    assert "<title>&lt;/pre&gt;&lt;script&gt;" in text


def test_the_agents_words_are_marked_as_such(make: Any, bob: Any) -> None:
    text = shown(make(description="Trust me\n\nit is <b>fine</b>"), bob)
    box = text.split('<div class="agent">', 1)[1].split("</section>", 1)[0]
    assert "Written by the agent, not verified" in box
    assert "it is &lt;b&gt;fine&lt;/b&gt;" in box
    assert text.count("Trust me") == 1


def test_nothing_is_chosen_beforehand(waiting: Approval, bob: Any) -> None:
    form = shown(waiting, bob).split("<aside", 1)[1].split("</aside>")[0]
    assert form.count('type="radio"') == 4
    assert "checked" not in form


def test_steps_stand_in_the_order_of_the_definition(waiting: Approval, bob: Any) -> None:
    steps = shown(waiting, bob).split('<ol class="steps">', 1)[1].split("</ol>", 1)[0]
    assert re.findall(r"<li class=\"(\w+)\"[^>]*>(\w+)", steps) == [
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


def test_what_may_not_be_changed_has_no_input(make: Any, bob: Any) -> None:
    text = shown(make({"n": 1, "m": 2}, editable=["n"]), bob)
    assert 'name="arg-n"' in text
    assert 'name="arg-m"' not in text
    assert '<b>m</b> <span class="second">may not be changed</span><pre>2</pre>' in text


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
