"""explain(): what this person can do with this request, why not, who is needed, and what happens next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Case, Q, Value, When
from django.utils.translation import gettext

from hitl import clock
from hitl.audit import Actor
from hitl.models import Approval, Assignment, Decision, Delegation, people
from hitl.policies.acts import ANYTIME, PENDING, Scene, act_problem, is_operator, silence
from hitl.policies.eligibility import REASONS, gather, not_theirs, offered, own_people, verdict_problem
from hitl.states import Verdict

_YES = (Verdict.APPROVE, Verdict.EDIT)
_MOST_NAMES = 50


@dataclass(frozen=True, slots=True)
class Next:
    """Something that will happen by itself: `remind`, `escalate`, `reject`, `approve` or `expire`, and when."""

    what: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Explanation:
    """What this person can do with a request, and why not. `verdicts` and `acts` map each verdict and each other act to
    the reason it is refused for, or to an empty text where it is possible; `have` and `need` count approvals of this
    stage. `can_still` are the people who can bring what is missing and `cannot` those who were asked and cannot, each
    with the reason (at most 50 of both); `next` is what comes by itself."""

    verdicts: dict[str, str]
    acts: dict[str, str]
    have: int
    need: int
    refusals: int
    refusals_need: int
    stage: int
    stages: int
    can_still: tuple[str, ...]
    cannot: tuple[tuple[str, str], ...]
    satisfiable: bool
    next: tuple[Next, ...]
    stands_for: tuple[str, ...]

    @property
    def can_decide(self) -> bool:
        """Whether any verdict is possible."""
        return not all(self.verdicts.values())

    @property
    def reason(self) -> str:
        """The machine reason nothing is possible, or an empty text."""
        return "" if self.can_decide else next(iter(self.verdicts.values()), "closed")

    @property
    def sentence(self) -> str:
        """The reason for people."""
        return gettext(REASONS.get(self.reason, ""))

    def sentence_for(self, verdict: str) -> str:
        """Why this verdict is refused, for people."""
        return gettext(REASONS.get(self.verdicts.get(verdict, ""), ""))


def explain(
    approval: Approval,
    who: Any,
    *,
    fresh: bool = False,
    votes: list[Decision] | None = None,
    rows: list[Assignment] | None = None,
    asked: people.Asked | None = None,
) -> Explanation:
    """What this user or key can do with this request, from the same rules `decide` and the acts use. `fresh`: they have
    given their password within the last minutes. A program is not told the names of people, and asks often. `votes` are
    those that stand, in their order, `rows` the assignments that do, and `asked` how this user stands to it, where the
    caller has read them."""
    actor = Actor.of(who)
    if votes is None:
        votes = list(Decision.objects.filter(approval=approval.pk, withdrawn_at=None).order_by("decided_at"))
    scene = Scene(approval, actor, gather(approval, actor, votes, asked), is_operator(who), clock.now())
    open_now = approval.is_pending and scene.now < approval.expires_at
    reason = scene.vote if open_now else "closed"
    stage = approval.required.stages[approval.stage]
    here = [vote for vote in votes if vote.stage == approval.stage]
    have = sum(vote.verdict in _YES for vote in here)
    named = open_now and actor.kind != "key"
    owners = [] if scene.facts.direct else [user for user, _ in scene.facts.places]
    crowd = _crowd(approval, votes, rows, owners) if named else _Crowd.of(owners)
    return Explanation(
        verdicts={str(v): reason or verdict_problem(approval, v, fresh=fresh) for v in offered(approval)},
        acts={act: act_problem(act, scene) for act in (PENDING | ANYTIME)},
        have=have,
        need=stage.need,
        refusals=sum(vote.verdict == Verdict.REJECT for vote in here),
        refusals_need=stage.rejections,
        stage=approval.stage + 1,
        stages=len(approval.required.stages),
        can_still=tuple(Actor.of(user).name for user in crowd.able[:_MOST_NAMES]),
        cannot=tuple(_cannot(approval, votes, crowd.unable)) if named else (),
        satisfiable=crowd.left >= stage.need - have if named else not (open_now and approval.unsatisfiable),
        next=tuple(_next(approval)) if open_now else (),
        stands_for=tuple(Actor.of(user).name for user in crowd.people if user.pk in owners),
    )


@dataclass(frozen=True, slots=True)
class _Crowd:
    """The people of a stage in their order: all that were read, who can bring an approval (with those who stand in for
    them), who was asked and cannot, and how many of those asked can."""

    people: list[Any]
    able: list[Any]
    unable: list[Any]
    left: int

    @classmethod
    def of(cls, users: list[Any]) -> _Crowd:
        """Nobody but these."""
        found = list(get_user_model().objects.filter(pk__in=users).order_by("pk")) if users else []
        return cls(found, [], [], 0)


def _crowd(approval: Approval, votes: list[Decision], rows: list[Assignment] | None, owners: list[Any]) -> _Crowd:
    """Read them all at once, at most fifty of each kind; `owners` are read in any case."""
    model, place = get_user_model(), {"approval": approval.pk, "stage": approval.stage, "ended_at": None}
    if rows is None:
        rows = list(Assignment.objects.filter(**place))
    asked = _named([row for row in rows if row.stage == approval.stage and row.for_user_id is None])
    active = Q(is_active=True) if _can_be_deactivated() else Q()
    live = Delegation.objects.live(clock.now())
    own = not_theirs(approval)
    voted = {one for vote in votes for one in (vote.actor_id, vote.for_user_id)} - {None}
    out = Q(pk__in=own | voted) | Q(pk__in=live.filter(from_user__in=own).values("to_user"))
    users = model.objects.order_by("pk").values("pk")
    need = approval.required.stages[approval.stage].need
    left = users.filter(asked, active).exclude(out)[: max(_MOST_NAMES, need)]
    read = Q(pk__in=left) | Q(pk__in=owners)
    read |= Q(pk__in=users.filter(asked).filter(out | ~active if active else out)[:_MOST_NAMES])
    if not approval.required.by_requester:
        handed = Assignment.objects.filter(**place, for_user__in=left).values("user")
        given = Q(pk__in=handed) | Q(pk__in=live.filter(from_user__in=left).values("to_user"))
        read |= Q(pk__in=users.filter(given, active).exclude(out)[:_MOST_NAMES])
    found = list(model.objects.filter(read).annotate(asked=_is(asked), out=_is(out), on=_is(active)).order_by("pk"))
    able = [user for user in found if user.on and not user.out]
    unable = [user for user in found if user.asked and (user.out or not user.on)]
    return _Crowd(found, able, unable, sum(user.asked for user in able))


def _named(rows: list[Assignment]) -> Q:
    """Whoever these rows ask, by name or by a group."""
    model, groups = get_user_model(), [row.group_id for row in rows if row.group_id is not None]
    by_name = Q(pk__in=[row.user_id for row in rows if row.user_id is not None])
    return by_name | Q(pk__in=model.objects.filter(groups__in=groups).order_by().values("pk")) if groups else by_name


def _is(condition: Q) -> Case:
    return Case(When(condition, then=True), default=False) if condition else Case(default=Value(True))


def _cannot(approval: Approval, votes: list[Decision], unable: list[Any]) -> Iterator[tuple[str, str]]:
    """Who is asked at this stage and cannot bring an approval, with the reason."""
    own = own_people(approval) if approval.prevent_self_review else set()
    voted = {vote.actor_id: vote.stage for vote in votes}
    for user in unable[:_MOST_NAMES]:
        reason = "own_edit" if user.pk == approval.edited_by_id else "inactive" if not user.is_active else "place_taken"
        if user.pk in voted:
            reason = "already_voted" if voted[user.pk] == approval.stage else "voted_earlier_stage"
        yield Actor.of(user).name, "own_request" if user.pk in own else reason


def _can_be_deactivated() -> bool:
    return any(field.name == "is_active" for field in get_user_model()._meta.concrete_fields)


def spent(approval: Approval, votes: list[Decision]) -> set[Any]:
    """Those who cannot bring an approval any more: their own request or edit, or that of somebody they stand in for, or
    their vote is cast."""
    own = not_theirs(approval)
    voted = {one for vote in votes for one in (vote.actor_id, vote.for_user_id)}
    return (own | people.standing_in(own) | voted) - {None}


def _next(approval: Approval) -> Iterator[Next]:
    if approval.remind_at is not None:
        yield Next("remind", approval.remind_at)
    if approval.escalate_at is not None:
        yield Next("escalate", approval.escalate_at)
    yield Next(silence(approval), approval.expires_at)
