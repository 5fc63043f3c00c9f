"""The start page of operators: what needs a person, in figures that lead to it."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from hitl import clock, engine
from hitl.models import Approval, Notification, Step
from hitl.templatetags import hitl_operators
from tests.admin.conftest import browse, page_of, post
from tests.conftest import _user
from tests.plans import statements

START = reverse("admin:index")


@pytest.fixture
def operator(db: None) -> Any:
    """Staff with the permission to operate and no other."""
    user = _user("olga", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="operate"))
    return user


def figures(who: Any) -> dict[str, tuple[str, str, bool]]:
    """By its words: each figure, where it leads, and whether it is marked."""
    text = browse(who).get(START).content.decode()
    found = re.findall(r'<li( class="bad")?><b>([^<]*)</b>(?:<a href="([^"]*)">)?([^<]+)', text)
    return {words: (figure, where.replace("&amp;", "&"), bool(bad)) for bad, figure, where, words in found}


def test_a_quiet_house_has_nothing_marked(operator: Any) -> None:
    engine.sweep()
    found = figures(operator)
    assert [figure for figure, _, _ in found.values()] == ["0", "0", "0", "0", "0", "&lt; 1 min"]
    assert not any(bad for _, _, bad in found.values())


def test_each_figure_leads_to_what_it_counts(waiting: Approval, operator: Any, root: Any) -> None:
    engine.freeze("all", actor=operator, reason="a test")
    Notification.objects.update(status="dead")
    Step.objects.filter(name="pay").update(status="uncertain")
    clock.move(timedelta(hours=5))
    client = browse(root)
    for words, (figure, where, bad) in figures(operator).items():
        assert (figure, bad) == (("1", words != "requests wait") if where else ("–", True)), words
        if where:
            assert client.get(where).content.decode().count('<th class="field-') == 1, words


def test_a_sweep_that_is_late_is_marked(operator: Any) -> None:
    engine.sweep()
    clock.move(timedelta(minutes=3))
    assert figures(operator)["since the last sweep"] == ("3\xa0minutes", "", True)


def test_no_figure_counts_without_an_end(waiting: Approval, operator: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(hitl_operators, "_MOST", 0)
    assert figures(operator)["requests wait"][0] == "more than 0"
    counts = [sql for sql, _ in statements(hitl_operators.attention) if "COUNT" in sql]
    assert len(counts) == 5
    assert all("LIMIT 1" in sql for sql in counts)


def test_whoever_may_not_operate_sees_no_figures(db: None) -> None:
    assert figures(_user("clerk", is_staff=True)) == {}


def test_dead_letters_are_found_and_sent_again_from_there(waiting: Approval, operator: Any) -> None:
    Notification.objects.update(status="dead", attempts=8)
    where = figures(operator)["messages nobody got"][1]
    client = browse(operator)
    assert "Resend dead letters" in client.get(where).content.decode()
    body = {"action": "resend", "_selected_action": [str(row.pk) for row in Notification.objects.all()]}
    assert post(client, where, body).status_code == 302
    assert set(Notification.objects.values_list("status", "attempts")) == {("pending", 0)}


def test_runs_and_requests_lead_to_their_own_pages(waiting: Approval, root: Any) -> None:
    client = browse(root)
    request = client.get(reverse("admin:hitl_approval_change", args=[waiting.pk])).content.decode()
    assert f'href="{page_of(waiting)}"' in request
    run = client.get(reverse("admin:hitl_run_change", args=[waiting.run_id])).content.decode()
    assert f'href="{reverse("review:run", args=[waiting.run_id])}"' in run


@pytest.mark.parametrize("language", ["en", "de"])
def test_both_sites_lead_to_each_other(language: str, root: Any) -> None:
    client = browse(root)
    text = client.get(START, headers={"Accept-Language": language}).content.decode()
    assert f'<html lang="{language}"' in text
    assert 'href="/review/"' in text
    assert f'href="{START}"' in client.get("/review/preferences/").content.decode()
