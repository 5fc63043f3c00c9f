"""Why there is nothing to review: what a person is in, and what would ask them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import Group
from django.db.models import Q, TextField
from django.db.models.functions import Cast

from hitl.models import Approval, Policy, Workflow

_MOST = 10


@dataclass(frozen=True, slots=True)
class Reason:
    """Whether anybody was ever asked anything, the groups of a person, and the gates and policies that name them."""

    any_requests: bool
    groups: list[str]
    gates: list[str]
    policies: list[str]


def reason_for(user: Any) -> Reason:
    """Four small queries, for who has nothing to do."""
    groups = list(Group.objects.filter(user=user.pk).order_by("name").values_list("name", flat=True))
    names = [f'"user:{user.get_username()}"', *(f'"group:{name}"' for name in groups)]
    gates = Workflow.objects.filter(_names("body", names), retired_at=None).order_by("title")
    policies = Policy.objects.annotate(text=Cast("document", TextField())).filter(_names("text", names), active=True)
    return Reason(
        Approval.objects.exists(),
        groups,
        list(gates.values_list("title", flat=True).distinct()[:_MOST]),
        list(policies.order_by("name").values_list("name", flat=True)[:_MOST]),
    )


def _names(field: str, names: list[str]) -> Q:
    found = Q()
    for name in names:
        found |= Q((f"{field}__contains", name))
    return found
