"""Mail through Django's API, so that any backend works."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlsplit

from django.core.mail import EmailMultiAlternatives, get_connection

from hitl.conf import conf
from hitl.models import Notification
from hitl.notifications.channels.errors import Undelivered
from hitl.notifications.links import link_of, stop_link
from hitl.notifications.messages import Message, message


class Line:
    """The connection to the mail server, opened for the first mail and again after an error. A server that is not there
    is asked once: it would keep everybody waiting for as long as it takes to give up, once a mail."""

    def __init__(self) -> None:
        self.backend: Any = None
        self.down = ""

    def send(self, mail: EmailMultiAlternatives) -> None:
        """Send one mail; raises Undelivered where the server is not there, or what the backend raises."""
        if self.down:
            raise Undelivered(self.down)
        if self.backend is None:
            backend = get_connection()
            try:
                backend.open()
            except OSError as error:
                self.down = f"{type(error).__name__}: {error}"
                raise
            self.backend = backend
        try:
            self.backend.send_messages([mail])
        except Exception:
            self.close()
            raise

    def close(self) -> None:
        """Hang up."""
        backend, self.backend = self.backend, None
        if backend is not None:
            backend.close()


_line: ContextVar[Line | None] = ContextVar("line", default=None)


@contextmanager
def connected() -> Iterator[None]:
    """All mails of this block go over one connection, if there are any."""
    line = Line()
    token = _line.set(line)
    try:
        yield
    finally:
        _line.reset(token)
        line.close()


def send(row: Notification) -> str:
    """Send one notice to its person, with a link of their own where it is about a request."""
    stop = stop_link(row.recipient, row.kind)
    post(
        message(row, link=link_of(row), stop=stop),
        to=row.recipient.email,
        number=row.pk,
        thread=_thread(row),
        stop=stop,
    )
    return ""


def post(words: Message, *, to: str, number: Any, thread: str = "", stop: str = "") -> None:
    """Send one mail. Its Message-ID is made of the notice's `number`, so that what is sent twice is known as one;
    `thread` is the one it belongs to, `stop` where one turns such mails off (RFC 8058)."""
    headers = {
        "Message-ID": _id(number),
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",
        "List-Id": f"<notices.{_host()}>",
    }
    if thread:
        headers |= {"References": thread, "In-Reply-To": thread}
    if stop:
        headers |= {"List-Unsubscribe": f"<{stop}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
    mail = EmailMultiAlternatives(
        subject=words.subject, body=words.text, from_email=conf.MAIL_FROM, to=[to], headers=headers
    )
    mail.attach_alternative(words.html, "text/html")
    line = _line.get()
    if line is not None:
        line.send(mail)
        return
    with connected():
        post(words, to=to, number=number, thread=thread, stop=stop)


def _thread(row: Notification) -> str:
    """The first mail that the person got about a request, in any of its revisions; mails about a run stand together
    too."""
    if row.approval is None:
        return f"<run-{row.run_id}@{_host()}>" if row.run_id else ""
    first = Notification.objects.mailed(row.recipient, row.approval).exclude(pk=row.pk).first()
    return _id(first.pk) if first is not None else ""


def _id(number: Any) -> str:
    return f"<{number}@{_host()}>"


def _host() -> str:
    return urlsplit(str(conf.BASE_URL)).hostname or "localhost"
