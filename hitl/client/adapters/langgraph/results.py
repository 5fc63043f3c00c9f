"""What a bridge tells its caller."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hitl.client.errors import ClientError
from hitl.client.values import Outcome, Request


@dataclass(frozen=True)
class Result:
    """Where a thread stands after a call.

    `value` is what the graph returned, or the thread's values where it did not run. `pending` are the requests nobody
    decided yet; `outcomes` is what this call acted on; `done` is whether the thread waits for nothing and nobody.
    """

    value: Any
    pending: tuple[Request, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    done: bool = False

    @property
    def review_urls(self) -> list[str]:
        """Where people decide."""
        return [request.review_url for request in self.pending]


class ThreadWaits(ClientError):
    """The thread waits for people, so that it takes no new input; `result` says for which requests."""

    code = "thread_waits"

    def __init__(self, result: Result) -> None:
        super().__init__("this thread waits for people; resume it, or start another one")
        self.result = result
