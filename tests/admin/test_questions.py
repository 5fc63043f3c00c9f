"""Questions: the form comes from the schema of the answer, what was typed survives, and the answer is shown."""

from __future__ import annotations

import enum
import re
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

from hitl import Workflow
from hitl.models import Approval, Decision, Run
from tests.admin.conftest import browse, decide, page_of, post
from tests.rows import nothing_written

REFUSED = "hitl.decision.refused"


class Colour(enum.Enum):
    """A choice by reference."""

    RED = "red"
    BLUE = "blue"


class Plan(BaseModel):
    """An answer of several parts."""

    colour: Colour
    size: Literal[1, 2]
    count: int = Field(ge=1, description="how many")
    ratio: float
    sure: bool
    name: str = Field(title="Your <name>")
    note: str | None = None
    tags: list[str] = []


@pytest.fixture
def ask(alice: Any, bob: Any, carol: Any, work: Any) -> Any:
    """A question that waits for finance."""
    made = iter(range(100))

    def build(question: str = "Which colour?", **options: Any) -> Approval:
        flow = Workflow(f"asks-{next(made)}")
        given = {"reviewers": ["group:finance"], **options}
        flow.step(lambda ctx: ctx.ask("q", question, **given), name="think")
        run = flow.start(requester=alice)
        work()
        return Approval.objects.get(run=run)

    return build


def errors(response: Any) -> dict[str, str]:
    return dict(re.findall(r'id="error-([^"]+)">(.+?)</p>', response.content.decode()))


def answer(client: Any, approval: Approval, **fields: Any) -> Any:
    return decide(client, approval, "", **fields)


def form_of(approval: Approval, who: Any) -> str:
    return str(browse(who).get(page_of(approval)).content.decode().split("<aside", 1)[1].split("</aside>")[0])


def test_one_of_few_options_is_a_choice_with_nothing_chosen(ask: Any, bob: Any, work: Any) -> None:
    approval = ask(options=["red", "<blue>", 3, None, {"a": 1}])
    form = form_of(approval, bob)
    assert form.count('type="radio"') == 5
    assert "checked" not in form
    assert "&lt;blue&gt;" in form
    assert 'value="edit"' not in form
    assert answer(browse(bob), approval, answer="1").status_code == 302
    row = Decision.objects.get()
    assert (row.verdict, row.response, row.actor, row.channel) == ("respond", "<blue>", bob, "admin")
    work()
    assert Run.objects.get().output == "<blue>"


@pytest.mark.parametrize(("number", "value"), [("2", 3), ("3", None), ("4", {"a": 1})])
def test_an_option_is_the_value_it_was_and_not_its_words(number: str, value: Any, ask: Any, bob: Any) -> None:
    approval = ask(options=["red", "3", 3, None, {"a": 1}])
    assert answer(browse(bob), approval, answer=number).status_code == 302
    assert Decision.objects.get().response == value


def test_one_of_many_options_is_a_list_to_choose_from(ask: Any, bob: Any) -> None:
    approval = ask(options=[f"o{n}" for n in range(9)])
    form = form_of(approval, bob)
    assert form.count("<option") == 10
    assert '<option value="" selected>Choose…' in form
    answer(browse(bob), approval, answer="8")
    assert Decision.objects.get().response == "o8"


@pytest.mark.parametrize("given", ["", "9", "-1", "red", "1.0", "٣", "\0", "9" * 5000])
def test_what_is_no_option_is_refused(given: str, ask: Any, bob: Any) -> None:
    approval = ask(options=["red", "blue"])
    client = browse(bob)
    with nothing_written():
        response = answer(client, approval, answer=given, comment="kept")
    assert (response.status_code, list(errors(response))) == (422, ["answer"])
    assert ">\nkept</textarea>" in response.content.decode()


def test_plain_text_keeps_its_lines(ask: Any, bob: Any) -> None:
    approval = ask()
    assert answer(browse(bob), approval, answer=" one\r\ntwo ").status_code == 302
    assert Decision.objects.get().response == " one\ntwo "


@pytest.mark.parametrize(
    ("schema", "typed", "value"),
    [
        ({"type": "integer"}, "12", 12),
        ({"type": "integer"}, str(2**70), 2**70),
        ({"type": "number"}, "2.5", 2.5),
        ({"type": "number"}, "3", 3),
        ({"type": "number"}, "-1e3", -1000.0),
        ({"type": "boolean"}, "1", False),
        ({"type": "array"}, "[1, 2]", [1, 2]),
        ({"title": "Any"}, '{"any": null}', {"any": None}),
        ({"type": "object"}, '{"a": 1}', {"a": 1}),
        ({"type": ["string", "null"]}, "null", None),
    ],
)
def test_each_kind_of_answer_has_its_input(schema: Any, typed: str, value: Any, ask: Any, bob: Any) -> None:
    approval = ask(schema=schema)
    response = answer(browse(bob), approval, answer=typed)
    assert response.status_code == 302, errors(response)
    found = Decision.objects.get().response
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("schema", "typed", "lines"),
    [
        ({"type": "integer"}, "1.5", ()),
        ({"type": "integer", "maximum": 3}, "4", (REFUSED,)),
        ({"type": "number"}, "nan", ()),
        ({"type": "number"}, "1e999", ()),
        ({"type": "array"}, "[1, NaN]", ()),
        ({"type": "array"}, "{", ()),
        ({"type": "string", "minLength": 5}, "four", (REFUSED,)),
        ({"type": "nonsense"}, '"x"', (REFUSED,)),
        ({"$ref": "http://127.0.0.1:9/schema"}, '"x"', (REFUSED,)),
        ({"type": "string", "pattern": "("}, "x", (REFUSED,)),
    ],
)
def test_what_does_not_fit_is_told_beside_its_field(
    schema: Any, typed: str, lines: tuple[str, ...], ask: Any, bob: Any
) -> None:
    approval = ask(schema={"type": "string"})
    Approval.objects.filter(pk=approval.pk).update(response_schema=schema)  # broken ones are refused when asked
    client = browse(bob)
    with nothing_written(*lines):
        response = answer(client, approval, answer=typed)
    assert (response.status_code, list(errors(response))) == (422, ["answer"])


GOOD = {
    "answer-colour": "1",
    "answer-size": "0",
    "answer-count": "3",
    "answer-ratio": "0.5",
    "answer-sure": "0",
    "answer-name": "x",
}


def test_an_answer_of_several_parts_has_a_field_each(ask: Any, bob: Any, work: Any) -> None:
    approval = ask(schema=Plan)
    form = form_of(approval, bob)
    assert "Your &lt;name&gt;" in form
    assert "how many" in form
    assert form.count('class="second">optional') == 3  # and the comment
    response = answer(browse(bob), approval, **GOOD)
    assert response.status_code == 302, errors(response)
    work()
    said = {"colour": "blue", "size": 1, "count": 3, "ratio": 0.5, "sure": True, "name": "x"}
    assert Run.objects.get().output == said


def test_each_part_that_is_wrong_is_told_at_its_own_field_and_all_is_kept(ask: Any, bob: Any) -> None:
    approval = ask(schema=Plan)
    client = browse(bob)
    with nothing_written():
        response = answer(client, approval, **{**GOOD, "answer-count": "many", "answer-sure": ""})
    assert list(errors(response)) == ["answer-count", "answer-sure"]
    text = response.content.decode()
    assert 'value="many"' in text
    assert re.search(r'name="answer-colour" value="1"[^>]*checked', text)
    client = browse(bob)
    with nothing_written(REFUSED):
        response = answer(client, approval, **{**GOOD, "answer-count": "0"})
    assert list(errors(response)) == ["answer-count"]


def test_the_page_leads_with_the_question_and_shows_the_answer(ask: Any, bob: Any, carol: Any) -> None:
    words = "Which <b>colour</b>?\nTake\u202eyour time"
    approval = ask(words, options=["<i>red</i>", "blue"])
    text = browse(carol).get(page_of(approval)).content.decode()
    lead = text.split('<div class="lead">', 1)[1].split("</div>", 1)[0]
    assert "Which &lt;b&gt;colour&lt;/b&gt;?" in lead
    assert 'Take<span class="cp" title="RIGHT-TO-LEFT OVERRIDE">U+202E</span>your' in lead
    assert "What will happen" not in text
    assert "Nobody has answered yet." in text
    decided = answer(browse(bob), approval, answer="0", comment="<u>why</u>")
    assert decided.status_code == 302
    text = browse(carol).get(page_of(approval)).content.decode()
    assert "<b>Answered</b>" in text
    shown = text.split("<h2>The answer</h2>", 1)[1].split("</section>", 1)[0]
    assert "&lt;i&gt;red&lt;/i&gt;" in shown
    assert "bob" in shown
    assert "&lt;u&gt;why&lt;/u&gt;" in shown
    assert 'name="answer"' not in text
    assert "Recorded: answered." in browse(bob).get(page_of(approval)).content.decode() or decided.status_code == 302


def test_an_answer_that_came_too_late_is_given_back(ask: Any, bob: Any, carol: Any) -> None:
    approval = ask(options=["red", "blue"])
    answer(browse(carol), approval, answer="0")
    client = browse(bob)
    with nothing_written(REFUSED):
        response = answer(client, approval, answer="1", comment="mine")
    text = response.content.decode()
    assert response.status_code == 409
    assert "What you had typed" in text
    assert "<pre>blue</pre>" in text
    assert "<pre>mine</pre>" in text


@pytest.mark.parametrize("verdict", ["approve", "reject", "edit", "request_revision", "nonsense"])
def test_a_question_is_answered_and_nothing_else(verdict: str, ask: Any, bob: Any) -> None:
    approval = ask(options=["red", "blue"])
    client = browse(bob)
    with nothing_written():
        assert decide(client, approval, verdict).status_code == 422


def test_the_inbox_tells_questions_from_approvals(ask: Any, waiting: Approval, bob: Any) -> None:
    ask("Which " + "very " * 100 + "long colour?")
    text = browse(bob).get("/review/hitl/approval/").content.decode()
    assert text.count('<span class="chip">Question</span>') == 1
    assert "an answer" in text
    assert "long colour?" not in text


@pytest.mark.parametrize("who", ["alice", "root"])
def test_who_was_not_asked_does_not_answer(who: str, ask: Any, root: Any, request: Any) -> None:
    approval, client = ask(options=["red", "blue"]), browse(request.getfixturevalue(who))
    assert 'name="answer"' not in client.get(page_of(approval)).content.decode()
    with nothing_written(REFUSED):
        assert answer(client, approval, answer="0").status_code == 409


def test_an_outsider_and_a_forged_form_answer_nothing(ask: Any, bob: Any, mallory: Any) -> None:
    approval = ask(options=["red", "blue"])
    body = {"digest": approval.digest, "revision": 1, "answer": "0"}
    client, forged = browse(mallory), browse(bob)
    with nothing_written(REFUSED):
        assert post(client, f"{page_of(approval)}decide/", body).status_code == 404
        assert forged.post(f"{page_of(approval)}decide/", body).status_code == 403
