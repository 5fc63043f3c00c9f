"""The same world for real: people, a workflow with a gate, and every act through the doors' own verbs."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from unittest import mock

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from pydantic import BaseModel

from hitl import Action, Workflow, clock, decisions, engine
from hitl.engine.start import workflow_row
from hitl.engine.sweeps import DUTIES
from hitl.models import Approval, Delegation, Run
from hitl.policies import apply_policy, create_key, explain
from hitl.policies.delegations import create_delegation, revoke_delegation
from tests.model.case import Said
from tests.model.people import AGENT, GROUPS, PEOPLE, Gate, Rules

GATES = (
    Gate(),
    Gate(max_revisions=2, on_max_revisions="escalate"),
    Gate(editable=("amount",), cool_off=10),
    Gate(max_revisions=0, editable=()),
)
ARGS: dict[str, Any] = {
    "less": {"order_id": "A-17", "amount": 100},
    "more": {"order_id": "A-17", "amount": 300},
    "text": {"order_id": "A-17", "amount": "much"},
    "order": {"order_id": "B-18", "amount": 250},
}


class Payment(BaseModel):
    """What is asked for."""

    order_id: str
    amount: int


class World:
    """Everything an example needs, made once; `rules` are those of the example."""

    def __init__(self) -> None:
        self.rules = Rules(())
        self.groups = {name: Group.objects.create(name=name) for name in GROUPS}
        self.users = {name: self._person(name) for name in PEOPLE}
        self.key = create_key(AGENT, owner=self.users["bob"], scopes=["runs:start"], actor=self.users["bob"])[0]
        self.flows = {gate: self._flow(number, gate) for number, gate in enumerate(GATES)}
        self.names = {user.pk: name for name, user in self.users.items()}
        self.moment = clock.now()

    def _person(self, name: str) -> Any:
        user = get_user_model().objects.create(username=name, is_superuser=name == "root", password="!")
        user.groups.set([self.groups[group] for group, who in GROUPS.items() if name in who])
        return user

    def _flow(self, number: int, gate: Gate) -> Workflow:
        flow = Workflow(f"model-{number}")
        flow.step(self._draft, name="draft")
        flow.approval(
            "review",
            after="draft",
            policy="model",
            risk=lambda action: self.rules.risk,
            editable=gate.editable,
            max_revisions=gate.max_revisions,
            on_max_revisions=gate.on_max_revisions,
            cool_off=timedelta(minutes=gate.cool_off),
            execute_within=timedelta(minutes=gate.execute_within),
        )
        flow.step(lambda ctx: ctx.action.amount, name="pay", after="review")
        workflow_row(flow.definition())
        return flow

    def _draft(self, ctx: Any) -> Action:
        reversible = self.rules.reversible
        return Action(
            Payment(order_id="A-17", amount=250), title="Pay 250", impact="Money leaves", reversible=reversible
        )

    def who(self, name: str) -> Any:
        """The user or key of this name."""
        return self.key if name == AGENT else self.users[name]

    # -- the run ----------------------------------------------------------------------------------------

    def begin(self, rules: Rules) -> Run:
        """Start a run under these rules."""
        self.rules = rules
        apply_policy(document(rules), actor=self.users["root"])
        options = {"on_behalf_of": self.users["olga"]} if rules.asks == "alice for olga" else {}
        requester = self.who(rules.asks.partition(" ")[0])
        return engine.start(self.flows[rules.gate].name, {}, requester=requester, **options)

    def work(self) -> None:
        """What a worker does; its own care for a forgotten sweep would be an act nobody chose."""
        with mock.patch("hitl.engine.work.sweep_if_overdue"):
            engine.drain("default")

    def sweep(self) -> dict[str, int]:
        """The periodic duties that are about requests."""
        return {name: DUTIES[name]() for name in ("expire", "escalate", "remind")}

    # -- acts -------------------------------------------------------------------------------------------

    def decide(self, row: Approval, who: str, said: Said) -> decisions.Outcome:
        """A vote."""
        now = clock.now()
        return decisions.decide(
            row.pk,
            actor=self.who(who),
            verdict=said.verdict,
            digest=row.digest if said.seen else "0" * 64,
            comment="because" if said.comment else "",
            phrase=f" APPROVE {row.action_type} " if said.phrase else "APPROVE",
            args=ARGS.get(said.args),
            reauthenticated_at=now if said.fresh else now - timedelta(minutes=5),
        )

    def act(self, row: Approval, name: str, who: str, *, to: str = "", later: int = 0) -> None:
        """Any other act."""
        more: dict[str, Any] = {}
        if name in ("delegate", "assign"):
            more = {"to": self.users[to], "reason": "away"}
        elif name == "extend":
            more = {"until": Approval.objects.get(pk=row.pk).expires_at + timedelta(minutes=later)}
        elif name == "comment":
            more = {"text": "hm"}
        getattr(decisions, name)(row.pk, actor=self.who(who), **more)

    def hand_over(self, giver: str, to: str, minutes: int, *, by: str) -> Delegation:
        """A delegation for a while."""
        until = clock.now() + timedelta(minutes=minutes)
        return create_delegation(self.users[giver], self.users[to], ends_at=until, actor=self.users[by])

    def take_back(self, row: Delegation, *, by: str) -> bool:
        """Its end."""
        return revoke_delegation(row, actor=self.users[by])

    def active(self, name: str, *, yes: bool) -> None:
        """An account is deactivated or comes back."""
        user = self.users[name]
        user.is_active = yes
        user.save(update_fields=["is_active"])

    # -- what is ------------------------------------------------------------------------------------------

    def told(self, row: Approval, who: str) -> dict[str, object]:
        """What `explain` says, in the model's words."""
        found = explain(row, self.who(who))
        return {
            "verdicts": found.verdicts,
            "acts": found.acts,
            "counts": (found.have, found.need, found.refusals, found.refusals_need),
            "stage": found.stage,
            "left": set(found.can_still),
            "satisfiable": found.satisfiable,
            "for": set(found.stands_for),
            "next": [(one.what, self.minutes(one.at)) for one in found.next],
        }

    def inbox(self, who: str) -> list[Any]:
        """What waits for somebody."""
        return [row.pk for row in decisions.inbox(self.users[who])]

    def state(self, row: Approval) -> dict[str, Any]:
        """A row in the model's words."""
        claimed = row.claimed_by_id is not None
        return {
            "status": row.status,
            "via": row.decided_via,
            "revision": row.revision,
            "stage": row.stage,
            "expires": self.minutes(row.expires_at),
            "remind": self.minutes(row.remind_at),
            "escalate": self.minutes(row.escalate_at),
            "reminded": self.minutes(row.reminded_at),
            "rung": row.rung,
            "fell_back": row.fell_back,
            "short": row.unsatisfiable if row.is_pending else None,
            "claimed": (self.names[row.claimed_by_id], self.minutes(row.claimed_until)) if claimed else None,
            "editor": self.names.get(row.edited_by_id, ""),
            "consumed": row.consumed_at is not None,
        }

    @staticmethod
    def delta(minutes: int) -> timedelta:
        """Minutes as hitl takes them."""
        return timedelta(minutes=minutes)

    def minutes(self, at: datetime | None) -> int | None:
        """A time in the model's minutes."""
        return None if at is None else round((at - self.moment).total_seconds() / 60)


def document(rules: Rules) -> dict[str, Any]:
    """The policy."""
    stages = [
        {
            "reviewers": stage.reviewers,
            "approvals": stage.approvals,
            "rejections": stage.rejections,
            "timeout": stage.timeout * 60,
            "remind": [after * 60 for after in stage.remind],
            "escalate": [{"after": rung.after * 60, "to": rung.to, "mode": rung.mode} for rung in stage.ladder],
            "fallback": stage.fallback,
        }
        for stage in rules.stages
    ]
    return {
        "name": "model",
        "default": {"stages": stages, "level": rules.level, "on_timeout": rules.on_timeout},
        "comment": rules.comment,
        "prevent_self_review": rules.prevent_self_review,
        "step_up": {rules.risk: "password"} if rules.step_up else {},
        "extend": rules.extend * 60,
    }
