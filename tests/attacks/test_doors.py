"""What the doors show and tell."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from hitl import decisions
from hitl.exceptions import NotAllowed
from hitl.policies import stepup


def test_a_persons_name_is_shown_with_what_cannot_be_seen(
    gate: Any, decide: Any, bob: Any, carol: Any, client: Client
) -> None:
    carol.first_name = "Car\u202eol"
    carol.save()
    approval = gate(reviewers=["group:finance"], approvals=2)
    decide(approval, carol)
    decisions.comment(approval, actor=carol, text="seen")
    client.force_login(bob)
    page = client.get(reverse("review:hitl_approval_change", args=[approval.pk])).content.decode()
    assert "\u202e" not in page


def test_who_may_not_delegate_for_others_learns_no_names(bob: Any, mallory: Any, client: Client) -> None:
    client.force_login(mallory)
    body = {"to": "mallory", "ends_at": "2099-01-01T00:00:00Z"}
    answers = [
        client.post(reverse("api-delegations"), {**body, "from": login}, content_type="application/json").json()
        for login in ("bob", "nobody")
    ]
    assert answers[0] == answers[1]


def test_passwords_tried_at_the_same_time_are_counted_too(bob: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bob.set_password("right")
    bob.save()
    tried: list[str] = []

    def slowly(request: Any, *, password: str, **credentials: Any) -> None:
        tried.append(password)
        if len(tried) < 20:  # meanwhile the next one comes in
            try_one()

    def try_one() -> None:
        try:
            stepup.confirm_password(bob, f"wrong {len(tried)}")
        except NotAllowed:
            return

    monkeypatch.setattr(stepup, "authenticate", slowly)
    try_one()
    assert len(tried) == 5
