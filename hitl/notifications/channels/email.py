"""Mail through Django's API, so that any backend works."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.core.mail import EmailMultiAlternatives

from hitl.conf import conf
from hitl.models import Notification
from hitl.notifications.links import issue_link
from hitl.notifications.messages import Message, message


def send(row: Notification) -> str:
    """Send one notice to its person, with a link of their own where it is about a request."""
    approval = row.approval
    link = issue_link(approval, row.recipient.pk) if approval is not None and row.recipient is not None else ""
    thread = f"approval-{approval.run_id}-{approval.step_id}" if approval is not None else f"run-{row.run_id}"
    post(message(row, link=link), to=row.recipient.email, thread=thread)
    return ""


def post(words: Message, *, to: str, thread: str) -> None:
    """Send one mail; those of one thread stand together in the reader's program."""
    host = urlsplit(conf.BASE_URL).hostname or "localhost"
    mail = EmailMultiAlternatives(
        subject=words.subject,
        body=words.text,
        from_email=conf.MAIL_FROM,
        to=[to],
        headers={
            "Auto-Submitted": "auto-generated",
            "X-Auto-Response-Suppress": "All",
            "References": f"<{thread}@{host}>",
        },
    )
    mail.attach_alternative(words.html, "text/html")
    mail.send()
