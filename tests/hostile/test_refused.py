"""What cannot be kept or shown is refused at the door, and nothing is written."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from hitl.models import Approval, Run
from hitl.models.audit import AuditRecord
from hitl.policies import create_key

ASK = '{"action": {"type": "do", "title": %s, "impact": "x", "args": %s}, "reviewers": ["group:finance"]}'


@pytest.fixture
def ask(alice: Any, bob: Any) -> Any:
    """Send these bytes as an agent that asks."""
    scopes = ["approvals:request", "approvals:reviewers"]
    _, secret = create_key("robot", owner=alice, scopes=scopes, actor=alice, policies=["*"])

    def send(body: str | bytes) -> Any:
        data = body if isinstance(body, bytes) else body.encode("utf-8", "surrogatepass")
        headers = {"Authorization": f"Bearer {secret}"}
        return Client().post("/api/v1/approvals/", data, content_type="application/json", headers=headers)

    return send


def test_an_ordinary_one_is_taken(ask: Any) -> None:
    assert ask(ASK % ('"Do it"', '{"n": 1}')).status_code == 201


@pytest.mark.parametrize(
    ("title", "args"),
    [
        ('"a\\u0000b"', "{}"),  # NUL
        ('"Do it"', '{"n": "a\\u0000b"}'),
        ('"Do it"', '{"a\\u0000b": 1}'),
        ('"\\ud800"', "{}"),  # half a character
        ('"Do it"', '{"n": "\\udfff"}'),
        ('"Do it"', '{"\\ud83d": 1}'),
        ('"Do it"', '{"n": 1e400}'),  # numbers that are none
        ('"Do it"', '{"n": NaN}'),
        ('"Do it"', '{"n": -Infinity}'),
        ('"Do it"', '{"n": 1' + "0" * 5000 + "}"),
        ('"Do it"', '{"n": 1, "n": 2}'),  # the same name twice
        ('"Do it"', "{" * 1),  # no JSON
        ('"Do it"', '{"n": ' + "[" * 200 + "]" * 200 + "}"),  # too deep
        ('"Do it"', '{"n": "' + "x" * 300_000 + '"}'),  # too large
        ('"' + "x" * 501 + '"', "{}"),
        ('""', "{}"),
        ('["a"]', "{}"),
        ('"Do it"', '"text"'),
        ('"Do it"', "[1]"),
    ],
)
def test_what_cannot_be_kept_is_refused(title: str, args: str, ask: Any) -> None:
    before = AuditRecord.objects.count()
    answer = ask(ASK % (title, args))
    assert answer.status_code in (400, 413, 422)
    assert answer["Content-Type"].startswith("application/problem+json")
    assert (Approval.objects.count(), Run.objects.count(), AuditRecord.objects.count()) == (0, 0, before)


@pytest.mark.parametrize("body", [b"", b"\xff\xfe{}", b'{"action": "\xed\xa0\x80"}', b"\x00", b"null", b"[]", b'"x"'])
def test_bytes_that_are_no_text_are_refused(body: bytes, ask: Any) -> None:
    answer = ask(body)
    assert answer.status_code in (400, 413, 422)
    assert Approval.objects.count() == 0
