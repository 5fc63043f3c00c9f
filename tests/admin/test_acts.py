"""The other acts on the request page: by who may, refused for who may not, and nothing that was typed is lost."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from hitl import clock, decisions
from hitl.admin.requests.acts import ACTS
from hitl.models import Approval, Assignment, Comment, Decision, Watch
from hitl.models.audit import AuditRecord
from hitl.policies import explain
from tests.admin.conftest import browse, decide, page_of, post
from tests.conftest import _user
from tests.rows import nothing_written

REFUSED = "hitl.act.refused"
LADDER = [
    {
        "reviewers": ["group:finance"],
        "approvals": 2,
        "timeout": "4h",
        "escalate": [{"after": "2h", "to": ["user:root"]}],
    }
]


def fresh(approval: Approval) -> Approval:
    return Approval.objects.get(pk=approval.pk)


def do(who: Any, approval: Approval, name: str, **fields: Any) -> Any:
    """Submit the form of one act, for a person or in their browser."""
    client = who if isinstance(who, Client) else browse(who)
    return post(client, f"{page_of(approval)}act/{name}/", fields)


def offered(who: Any, approval: Approval) -> set[str]:
    """The acts whose forms stand on the page."""
    text = browse(who).get(page_of(approval)).content.decode()
    return set(re.findall(rf'action="{page_of(approval)}act/(\w+)/"', text))


def last(approval: Approval) -> Any:
    return AuditRecord.objects.filter(subject=f"approval:{approval.pk}").order_by("pk").last()


@pytest.fixture
def ladder(make: Any, root: Any) -> Approval:
    """Two of finance, and root further up."""
    found: Approval = make(stages=LADDER)
    return found


@pytest.fixture
def dave(db: None) -> Any:
    """Nobody has asked him."""
    return _user("dave")


def fields_of(name: str, approval: Approval) -> dict[str, str]:
    """What a form of this act carries when it is filled in."""
    until = (approval.expires_at + timedelta(hours=1)).isoformat()
    filled = {"to": "dave", "reason": "for a reason", "until": until, "text": "a remark"}
    form = ACTS[name].form(name=name, approval=approval)
    return {field: filled[field] for field in form.fields}


def test_the_page_offers_what_is_possible_and_no_more(
    ladder: Approval, alice: Any, bob: Any, carol: Any, root: Any, pass_time: Any
) -> None:
    pass_time(timedelta(minutes=20))
    assert offered(bob, ladder) == {"claim", "delegate", "escalate", "extend", "remind", "watch", "comment"}
    assert offered(alice, ladder) == {"remind", "cancel", "watch", "comment"}
    assert offered(root, ladder) == {"assign", "escalate", "extend", "remind", "cancel", "watch", "comment"}
    decide(browse(bob), ladder)
    assert offered(bob, ladder) == {"withdraw", "escalate", "extend", "remind", "watch", "comment"}
    decide(browse(carol), ladder)
    assert offered(bob, ladder) == {"revoke", "watch", "comment"}
    assert offered(alice, ladder) == {"watch", "comment"}


@pytest.mark.parametrize("name", sorted(ACTS))
def test_the_page_and_the_rules_say_the_same(
    name: str, ladder: Approval, alice: Any, bob: Any, root: Any, dave: Any
) -> None:
    decisions.comment(ladder, actor=bob, text="so that there is something")
    for who in (alice, bob, root):
        possible = not explain(ladder, who).acts[ACTS[name].rule or name]
        assert (name in offered(who, ladder)) is (possible and name != "unwatch")


@pytest.mark.parametrize(
    ("name", "who"),
    [
        ("claim", "alice"),
        ("release", "bob"),
        ("delegate", "alice"),
        ("delegate", "root"),
        ("assign", "bob"),
        ("escalate", "alice"),
        ("extend", "alice"),
        ("remind", "bob"),
        ("withdraw", "bob"),
        ("revoke", "bob"),
        ("cancel", "bob"),
    ],
)
def test_who_may_not_is_refused_and_reads_why(
    name: str, who: str, ladder: Approval, dave: Any, request: pytest.FixtureRequest
) -> None:
    user = request.getfixturevalue(who)
    fields = fields_of(name, ladder)
    with nothing_written(REFUSED):
        response = do(user, ladder, name, **fields)
    assert response.status_code == 409
    text = response.content.decode()
    assert "That was not done" in text
    assert ("for a reason" in text) is ("reason" in fields)


@pytest.mark.parametrize("name", sorted(ACTS))
def test_an_outsider_finds_nothing_to_act_on(name: str, ladder: Approval, mallory: Any, dave: Any) -> None:
    client = browse(mallory)
    with nothing_written("hitl.act.refused"):
        assert do(client, ladder, name, **fields_of(name, ladder)).status_code == 404


@pytest.mark.parametrize("name", sorted(ACTS))
def test_only_a_post_with_its_token_acts(name: str, ladder: Approval, bob: Any, dave: Any) -> None:
    address, client = f"{page_of(ladder)}act/{name}/", browse(bob)
    with nothing_written():
        assert client.get(address, fields_of(name, ladder)).status_code == 405
        assert client.post(address, fields_of(name, ladder)).status_code == 403


def test_there_is_no_other_act(ladder: Approval, bob: Any) -> None:
    client = browse(bob)
    with nothing_written():
        for name in ("decide", "approve", "__class__", "x" * 300):
            assert do(client, ladder, name).status_code == 404


def test_claiming_and_releasing(ladder: Approval, bob: Any, carol: Any, root: Any) -> None:
    response = do(bob, ladder, "claim")
    assert (response.status_code, response["Location"]) == (302, page_of(ladder))
    assert fresh(ladder).claimed_by == bob
    assert "Claimed by bob" in browse(carol).get(page_of(ladder)).content.decode()
    with nothing_written(REFUSED):
        assert "Somebody else is at it" in do(carol, ladder, "claim").content.decode()
    assert "release" not in offered(carol, ladder)
    assert do(root, ladder, "release").status_code == 302
    assert fresh(ladder).claimed_by is None


def test_handing_it_to_somebody(ladder: Approval, bob: Any, carol: Any, dave: Any) -> None:
    client = browse(bob)
    response = post(client, f"{page_of(ladder)}act/delegate/", {"to": "dave", "reason": "at the dentist"})
    assert response.status_code == 302
    assert "It is handed over: either of you may decide." in client.get(page_of(ladder)).content.decode()
    row = Assignment.objects.get(user=dave)
    assert (row.for_user, row.source) == (bob, "delegate")
    text = browse(dave).get(page_of(ladder)).content.decode()
    assert "You stand in for bob: you count once." in text
    assert "Also asked: dave (for bob)" in text
    assert "delegate" not in offered(dave, ladder)
    decide(browse(dave), ladder)
    assert "dave for bob · Approve" in browse(carol).get(page_of(ladder)).content.decode()
    assert "You said: <b>Approve</b> for bob." in browse(dave).get(page_of(ladder)).content.decode()


@pytest.mark.parametrize(
    ("to", "lines", "words"),
    [
        ("", (), "This field is required."),
        ("nobody-at-all", (), "There is nobody who signs in with this name."),
        ("\0", (), "Null characters are not allowed."),
        ("x" * 300, (), "at most 254 characters"),
        ("bob", (REFUSED,), "not to yourself"),
        ("alice", (REFUSED,), "alice cannot decide this"),
        ("carol", (REFUSED,), "carol is asked already"),
    ],
)
def test_a_wrong_person_is_said_beside_the_field_and_the_reason_stays(
    to: str, lines: tuple[str, ...], words: str, ladder: Approval, bob: Any
) -> None:
    client = browse(bob)
    with nothing_written(*lines):
        response = do(client, ladder, "delegate", to=to, reason="because <so>")
    assert response.status_code == 422
    text = response.content.decode()
    assert re.search(rf'id="error_delegate_to">[^<]*{words}', text)
    assert 'value="because &lt;so&gt;"' in text
    assert '<details class="act" open><summary>Delegate</summary>' in text


def test_nobody_learns_names_by_an_act_that_is_not_theirs(ladder: Approval, alice: Any) -> None:
    client = browse(alice)
    with nothing_written():
        text = do(client, ladder, "delegate", to="nobody-at-all", reason="kept").content.decode()
    assert "That was not done" in text
    assert "There is nobody" not in text
    assert "<pre>kept</pre>" in text


def test_an_operator_asks_one_more_and_says_why(ladder: Approval, root: Any, dave: Any) -> None:
    assert do(root, ladder, "assign", to="dave", reason="").status_code == 422
    assert not Assignment.objects.filter(user=dave).exists()
    assert do(root, ladder, "assign", to="dave", reason="carol is ill").status_code == 302
    assert "Also asked: dave (an operator asked them)" in browse(dave).get(page_of(ladder)).content.decode()
    with nothing_written(REFUSED):
        assert "not to yourself" in do(root, ladder, "assign", to="root", reason="me").content.decode()


def test_escalating(ladder: Approval, bob: Any, root: Any) -> None:
    assert "Also asked, if nobody has decided: user:root" in browse(bob).get(page_of(ladder)).content.decode()
    assert do(bob, ladder, "escalate", reason="it is urgent").status_code == 302
    assert Assignment.objects.get(user=root).source == "escalation"
    assert "it is urgent" in bytes(last(ladder).body).decode()
    assert "escalate" not in offered(bob, ladder)


def test_putting_the_deadline_off(ladder: Approval, bob: Any) -> None:
    text = browse(bob).get(page_of(ladder)).content.decode()
    choices = re.findall(r'<option value="(\d[^"]*)">([^<]*)', text)
    words = [label.partition(",")[0].replace("\xa0", " ") for _, label in choices]
    assert words == ["1 hour", "4 hours", "1 day", "3 days", "as much as its policy allows"]
    assert do(bob, ladder, "extend", until=choices[1][0]).status_code == 302
    assert fresh(ladder).expires_at == ladder.expires_at + timedelta(hours=4)
    # A second click sends the same deadline, which does not put it off once more.
    client = browse(bob)
    with nothing_written():
        response = do(client, ladder, "extend", until=choices[1][0], reason="typed")
    assert "The deadline has changed meanwhile" in response.content.decode()
    assert 'value="typed"' in response.content.decode()
    assert do(bob, ladder, "extend", until=choices[-1][0]).status_code == 302
    assert "extend" not in offered(bob, ladder)


@pytest.mark.parametrize("until", ["", "soon", "9999-12-31T00:00:00+00:00", "\0"])
def test_no_other_deadline_can_be_chosen(until: str, ladder: Approval, bob: Any) -> None:
    client = browse(bob)
    with nothing_written():
        assert do(client, ladder, "extend", until=until).status_code == 422


def test_reminding(ladder: Approval, alice: Any, bob: Any, pass_time: Any) -> None:
    assert "remind" not in offered(alice, ladder)
    pass_time(timedelta(minutes=16))
    assert do(alice, ladder, "remind").status_code == 302
    assert fresh(ladder).reminded_at is not None
    with nothing_written(REFUSED):
        assert "Everybody was told a moment ago" in do(bob, ladder, "remind").content.decode()


def test_saying_something_also_after_the_end(ladder: Approval, alice: Any, bob: Any) -> None:
    assert do(alice, ladder, "comment", text="What for?\n<script>").status_code == 302
    do(alice, ladder, "cancel", reason="not needed")
    assert do(bob, ladder, "comment", text="Good.").status_code == 302
    assert [row.author for row in Comment.objects.order_by("pk")] == [alice, bob]
    text = browse(bob).get(page_of(ladder)).content.decode()
    assert re.search("<p>What for\\?(<span[^>]*>U[+]000D</span>)?<br>&lt;script&gt;</p>", text.replace("\n", ""))


@pytest.mark.parametrize(("text", "lines"), [("", ()), ("  ", ()), ("\0", ()), ("x" * 20_000, (REFUSED,))])
def test_a_comment_that_is_none_is_refused_and_kept(
    text: str, lines: tuple[str, ...], ladder: Approval, bob: Any
) -> None:
    client = browse(bob)
    with nothing_written(*lines):
        response = do(client, ladder, "comment", text=text)
    assert response.status_code == 422
    page = response.content.decode()
    assert re.search(r'id="error_comment_text">\w', page)
    assert f">\n{text}</textarea>".replace("\0", "\x00") in page


def test_watching(ladder: Approval, alice: Any) -> None:
    assert "unwatch" not in offered(alice, ladder)
    do(alice, ladder, "watch")
    assert Watch.objects.get().user == alice
    assert "unwatch" in offered(alice, ladder)
    assert "watch" not in offered(alice, ladder)
    do(alice, ladder, "unwatch")
    assert not Watch.objects.exists()


def test_taking_a_vote_back(ladder: Approval, bob: Any) -> None:
    decide(browse(bob), ladder)
    assert do(bob, ladder, "withdraw", reason="I misread it").status_code == 302
    assert Decision.objects.get().withdrawn_at is not None
    text = browse(bob).get(page_of(ladder)).content.decode()
    assert "Nobody has voted yet." in text
    assert 'name="verdict"' in text


def test_cancelling_ends_the_run(ladder: Approval, alice: Any) -> None:
    assert do(alice, ladder, "cancel", reason="the customer called").status_code == 302
    assert (fresh(ladder).status, fresh(ladder).run.status) == ("cancelled", "cancelled")


@pytest.mark.parametrize("name", ["claim", "delegate", "escalate", "extend", "cancel", "assign"])
def test_an_act_on_what_is_decided_meanwhile_shows_what_was_typed(
    name: str, make: Any, alice: Any, bob: Any, root: Any, dave: Any
) -> None:
    approval = make(timeout=timedelta(hours=4))
    fields = fields_of(name, approval)
    decide(browse(bob), approval, "reject", comment="no")
    with nothing_written(REFUSED):
        response = do(root if name == "assign" else alice, approval, name, **fields)
    assert response.status_code == 409
    text = response.content.decode()
    assert "That was not done" in text
    assert ("<pre>for a reason</pre>" in text) is ("reason" in fields)


def test_an_act_that_comes_too_late_expires_the_request(ladder: Approval, bob: Any, pass_time: Any) -> None:
    pass_time(timedelta(hours=5))
    assert offered(bob, ladder) == {"watch", "comment"}
    assert do(bob, ladder, "claim").status_code == 409
    assert fresh(ladder).status == "expired"
    assert clock.now() > ladder.expires_at
