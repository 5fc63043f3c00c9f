"""Two people at one request: the second sees what happened, and nothing of what they typed is lost."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any

import pytest

from hitl import decisions
from hitl.models import Approval, Assignment, Decision
from tests.admin.conftest import browse, decide, page_of
from tests.rows import nothing_written

REFUSED = "hitl.decision.refused"
TYPED = {
    "approve": {"comment": "I <long> thought"},
    "edit": {"comment": "I <long> thought", "arg-n": "77", "arg-text": "my <own> words"},
    "request_revision": {"comment": "I <long> thought"},
    "reject": {"comment": "I <long> thought"},
}
FIRST = ("approve", "edit", "request_revision", "reject")


def said(text: str) -> str:
    """The page as a person reads it."""
    return html.unescape(text)


@pytest.fixture
def shared(make: Any) -> Approval:
    """A request both of them have opened."""
    found: Approval = make({"n": 1, "text": "as asked"})
    return found


@pytest.mark.parametrize("second", sorted(TYPED))
@pytest.mark.parametrize("first", FIRST)
def test_the_second_sees_what_happened_and_keeps_what_they_typed(
    first: str, second: str, shared: Approval, bob: Any, carol: Any
) -> None:
    one, other = browse(carol), browse(bob)
    one.get(page_of(shared))
    other.get(page_of(shared))
    assert decide(one, shared, first, comment="hers", **({"arg-n": "2"} if first == "edit" else {})).status_code == 302
    with nothing_written(REFUSED):
        response = decide(other, shared, second, **TYPED[second])
    assert response.status_code == 409
    page = said(response.content.decode())
    assert "Your decision was not recorded" in page
    assert "carol" in page.split("Your decision was not recorded", 1)[1]
    assert "“hers”" in page
    for words in TYPED[second].values():
        assert words in page
    assert Decision.objects.get().actor == carol


@pytest.mark.parametrize("second", sorted(TYPED))
def test_a_new_revision_meanwhile_is_shown_as_a_diff_with_the_form_still_filled_in(
    second: str, make: Any, bob: Any, carol: Any, people: Any
) -> None:
    people("dave", "finance")
    shared = make({"n": 1, "text": "as asked"}, approvals=2)
    one, other = browse(carol), browse(bob)
    decide(one, shared, "edit", **{"arg-n": "2", "arg-text": "as asked"})
    new = Approval.objects.get(revision=2)
    with nothing_written(REFUSED):
        response = decide(other, shared, second, **TYPED[second])
    assert response.status_code == 409
    text = response.content.decode()
    page = said(text)
    assert "This request changed while you were reading" in page
    assert "What changed since revision 1, which you saw" in page
    assert re.search(r"<ins><code>n:</code> 2", text)
    assert f'action="{page_of(new)}decide/"' in text
    assert f'name="digest" value="{new.digest}"' in text
    assert "checked" not in text.split("<aside", 1)[1]  # what was chosen was about something else
    for words in TYPED[second].values():
        assert words in page
    fields = {"arg-n": "77", "arg-text": "my <own> words"} if second == "edit" else {}
    assert decide(other, new, "approve", comment="I <long> thought", **fields).status_code == 302
    assert Decision.objects.get(actor=bob).approval == new


def test_the_same_vote_again_is_no_error(shared: Approval, bob: Any) -> None:
    client = browse(bob)
    decide(client, shared, "reject", comment="no")
    assert decide(client, shared, "reject", comment="no").status_code == 302
    assert "on record already" in client.get(page_of(shared)).content.decode()


def test_what_was_decided_is_told_with_who_when_and_why_and_is_no_error(shared: Approval, bob: Any, carol: Any) -> None:
    decide(browse(carol), shared, "reject", comment="too much")
    response = browse(bob).get(page_of(shared))
    text = response.content.decode()
    panel = said(text.split('aria-labelledby="outcome"', 1)[1].split("</section>", 1)[0])
    assert response.status_code == 200
    assert "Rejected" in panel
    assert "<b>carol</b>: Reject" in panel
    assert "“too much”" in panel
    assert 'role="alert"' not in text


def test_after_a_decision_the_next_request_has_the_focus_and_nothing_happens_by_itself(
    make: Any, bob: Any, carol: Any
) -> None:
    first, second = make(), make()
    client = browse(bob)
    decide(client, first, "reject", comment="no")
    text = client.get(page_of(first)).content.decode()
    link = re.search(r'href="([^"]+)" autofocus', text)
    assert link is not None
    assert 'http-equiv="refresh"' not in text
    assert client.get(link[1])["Location"] == page_of(second)
    assert "autofocus" not in client.get(page_of(first)).content.decode()


def test_an_approval_can_be_revoked_from_where_its_outcome_is_told(make: Any, bob: Any) -> None:
    approval, client = make(cool_off=timedelta(minutes=1)), browse(bob)
    decide(client, approval)
    panel = client.get(page_of(approval)).content.decode().split('aria-labelledby="outcome"', 1)[1]
    assert f'action="{page_of(approval)}act/revoke/"' in panel.split("</section>", 1)[0]


def test_who_else_has_opened_it_is_told(make: Any, bob: Any, carol: Any) -> None:
    approval = make(reviewers=["user:bob", "user:carol"])
    assert "opened this" not in browse(bob).get(page_of(approval)).content.decode()
    browse(carol).get(page_of(approval))
    text = browse(bob).get(page_of(approval)).content.decode()
    assert re.search(r"carol opened this <time [^>]+>just now", text)
    assert "bob opened this" not in text
    assert Assignment.objects.exclude(first_seen_at=None).count() == 2


def test_a_claim_of_another_is_in_the_bar_and_stops_nobody(shared: Approval, bob: Any, carol: Any) -> None:
    decisions.claim(shared, actor=carol)
    bar = browse(bob).get(page_of(shared)).content.decode().split('<div class="bar">', 1)[1].split("<main", 1)[0]
    assert "Claimed by carol · 14 min left" in bar
    assert "Claimed by you" in browse(carol).get(page_of(shared)).content.decode()
    assert decide(browse(bob), shared).status_code == 302
