"""Mail through Django's API, so that any backend works."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.core.mail import EmailMultiAlternatives

from hitl.conf import conf
from hitl.models import Approval
from hitl.notifications.links import issue_link
from hitl.notifications.messages import message


def send(kind: str, approval: Approval, person: Any) -> bool:
    """Send one notice to one person with a link of their own; False when they have no address."""
    if not person.email:
        return False
    words = message(kind, approval, link=issue_link(approval, person.pk))
    host = urlsplit(conf.BASE_URL).hostname or "localhost"
    mail = EmailMultiAlternatives(
        subject=words.subject,
        body=words.text,
        from_email=conf.MAIL_FROM,
        to=[person.email],
        headers={
            "Auto-Submitted": "auto-generated",
            "X-Auto-Response-Suppress": "All",
            "References": f"<approval-{approval.run_id}-{approval.step_id}@{host}>",
        },
    )
    mail.attach_alternative(words.html, "text/html")
    mail.send()
    return True
