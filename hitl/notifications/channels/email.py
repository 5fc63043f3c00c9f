"""Mail through Django's API, so that any backend works."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.core.mail import EmailMultiAlternatives

from hitl.conf import conf
from hitl.models import Approval, Notification
from hitl.notifications.links import issue_link
from hitl.notifications.messages import Message, info_message, message


def send(kind: str, approval: Approval, person: Any) -> bool:
    """Send one notice to one person with a link of their own; False when they have no address."""
    if not person.email:
        return False
    words = message(kind, approval, link=issue_link(approval, person.pk))
    _mail(words, person, f"approval-{approval.run_id}-{approval.step_id}")
    return True


def send_info(row: Notification, person: Any) -> bool:
    """Tell one person something that asks nothing of them; False when they have no address."""
    if not person.email:
        return False
    _mail(info_message(row), person, f"run-{row.run_id}")
    return True


def _mail(words: Message, person: Any, thread: str) -> None:
    host = urlsplit(conf.BASE_URL).hostname or "localhost"
    mail = EmailMultiAlternatives(
        subject=words.subject,
        body=words.text,
        from_email=conf.MAIL_FROM,
        to=[person.email],
        headers={
            "Auto-Submitted": "auto-generated",
            "X-Auto-Response-Suppress": "All",
            "References": f"<{thread}@{host}>",
        },
    )
    mail.attach_alternative(words.html, "text/html")
    mail.send()
