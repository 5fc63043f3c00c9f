"""One request of the model: who is asked, who has voted, and who may. What design/06 says, said once more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.model.people import AGENT, EVERYBODY, PEOPLE, Rules, Society, Stage

YES = ("approve", "edit")
ACTS = (
    "claim", "release", "delegate", "assign", "escalate", "extend", "remind", "withdraw", "cancel",
    "comment", "watch", "revoke",
)  # fmt: skip
ANYTIME = ("comment", "watch", "revoke")


@dataclass
class Vote:
    """What somebody said, in whose place."""

    who: str
    place: str
    stage: int
    verdict: str
    args: str
    stands: bool = True


@dataclass
class Asked:
    """Somebody, or a group, who is asked; `giver` handed it over."""

    giver: str = ""
    ended: bool = False


@dataclass
class Request:
    """One revision of what is asked."""

    rules: Rules
    society: Society
    revision: int
    opened: int
    before: Request | None = None
    editor: str = ""
    status: str = "pending"
    via: str = ""
    stage: int = 0
    expires: int = 0
    remind_at: int | None = None
    escalate_at: int | None = None
    reminded: int | None = None
    rung: int = 0
    fell_back: bool = False
    short: bool = False  # of people: unsatisfiable
    claimed: tuple[str, int] | None = None
    execute_by: int = 0
    not_before: int = 0
    consumed: bool = False
    votes: list[Vote] = field(default_factory=list)
    asked: dict[tuple[int, str], Asked] = field(default_factory=dict)

    @property
    def plan(self) -> Stage:
        """The stage it is at."""
        return self.rules.stages[self.stage]

    @property
    def open(self) -> bool:
        """Whether it can be decided now."""
        return self.status == "pending" and self.society.now < self.expires

    # -- who is asked -------------------------------------------------------------------------------

    def direct(self, who: str, stage: int | None = None) -> bool:
        """Whether somebody is asked in person, or as a member."""
        at = self.stage if stage is None else stage
        rows = [name for (n, name), row in self.asked.items() if n == at and not row.ended and not row.giver]
        return self.society.named(who, rows)

    def givers(self, who: str) -> set[str]:
        """Whose place came to somebody, for a while or for this request."""
        row = self.asked.get((self.stage, f"user:{who}"))
        return self.society.givers(who) | ({row.giver} if row and row.giver and not row.ended else set())

    def places(self, who: str) -> set[str]:
        """The places of those who are asked, used or not."""
        if self.rules.by_requester:
            return set()  # nobody confirms in the requester's place
        able = {giver for giver in self.givers(who) if giver in self.society.active and self.direct(giver)}
        return {giver for giver in able if not self._barred(giver)}

    def _barred(self, owner: str) -> bool:
        """Whether the owner of a place may not use it, since they stand in for one who asked or wrote it."""
        theirs = {owner, *self.society.givers(owner)}
        own = self.rules.side if self.rules.prevent_self_review and not self.rules.by_requester else set()
        return bool(theirs & {*own, self.editor})

    @property
    def used(self) -> set[str]:
        """Everybody whose voice or place is spent, at any stage: each counts once."""
        return {name for vote in self.standing for name in (vote.who, vote.place)}

    @property
    def standing(self) -> list[Vote]:
        """Votes nobody took back."""
        return [vote for vote in self.votes if vote.stands]

    def has_place(self, who: str) -> bool:
        """Whether somebody's own place is theirs still."""
        return self.direct(who) and all(vote.place != who for vote in self.standing)

    def why_not(self, who: str) -> str:
        """Why somebody may not vote, or nothing."""
        if who == AGENT:
            return "agent"
        if who not in self.society.active:
            return "inactive"
        people = {who, *self.givers(who)}
        if self.rules.prevent_self_review and not self.rules.by_requester and people & self.rules.side:
            return "own_request"
        if self.editor in people:
            return "own_edit"
        return self._no_place(who)

    def _no_place(self, who: str) -> str:
        voted = {vote.stage for vote in self.standing if vote.who == who}
        if self.stage in voted:
            return "already_voted"
        if not self.direct(who) and not self.places(who):
            later = any(self.direct(who, stage) for stage in range(self.stage + 1, len(self.rules.stages)))
            return "stage_not_open" if later else "not_candidate"
        if voted:
            return "voted_earlier_stage"
        return "" if self.has_place(who) or self.places(who) - self.used else "place_taken"

    @property
    def spent(self) -> set[str]:
        """Who cannot bring an approval any more, or never could."""
        theirs = {self.editor}
        if self.rules.prevent_self_review and not self.rules.by_requester:
            theirs |= self.rules.side
        return self.used | {who for who in PEOPLE if {who, *self.society.givers(who)} & theirs}

    def left(self) -> set[str]:
        """Who can still bring an approval in their own name."""
        return {who for who in PEOPLE if who in self.society.active and self.direct(who)} - self.spent

    def stand_ins(self) -> set[str]:
        """Who can bring one in the place of one of those."""
        left = self.left()
        return {who for who in PEOPLE if self.places(who) & left and not self.why_not(who)}

    def visible(self, who: str) -> bool:
        """Whether somebody may see it."""
        if who == AGENT:
            return self.rules.asks == AGENT
        if self.society.operates(who) or who in self.rules.side or who == self.editor:
            return True
        names = [name for (_, name) in (*self.asked, *(self.before.asked if self.before else ()))]
        people = {who, *self.society.givers(who)}
        return any(self.society.named(one, names) for one in people) or any(vote.who == who for vote in self.votes)

    # -- counting -----------------------------------------------------------------------------------

    def count(self, verdicts: Iterable[str]) -> int:
        """Votes of this stage."""
        return sum(vote.verdict in verdicts for vote in self.standing if vote.stage == self.stage)

    @property
    def enough(self) -> bool:
        """Whether the people left can reach the quorum."""
        return len(self.left()) >= self.plan.approvals - self.count(YES)

    @property
    def has_rung(self) -> bool:
        """Whether anybody is further up."""
        return self.rung < len(self.plan.ladder) or bool(self.plan.fallback and not self.fell_back)

    # -- other acts ---------------------------------------------------------------------------------

    def problem(self, act: str, who: str) -> str:
        """Why somebody may not do another act, or nothing."""
        if act not in ANYTIME and not self.open:
            return "closed"
        if who == AGENT and act not in ("cancel", "remind"):
            return "agent"
        if who != AGENT and who not in self.society.active:
            return "inactive"
        return str(getattr(self, f"_{act}")(who))

    def _pushes(self, who: str) -> str:
        """Those who are asked, also after their vote, and operators."""
        why = self.why_not(who)
        asked = self.direct(who) or bool(self.places(who))
        if self.society.operates(who) or (why in ("", "already_voted", "place_taken") and asked):
            return ""
        return why or "not_candidate"

    def _claim(self, who: str) -> str:
        held = self.claimed is not None and self.claimed[0] != who and self.society.now < self.claimed[1]
        return self.why_not(who) or ("claimed" if held else "")

    def _release(self, who: str) -> str:
        mine = self.claimed is not None and (self.claimed[0] == who or self.society.operates(who))
        return "" if mine else "not_claimed"

    def _delegate(self, who: str) -> str:
        if self.rules.by_requester:
            return self.why_not(who) or "only_requester"
        return self.why_not(who) or ("" if self.has_place(who) else "stands_in")

    def _assign(self, who: str) -> str:
        if not self.society.operates(who):
            return "not_operator"
        if self.why_not(who) in ("own_request", "own_edit"):
            return self.why_not(who)
        return "only_requester" if self.rules.by_requester else ""

    def _escalate(self, who: str) -> str:
        return self._pushes(who) or ("" if self.has_rung else "no_rung")

    def _extend(self, who: str) -> str:
        return self._pushes(who) or ("" if self.cap > self.expires else "at_cap")

    def _remind(self, who: str) -> str:
        own = who in self.rules.side or (who == AGENT and self.rules.asks == AGENT)
        last = max(self.opened, self.reminded or 0)
        return (self._pushes(who) if not own else "") or ("too_soon" if self.society.now - last < 15 else "")

    def _withdraw(self, who: str) -> str:
        own = any(vote.who == who and vote.stage == self.stage for vote in self.standing)
        return "" if own else "no_vote"

    def _cancel(self, who: str) -> str:
        own = who in self.rules.side or (who == AGENT and self.rules.asks == AGENT)
        return "" if own or self.society.operates(who) else "not_yours"

    def _comment(self, who: str) -> str:
        return ""

    _watch = _comment

    def _revoke(self, who: str) -> str:
        own = [vote for vote in self.standing if vote.who == who]
        agreed = bool(own) and max(own, key=lambda vote: vote.stage).verdict in YES
        if not (agreed or self.society.operates(who)):
            return "not_voter"
        return "consumed" if self.consumed else "" if self.status == "approved" else "not_approved"

    @property
    def cap(self) -> int:
        """How late the deadline may be."""
        return self.opened + self.plan.timeout + self.rules.extend

    # -- what everybody is told -----------------------------------------------------------------------

    def inbox(self) -> set[str]:
        """In whose inbox it is."""
        return {who for who in PEOPLE if self.status == "pending" and not self.why_not(who)}

    def own(self, who: str, *, fresh: bool = False) -> dict[str, Any]:
        """What `explain` says to somebody about themselves."""
        why = self.why_not(who) if self.open else "closed"
        return {
            "verdicts": {one: why or self.verdict_problem(one, fresh=fresh) for one in self.offered},
            "acts": {act: self.problem(act, who) for act in ACTS},
            "for": self.places(who) - self.used if who != AGENT and not self.direct(who) else set(),
        }

    def told(self, who: str, *, fresh: bool = False) -> dict[str, Any]:
        """What `explain` says to somebody."""
        return {
            **self.own(who, fresh=fresh),
            "counts": (self.count(YES), self.plan.approvals, self.count(("reject",)), self.plan.rejections),
            "stage": self.stage + 1,
            # A program is told no names, and of the quorum what the request itself is marked with.
            "left": self.left() | self.stand_ins() if self.open and who != AGENT else set(),
            "satisfiable": not self.open or (not self.short if who == AGENT else self.enough),
            "next": self._next() if self.open else [],
        }

    def _next(self) -> list[tuple[str, int]]:
        silence = self.rules.silence
        end = "expire" if silence == "escalate" and not self.has_rung else silence
        end = "reject" if silence == "approve" and self.short else end
        due = [("remind", self.remind_at), ("escalate", self.escalate_at), (end, self.expires)]
        return [(what, at) for what, at in due if at is not None]

    @property
    def offered(self) -> tuple[str, ...]:
        """The verdicts there are."""
        every = ("approve", "edit", "request_revision", "reject")
        return every if self.rules.gate.editable != () else ("approve", "request_revision", "reject")

    def verdict_problem(self, verdict: str, *, fresh: bool) -> str:
        """Why one who may vote may not vote so."""
        if verdict in YES and self.rules.step_up and not fresh:
            return "step_up_required"
        late = self.revision > self.rules.gate.max_revisions
        return "max_revisions" if verdict == "edit" and self.rules.need > 1 and late else ""


__all__ = ["ACTS", "ANYTIME", "EVERYBODY", "YES", "Asked", "Request", "Vote"]
