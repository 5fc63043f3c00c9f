"""Statuses and the moves between them. The documentation draws its pictures from these tables."""

from __future__ import annotations

from collections.abc import Mapping

from django.db.models import TextChoices


class RunStatus(TextChoices):
    """The life of a run."""

    PENDING = "pending"
    RUNNING = "running"
    WAITING = "waiting"
    SUCCEEDED = "succeeded"
    REJECTED = "rejected"
    FAILED = "failed"
    CANCELLED = "cancelled"


class StepStatus(TextChoices):
    """The life of a step."""

    PENDING = "pending"
    READY = "ready"
    RUNNING = "running"
    WAITING = "waiting"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"
    UNCERTAIN = "uncertain"


class ApprovalStatus(TextChoices):
    """The life of a request to people."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    ANSWERED = "answered"
    REVISION_REQUESTED = "revision_requested"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"
    REVOKED = "revoked"


class NotificationStatus(TextChoices):
    """The life of a message: pending until a channel took it, dead after too many failures."""

    PENDING = "pending"
    SENT = "sent"
    DROPPED = "dropped"
    DEAD = "dead"


class Verdict(TextChoices):
    """What a person may say."""

    APPROVE = "approve"
    EDIT = "edit"
    REJECT = "reject"
    RESPOND = "respond"
    REQUEST_REVISION = "request_revision"


Moves = Mapping[str, frozenset[str]]


def _moves(**table: str) -> Moves:
    return {source: frozenset(targets.split()) for source, targets in table.items()}


RUN_MOVES = _moves(
    pending="running cancelled failed",
    running="waiting succeeded rejected failed cancelled",
    waiting="running succeeded rejected failed cancelled",
)
STEP_MOVES = _moves(
    pending="ready waiting skipped cancelled",
    ready="running waiting failed skipped cancelled",
    running="succeeded failed cancelled waiting uncertain ready",
    waiting="ready succeeded failed skipped cancelled",
    uncertain="succeeded failed ready cancelled",
)
APPROVAL_MOVES = _moves(
    pending="approved rejected answered revision_requested expired cancelled superseded",
    approved="revoked expired",  # until consumed
)
NOTIFICATION_MOVES = _moves(pending="sent dropped dead", dead="pending")

RUN_ENDS = frozenset(RunStatus.values) - RUN_MOVES.keys()
STEP_ENDS = frozenset(StepStatus.values) - STEP_MOVES.keys()
APPROVAL_ENDS = frozenset(ApprovalStatus.values) - APPROVAL_MOVES.keys()


def allowed(moves: Moves, source: str, target: str) -> bool:
    """Whether a row may go from one status to the other; nothing leaves an end."""
    return target in moves.get(source, ())
