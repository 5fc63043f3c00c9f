"""The mail backend of the embedded default: every mail is a file, and a line on the console says where.

Set as Django's EMAIL_BACKEND; the folder is EMAIL_FILE_PATH.
"""

from __future__ import annotations

import secrets
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.mail.backends.base import BaseEmailBackend
from django.core.mail.message import EmailMessage

from hitl import clock

_lock = threading.Lock()


class EmailBackend(BaseEmailBackend):
    """Keeps mails as .eml files, readable by any mail program."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.folder = Path(settings.EMAIL_FILE_PATH)

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Write the mails; returns how many."""
        with _lock:
            self.folder.mkdir(parents=True, exist_ok=True)
            for mail in email_messages:
                path = self.folder / f"{clock.now():%Y%m%d-%H%M%S-%f}-{secrets.token_hex(4)}.eml"
                path.write_bytes(mail.message().as_bytes())
                links = [word for word in str(mail.body).split() if "/r/" in word]
                print(f"mail to {', '.join(mail.to)}: {mail.subject}\n  {links[0] if links else ''}\n  {path}")
            sys.stdout.flush()
        return len(email_messages)
