"""May she? One function for every door, query and button.

Membership, delegations and activity are read live, at the vote. Being superuser or staff adds nothing; keys never
decide.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib.auth import get_user_model
from django.utils.translation import gettext_noop as _

from hitl.audit import Actor
from hitl.models import Approval, Decision, people
from hitl.states import Verdict

REASONS = {
    "agent": _("Programs never decide: a person has to, signed in as themselves."),
    "inactive": _("This account is deactivated."),
    "own_request": _(
        "You, somebody you stand in for, or an agent of yours asked for this; somebody else has to decide."
    ),
    "own_edit": _(
        "You, or somebody you stand in for, wrote this version; where several must agree, others decide on it."
    ),
    "not_candidate": _("You are not among the people who were asked."),
    "stage_not_open": _("You are asked at a later stage, which has not opened yet."),
    "already_voted": _("You have voted already."),
    "voted_earlier_stage": _("You have voted at an earlier stage; each stage takes other people."),
    "place_taken": _("One of you has voted already: who stands in and who they stand in for count once."),
    "step_up_required": _("Enter your password again first: this is too dangerous for an open session alone."),
    "max_revisions": _("This was revised as often as it may be; approve it as it is, or reject it."),
    "closed": _("This request is closed."),
    "claimed": _("Somebody else is at it just now."),
    "not_claimed": _("You have not claimed this."),
    "stands_in": _("You stand in for somebody; it can be handed on only once."),
    "only_requester": _("This is for the person who asked to confirm, and for nobody else."),
    "not_operator": _("This is for operators."),
    "not_yours": _("This is for those who asked, and for operators."),
    "no_rung": _("There is nobody further up to ask."),
    "at_cap": _("The deadline is as late as the policy lets it be."),
    "too_soon": _("Everybody was told a moment ago."),
    "no_vote": _("You have no vote here that could be taken back."),
    "not_voter": _("This is for those who approved it, and for operators."),
    "not_approved": _("There is no approval to take back."),
    "consumed": _("The approved action has started."),
    "only_agents": _("This is for programs, with an API key."),
    "policy_not_listed": _("This key may not ask by that policy; who owns it can allow it."),
    "needs_reviewers_scope": _("To name reviewers itself a key needs the scope approvals:reviewers; name a policy."),
    "queue_not_listed": _("This key may not work on that queue."),
}
_YES = (Verdict.APPROVE, Verdict.EDIT, Verdict.RESPOND)


@dataclass(frozen=True, slots=True)
class Facts:
    """What eligibility depends on: is the account active, by which assignment is it asked at this stage (`direct`, None
    where it is not), is it asked at a `later` one; the `places` that came to it by hand-over and are free (users, and
    by which assignment they are asked), and whether all of them are `taken`; itself and all who handed over to it
    (`people`); and the votes that stand."""

    active: bool
    direct: Any
    later: bool
    places: tuple[Any, ...]
    taken: bool
    people: frozenset[str]
    votes: tuple[Decision, ...]

    @property
    def asked(self) -> bool:
        """Whether the account is asked now, itself or in somebody's place."""
        return bool(self.direct or self.places or self.taken)


def gather(approval: Approval, actor: Actor, votes: Iterable[Decision], asked: people.Asked | None = None) -> Facts:
    """Read what eligibility depends on: one query, unless the caller has read how they are `asked`, and a second for
    who stands in for somebody."""
    cast = tuple(votes)
    if not actor.is_person:
        return Facts(True, None, False, (), False, frozenset({actor.text}), cast)
    pk = actor.user_pk
    found = asked or people.asked(approval.pk, approval.stage, pk)
    handed = people.places(approval.pk, approval.stage, pk, not_theirs(approval)) if found.stands_in else []
    alone = approval.required.by_requester  # nobody confirms in the requester's place
    used = {str(one) for vote in cast for one in (vote.actor_id, vote.for_user_id) if one is not None}
    given = [(user, by) for user, by in handed if by is not None and not alone]
    free = tuple((user, by) for user, by in given if str(user) not in used)
    own = frozenset({actor.id, *(str(user) for user, _ in handed)})
    return Facts(found.active, found.direct, found.later, free, bool(given) and not free, own, cast)


def not_theirs(approval: Approval) -> set[Any]:
    """Those who may not decide it, whose stand-ins may not either: who asked for it, and who wrote it by hand."""
    own = own_people(approval) if approval.prevent_self_review else set()
    return own | ({approval.edited_by_id} - {None})


def why_not(approval: Approval, actor: Actor, facts: Facts) -> str:
    """The reason this actor may not vote on this request now, or an empty text."""
    if not actor.is_person:
        return "agent"
    if not facts.active:
        return "inactive"
    if approval.prevent_self_review and facts.people & {str(user) for user in own_people(approval)}:
        return "own_request"
    if approval.edited_by_id is not None and str(approval.edited_by_id) in facts.people:
        return "own_edit"
    return _place_problem(approval, actor, facts)


def _place_problem(approval: Approval, actor: Actor, facts: Facts) -> str:
    """Whether there is a place for this person's vote: each person and each place once over all stages."""
    stages = {vote.stage for vote in facts.votes if str(vote.actor_id) == actor.id}
    if approval.stage in stages:
        return "already_voted"
    if not facts.asked:
        return "stage_not_open" if facts.later else "not_candidate"
    if stages:
        return "voted_earlier_stage"
    stood_in = any(str(vote.for_user_id) == actor.id for vote in facts.votes)
    own_place = facts.direct is not None and not stood_in
    return "" if own_place or facts.places else "place_taken"


def place_of(actor: Actor, facts: Facts) -> tuple[Any, Any]:
    """Whose place the vote takes (None for the actor's own, else the user's id), and by which assignment that person
    is asked."""
    stood_in = any(str(vote.for_user_id) == actor.id for vote in facts.votes)
    own_place = facts.direct is not None and not stood_in
    return (None, facts.direct) if own_place else next(iter(facts.places), (None, None))


def own_people(approval: Approval) -> set[Any]:
    """The ids of those who asked, were asked for, wrote it by hand, or own the key that asked."""
    to_python = get_user_model()._meta.pk.to_python
    own = {approval.requester_id, approval.on_behalf_of_id}
    own |= {to_python(author) for author in approval.authors.split(",") if author}
    if approval.agent_key_id is not None:
        own.add(approval.agent_key.owner_user_id)  # type: ignore[union-attr]
    return own - {None}


def offered(approval: Approval) -> list[str]:
    """The verdicts this request offers at all."""
    if approval.kind == "question":
        return [Verdict.RESPOND]
    if approval.editable == [] and not approval.types:
        return [Verdict.APPROVE, Verdict.REQUEST_REVISION, Verdict.REJECT]
    return [Verdict.APPROVE, Verdict.EDIT, Verdict.REQUEST_REVISION, Verdict.REJECT]


def verdict_problem(approval: Approval, verdict: str, *, fresh: bool, revises: bool = False) -> str:
    """The reason this verdict is not possible though the person may vote; `fresh`: they have just given their
    password, `revises`: the edit makes a revision in any case."""
    if verdict in _YES and approval.required.step_up and not fresh:
        return "step_up_required"
    revises = verdict == Verdict.EDIT and (revises or approval.required.need > 1)
    return "max_revisions" if revises and approval.revision > approval.max_revisions else ""
