"""What waits for whom: the read side every door uses."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db.models import Exists, OuterRef, Q

from hitl import clock
from hitl.audit import SYSTEM
from hitl.exceptions import UnknownApproval
from hitl.models import ApiKey, Approval, Assignment, Decision, Delegation, people, sql
from hitl.models.approvals import ApprovalQuerySet
from hitl.models.inbox import walk
from hitl.models.inbox.views import Person
from hitl.policies.acts import is_operator

Cursor = walk.Cursor


def inbox(user: Any, *, limit: int = 50, after: Cursor | None = None) -> list[Approval]:
    """A page of the requests this user can decide now: due soonest first, overdue before all.

    Those asked of them, of a group of theirs, or of somebody they stand in for. `after` is the deadline and id of the
    last one of the page before. The cost does not depend on how many wait.
    """
    if not user.is_active:
        return []
    rows = Desk(user).page("me", limit=limit, after=after)
    return list(rows.select_related("run__workflow", "step", "requester", "agent_key"))


class Desk:
    """The views of one person as pages, samples and bounded counts: whose places they take is read once."""

    def __init__(self, user: Any, *, sees_all: bool = False) -> None:
        self.who = Person(tuple(people.standing(user.pk)), sees_all)

    def page(
        self,
        name: str,
        *,
        limit: int,
        after: Cursor | None = None,
        until: Cursor | None = None,
        only: Q | None = None,
    ) -> ApprovalQuerySet:
        """The first requests of a view behind `after`, not beyond `until`, that fit `only`."""
        return walk.rows(walk.Span(name, self.who, after, until, only), limit)

    def edge(self, name: str, *, scan: int, after: Cursor | None = None) -> Cursor | None:
        """Where a search of so many rows ends (the `after` of the next one); None where it sees all there are."""
        return walk.edge(walk.Span(name, self.who, after), scan)

    def counts(self, names: Iterable[str], *, most: int) -> dict[str, int]:
        """How many each view holds, counted as far as `most`; one query."""
        views = list(names)
        return dict(zip(views, walk.counts([walk.Span(name, self.who) for name in views], most), strict=True))


def cursor_of(approval: Approval) -> Cursor:
    """Where the page after this request begins."""
    return approval.expires_at, approval.pk


def view(name: str, user: Any) -> ApprovalQuerySet:
    """The rows of another view than what awaits one: claimed, escalated, delegated, asked, decided, all."""
    rows = visible(user)
    mine = Assignment.objects.filter(approval=OuterRef("pk"), due_at__isnull=False).filter(
        Q(user=user.pk) | Q(group__in=Group.objects.filter(user=user.pk))
    )
    if name == "claimed":
        return rows.pending().filter(claimed_by=user.pk, claimed_until__gt=clock.now()).order_by("expires_at", "id")
    if name == "escalated":
        up = mine.filter(source__in=["escalation", "fallback", "assigned"])
        return rows.pending().filter(Exists(up)).order_by("expires_at", "id")
    if name == "delegated":
        handed = mine.filter(for_user__isnull=False)
        return rows.pending().filter(Exists(handed)).order_by("expires_at", "id")
    if name == "asked":
        return rows.filter(Q(requester=user.pk) | Q(on_behalf_of=user.pk)).order_by("-id")
    if name == "decided":
        voted = Decision.objects.filter(approval=OuterRef("pk"), actor=user.pk)
        return rows.filter(Exists(voted)).order_by("-id")
    return rows.order_by("-id")


def visible(who: Any, *, at_once: bool = False) -> ApprovalQuerySet:
    """All requests this user or key may see. `at_once` takes no query of its own: for one row, not for lists."""
    if who is SYSTEM:
        return Approval.objects.all()
    if isinstance(who, ApiKey):
        return Approval.objects.filter(agent_key=who.pk)
    if is_operator(who):
        return Approval.objects.all()
    given = Delegation.objects.live(clock.now()).filter(to_user=who.pk).values("from_user")
    users = get_user_model().objects.order_by().filter(Q(pk=who.pk) | Q(pk__in=given)).values("pk")
    return Approval.objects.all().visible_to(who, users if at_once else [who.pk, *people.delegators(who.pk)])


def find_visible(approval: Approval | uuid.UUID | str, who: Any) -> Approval:
    """One request by id, if this user or key may see it; raises UnknownApproval alike for both kinds of no."""
    pk = as_id(approval)
    row = visible(who).filter(pk=pk).first()
    if row is None:
        raise UnknownApproval(f"there is no request {pk} that you may see")
    return row


def run_of(approval: Approval | uuid.UUID | str) -> uuid.UUID:
    """The run a request belongs to; raises UnknownApproval."""
    pk = as_id(approval)
    run_id = sql.run_of_approval(pk)
    if run_id is None:
        raise UnknownApproval(f"there is no request {pk} that you may see")
    return run_id


def as_id(approval: Approval | uuid.UUID | str) -> uuid.UUID:
    """The id behind whatever a door was given; raises UnknownApproval for what is none."""
    pk = approval.pk if isinstance(approval, Approval) else approval
    try:
        return pk if isinstance(pk, uuid.UUID) else uuid.UUID(str(pk))
    except ValueError:
        raise UnknownApproval(f"{pk!r} is no approval id") from None


def mark_seen(approval: Approval, user: Any) -> None:
    """Remember that a person who is asked by name looked at the request, the first time."""
    asked = Assignment.objects.filter(approval=approval.pk, user=user.pk, first_seen_at=None)
    asked.update(first_seen_at=clock.now())
