"""Which rows make up each view of the inbox: the walks along indexes that together find them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hitl.models.driver import now_sql
from hitl.models.people import Place, handed, marks

# Due soonest first; the others come newest first.
BY_DUE = ("me", "claimed", "escalated", "delegated")
VIEWS = (*BY_DUE, "asked", "decided", "all")


@dataclass(frozen=True, slots=True)
class Person:
    """Whose list it is: their own place first, then those of the people they stand in for; and whether they see all."""

    places: tuple[Place, ...]
    sees_all: bool = False

    @property
    def user(self) -> Any:
        """Their key."""
        return self.places[0].user

    @property
    def own(self) -> list[Any]:
        """Those whose requests they may not decide: they themselves, and whoever handed over to them."""
        return [self.user, *self.places[0].own]


@dataclass(frozen=True, slots=True)
class Walk:
    """One walk along one index: `where` is what the index finds, `fine` what is asked of each row it finds."""

    table: str
    where: str
    params: tuple[Any, ...]
    fine: str = "true"
    fine_params: tuple[Any, ...] = ()

    @property
    def id(self) -> str:
        """The column with the request's id."""
        return "p.id" if self.table == "hitl_approval p" else f"{self.table[-1]}.approval_id"

    @property
    def due(self) -> str:
        """The column with its deadline."""
        return "p.expires_at" if self.table == "hitl_approval p" else "a.due_at"


def walks(view: str, who: Person) -> list[Walk]:
    """Those of one view."""
    return _VIEWS[view](who)


def _me(who: Person) -> list[Walk]:
    given = "a.user_id = %s AND a.due_at IS NOT NULL AND a.source = 'delegate'"
    found = [_open(who, given, who.user, "a.for_user_id", [], who.own, handed())]
    for place in who.places:
        if not place.active:
            continue
        theirs = list(dict.fromkeys([*who.own, *place.own]))
        for column, principal in _principals(place):
            direct = f"a.{column} = %s AND a.due_at IS NOT NULL AND a.for_user_id IS NULL"
            direct += "" if place.user == who.user else " AND a.source <> 'requester'"
            found.append(_open(who, direct, principal, "%s", [place.user], theirs, "true"))
    return found


def _open(
    who: Person, where: str, principal: Any, place: str, place_params: list[Any], own: list[Any], fine: str
) -> Walk:
    """Nobody votes twice, nobody's place is used twice, and one's own is left to others."""
    owned = marks(own)
    authors = " OR ".join(["p.authors LIKE %s"] * len(own))
    fine += (
        " AND NOT EXISTS (SELECT 1 FROM hitl_decision d WHERE d.approval_id = a.approval_id "  # noqa: S608
        f"AND d.withdrawn_at IS NULL AND (d.actor_id = %s OR d.actor_id = {place} OR d.for_user_id = {place})) "
        "AND EXISTS (SELECT 1 FROM hitl_approval p WHERE p.id = a.approval_id "
        f"AND (p.edited_by_id IS NULL OR p.edited_by_id NOT IN ({owned})) "
        f"AND NOT (p.prevent_self_review AND (COALESCE(p.requester_id IN ({owned}), false) "
        f"OR COALESCE(p.on_behalf_of_id IN ({owned}), false) OR {authors} "
        f"OR EXISTS (SELECT 1 FROM hitl_apikey k WHERE k.id = p.agent_key_id AND k.owner_user_id IN ({owned})))))"
    )
    voted = (who.user, *place_params, *place_params)
    asked = (*own, *own, *own, *(f"%,{user},%" for user in own), *own)
    return Walk("hitl_assignment a", where, (principal,), fine, (*voted, *asked))


def _claimed(who: Person) -> list[Walk]:
    now, params = now_sql(stable=True)
    asked, more = _asked(who, "p.id")
    where = f"p.claimed_by_id = %s AND p.status = 'pending' AND p.claimed_until > {now}"
    return [Walk("hitl_approval p", where, (who.user, *params), asked, tuple(more))]


def _escalated(who: Person) -> list[Walk]:
    # The sources are written out, since a partial index is found by its words.
    up = "a.due_at IS NOT NULL AND a.source IN ('escalation', 'fallback', 'assigned')"
    return [
        Walk("hitl_assignment a", f"a.{column} = %s AND {up}", (key,)) for column, key in _principals(who.places[0])
    ]


def _delegated(who: Person) -> list[Walk]:
    where = "a.user_id = %s AND a.due_at IS NOT NULL AND a.source = 'delegate'"
    return [Walk("hitl_assignment a", where, (who.user,))]


def _asked_by(who: Person) -> list[Walk]:
    return [Walk("hitl_approval p", f"p.{one} = %s", (who.user,)) for one in ("requester_id", "on_behalf_of_id")]


def _decided(who: Person) -> list[Walk]:
    return [Walk("hitl_decision d", "d.actor_id = %s", (who.user,))]


def _all(who: Person) -> list[Walk]:
    """As `ApprovalQuerySet.visible_to` says it of one row. Each key of their agents has a walk of its own: one that is
    told them by a subquery would go along all requests."""
    if who.sees_all:
        return [Walk("hitl_approval p", "true", ())]
    before, params = _asked(who, "p.supersedes_id")
    return [
        *_asked_by(who),
        *_decided(who),
        Walk("hitl_approval p", "p.edited_by_id = %s", (who.user,)),
        *(Walk("hitl_approval p", "p.agent_key_id = %s", (key,)) for key in who.places[0].keys),
        Walk("hitl_approval p", "p.supersedes_id IS NOT NULL", (), before, tuple(params)),
        *(
            Walk("hitl_assignment a", f"a.{column} = %s", (key,))
            for place in who.places
            for column, key in _principals(place)
        ),
    ]


def _asked(who: Person, pk: str) -> tuple[str, list[Any]]:
    """Whether the person, or one of those they stand in for, was ever asked about this request."""
    groups = [group for place in who.places for group in place.groups]
    grouped = f" OR q.group_id IN ({marks(groups)})" if groups else ""
    return (
        f"EXISTS (SELECT 1 FROM hitl_assignment q WHERE q.approval_id = {pk} "  # noqa: S608
        f"AND (q.user_id IN ({marks(who.own)}){grouped}))",
        [*who.own, *groups],
    )


def _principals(place: Place) -> list[tuple[str, Any]]:
    return [("user_id", place.user), *(("group_id", group) for group in place.groups)]


_VIEWS = {
    "me": _me,
    "claimed": _claimed,
    "escalated": _escalated,
    "delegated": _delegated,
    "asked": _asked_by,
    "decided": _decided,
    "all": _all,
}
