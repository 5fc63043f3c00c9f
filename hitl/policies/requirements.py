"""From what a gate says to the requirement an approval carries, and the rows of who is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group

from hitl.definition import GateSpec, Requirement
from hitl.exceptions import UnknownPolicy, UnknownReviewer
from hitl.models import Policy


@dataclass(frozen=True, slots=True)
class Candidate:
    """One who is asked: a user or a group, by id."""

    user_id: Any = None
    group_id: Any = None


def active_policy(name: str) -> Policy:
    """The version new requests get; raises UnknownPolicy."""
    policy = Policy.objects.filter(name=name, active=True).first()
    if policy is None:
        raise UnknownPolicy(f"there is no policy {name!r}; apply one with manage.py hitl policy apply FILE")
    return policy


def requirement_for(gate: GateSpec) -> Requirement:
    """The snapshot: the gate's own reviewers, or the active version of its policy with the gate's level and
    on_timeout laid over it. Raises UnknownPolicy."""
    if gate.requirement is not None:
        requirement = gate.requirement
    else:
        policy = active_policy(gate.policy)
        requirement = policy.value.requirement(policy.version)
    over = {"level": gate.level, "on_timeout": gate.on_timeout}
    return requirement.model_copy(update={name: value for name, value in over.items() if value})


def resolve(reviewers: Sequence[str]) -> list[Candidate]:
    """`group:NAME` and `user:NAME` as ids; raises UnknownReviewer naming all that do not exist."""
    names: dict[str, set[str]] = {"group": set(), "user": set()}
    for reviewer in reviewers:
        kind, _, name = reviewer.partition(":")
        names[kind].add(name)
    users = get_user_model().objects.filter(**{f"{_login()}__in": names["user"]}).values_list(_login(), "pk")
    groups = Group.objects.filter(name__in=names["group"]).values_list("name", "pk")
    found = {f"user:{name}": Candidate(user_id=pk) for name, pk in (users if names["user"] else [])}
    found |= {f"group:{name}": Candidate(group_id=pk) for name, pk in (groups if names["group"] else [])}
    missing = [name for name in reviewers if name not in found]
    if missing:
        raise UnknownReviewer(f"no such reviewer: {', '.join(missing)}; create them or change the gate or policy")
    return [found[name] for name in reviewers]


def _login() -> str:
    return str(get_user_model().USERNAME_FIELD)
