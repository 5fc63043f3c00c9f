"""From a notice to the mail of one person: in their language and time zone, as text and as HTML. What it says is in
`words`, how it looks in `templates/hitl/mail/`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.utils.translation import ngettext

from hitl.definition.text import one_line
from hitl.models import Approval, Notification
from hitl.notifications.kinds import KINDS
from hitl.notifications.links import address
from hitl.notifications.preferences import zone_of
from hitl.notifications.words import Letter, asking, happened, requester_name
from hitl.notifications.words.common import RISKS, moment, name_of

__all__ = ["Message", "digest", "message", "requester_name"]


@dataclass(frozen=True, slots=True)
class Message:
    """A mail's subject and its two bodies."""

    subject: str
    text: str
    html: str


def message(row: Notification, *, link: str, stop: str = "") -> Message:
    """The message of a notice to one person; `stop` is where they may turn such messages off."""
    with _as_read_by(row.recipient):
        letter = _letter(row)
        context = {"letter": letter, "link": link, "stop": stop, "kind": KINDS[row.kind].words}
        return _rendered("notice", letter.subject, context)


def digest(rows: list[Notification]) -> Message:
    """Several notices of one person in one mail, each request once: those that wait by their deadline, then news."""
    with _as_read_by(rows[0].recipient):
        asks = {row.approval.pk: row.approval for row in rows if row.approval is not None and not KINDS[row.kind].ends}
        waiting = sorted(asks.values(), key=lambda approval: approval.expires_at)
        news = _news(row for row in rows if KINDS[row.kind].ends)
        context = {
            "asks": [_waits(approval) for approval in waiting],
            "news": news,
            "link": address("review:index"),
            "settings": address("review:preferences"),
        }
        return _rendered("digest", _subject(len(asks), len(news)), context)


def _waits(approval: Approval) -> dict[str, Any]:
    at, page = approval.expires_at, address("review:hitl_approval_change", approval.pk)
    name, risk = name_of(approval), RISKS[approval.risk]
    return {"approval": approval, "name": name, "risk": risk, "due": moment(at), "link": page}


def _news(rows: Iterable[Notification]) -> list[dict[str, Any]]:
    found: dict[Any, dict[str, Any]] = {}
    for row in rows:
        letter, pk = happened(row), row.approval_id
        page = address("review:hitl_approval_change", pk) if pk else ""
        found.setdefault(pk or row.pk, {"head": letter.head, "link": page, "letters": []})["letters"].append(letter)
    return list(found.values())


def _letter(row: Notification) -> Letter:
    approval = row.approval
    waits = approval is not None and not KINDS[row.kind].ends
    return asking(row, approval) if waits and approval is not None else happened(row)


def _subject(asks: int, news: int) -> str:
    told = ngettext("%(count)s request to decide", "%(count)s requests to decide", asks) % {"count": asks}
    more = ngettext("%(count)s piece of news", "%(count)s pieces of news", news) % {"count": news}
    return f"[hitl] {', '.join(words for words, count in ((told, asks), (more, news)) if count)}"


@contextmanager
def _as_read_by(person: Any) -> Iterator[None]:
    """Words and times as the person prefers them, whoever delivers."""
    profile = getattr(person, "profile", None)
    language = (profile.language if profile is not None else "") or settings.LANGUAGE_CODE
    with translation.override(language), timezone.override(zone_of(profile)):
        yield


def _rendered(name: str, subject: str, context: dict[str, Any]) -> Message:
    base = f"hitl/mail/{name}"
    return Message(
        subject=one_line(subject),
        text=render_to_string(f"{base}.txt", context),
        html=render_to_string(f"{base}.html", {**context, "subject": one_line(subject)}),
    )
