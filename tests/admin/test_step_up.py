"""The password again, before something dangerous: asked once in five minutes, and never given back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from hitl.models import Approval, Decision
from tests.admin.conftest import browse, decide, page_of
from tests.rows import nothing_written

REFUSED = "hitl.decision.refused"
PASSWORD = "correct horse"
FIELD = 'type="password"'


@pytest.fixture
def client(bob: Any) -> Any:
    """The browser of bob, who has a password."""
    bob.set_password(PASSWORD)
    bob.save()
    return browse(bob)


@pytest.fixture
def danger(make: Any) -> Any:
    """Requests that want the password again."""
    return lambda **options: make(**{"step_up": {"medium": "password"}, **options})


def page(client: Any, approval: Approval) -> str:
    return str(client.get(page_of(approval)).content.decode())


def test_the_password_is_asked_for_and_kept_in_mind_for_five_minutes(danger: Any, client: Any, pass_time: Any) -> None:
    first, second, third = danger(), danger(), danger()
    assert FIELD in page(client, first)
    assert decide(client, first, password=PASSWORD).status_code == 302
    assert set(Decision.objects.get().confirmation) == {"password"}
    assert FIELD not in page(client, second)
    assert decide(client, second).status_code == 302
    pass_time(timedelta(minutes=5, seconds=1))
    assert FIELD in page(client, third)
    with nothing_written(REFUSED):
        assert decide(client, third).status_code == 422


@pytest.mark.parametrize(
    ("typed", "told"), [("", "Enter your password"), ("wrong", "This is not your password."), ("\0", "Null characters")]
)
def test_without_the_right_one_nothing_is_decided_and_only_it_is_forgotten(
    typed: str, told: str, danger: Any, client: Any
) -> None:
    approval = danger()
    with nothing_written(*((REFUSED,) if typed != "\0" else ())):
        response = decide(client, approval, "edit", comment="thought <long>", password=typed, **{"arg-n": "7"})
    assert response.status_code == 422
    text = response.content.decode()
    assert f'id="error-password">{told}' in text
    assert 'value="edit" required checked' in text
    assert 'name="arg-n" value="7"' in text
    assert ">\nthought &lt;long&gt;</textarea>" in text
    assert "wrong" not in text
    assert FIELD in page(client, approval)


def test_refusing_needs_no_password(danger: Any, client: Any) -> None:
    approval = danger()
    assert decide(client, approval, "reject", comment="no", password="wrong").status_code == 302
    assert FIELD in page(client, danger())


def test_a_question_wants_it_as_well(alice: Any, client: Any, work: Any) -> None:
    from hitl import Workflow

    flow = Workflow("asks")
    asks = {"reviewers": ["group:finance"], "options": ["yes", "no"], "step_up": {"medium": "password"}}
    flow.step(lambda ctx: ctx.ask("q", "Shall I?", **asks), name="think")
    flow.start(requester=alice)
    work()
    approval = Approval.objects.get()
    assert decide(client, approval, "", answer="0").status_code == 422
    assert decide(client, approval, "", answer="0", password=PASSWORD).status_code == 302
    assert Decision.objects.get().response == "yes"


def test_after_five_wrong_ones_even_the_right_one_has_to_wait(danger: Any, client: Any) -> None:
    approval = danger()
    for _ in range(5):
        decide(client, approval, password="wrong")
    with nothing_written(REFUSED):
        response = decide(client, approval, password=PASSWORD)
    assert "Too many wrong passwords; wait 15 minutes." in response.content.decode()
    assert Approval.objects.get(pk=approval.pk).status == "pending"


def test_the_password_of_somebody_else_is_none(danger: Any, client: Any, carol: Any) -> None:
    carol.set_password("battery staple")
    carol.save()
    assert decide(client, danger(), password="battery staple").status_code == 422


def test_who_has_no_password_here_sees_that_it_cannot_be(danger: Any, carol: Any) -> None:
    approval = danger()
    text = page(browse(carol), approval)
    assert 'value="approve" required disabled' in text
    assert "Enter your password again first" in text
    assert 'value="reject" required>' in text
    with nothing_written(REFUSED):
        assert decide(browse(carol), approval).status_code == 409


def test_another_session_of_the_same_person_proves_nothing(danger: Any, client: Any, bob: Any) -> None:
    decide(client, danger(), password=PASSWORD)
    assert FIELD in page(browse(bob), danger())


def test_other_requests_ask_for_no_password(make: Any, client: Any) -> None:
    assert FIELD not in page(client, make())
