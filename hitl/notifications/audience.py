"""Who hears of a notice, found out when it is delivered. Nobody hears of what they did themselves."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Q, QuerySet

from hitl import clock
from hitl.models import Approval, Assignment, Decision, Delegation, Notification, Watch
from hitl.notifications.kinds import KINDS
from hitl.policies import own_people, resolve

_MODEL_BACKEND = "django.contrib.auth.backends.ModelBackend"
_ASKED = ("requested", "revision", "stage", "escalated", "reminder")
_MENTION = re.compile(r"(?<![\w@])@([\w.+-]{1,150})")
_MOST_MENTIONS = 20


def audience(row: Notification) -> list[Any]:
    """The people a notice is for: active, each once, never who did it. Raises UnknownReviewer where it names somebody
    there is not."""
    found = _AUDIENCES[KINDS[row.kind].to](row)
    did = str((row.payload or {}).get("actor", ""))
    return [person for person in found if f"user:{person.pk}" != did]


def reviewers(row: Notification) -> list[Any]:
    """The one it is for, or everybody asked at this stage."""
    assert row.approval is not None
    return [row.recipient] if row.recipient is not None else recipients(row.approval)


def recipients(approval: Approval) -> list[Any]:
    """The people asked at this stage, active, each once over all groups, with those who stand in for them; never those
    whose own request it is, nor who has voted: a mail would lead them astray."""
    asked = Assignment.objects.filter(approval=approval.pk, stage=approval.stage, ended_at=None)
    handed = Delegation.objects.live(clock.now()).filter(
        Q(from_user__in=asked.values("user")) | Q(from_user__groups__in=asked.values("group"))
    )
    places = Q(pk__in=asked.values("user")) | Q(groups__in=asked.values("group")) | Q(pk__in=handed.values("to_user"))
    return list(_people(places).exclude(pk__in=_own(approval)))


def told(row: Notification) -> list[Any]:
    """Those who were asked by a message and did not vote: it needs them no longer."""
    mails = Notification.objects.filter(channel__in=("email", "digest"), status="sent")
    sent = mails.filter(approval=row.approval_id, kind__in=_ASKED)
    voted = Decision.objects.filter(approval=row.approval_id, withdrawn_at=None).values("actor")
    return list(_people(Q(pk__in=sent.values("recipient"))).exclude(pk__in=voted))


def has_voted(row: Notification) -> bool:
    """Whether its person has decided already, where others have to as well."""
    return Decision.objects.filter(approval=row.approval_id, actor=row.recipient_id, withdrawn_at=None).exists()


def askers(row: Notification) -> list[Any]:
    """Who asked, for whom, and who watches; nobody of what its policy let pass at once, since nobody waited."""
    approval = row.approval
    assert approval is not None
    if row.kind == "approved" and approval.decided_via == "policy":
        return []
    watching = Watch.objects.filter(approval=approval.pk).values("user")
    return list(_people(Q(pk__in=[approval.requester_id, approval.on_behalf_of_id]) | Q(pk__in=watching)))


def watchers(row: Notification) -> list[Any]:
    """Who watches, and who is mentioned with an @ before the name they sign in with, if they may see the request."""
    approval = row.approval
    assert approval is not None
    watching = Watch.objects.filter(approval=approval.pk).values("user")
    names = dict.fromkeys(_MENTION.findall(str((row.payload or {}).get("text", ""))))
    login = f"{get_user_model().USERNAME_FIELD}__in"
    mentioned = _people(Q(**{login: [name.rstrip(".") for name in list(names)[:_MOST_MENTIONS]]}))
    may = [one for one in mentioned if Approval.objects.visible_to(one, [one.pk]).filter(pk=approval.pk).exists()]
    return list(_people(Q(pk__in=watching) | Q(pk__in=[one.pk for one in may])))


def approvers(row: Notification) -> list[Any]:
    """Who approved what the step did; nobody, where it used no approval."""
    step = str((row.payload or {}).get("step", ""))
    used = Approval.objects.filter(run=row.run_id, consumed_by__name=step)
    votes = Decision.objects.filter(approval__in=used, verdict__in=("approve", "edit"), withdrawn_at=None)
    return list(_people(Q(pk__in=votes.values("actor"))))


def named(row: Notification) -> list[Any]:
    """The people a notice names, by themselves or by their groups; those of the request where it names nobody."""
    if row.approval is not None:
        return recipients(row.approval)
    asked = resolve((row.payload or {}).get("reviewers") or ())
    users = [candidate.user_id for candidate in asked if candidate.user_id is not None]
    groups = [candidate.group_id for candidate in asked if candidate.group_id is not None]
    return list(_people(Q(pk__in=users) | Q(groups__in=groups)))


def operators(row: Notification | None = None) -> list[Any]:
    """Those who are told when nobody else can help: active people with the permission to operate."""
    found = get_user_model().objects.with_perm("hitl.operate", backend=_MODEL_BACKEND)
    return list(found.filter(is_active=True).order_by("pk"))


_AUDIENCES: dict[str, Callable[[Notification], list[Any]]] = {
    "reviewers": reviewers,
    "told": told,
    "askers": askers,
    "watchers": watchers,
    "approvers": approvers,
    "named": named,
    "operators": operators,
}


def _people(where: Q) -> QuerySet[Any]:
    return get_user_model().objects.filter(where, is_active=True).order_by("pk").distinct()


def _own(approval: Approval) -> list[Any]:
    own = own_people(approval) if approval.prevent_self_review else set()
    votes = Decision.objects.filter(approval=approval.pk, withdrawn_at=None).values_list("actor", "for_user")
    voted = {user for pair in votes for user in pair}
    return list((own | voted | {approval.edited_by_id}) - {None})
