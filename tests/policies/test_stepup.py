"""Proving once more that it is you: the password, through Django's own door, and not as often as one likes."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.signals import user_login_failed

from hitl import clock
from hitl.exceptions import NotAllowed
from hitl.policies.stepup import confirm_password


@pytest.fixture
def person(bob: Any) -> Any:
    """Bob, with a password."""
    bob.set_password("correct horse")
    bob.save()
    return bob


def wrong(person: Any, times: int) -> None:
    for _ in range(times):
        assert confirm_password(person, "battery") is None


def test_the_right_password_is_proof_as_of_now(person: Any) -> None:
    before = clock.now()
    at = confirm_password(person, "correct horse")
    assert at is not None
    assert before <= at <= clock.now()


@pytest.mark.parametrize("password", ["", "battery", "CORRECT HORSE", " correct horse"])
def test_another_password_proves_nothing(person: Any, password: str) -> None:
    assert confirm_password(person, password) is None


def test_after_five_wrong_ones_even_the_right_one_is_refused(person: Any) -> None:
    wrong(person, 5)
    for password in ("correct horse", "battery"):
        with pytest.raises(NotAllowed) as refused:
            confirm_password(person, password)
        assert refused.value.details == {"reason": "step_up_blocked"}


def test_the_right_one_in_time_begins_anew(person: Any) -> None:
    for _ in range(2):
        wrong(person, 4)
        assert confirm_password(person, "correct horse") is not None


def test_one_person_does_not_block_another(person: Any, carol: Any) -> None:
    carol.set_password("battery staple")
    carol.save()
    wrong(person, 5)
    assert confirm_password(carol, "battery staple") is not None


def test_who_has_no_password_here_cannot_step_up(carol: Any) -> None:
    assert not carol.has_usable_password()
    assert confirm_password(carol, "") is None


def test_who_is_deactivated_cannot_step_up(person: Any) -> None:
    person.is_active = False
    person.save()
    assert confirm_password(person, "correct horse") is None


def test_the_right_password_of_somebody_else_proves_nothing(person: Any, carol: Any) -> None:
    carol.set_password("battery staple")
    carol.save()
    assert confirm_password(person, "battery staple") is None


def test_whatever_guards_the_login_is_told(person: Any) -> None:
    told: list[dict[str, Any]] = []

    def hear(sender: Any, credentials: dict[str, Any], **rest: Any) -> None:
        told.append(credentials)

    user_login_failed.connect(hear)
    try:
        wrong(person, 1)
    finally:
        user_login_failed.disconnect(hear)
    [credentials] = told
    assert credentials["username"] == "bob"
