"""The machine: Hypothesis picks acts, both worlds do them, and after each one they must agree."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from django.db import transaction
from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from hitl import clock, invariants
from hitl.models import Approval, Delegation
from tests.model import drawn
from tests.model.agree import different, outcome, state
from tests.model.case import Case, Said
from tests.model.people import AGENT, EVERYBODY, GROUPS, PEOPLE, Rules, Society
from tests.model.world import World

PUSHES = ("claim", "release", "escalate", "remind", "comment", "watch", "withdraw", "revoke", "cancel")


class Machine(RuleBasedStateMachine):
    """One example: a run under drawn rules, in a transaction that is rolled back."""

    world: ClassVar[World]

    def __init__(self) -> None:
        super().__init__()
        clock.reset()
        self.world.moment = clock.now()
        self.box = transaction.atomic()
        self.box.__enter__()
        self.society = Society()
        self.periods: list[Delegation] = []
        self.rows: list[Approval] = []
        self.last = ""
        self.turn = 0
        self.agree = True
        self.own: dict[str, Any] = {}
        self.inbox: set[str] = set()
        for user in self.world.users.values():
            user.is_active = True

    def teardown(self) -> None:
        """What must hold whatever happened; then it never happened."""
        try:
            if self.agree and self.rows:  # otherwise the example is over, and what was found first is what counts
                self._same_answers("the end", everybody=True)
                broken = [str(violation) for violation in invariants.check()]
                assert not broken, "\n".join(broken)
        finally:
            transaction.set_rollback(True)
            self.box.__exit__(None, None, None)
            clock.reset()

    @initialize(rules=drawn.rules())
    def begin(self, rules: Rules) -> None:
        """A run starts and asks."""
        self.case = Case(rules, self.society)
        self.run = self.world.begin(rules)
        self.case.work()
        self.world.work()
        self.compare("begin", ("done",), ("done",))

    @precondition(lambda self: self.case.ended)
    @rule(name=st.sampled_from((*PUSHES, "delegate", "assign", "extend")), who=drawn.WHO)
    def too_late(self, name: str, who: str) -> None:
        """Somebody comes after the end."""
        self._act(name, who, to="sam", later=20)

    @precondition(lambda self: self.case.ended)
    @rule(who=drawn.WHO, said=drawn.said())
    def vote_too_late(self, who: str, said: Said) -> None:
        """A vote after the end."""
        self._vote(-1, who, said)

    @precondition(lambda self: self.case.ended)
    @rule(rules=drawn.rules())
    def again(self, rules: Rules) -> None:
        """The next run."""
        self.begin(rules)

    # -- votes ------------------------------------------------------------------------------------------

    @precondition(lambda self: not self.case.ended)
    @rule(who=drawn.WHO, said=drawn.said())
    def vote(self, who: str, said: Said) -> None:
        """Anybody says anything."""
        self._vote(-1, who, said)

    @precondition(lambda self: self.case.request.inbox())
    @rule(data=st.data(), said=drawn.said(well=True))
    def vote_well(self, data: Any, said: Said) -> None:
        """Somebody who may says it as it is to be said."""
        who = data.draw(st.sampled_from(sorted(self.case.request.inbox())), label="who")
        self._vote(-1, who, said)

    @precondition(lambda self: self.last)
    @rule(same=st.booleans())
    def vote_again(self, same: bool) -> None:
        """The last vote once more, or the same person's other one."""
        said = self.said if same else replace(self.said, verdict="reject", args="")
        self._vote(-1, self.last, said)

    @precondition(lambda self: len(self.case.revisions) > 1)
    @rule(who=drawn.WHO, said=drawn.said(well=True))
    def vote_on_an_old_one(self, who: str, said: Said) -> None:
        """Somebody looks at what was replaced."""
        self._vote(-2, who, said)

    def _vote(self, number: int, who: str, said: Said) -> None:
        found: list[Any] = []

        def act() -> str:
            found.append(self.world.decide(self.rows[number], who, said))
            return "duplicate" if found[0].duplicate else "recorded"

        real = outcome(act)
        place = found[0].decision.for_user_id if found else None
        took = "" if not found else self.world.names[place] if place is not None else who
        request = self.case.revisions[number]
        model = outcome(lambda: self.case.decide(request, who, said, took=took))
        if model == ("done", "recorded"):
            self.last, self.said = who, said
        self.compare(f"{who} {said}", real, model, who)

    # -- other acts -------------------------------------------------------------------------------------

    @precondition(lambda self: not self.case.ended)
    @rule(name=st.sampled_from(PUSHES), who=drawn.WHO)
    def act(self, name: str, who: str) -> None:
        """One of the acts that need nothing more."""
        self._act(name, who)

    @precondition(lambda self: self.last and not self.case.ended)
    @rule(name=st.sampled_from(("withdraw", "revoke", "escalate")))
    def think_again(self, name: str) -> None:
        """Whoever voted last does more."""
        self._act(name, self.last)

    @precondition(lambda self: not self.case.ended)
    @rule(name=st.sampled_from(("delegate", "delegate", "assign")), who=drawn.WHO, to=drawn.PERSON)
    def pass_on(self, name: str, who: str, to: str) -> None:
        """One more person, in somebody's place or beside them."""
        self._act(name, "root" if name == "assign" and who != "mallory" else who, to=to)

    @precondition(lambda self: not self.case.ended)
    @rule(who=drawn.WHO, later=st.sampled_from((-5, 20, 45)))
    def extend(self, who: str, later: int) -> None:
        """More time."""
        self._act("extend", who, later=later)

    def _act(self, name: str, who: str, **more: Any) -> None:
        real = outcome(lambda: self.world.act(self.rows[-1], name, who, **more))
        model = outcome(lambda: self.case.act(self.case.request, name, who, **more))
        self.compare(f"{who} {name} {more or ''}", real, model, who)

    # -- time, work, people -------------------------------------------------------------------------------

    @rule(minutes=drawn.MINUTES)
    def pass_time(self, minutes: int) -> None:
        """Nothing happens for a while."""
        self._pass(minutes)

    @precondition(lambda self: self.case.request.open)
    @rule(short=st.sampled_from((0, 0, 5)), last=st.booleans())
    def pass_until_due(self, short: int, last: bool) -> None:
        """Nothing happens until something is due, or nearly."""
        r = self.case.request
        due = [at for at in (r.remind_at, r.escalate_at, r.expires) if at is not None and at > self.society.now]
        self._pass(max(due) - self.society.now - short if last else min(due) - self.society.now)

    def _pass(self, minutes: int) -> None:
        clock.move(self.world.delta(minutes))
        self.society.now += minutes
        self.compare(f"{minutes} minutes pass", (), ())

    @precondition(lambda self: not self.case.ended)
    @rule()
    def sweep(self) -> None:
        """The periodic duties."""
        self.compare("sweep", outcome(self.world.sweep), outcome(self.case.sweep))

    @rule()
    def work(self) -> None:
        """A worker."""
        self.compare("work", outcome(self.world.work), outcome(self.case.work))

    @precondition(lambda self: not self.case.ended)
    @rule(giver=drawn.NEAR, to=drawn.PERSON, minutes=drawn.MINUTES, by_root=st.sampled_from((False, False, True)))
    def hand_over(self, giver: str, to: str, minutes: int, by_root: bool) -> None:
        """Somebody is away."""
        by = "root" if by_root else giver
        real = outcome(lambda: self.periods.append(self.world.hand_over(giver, to, minutes, by=by)))
        until = self.society.now + minutes
        model = outcome(lambda: self.society.hand_over(giver, to, until, by=by))
        self.compare(f"{giver} hands over to {to} for {minutes} minutes", real, model)

    @precondition(lambda self: self.periods and not self.case.ended)
    @rule(data=st.data(), by=drawn.WHO)
    def take_back(self, data: Any, by: str) -> None:
        """Somebody is back."""
        number = data.draw(st.integers(0, len(self.periods) - 1), label="number")
        by = by if by != AGENT else "mallory"
        real = outcome(lambda: self.world.take_back(self.periods[number], by=by))
        model = outcome(lambda: self.society.take_back(number, by=by))
        self.compare(f"{by} ends delegation {number}", real, model)

    @precondition(lambda self: not self.case.ended)
    @rule(who=drawn.NEAR, group=st.sampled_from(tuple(GROUPS)))
    def join_or_leave(self, who: str, group: str) -> None:
        """Membership changes."""
        inside = who in self.society.members[group]
        (self.world.users[who].groups.remove if inside else self.world.users[who].groups.add)(self.world.groups[group])
        (self.society.members[group].discard if inside else self.society.members[group].add)(who)
        self.compare(f"{who} {'leaves' if inside else 'joins'} {group}", (), ())

    @precondition(lambda self: not self.case.ended)
    @rule(who=drawn.PERSON)
    def deactivate_or_back(self, who: str) -> None:
        """An account comes and goes; who is away comes back first."""
        gone = sorted(set(PEOPLE) - self.society.active)
        who, yes = (gone[0], True) if gone else (who, False)
        self.world.active(who, yes=yes)
        (self.society.active.add if yes else self.society.active.discard)(who)
        self.compare(f"{who} is {'back' if yes else 'deactivated'}", (), ())

    # -- do they agree? -----------------------------------------------------------------------------------

    def compare(self, what: str, real: Any, model: Any, *who: str) -> None:
        """Outcome, row, explanation and inboxes: all the same, or the example is printed."""
        note(f"{self.society.now:4} min  {what}: {' '.join(map(str, model))}")
        self.agree = False
        assert real == model, f"{what}: hitl says {real}, the model {model}"
        self.rows = list(Approval.objects.filter(run=self.run.pk).order_by("revision"))
        assert len(self.rows) == len(self.case.revisions)
        self._same_rows(what)
        self._same_answers(what, *who)
        self.agree = True

    def _same_answers(self, what: str, *who: str, everybody: bool = False) -> None:
        """Whoever acted, and one of those for whom the model says that something changed, in turn: to ask all of them
        each time would take five times as long. At the end of an example all are asked."""
        request = self.case.request
        own = {name: request.own(name) for name in EVERYBODY}
        inbox = request.inbox()
        self.turn += 1
        order = [*EVERYBODY[self.turn % len(EVERYBODY) :], *EVERYBODY[: self.turn % len(EVERYBODY)]]
        changed = [name for name in order if own[name] != self.own.get(name)]
        moved = [name for name in order if (name in inbox) != (name in self.inbox)]
        first = [*changed, *order][0]
        explained = EVERYBODY if everybody else {*who, first}
        looking = PEOPLE if everybody else {*who, (moved or [first])[0]}
        for name in explained:
            told, meant = self.world.told(self.rows[-1], name), request.told(name)
            assert told == meant, f"after {what}: {name} is told {different(told, meant)}"
        for name in set(looking) - {AGENT}:
            waits = self.world.inbox(name) == [self.rows[-1].pk]
            assert waits == (name in inbox), f"after {what}: the inbox of {name} has it: {waits}"
        self.own, self.inbox = own, inbox

    def _same_rows(self, what: str) -> None:
        for row, request in list(zip(self.rows, self.case.revisions, strict=True))[-2:]:
            told, meant = self.world.state(row), state(request)
            assert told == meant, f"after {what}: revision {row.revision} is {different(told, meant)}"
