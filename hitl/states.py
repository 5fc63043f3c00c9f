"""Statuses and the moves between them. The documentation draws its pictures from these tables."""

from __future__ import annotations

from collections.abc import Mapping

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class RunStatus(TextChoices):
    """The life of a run."""

    PENDING = "pending", _("Pending")
    RUNNING = "running", _("Running")
    WAITING = "waiting", _("Waiting")
    SUCCEEDED = "succeeded", _("Succeeded")
    REJECTED = "rejected", _("Rejected")
    FAILED = "failed", _("Failed")
    CANCELLED = "cancelled", _("Cancelled")


class StepStatus(TextChoices):
    """The life of a step."""

    PENDING = "pending", _("Pending")
    READY = "ready", _("Ready")
    RUNNING = "running", _("Running")
    WAITING = "waiting", _("Waiting")
    SUCCEEDED = "succeeded", _("Succeeded")
    FAILED = "failed", _("Failed")
    SKIPPED = "skipped", _("Skipped")
    CANCELLED = "cancelled", _("Cancelled")
    UNCERTAIN = "uncertain", _("Uncertain")


class ApprovalStatus(TextChoices):
    """The life of a request to people."""

    PENDING = "pending", _("Pending")
    APPROVED = "approved", _("Approved")
    REJECTED = "rejected", _("Rejected")
    ANSWERED = "answered", _("Answered")
    REVISION_REQUESTED = "revision_requested", _("Revision requested")
    EXPIRED = "expired", _("Expired")
    CANCELLED = "cancelled", _("Cancelled")
    SUPERSEDED = "superseded", _("Superseded")
    REVOKED = "revoked", _("Revoked")


class NotificationStatus(TextChoices):
    """The life of a message: pending until a channel took it, dead after too many failures."""

    PENDING = "pending", _("Pending")
    SENT = "sent", _("Sent")
    DROPPED = "dropped", _("Dropped")
    DEAD = "dead", _("Dead")


class Verdict(TextChoices):
    """What a person may say."""

    APPROVE = "approve", _("Approve")
    EDIT = "edit", _("Edit")
    REJECT = "reject", _("Reject")
    RESPOND = "respond", _("Respond")
    REQUEST_REVISION = "request_revision", _("Request revision")


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
