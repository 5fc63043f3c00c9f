"""The rows behind the page of one request: read in a handful of queries, whatever there are of each."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib.auth.models import Group
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Subquery, TextField
from django.db.models.functions import Cast, Coalesce, Length, Substr

from hitl import clock
from hitl.decisions.inbox import visible
from hitl.exceptions import UnknownApproval
from hitl.models import Approval, Assignment, Comment, Decision, Delegation, Notification, Run, Step, Watch, people

MOST = 50
_LOOKED_AT = 500  # requests in which the last decisions on the same action are looked for: no index has its type
_RECENT = 5
_STEPS = 200
START = 2000
_RELATED = (
    *("run__workflow", "run__parent_step", "step", "requester", "on_behalf_of", "agent_key"),
    *("claimed_by", "edited_by", "supersedes"),
)


def find(pk: uuid.UUID, user: Any) -> Any:
    """A request this user may see, with what its page says of it and how the user stands to it, in one query; raises
    UnknownApproval alike for both kinds of no."""
    mine = Q(user=user.pk) | Q(group__in=Group.objects.filter(user=user.pk))
    here = Assignment.objects.filter(approval=OuterRef("pk"), ended_at=None)
    handed = here.filter(stage=OuterRef("stage"), user=user.pk, for_user__isnull=False)
    direct = here.filter(mine, stage=OuterRef("stage"), for_user=None).order_by("pk")
    seen = visible(user, at_once=True)
    alike = seen.filter(run=OuterRef("run"), step__name=OuterRef("step__name"), key=OuterRef("key"))
    newest = alike.order_by("-revision")[:1]
    remarks = Comment.objects.filter(approval=OuterRef("pk")).order_by().values("approval").annotate(n=Count("pk"))
    rows = seen.select_related(*_RELATED).annotate(
        direct=Subquery(direct.values("pk")[:1]),
        later=Exists(here.filter(mine, stage__gt=OuterRef("stage"))),
        stands_in=Exists(Delegation.objects.live(clock.now()).filter(to_user=user.pk)) | Exists(handed),
        on_team=Exists(Group.objects.filter(user=user.pk, pk=OuterRef("agent_key__owner_group"))),
        watched=Exists(Watch.objects.filter(approval=OuterRef("pk"), user=user.pk)),
        newest_pk=Subquery(newest.values("pk")),
        newest_revision=Subquery(newest.values("revision")),
        sees_before=Exists(seen.filter(pk=OuterRef("supersedes"))),
        remarks=Coalesce(Subquery(remarks.values("n")), 0),
    )
    row = rows.filter(pk=pk).first()
    if row is None:
        raise UnknownApproval(f"there is no request {pk} that you may see")
    return row


def asked(approval: Any, user: Any) -> people.Asked:
    """How this user stands to a request that `find` read."""
    return people.Asked(user.is_active, approval.direct, approval.later, approval.stands_in)


def assignments(approval: Approval, user: Any) -> list[Any]:
    """Who is asked, by hand and by rule, in the order they came, and whether by a group this user is `mine` in."""
    rows = Assignment.objects.filter(approval=approval.pk, ended_at=None)
    mine = Exists(Group.objects.filter(user=user.pk, pk=OuterRef("group")))
    return list(rows.select_related("user", "group", "for_user").annotate(mine=mine).order_by("pk"))


def decisions_on(approval: Approval, user: Any) -> tuple[list[Any], list[Any], list[Any]]:
    """The votes that stand on this request and on the revision before it, the oldest first; and the last decisions on
    other requests of the same action type that this user may see, the newest first."""
    own = Approval.objects.filter(pk__in=[approval.pk, approval.supersedes_id or approval.pk]).order_by().values("pk")
    newest = Approval.objects.order_by("-pk").values("pk")[:_LOOKED_AT]
    same = visible(user, at_once=True).filter(pk__in=newest, action_type=approval.action_type, kind=approval.kind)
    others = same.exclude(pk=approval.pk).exclude(status="pending").order_by("-pk").values("pk")[:_RECENT]
    wanted = own.union(Approval.objects.filter(pk__in=others).order_by().values("pk"))[: _RECENT + 2]
    rows = Decision.objects.filter(approval__in=wanted, withdrawn_at=None).select_related("actor", "for_user")
    found = list(rows.annotate(title=F("approval__title"), of=F("approval__action_digest")).order_by("decided_at"))
    here = [vote for vote in found if vote.approval_id == approval.pk]
    before = [vote for vote in found if vote.approval_id == approval.supersedes_id]
    rest = [vote for vote in reversed(found) if vote.approval_id not in (approval.pk, approval.supersedes_id)]
    return here, before, rest[:_RECENT]


def steps(approval: Approval) -> list[Any]:
    """The last steps of its run, the oldest first, each with how long its output is as JSON (`size`) and how that
    begins (`start`)."""
    text = Cast("output", TextField())
    rows = approval.run.steps.defer("output", "checkpoint", "spec", "instructions", "failure_text").annotate(
        size=Length(text), start=Substr(text, 1, START)
    )
    return list(reversed(rows.order_by("-id")[:_STEPS]))


def output_of(approval: Approval, step: uuid.UUID) -> Any:
    """What one of the steps before it returned; raises UnknownApproval where there is no such step."""
    row = Step.objects.filter(run=approval.run_id, pk=step).first()
    if row is None:
        raise UnknownApproval("there is no such step")
    return row.output


def children(run: Run) -> list[Run]:
    """The runs that this one started, the first of them."""
    return list(Run.objects.filter(parent_step__run=run).select_related("workflow").order_by("id")[:MOST])


def comments(approval: Approval, *, all_of_them: bool = False) -> list[Comment]:
    """What was said, the oldest first: the last fifty, or a thousand."""
    rows = approval.comments.select_related("author").order_by("-pk")
    return list(reversed(rows[: MOST * 20 if all_of_them else MOST]))


def notices(approval: Approval) -> QuerySet[Notification]:
    """Who was told, people and programs, the last first."""
    told = approval.notifications.exclude(channel="").select_related("recipient", "endpoint")
    return told.order_by("-pk")[:MOST]
