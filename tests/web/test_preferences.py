"""Pages come in the reader's language and time zone; what programs read does not change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone, translation

from hitl.models import Approval, Profile
from hitl.models.audit import AuditRecord
from hitl.policies.delegations import create_delegation
from tests.admin.conftest import INBOX, browse, decide, page_of
from tests.conftest import _user
from tests.plans import statements

GERMAN = {"HTTP_ACCEPT_LANGUAGE": "de-AT,de;q=0.9,en;q=0.5"}
PREFERENCES, DELEGATIONS = "/review/preferences/", "/review/delegations/"


def lang(response: Any) -> str:
    text: str = response.content.decode()
    return text.partition('<html lang="')[2].partition('"')[0]


def test_the_browser_chooses_the_language_before_and_after_signing_in(client: Any, bob: Any) -> None:
    assert lang(client.get("/review/login/", **GERMAN)) == "de"
    assert lang(client.get("/review/login/", HTTP_ACCEPT_LANGUAGE="fr")) == "en"
    assert lang(browse(bob).get(PREFERENCES, **GERMAN)) == "de"
    assert lang(browse(bob).get(PREFERENCES)) == "en"


def test_a_person_chooses_over_the_browser(bob: Any) -> None:
    Profile.objects.create(user=bob, language="en")
    assert lang(browse(bob).get(PREFERENCES, **GERMAN)) == "en"
    Profile.objects.update(language="de")
    assert lang(browse(bob).get(PREFERENCES)) == "de"


def test_a_person_chooses_light_or_dark(bob: Any) -> None:
    assert "data-theme" not in browse(bob).get(PREFERENCES).content.decode()
    Profile.objects.create(user=bob, theme="dark")
    assert '<html lang="en" data-theme="dark">' in browse(bob).get(PREFERENCES).content.decode()


@pytest.mark.parametrize("path", ["/review/preferences/", "/review/delegations/", "/r/"])
def test_a_profile_costs_one_query_a_page(path: str, bob: Any) -> None:
    client = browse(bob)
    sent = [sql for sql, _ in statements(lambda: client.get(path)) if "hitl_profile" in sql]
    assert len(sent) == 1


def test_nothing_of_it_stays_behind_for_the_next_request(bob: Any) -> None:
    Profile.objects.create(user=bob, language="de", time_zone="Asia/Kolkata")
    before = timezone.get_current_timezone_name()
    browse(bob).get(PREFERENCES)
    assert (translation.get_language(), timezone.get_current_timezone_name()) == ("en", before)


def test_times_are_shown_in_the_readers_time_zone(waiting: Approval, bob: Any, carol: Any) -> None:
    Profile.objects.create(user=bob, time_zone="Asia/Kolkata")
    due = timezone.localtime(waiting.expires_at)
    theirs = waiting.expires_at + timedelta(hours=5, minutes=30)
    assert f"{theirs:%H:%M}" in browse(bob).get(INBOX).content.decode()
    assert f"{due:%H:%M}" in browse(carol).get(INBOX).content.decode()
    assert f"{theirs:%H:%M}" in browse(bob).get(page_of(waiting)).content.decode()


def test_the_inbox_a_request_and_its_refusals_are_german(waiting: Approval, bob: Any, alice: Any) -> None:
    Profile.objects.create(user=bob, language="de", time_zone="Europe/Berlin")
    client = browse(bob)
    inbox, page = (client.get(path).content.decode() for path in (INBOX, page_of(waiting)))
    assert "Wartet auf Sie" in inbox
    assert "Was genau ausgeführt wird" in page
    assert "Vom Agenten geschrieben, nicht geprüft" in page or "Freigeben" in page
    assert "Refund 250 to order A-17" in page
    refused = decide(client, waiting, "")
    assert (refused.status_code, "Wählen Sie, was Sie entscheiden" in refused.content.decode()) == (422, True)
    told = browse(alice).get(page_of(waiting), **GERMAN).content.decode()
    assert "jemand anderes muss entscheiden" in told


def test_the_timeline_is_german_and_the_record_is_not(waiting: Approval, bob: Any) -> None:
    before = [bytes(row.body) for row in AuditRecord.objects.order_by("pk")]
    text = browse(bob).get(f"/review/runs/{waiting.run_id}/?tab=timeline", **GERMAN).content.decode()
    assert "Personen wurden um eine Entscheidung gebeten: Refund 250 to order A-17" in text
    assert [bytes(row.body) for row in AuditRecord.objects.order_by("pk")] == before


def test_a_refusal_on_record_is_english_whoever_is_refused(waiting: Approval, bob: Any, carol: Any) -> None:
    decide(browse(bob), waiting)
    client = browse(carol)
    client.cookies["django_language"] = "de"
    decide(client, waiting, "reject", comment="nein")
    record = AuditRecord.objects.get(action="hitl.decision.refused")
    assert "approved already" in bytes(record.body).decode()


def test_dates_have_the_form_of_the_language(bob: Any) -> None:
    begins = {"starts_at": datetime(2999, 1, 2, 5, 30, tzinfo=UTC), "ends_at": datetime(2999, 3, 4, tzinfo=UTC)}
    create_delegation(bob, _user("dave"), actor=bob, **begins)
    english, german = browse(bob).get(DELEGATIONS), browse(bob).get(DELEGATIONS, **GERMAN)
    assert "2 Jan 2999 05:30 to 4 Mar 2999 00:00" in english.content.decode()
    assert "2. Jan. 2999 05:30 bis 4. März 2999 00:00" in german.content.decode()


def test_programs_read_english_and_utc(waiting: Approval, bob: Any) -> None:
    client = browse(bob)
    plain = client.get(f"/api/v1/approvals/{waiting.pk}/").json()
    Profile.objects.create(user=bob, language="de", time_zone="Asia/Kolkata")
    assert client.get(f"/api/v1/approvals/{waiting.pk}/", **GERMAN).json() == plain
    timeline = f"/api/v1/runs/{waiting.run_id}/timeline/"
    assert client.get(timeline, **GERMAN).json() == client.get(timeline).json()
    assert "People were asked to decide" in client.get(timeline, **GERMAN).content.decode()
    refusal = client.get("/api/v1/approvals/x/", **GERMAN)
    assert refusal.content == client.get("/api/v1/approvals/x/").content
