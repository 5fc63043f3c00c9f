"""What a channel says when it could not deliver."""

from __future__ import annotations


class Undelivered(Exception):
    """A channel did not take a message. `permanent`: trying again is pointless; `gone`: nothing is to be sent there any
    more; `retry_after`: not before so many seconds."""

    def __init__(
        self, message: str, *, permanent: bool = False, gone: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.permanent = permanent or gone
        self.gone = gone
        self.retry_after = retry_after
