"""What can come of a call but its answer. `code` is the product's stable code, `details` what helps to go on.

No message holds the key, and no error holds a request whose headers do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hitl.client.values import Outcome


class ClientError(Exception):
    """The product refused, could not be reached, or said something else than yes."""

    code = "error"

    def __init__(
        self, message: str = "", code: str = "", status: int = 0, details: dict[str, Any] | None = None
    ) -> None:
        self.message = message or (self.__doc__ or self.code).strip()
        self.code = code or self.code
        self.details = details or {}
        self._http = status
        super().__init__(self.message)

    @property
    def status(self) -> int:
        """The HTTP status of the answer; 0 where there was none."""
        return self._http

    def __reduce__(self) -> tuple[Any, ...]:
        """Errors cross processes whole: the default would hand the message to whatever the class takes first."""
        return _again, (type(self), self.__dict__, self.args)


def _again(kind: type[ClientError], state: dict[str, Any], args: tuple[Any, ...]) -> ClientError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    error.args = args
    return error


# -- the product refused the call, or is not there --------------------------------------------------


class Invalid(ClientError):
    """The call is not as the product takes it; `details["fields"]` says what is wrong where it knows."""

    code = "invalid"


class NotAllowed(ClientError):
    """The key is wrong or may not do this; `details["reason"]` says why where the product tells."""

    code = "not_allowed"


class NotFound(ClientError):
    """There is no such thing, or it is not this key's to see."""

    code = "not_found"


class Conflict(ClientError):
    """It is too late or too early for this; `code` says which."""

    code = "conflict"


class AlreadyConsumed(Conflict):
    """Somebody else took what came of this request. Do nothing: they act on it."""

    code = "already_consumed"


class NotDecided(Conflict):
    """Nobody has decided yet."""

    code = "not_decided"


class BatchOpen(Conflict):
    """It is decided, and other requests of its batch are not."""

    code = "batch_open"


class LeaseLost(Conflict):
    """It took too long: the token is no longer valid, and what it was about belongs to somebody else."""

    code = "lease_lost"


class Throttled(ClientError):
    """Too many calls, or too many requests open. `retry_after` says in how many seconds to come back, if known."""

    code = "throttled"

    @property
    def retry_after(self) -> float | None:
        """Seconds, or None."""
        found = self.details.get("retry_after")
        return float(found) if found is not None else None


class Unavailable(ClientError):
    """The product could not be reached or failed, also after trying again. Whether it did what was asked is not known;
    the same call with the same idempotency key is safe."""

    code = "unavailable"


# -- nobody has answered yet ------------------------------------------------------------------------


class Pending(ClientError):
    """The request `id` waits for a person. Call again with the same arguments to go on from there."""

    code = "pending"

    def __init__(self, id: str, *, review_url: str = "") -> None:
        super().__init__(f"request {id} waits for a person", details={"id": id, "review_url": review_url})
        self.id = id
        self.review_url = review_url


class StillPending(ClientError):
    """The time given to `wait` is over and the request `id`, or the run, is as open as before. Wait again."""

    code = "still_pending"

    def __init__(self, id: str) -> None:
        super().__init__(f"{id} is still open", details={"id": id})
        self.id = id


# -- it ended without a yes -------------------------------------------------------------------------


class NotApproved(ClientError):
    """The request ended and the answer is not yes. `outcome` is what came of it, its `notice` what to tell a model."""

    code = "not_approved"

    def __init__(self, reason: str = "", outcome: Outcome | None = None) -> None:
        self.outcome = outcome
        super().__init__((outcome.notice if outcome else "") or reason)


class Rejected(NotApproved):
    """A person said no; `reason` is what they wrote. Do not try again."""

    code = "rejected"

    def __init__(self, reason: str = "", outcome: Outcome | None = None) -> None:
        super().__init__(reason, outcome)
        self.reason = reason


class Expired(NotApproved):
    """Nobody answered in time, or the approval was not used in time. This is not a person's no."""

    code = "expired"


class Cancelled(NotApproved):
    """The request was cancelled, or its approval taken back before it was used."""

    code = "cancelled"


class RevisionRequested(NotApproved):
    """A person wants it done differently; `instructions` says how. Propose a new version with `revise`."""

    code = "revision_requested"

    def __init__(self, instructions: str = "", outcome: Outcome | None = None) -> None:
        super().__init__(instructions, outcome)
        self.instructions = instructions


# -- from an answer to an error ---------------------------------------------------------------------

_BY_CODE: dict[str, type[ClientError]] = {
    kind.code: kind for kind in (AlreadyConsumed, NotDecided, BatchOpen, LeaseLost, NotAllowed)
} | {"idempotency_conflict": Conflict}
_BY_STATUS: dict[int, type[ClientError]] = {
    400: Invalid, 401: NotAllowed, 403: NotAllowed, 404: NotFound, 409: Conflict, 410: Conflict, 412: Conflict,
    413: Invalid, 422: Invalid, 429: Throttled,
}  # fmt: skip
_NOT_DETAILS = {"type", "title", "status", "code", "detail"}


def from_problem(status: int, body: Any, retry_after: float | None = None) -> ClientError:
    """The error a problem document tells of; anything else that is not a success is one too."""
    problem = body if isinstance(body, dict) else {}
    code = str(problem.get("code") or "")
    details = {key: value for key, value in problem.items() if key not in _NOT_DETAILS}
    if retry_after is not None:
        details["retry_after"] = retry_after
    kind = _BY_CODE.get(code) or _BY_STATUS.get(status) or (Unavailable if status >= 500 else ClientError)
    message = str(problem.get("detail") or "") or f"the product answered {status}"
    if isinstance(details.get("fields"), dict):
        message += " " + "; ".join(f"{name}: {_first(wrong)}" for name, wrong in details["fields"].items())
    return kind(message, code, status, details)


def _first(wrong: Any) -> str:
    """The words of one field's complaint, however deep they lie."""
    while isinstance(wrong, list) and wrong:
        wrong = wrong[0]
    if isinstance(wrong, dict) and "message" in wrong:
        wrong = wrong["message"]
    return str(wrong)
