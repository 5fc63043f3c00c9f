"""One module a channel. Only these open sockets; each has `send(row)`, which returns what the channel calls the
message, or an empty text."""

from __future__ import annotations

from typing import Protocol

from hitl.models import Notification
from hitl.notifications.channels import email, slack, webhook
from hitl.notifications.channels.errors import Undelivered

__all__ = ["CHANNELS", "Undelivered"]


class Channel(Protocol):
    """What a channel's module has."""

    def send(self, row: Notification, /) -> str:
        """Send it; raises Undelivered, or whatever the library it is sent with does."""


CHANNELS: dict[str, Channel] = {"email": email, "webhook": webhook, "callback": webhook, "slack": slack}
