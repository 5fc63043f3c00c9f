"""One run of the model: what every act does to its requests. Says No where the rules refuse."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.model.people import No, Rules, Society
from tests.model.request import ANYTIME, YES, Asked, Request, Vote

_ERRORS = {"consumed": "AlreadyConsumed", "not_approved": "ApprovalClosed"}
BAD = {"text": {"args.amount"}, "order": {"args.order_id"}}


@dataclass
class Said:
    """Everything that belongs to a vote."""

    verdict: str
    seen: bool = True
    comment: bool = True
    phrase: bool = True
    fresh: bool = True
    args: str = ""


@dataclass
class Case:
    """A run: its requests, the newest last."""

    rules: Rules
    society: Society
    revisions: list[Request] = field(default_factory=list)
    rounds: int = 0  # how often the gate was asked, redrafts not counted
    drafting: bool = True
    ended: str = ""

    @property
    def request(self) -> Request:
        """The newest."""
        return self.revisions[-1]

    @property
    def now(self) -> int:
        """The time."""
        return self.society.now

    # -- opening, closing, going up -------------------------------------------------------------------

    def work(self) -> None:
        """A worker looks: the draft is made, or what was approved is done."""
        r = self.request if self.revisions else None
        if self.ended:
            return
        if self.drafting:
            self.drafting = False
            self.rounds += 1
            self.begin(r.revision + 1 if r else 1)
        elif r and r.status == "approved" and self.now >= r.not_before:
            if self.now >= r.execute_by:
                self.lapse()
            else:
                r.consumed, self.ended = True, "succeeded"

    def begin(self, revision: int, *, editor: str = "") -> Request:
        """Ask."""
        before = self.revisions[-1] if self.revisions else None
        r = Request(self.rules, self.society, revision, self.now, before=before, editor=editor)
        for number, stage in enumerate(self.rules.stages):
            r.asked |= {(number, name): Asked() for name in self.rules.names(stage.reviewers)}
        self.revisions.append(r)
        self.clock(r)
        self.recount(r)
        return r

    def clock(self, r: Request) -> None:
        """The times of a stage that opens now."""
        r.opened, r.expires = self.now, self.now + r.plan.timeout
        self.due(r)

    def due(self, r: Request) -> None:
        """The next reminder and the next rung."""
        r.remind_at = next((r.opened + after for after in r.plan.remind if r.opened + after > self.now), None)
        r.escalate_at = r.opened + r.plan.ladder[r.rung].after if r.rung < len(r.plan.ladder) else None

    def recount(self, r: Request) -> None:
        """Too few people left: the fallback, and then the flag."""
        if not r.enough and r.plan.fallback and not r.fell_back:
            r.fell_back = True
            self.ask(r, r.plan.fallback)
        r.short = not r.enough

    def ask(self, r: Request, names: tuple[str, ...]) -> None:
        """More people; who is asked already is not asked twice."""
        for name in names:
            row = r.asked.get((r.stage, name))
            if row is None or row.ended or row.giver:
                r.asked[(r.stage, name)] = Asked()

    def climb(self, r: Request) -> None:
        """The next rung, or after the last one the fallback."""
        if r.rung < len(r.plan.ladder):
            rung = r.plan.ladder[r.rung]
            r.rung += 1
            if rung.mode == "replace":
                for (stage, _), row in r.asked.items():
                    row.ended = row.ended or stage == r.stage
            names = rung.to
        else:
            names, r.fell_back = r.plan.fallback, True
        self.due(r)
        self.ask(r, names)
        self.recount(r)

    def expire(self, r: Request) -> None:
        """The time is over."""
        silence = self.rules.silence
        if silence == "approve" and not r.short:
            self.grant(r, "timeout")
        elif silence == "escalate" and r.has_rung:
            r.opened, r.expires = self.now, self.now + r.plan.timeout
            self.climb(r)
        else:
            r.status, r.via, self.ended = "expired", "timeout", "failed"

    def grant(self, r: Request, via: str) -> None:
        """Yes."""
        r.status, r.via = "approved", via
        r.not_before = self.now + self.rules.gate.cool_off
        r.execute_by = r.not_before + self.rules.gate.execute_within

    def lapse(self) -> None:
        """The grant was not used in time."""
        self.request.status, self.ended = "expired", "failed"

    def sweep(self) -> dict[str, int]:
        """The periodic duties: one row each, once."""
        r, moved = self.request, {"expire": 0, "escalate": 0, "remind": 0}
        if r.status == "pending" and self.now >= r.expires:
            self.expire(r)
            moved["expire"] += 1
        if r.status == "approved" and not r.consumed and self.now >= r.execute_by:
            self.lapse()
            moved["expire"] += 1
        if r.open and r.escalate_at is not None and r.escalate_at <= self.now:
            self.climb(r)
            moved["escalate"] += 1
        if r.open and r.remind_at is not None and r.remind_at <= self.now:
            r.reminded = self.now
            r.remind_at = next((r.opened + after for after in r.plan.remind if r.opened + after > self.now), None)
            moved["remind"] += 1
        return moved

    def check_open(self, r: Request) -> None:
        """Decided, replaced, closed, or late."""
        if r.status in ("superseded", "revision_requested", "cancelled") and r is not self.request:
            raise No("StaleApproval")
        if r.status in ("approved", "rejected", "revoked", "revision_requested") and r.via == "human":
            raise No("AlreadyDecided")
        if r.status != "pending":
            raise No("ApprovalClosed")
        if self.now >= r.expires:
            self.expire(r)
            if r.status != "pending":
                raise No("ApprovalClosed")

    # -- votes ----------------------------------------------------------------------------------------

    def decide(self, r: Request, who: str, said: Said, *, took: str = "") -> str:
        """A vote. `took` is whose place it took, where several are free. Says what came of it."""
        if not r.visible(who):
            raise No("UnknownApproval")
        return self._decide(r, who, said, took)

    def _decide(self, r: Request, who: str, said: Said, took: str) -> str:
        own = [vote for vote in r.standing if vote.who == who]
        if said.seen and any((vote.verdict, vote.args) == (said.verdict, said.args) for vote in own):
            return "duplicate"
        self.check_open(r)
        if not said.seen:
            raise No("StaleApproval")
        self._allow(r.why_not(who))
        if said.verdict not in r.offered:
            raise No("VerdictNotOffered")
        self._allow(r.verdict_problem(said.verdict, fresh=said.fresh))
        self._complete(r, said)
        free = {who} if r.has_place(who) else r.places(who) - r.used
        assert not took or took in free, f"{who} took the place of {took}, not of {free}"
        r.votes.append(Vote(who, took or min(free), r.stage, said.verdict, said.args))
        self._count(r, who, said)
        return "recorded"

    def _allow(self, reason: str) -> None:
        if reason in _ERRORS:
            raise No(_ERRORS[reason])
        if reason:
            raise No("NotAllowed", reason)

    def _complete(self, r: Request, said: Said) -> None:
        side = "on_reject" if said.verdict == "reject" else "on_approve"
        wrong = set()
        if not said.comment and (said.verdict == "request_revision" or self.rules.comment in ("always", side)):
            wrong.add("comment")
        if self.rules.level == "verify" and said.verdict in YES and not said.phrase:
            wrong.add("phrase")
        if said.args == "text" or (said.args == "order" and self.rules.gate.editable is not None):
            wrong |= BAD[said.args]
        if wrong:
            raise No("InvalidDecision", *wrong)

    def _count(self, r: Request, who: str, said: Said) -> None:
        up = r.revision > self.rules.gate.max_revisions and self.rules.gate.on_max_revisions == "escalate"
        if said.verdict == "edit" and self.rules.need > 1:
            r.status, r.via = "superseded", "edit"
            self.begin(r.revision + 1, editor=who)
        elif said.verdict == "request_revision" and up and r.has_rung:
            self.climb(r)
        elif said.verdict == "request_revision":
            r.status, r.via = "revision_requested", "human"
            self.drafting = self.rounds <= self.rules.gate.max_revisions
            self.ended = "" if self.drafting else "rejected"
        elif r.count(("reject",)) >= r.plan.rejections:
            r.status, r.via, self.ended = "rejected", "human", "rejected"
        elif r.count(YES) < r.plan.approvals:
            self.recount(r)
        elif r.stage + 1 < len(self.rules.stages):
            r.stage += 1
            r.rung, r.fell_back, r.short, r.claimed, r.reminded = 0, False, False, None, None
            self.clock(r)
            self.recount(r)
        else:
            self.grant(r, "human")

    # -- other acts -----------------------------------------------------------------------------------

    def act(self, r: Request, name: str, who: str, *, to: str = "", later: int = 0) -> None:
        """Any other act; `later` counts from the deadline that was seen."""
        until = r.expires + later
        if not r.visible(who):
            raise No("UnknownApproval")
        if name not in ANYTIME:
            self.check_open(r)
        self._allow(r.problem(name, who))
        if name in ("delegate", "assign"):
            self._add(r, who, to, giver=who if name == "delegate" else "")
        elif name == "extend":
            self._extend(r, until)
        elif name == "escalate":
            self.climb(r)
        elif name == "withdraw":
            next(vote for vote in r.standing if vote.who == who and vote.stage == r.stage).stands = False
            self.recount(r)
        else:
            self._small(r, name, who)

    def _small(self, r: Request, name: str, who: str) -> None:
        if name == "claim":
            r.claimed = (who, self.now + 15)
        elif name == "release":
            r.claimed = None
        elif name == "remind":
            r.reminded = self.now
        elif name == "cancel":
            r.status, r.via, self.ended = "cancelled", "cancel", "cancelled"
        elif name == "revoke":
            r.status, self.ended = "revoked", "rejected"

    def _extend(self, r: Request, until: int) -> None:
        if not r.expires < until <= r.cap:
            raise No("InvalidDecision", "until")
        r.expires = until

    def _add(self, r: Request, who: str, to: str, *, giver: str) -> None:
        own = r.asked.get((r.stage, f"user:{to}"))
        handed = own is not None and not own.ended and bool(giver)
        if to == who or to not in r.society.active or to in r.spent or r.direct(to) or handed:
            raise No("InvalidDecision", "to")
        r.asked[(r.stage, f"user:{to}")] = Asked(giver)
        if not giver:
            self.recount(r)
