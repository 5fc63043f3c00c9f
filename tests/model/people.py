"""The people of the model, and what is asked of them. Plain values: nothing of hitl, and no database.

Times are minutes since the example began, and all of them are multiples of five: the seconds a test takes never matter.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

GROUPS = {"finance": ("bob", "carol", "dave"), "directors": ("carol", "erin")}
REVIEWERS = ("bob", "carol", "dave", "erin")
PEOPLE = ("alice", "olga", *REVIEWERS, "sam", "mallory", "root")
AGENT = "agent"
EVERYBODY = (*PEOPLE, AGENT)


class No(Exception):
    """The rules refuse: the name of the error, and the machine reason or the fields that are wrong."""

    def __init__(self, error: str, *why: str) -> None:
        super().__init__(error, *sorted(why))


@dataclass(frozen=True)
class Rung:
    """One step up the ladder."""

    after: int
    to: tuple[str, ...]
    mode: str


@dataclass(frozen=True)
class Stage:
    """One sign-off."""

    reviewers: tuple[str, ...]
    approvals: int = 1
    rejections: int = 1
    timeout: int = 120
    remind: tuple[int, ...] = ()
    ladder: tuple[Rung, ...] = ()
    fallback: tuple[str, ...] = ()


@dataclass(frozen=True)
class Gate:
    """What is written into the workflow."""

    max_revisions: int = 1
    on_max_revisions: str = "reject"
    editable: tuple[str, ...] | None = None
    cool_off: int = 0
    execute_within: int = 60


@dataclass(frozen=True)
class Rules:
    """Who must say yes, who asks, and how dangerous it is."""

    stages: tuple[Stage, ...]
    gate: Gate = Gate()
    asks: str = "alice"  # or "alice for olga", or "agent": bob's
    on_timeout: str = "reject"
    comment: str = "on_reject"
    prevent_self_review: bool = True
    level: str = "confirm"
    step_up: bool = False
    extend: int = 60
    risk: str = "medium"
    reversible: bool = False

    @property
    def need(self) -> int:
        """Approvals over all stages."""
        return sum(stage.approvals for stage in self.stages)

    @property
    def by_requester(self) -> bool:
        """Whether the one who asks confirms."""
        return self.stages[0].reviewers == ("requester",)

    @property
    def side(self) -> frozenset[str]:
        """The people on the side that asks."""
        return frozenset({"alice": ("alice",), "alice for olga": ("alice", "olga"), "agent": ("bob",)}[self.asks])

    @property
    def silence(self) -> str:
        """What the end of the time means."""
        dangerous = self.risk != "low" or not self.reversible
        return "reject" if self.on_timeout == "approve" and dangerous else self.on_timeout

    def names(self, reviewers: tuple[str, ...]) -> list[str]:
        """Reviewers as rows name them."""
        return ["user:alice" if name == "requester" else name for name in reviewers]


@dataclass
class Society:
    """Who is who now: active accounts, members, and who stands in for whom until when."""

    now: int = 0
    active: set[str] = field(default_factory=lambda: set(PEOPLE))
    members: dict[str, set[str]] = field(default_factory=lambda: {name: set(who) for name, who in GROUPS.items()})
    periods: list[dict[str, Any]] = field(default_factory=list)

    def hand_over(self, giver: str, to: str, until: int, *, by: str) -> None:
        """Somebody decides in another's place for a while."""
        if by != giver and not (self.operates(by) and by != to):
            raise No("NotAllowed", "not_operator")
        if giver == to or not {giver, to} <= self.active:
            raise No("BadInput")
        self.periods.append({"giver": giver, "to": to, "until": until, "over": False})

    def take_back(self, number: int, *, by: str) -> bool:
        """The end of that."""
        period = self.periods[number]
        if by not in (period["giver"], period["to"]) and not self.operates(by):
            raise No("NotAllowed", "not_operator")
        before, period["over"] = period["over"], True
        return not before

    def operates(self, who: str) -> bool:
        """Whether somebody is an operator."""
        return who == "root" and who in self.active

    def givers(self, to: str) -> set[str]:
        """Whose place somebody has for a while."""
        return {p["giver"] for p in self.periods if p["to"] == to and not p["over"] and self.now < p["until"]}

    def named(self, who: str, names: Any) -> bool:
        """Whether `user:` and `group:` names mean somebody."""
        return any(
            name == f"user:{who}" or (name.startswith("group:") and who in self.members[name[6:]]) for name in names
        )
