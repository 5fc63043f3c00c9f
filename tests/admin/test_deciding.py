"""Deciding on the request page: every way, and that an error loses nothing of what was typed."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from hitl import decisions, engine
from hitl.models import Approval, Decision
from tests.admin.conftest import browse, decide, page_of, post
from tests.rows import nothing_written

REFUSED = "hitl.decision.refused"


def fresh(approval: Approval) -> Approval:
    return Approval.objects.get(pk=approval.pk)


def test_approving(waiting: Approval, bob: Any, work: Any, refund: Any) -> None:
    client = browse(bob)
    response = decide(client, waiting)
    assert (response.status_code, response["Location"]) == (302, page_of(waiting))
    row = Decision.objects.get()
    assert (row.actor, row.verdict, row.channel, row.digest) == (bob, "approve", "admin", waiting.digest)
    text = client.get(page_of(waiting)).content.decode()
    assert "Recorded: approved." in text
    assert "You said: <b>Approve</b>." in text
    work()
    assert refund.paid == [("A-17", 250)]


def test_approving_with_edits(waiting: Approval, bob: Any, work: Any, refund: Any) -> None:
    response = decide(browse(bob), waiting, "edit", **{"arg-order_id": "A-17", "arg-amount": "200"})
    assert response.status_code == 302
    assert Decision.objects.get().edited_args == {"order_id": "A-17", "amount": 200}
    work()
    assert refund.paid == [("A-17", 200)]


def test_rejecting(waiting: Approval, bob: Any, work: Any, refund: Any) -> None:
    assert decide(browse(bob), waiting, "reject", comment="not this customer").status_code == 302
    work()
    assert (fresh(waiting).run.failure_text, refund.paid) == ("not this customer", [])


def test_an_approval_ignores_what_stands_in_the_edit_fields(waiting: Approval, bob: Any) -> None:
    decide(browse(bob), waiting, **{"arg-order_id": "B-1", "arg-amount": "9999"})
    assert fresh(waiting).current_args == {"order_id": "A-17", "amount": 250}


def test_typing_the_phrase(make: Any, bob: Any) -> None:
    approval = make(level="verify", phrase="DO it")
    client = browse(bob)
    assert "Type <code>DO it</code> to confirm" in client.get(page_of(approval)).content.decode()
    with nothing_written(REFUSED):
        response = decide(client, approval, phrase="do it", comment="kept")
    assert response.status_code == 422
    text = response.content.decode()
    assert 'id="error-phrase">type exactly: DO it</p>' in text
    assert 'value="do it"' in text
    assert ">\nkept</textarea>" in text
    assert decide(client, approval, phrase=" DO it ").status_code == 302
    assert fresh(approval).status == "approved"


def test_a_vote_of_a_quorum(make: Any, bob: Any, carol: Any) -> None:
    approval, client = make(approvals=2), browse(bob)
    decide(client, approval)
    text = client.get(page_of(approval)).content.decode()
    assert "Your vote is recorded: 1 of 2." in text
    assert "You have voted already." in text
    with nothing_written():
        decide(client, approval)
    assert "Your decision is on record already." in client.get(page_of(approval)).content.decode()
    decide(browse(carol), approval)
    assert fresh(approval).status == "approved"


@pytest.mark.parametrize(
    ("verdict", "fields", "lines", "told"),
    [
        ("", {}, (), "Choose what you decide."),
        ("maybe", {}, (), "Choose what you decide."),
        ("reject", {}, (REFUSED,), 'id="error-comment">say why'),
        ("edit", {"arg-order_id": "A-17", "arg-amount": "much"}, (), 'id="error-arg-amount">Enter a whole number'),
        ("edit", {"arg-order_id": "A-17", "arg-amount": ""}, (REFUSED,), 'id="error-arg-amount">None is not of type'),
    ],
)
def test_what_is_wrong_is_said_and_nothing_typed_is_lost(
    verdict: str, fields: Any, lines: tuple[str, ...], told: str, waiting: Approval, bob: Any
) -> None:
    typed = {} if verdict == "reject" else {"comment": "I typed <this>"}
    client = browse(bob)
    with nothing_written(*lines):
        response = decide(client, waiting, verdict, **typed, **fields)
    assert response.status_code == 422
    text = response.content.decode()
    assert told in text
    if typed:
        assert ">\nI typed &lt;this&gt;</textarea>" in text
    if verdict in ("edit", "reject"):
        assert f'value="{verdict}" required checked' in text
    if "arg-amount" in fields:
        assert '<div class="edit"' in text
        assert (f'name="arg-amount" value="{fields["arg-amount"]}"' in text) == bool(fields["arg-amount"])


def test_a_stale_digest_is_not_decided_and_leads_to_what_stands_now(waiting: Approval, bob: Any) -> None:
    with nothing_written(REFUSED):
        response = decide(browse(bob), waiting, digest="0" * 64, comment="kept")
    assert response.status_code == 409
    text = response.content.decode()
    assert "This request changed while you were reading" in text
    assert f'name="digest" value="{waiting.digest}"' in text
    assert ">\nkept</textarea>" in text


def test_a_decision_of_somebody_else_meanwhile_is_shown_with_what_you_had_typed(
    waiting: Approval, bob: Any, carol: Any
) -> None:
    decide(browse(carol), waiting, "reject", comment="no")
    with nothing_written(REFUSED):
        response = decide(browse(bob), waiting, comment="I thought <long> about it")
    assert response.status_code == 409
    text = response.content.decode()
    assert "This was rejected already." in text
    assert "What you had typed" in text
    assert "I thought &lt;long&gt; about it" in text
    assert 'name="verdict"' not in text
    assert fresh(waiting).status == "rejected"


def test_a_late_decision_expires_it(waiting: Approval, bob: Any, pass_time: Any) -> None:
    pass_time(timedelta(hours=5))
    response = decide(browse(bob), waiting)
    assert response.status_code == 409
    assert "The time to decide is over." in response.content.decode()
    assert fresh(waiting).status == "expired"


def test_a_cancelled_request_cannot_be_decided(waiting: Approval, bob: Any, root: Any) -> None:
    engine.cancel(waiting.run_id, actor=root)
    with nothing_written(REFUSED):
        response = decide(browse(bob), waiting)
    assert (response.status_code, "closed: cancelled" in response.content.decode()) == (409, True)


@pytest.mark.parametrize(
    ("who", "words"),
    [("alice", "an agent of yours asked for this"), ("root", "You are not among")],
)
def test_who_may_not_decide_is_refused(who: str, words: str, waiting: Approval, root: Any, request: Any) -> None:
    with nothing_written(REFUSED):
        response = decide(browse(request.getfixturevalue(who)), waiting)
    assert response.status_code == 409
    assert words in response.content.decode()


@pytest.mark.parametrize(("act", "line"), [("decide", "hitl.decision.refused"), ("act/revoke", "hitl.act.refused")])
def test_an_outsider_finds_nothing_to_act_on(act: str, line: str, waiting: Approval, mallory: Any) -> None:
    client = browse(mallory)
    with nothing_written(line):
        body = {"verdict": "approve", "digest": waiting.digest, "revision": 1}
        assert post(client, f"{page_of(waiting)}{act}/", body).status_code == 404


@pytest.mark.parametrize("act", ["decide", "act/revoke"])
@pytest.mark.parametrize("method", ["get", "head", "put", "delete", "patch"])
def test_no_other_method_acts(act: str, method: str, waiting: Approval, bob: Any) -> None:
    client = browse(bob)
    query = f"?verdict=approve&digest={waiting.digest}&revision=1"
    with nothing_written():
        response = getattr(client, method)(f"{page_of(waiting)}{act}/{query}", headers={"X-CSRFToken": "c" * 32})
        assert response.status_code == 405


@pytest.mark.parametrize("act", ["decide", "act/revoke"])
def test_without_the_csrf_token_nothing_happens(act: str, waiting: Approval, bob: Any) -> None:
    client = browse(bob)
    with nothing_written():
        body = {"verdict": "approve", "digest": waiting.digest, "revision": 1}
        assert client.post(f"{page_of(waiting)}{act}/", body).status_code == 403


def test_nobody_decides_nothing(waiting: Approval, client: Any) -> None:
    with nothing_written():
        response = client.post(f"{page_of(waiting)}decide/", {"verdict": "approve", "digest": waiting.digest})
    assert response["Location"].startswith("/review/login/")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"verdict": "approve"},
        {"verdict": "approve", "digest": "\0", "revision": "1"},
        {"verdict": "approve", "digest": "x", "revision": "9" * 400},
        {"verdict": "approve", "digest": "x", "revision": "one"},
        {"verdict": "reject", "digest": "x", "revision": "1", "comment": "nul\0"},
        {"verdict": ["approve", "reject"], "digest": ["a", "b"]},
        {"verdict": "edit", "digest": "x", "revision": "1", "arg-amount": "9" * 5000},
        {"verdict": "edit", "digest": "x", "revision": "1", "arg-order_id": "\ud800".encode("utf-8", "replace")},
    ],
    ids=range(9),
)
def test_a_nasty_form_is_shown_again(body: Any, waiting: Approval, bob: Any) -> None:
    response = post(browse(bob), f"{page_of(waiting)}decide/", body)
    assert response.status_code in (409, 422)
    assert re.search(r'class="error"[^>]*>\w|Your decision was not recorded', response.content.decode())
    assert not Decision.objects.exists()


def test_line_ends_of_an_argument_survive_the_browser(make: Any, bob: Any) -> None:
    approval = make({"body": "one\ntwo\n", "raw": "a\r\nb", "n": 1})
    text = browse(bob).get(page_of(approval)).content.decode()
    assert '"a\\r\\nb"' in text.replace("&quot;", '"')
    fields = {"arg-body": "one\r\ntwo\r\n", "arg-raw": '"a\\r\\nb"', "arg-n": "2"}
    assert decide(browse(bob), approval, "edit", **fields).status_code == 302
    assert fresh(approval).current_args == {"body": "one\ntwo\n", "raw": "a\r\nb", "n": 2}


def test_what_may_not_be_changed_cannot_be_smuggled_in(make: Any, bob: Any) -> None:
    approval = make({"n": 1, "m": 2}, editable=["n"])
    decide(browse(bob), approval, "edit", **{"arg-n": "5", "arg-m": "99"})
    assert fresh(approval).current_args == {"n": 5, "m": 2}


def test_arguments_of_every_kind_can_be_edited(make: Any, bob: Any) -> None:
    approval = make({"flag": True, "ratio": 1.5, "list": [1], "deep": {"a": None}, "text": "x", "none": None})
    fields = {
        "arg-ratio": "2.5",
        "arg-list": "[1, 2]",
        "arg-deep": '{"a": null}',
        "arg-text": " y ",
        "arg-none": "null",
    }
    response = decide(browse(bob), approval, "edit", **fields)
    assert response.status_code == 302, re.findall(r'class="error"[^>]*>[^<]+', response.content.decode())
    args = {"flag": False, "ratio": 2.5, "list": [1, 2], "deep": {"a": None}, "text": " y ", "none": None}
    assert fresh(approval).current_args == args


def test_an_argument_that_is_no_json_is_refused_beside_its_field(make: Any, bob: Any) -> None:
    approval, client = make({"list": [1]}), browse(bob)
    with nothing_written():
        response = decide(client, approval, "edit", **{"arg-list": "[1, NaN]"})
    assert response.status_code == 422
    assert 'id="error-arg-list">NaN is not JSON' in response.content.decode()
    assert "[1, NaN]" in response.content.decode()


def test_revoking_before_it_has_started(make: Any, bob: Any, work: Any) -> None:
    approval, client = make(cool_off=timedelta(minutes=5)), browse(bob)
    decide(client, approval)
    assert "Revoke approval" in client.get(page_of(approval)).content.decode()
    response = post(client, f"{page_of(approval)}act/revoke/", {"reason": "a slip"})
    assert response.status_code == 302
    assert "The approval is revoked; nothing was done." in client.get(page_of(approval)).content.decode()
    assert (fresh(approval).status, fresh(approval).run.failure_text) == ("revoked", "the approval was revoked: a slip")
    assert work() == 0


def test_revoking_too_late_is_refused(waiting: Approval, bob: Any, work: Any) -> None:
    client = browse(bob)
    decide(client, waiting)
    work()
    assert "Revoke approval" not in client.get(page_of(waiting)).content.decode()
    with nothing_written("hitl.act.refused"):
        response = post(client, f"{page_of(waiting)}act/revoke/", {"reason": "a slip"})
    assert response.status_code == 409
    assert fresh(waiting).status == "approved"


def test_only_who_approved_and_operators_revoke(make: Any, bob: Any, carol: Any, root: Any) -> None:
    approval = make(cool_off=timedelta(minutes=5))
    decide(browse(bob), approval)
    assert "Revoke approval" not in browse(carol).get(page_of(approval)).content.decode()
    with nothing_written("hitl.act.refused"):
        assert post(browse(carol), f"{page_of(approval)}act/revoke/", {}).status_code == 409
    assert fresh(approval).status == "approved"
    assert "Revoke approval" in browse(root).get(page_of(approval)).content.decode()
    assert post(browse(root), f"{page_of(approval)}act/revoke/", {"reason": "stop"}).status_code == 302
    assert fresh(approval).status == "revoked"


def test_a_reviewer_who_lost_the_group_meanwhile_is_refused(waiting: Approval, bob: Any) -> None:
    client = browse(bob)
    bob.groups.clear()
    with nothing_written("hitl.decision.refused"):
        assert decide(client, waiting).status_code == 404
    assert decisions.inbox(bob) == []
