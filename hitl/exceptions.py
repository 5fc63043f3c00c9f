"""Every error once: the docstring says what went wrong, `code` is stable and meant for machines.

Errors are raised low and become HTTP only in `api/`. `HitlError.details` holds what a caller needs to go on:
the recorded outcome, the current digest, the field that was wrong.
"""

from __future__ import annotations

from typing import Any, ClassVar


class HitlError(Exception):
    """Something hitl refuses or cannot do."""

    code: ClassVar[str] = "error"

    def __init__(self, message: str = "", **details: Any) -> None:
        self.message = message or (self.__doc__ or self.code).strip()
        self.details = details
        super().__init__(self.message)


# -- what authors write ---------------------------------------------------------------------------


class InvalidWorkflow(HitlError):
    """A workflow's definition is wrong; the message names the workflow, the step and what to change."""

    code = "invalid_workflow"


class InvalidPolicy(HitlError):
    """A policy document is wrong; the message names the field and what to change."""

    code = "invalid_policy"


class ConditionFailed(HitlError):
    """A policy's condition could not be evaluated for this action; then people are asked."""

    code = "condition_failed"


class DuplicateName(HitlError):
    """A handler used one name twice in one entry; names are how results are found again."""

    code = "duplicate_name"


class PauseSwallowed(HitlError):
    """A handler caught the pause and went on; let BaseException pass (catch Exception instead)."""

    code = "pause_swallowed"


# -- bad input ------------------------------------------------------------------------------------


class BadInput(HitlError):
    """A value that cannot be taken as it is; the message names the path and what is wrong."""

    code = "bad_input"


class NotCanonical(BadInput):
    """Not JSON that both databases and every verifier read alike."""

    code = "not_json"


class TooLarge(BadInput):
    """Larger than the setting allows."""

    code = "too_large"


class InvalidAction(BadInput):
    """An action without title or impact, or whose arguments fail its model."""

    code = "invalid_action"


# -- not there ------------------------------------------------------------------------------------


class NotFound(HitlError):
    """There is no such thing, or it is not yours to see."""

    code = "not_found"


class UnknownWorkflow(NotFound):
    """No workflow of this name is registered."""

    code = "unknown_workflow"


class UnknownRun(NotFound):
    """There is no run with this id."""

    code = "unknown_run"


class UnknownStep(NotFound):
    """The run has no step of this name."""

    code = "unknown_step"


class UnknownApproval(NotFound):
    """There is no approval with this id that you may see."""

    code = "unknown_approval"


class UnknownReviewer(NotFound):
    """A gate names a user or group that does not exist."""

    code = "unknown_reviewer"


class UnknownPolicy(NotFound):
    """A gate names a policy that does not exist."""

    code = "unknown_policy"


# -- too late, or somebody else was first -----------------------------------------------------------


class RunEnded(HitlError):
    """The run has ended; nothing more can happen to it."""

    code = "run_ended"


class RunBusy(HitlError):
    """Somebody else works on this run just now; look again in a moment."""

    code = "run_busy"


class AlreadyDecided(HitlError):
    """Somebody decided this already; `details` has the outcome."""

    code = "already_decided"


class ApprovalClosed(HitlError):
    """The request ended by time, by a cancel or with its run; `details` says when and why."""

    code = "approval_closed"


class StaleApproval(HitlError):
    """What you saw is not what would be decided; `details` has the current revision and digest."""

    code = "stale_approval"


class StalePolicy(HitlError):
    """Somebody else made another version of the policy meanwhile; `details["version"]` says which stands now."""

    code = "stale_policy"


class AlreadyConsumed(HitlError):
    """The approved action has started; it can no longer be revoked."""

    code = "already_consumed"


class NotDecided(HitlError):
    """Nobody has decided this yet; wait for it, and take it then."""

    code = "not_decided"


class BatchOpen(HitlError):
    """The batch is released as a whole, and not all of it is asked and decided yet."""

    code = "batch_open"


class TooEarly(HitlError):
    """The approval may still be taken back; `details["not_before"]` says when it may be used."""

    code = "too_early"


class Frozen(HitlError):
    """Operators have stopped this for now: nothing may start. Try again later."""

    code = "frozen"


class OverLimit(HitlError):
    """This key has as much open as it may have; wait until people have decided some of it."""

    code = "over_limit"


class InFlight(HitlError):
    """The same request, with the same idempotency key, is being worked on just now; try again in a moment."""

    code = "in_flight"


class IdempotencyConflict(HitlError):
    """The idempotency key was used for another request."""

    code = "idempotency_conflict"


class LeaseLost(HitlError):
    """The worker was too slow: its lease ended and its outcome is refused."""

    code = "lease_lost"


# -- may not --------------------------------------------------------------------------------------


class NotAllowed(HitlError):
    """You may not do this; `details["reason"]` says why."""

    code = "not_allowed"

    def __init__(self, message: str = "", *, reason: str, **details: Any) -> None:
        super().__init__(message, reason=reason, **details)


class VerdictNotOffered(HitlError):
    """This request does not offer that verdict."""

    code = "verdict_not_offered"


class InvalidDecision(HitlError):
    """Something is missing from or wrong in the decision; `details["fields"]` says what, by field."""

    code = "invalid_decision"

    def __init__(self, message: str = "", *, fields: dict[str, str]) -> None:
        super().__init__(message or "; ".join(f"{k}: {v}" for k, v in fields.items()), fields=fields)


# -- inside a handler -----------------------------------------------------------------------------


class SignalTimeout(HitlError):
    """No signal came in time. A timeout never looks like an answer."""

    code = "signal_timeout"


class AnswerTimeout(HitlError):
    """Nobody answered in time. Silence is no answer, and never a no."""

    code = "answer_timeout"


class RunFailed(HitlError):
    """The run that was waited for ended badly; `details` says how."""

    code = "run_failed"


class TooManyRevisions(HitlError):
    """A handler was asked for a revision more often than it allows."""

    code = "max_revisions"


class InvalidPlan(HitlError):
    """A plan brings what it may not; the message says what."""

    code = "invalid_plan"


class StepFailed(HitlError):
    """Raised by a handler: the step failed. `retry=False` ends it at once; `after` says when to try again."""

    code = "step_failed"

    def __init__(self, message: str = "", *, retry: bool = True, after: Any = None) -> None:
        super().__init__(message)
        self.retry = retry
        self.after = after
