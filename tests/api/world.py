"""Rows of every kind in many states, made through the API, for calls that are to meet something."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission

from hitl import Action, Workflow, engine
from hitl.models import ApiKey, Approval, Run, Step
from hitl.notifications.endpoints import create_endpoint
from hitl.policies import apply_policy, create_key, revoke_key
from hitl.policies.keys import SCOPES
from tests.api.conftest import Api

PASSWORD = "a-long-word-for-tests"
ACTION = {"type": "refund", "args": {"amount": 900, "to": "A1"}, "title": "Refund 900 to A1", "impact": "Money leaves"}
_STAGE = {"reviewers": ["group:finance"]}
POLICIES: dict[str, Any] = {
    "refunds": {"stages": [_STAGE]},
    "two-eyes": {"stages": [{**_STAGE, "approvals": 2}]},
    "strict": {"stages": [_STAGE], "level": "verify"},
}
VERDICTS = ("approve", "reject", "edit", "request_revision", "respond")


class World:
    """People, keys, and what they did. `tokens` are those of claimed steps and of taken requests."""

    def __init__(self) -> None:
        users = get_user_model().objects
        self.people = {
            name: users.create_user(name, f"{name}@example.com", PASSWORD)
            for name in ("alice", "bob", "carol", "dave", "olga")
        }
        for name in ("bob", "carol", "olga"):
            self.people[name].groups.add(Group.objects.get_or_create(name="finance")[0])
        self.people["olga"].user_permissions.set(Permission.objects.filter(codename__in=["operate", "add_run"]))
        for name, default in POLICIES.items():
            apply_policy({"name": name, "default": default}, actor=self.people["alice"])
        self.keys = {name: self._key(name) for name in ("robot", "idle", "gone")}
        ApiKey.objects.filter(agent="idle").update(scopes=[])
        revoke_key(ApiKey.objects.get(agent="gone"), actor=self.people["alice"])
        self.agent = Api(token=self.keys["robot"])
        self.as_bob = Api(user=self.people["bob"])
        self.tokens: dict[str, str] = {}
        self._workflows()
        self._requests()
        self._steps()
        self._people()
        self.approvals = [str(pk) for pk in Approval.objects.order_by("pk").values_list("pk", flat=True)]
        self.runs = [str(pk) for pk in Run.objects.order_by("pk").values_list("pk", flat=True)]
        self.steps = [str(pk) for pk in Step.objects.order_by("pk").values_list("pk", flat=True)]

    def named(self, operation: str, name: str, rng: Random) -> Any:
        """Something that the address of this operation may name."""
        if name == "id":
            rows = {
                "runs": self.runs,
                "steps": self.claimed,
                "approvals": self.approvals,
                "delegations": [self.delegation],
                "webhooks": [self.webhook],
            }
            return rng.choice(self.steps if operation == "steps_resolve" else rows[operation.split("_")[0]])
        return rng.choice({"name": ["parcel", "payout", "film"], "key": ["progress", "a/b"]}[name])

    def body(self, operation: str, pk: Any, rng: Random) -> dict[str, Any]:
        """What this operation needs to be understood, of the row with this id."""
        first, _, act = operation.partition("_")
        if first == "steps" and operation != "steps_claim":
            return {"token": self.tokens.get(str(pk), str(pk)), **self._of_steps(act, rng)}
        if first == "approvals" and pk is not None:
            return self._of_requests(act, str(pk), rng)
        return self._others(operation, rng)

    def _of_requests(self, act: str, pk: str, rng: Random) -> dict[str, Any]:
        row = Approval.objects.filter(pk=pk).first()
        decided = {
            "verdict": rng.choice(VERDICTS),
            "digest": row.digest if row else "",
            "comment": "because",
            "revision": 1,
        }
        if row is not None and row.kind == "question":
            decided |= {"verdict": "respond", "response": rng.choice(["eu", "us", 7])}
        return {
            "decisions": {
                **decided,
                "phrase": row.phrase if row else "",
                "password": "",
                "action_type": "",
                "args": rng.choice([None, {"amount": 5, "to": "A1"}]),
            },
            "result": {"token": self.tokens.get(pk, pk), "ok": True, "error": ""},
            "revise": {"action": {**ACTION, "args": {"amount": 7, "to": "A1"}}},
            "extend": {"until": (datetime.now(UTC) + timedelta(hours=6)).isoformat()},
            "delegate": {"to": rng.choice(["carol", "dave"])},
            "assign": {"to": rng.choice(["carol", "dave"]), "reason": "they know"},
            "comments": {"text": "Looks right"},
        }.get(act, {})

    def _of_steps(self, act: str, rng: Random) -> dict[str, Any]:
        return {
            "heartbeat": {"lease": 60},
            "resolve": {"outcome": rng.choice(["succeeded", "failed", "retry"]), "reason": "seen"},
            "stream": {"name": "", "chunk": {"n": 1}},
            "event": {"key": "progress", "value": 1},
            "results": {"name": "charge", "value": 2},
            "wait": rng.choice([{"kind": "signal", "name": "parcel"}, {"kind": "sleep", "name": "nap", "seconds": 9}]),
            "ask": {"name": "region", "question": "Which?", "options": ["eu", "us"], "schema": None, **_PLAIN},
            "approve": {"name": "pay", "action": ACTION, **_PLAIN},
            "complete": rng.choice([{"action": None}, {"action": ACTION, "output": None}]),
            "fail": {"code": "broken", "why": "it broke", "after": 1},
        }.get(act, {})

    def _others(self, operation: str, rng: Random) -> dict[str, Any]:
        some = [{"id": pk, "digest": Approval.objects.get(pk=pk).digest} for pk in rng.sample(self.approvals, 3)]
        question = {"kind": "question", "question": "Which?", "options": ["eu", "us"], "schema": None, "action": None}
        single = {"batch": None, "report_within": None, "on_behalf_of": "", **_PLAIN}
        approval = {"kind": "approval", "action": ACTION, "question": "", "options": None, "schema": None}
        return {
            "runs_create": {"workflow": rng.choice(["payout", "film", "parcel"]), "input": {"order": 1}, "risk": ""},
            "runs_fork": {"step": rng.choice(["draft", "pay"]), "patch": None},
            "runs_feedback": {"key": "helpful", "score": 0.5, "step": "", "decision": None},
            "runs_events_put": {"value": 3},
            "approvals_create": {**rng.choice([approval, question]), **single},
            "approvals_bulk": {"verdict": rng.choice(VERDICTS[:2]), "items": some, "comment": "all fine"},
            "approvals_bulk_preflight": {"verdict": "approve", "ids": [one["id"] for one in some]},
            "steps_claim": {"queues": ["gpu"], "lease": 60},
            "webhooks_create": {"url": "https://example.com/hook", "description": "", "kinds": [], "topics": []},
            "webhooks_deliveries_replay": {"delivery": None},
            "step_up_create": {"password": PASSWORD},
            "delegations_create": {
                "from": "",
                "to": "carol",
                "starts_at": None,
                "ends_at": (datetime.now(UTC) + timedelta(days=2)).isoformat(),
            },
        }.get(operation, {})

    # -- making it ------------------------------------------------------------------------------------

    def _key(self, name: str) -> str:
        limits = {"rate": 10_000_000, "pending": 100_000}
        return create_key(
            name,
            owner=self.people["alice"],
            scopes=list(SCOPES),
            policies=["*"],
            limits=limits,
            actor=self.people["alice"],
        )[1]

    def _workflows(self) -> None:
        flow = Workflow("payout", title="Refund an order")
        flow.step(lambda ctx: Action({"n": 1}, type="refund", title="Do it", impact="Done"), name="draft")
        flow.approval("ask", after="draft", reviewers=["group:finance"])
        flow.step(lambda ctx: 1, name="pay", after="ask")
        film = Workflow("film")
        film.step(name="render", external=True, queue="gpu", repeatable=False)
        parcel = Workflow("parcel")
        parcel.step(lambda ctx: ctx.wait_for_signal("parcel"), name="draft")
        broken = Workflow("broken")
        broken.step(lambda ctx: 1 / 0, name="draft", max_attempts=1)
        for name in ("payout", "payout", "film", "film", "film", "film", "parcel", "broken"):
            self._ok(self.agent.post("runs/", {"workflow": name, "input": {"order": 1}, "external_id": "A-17"}))
        engine.drain("default")

    def _requests(self) -> None:
        asked = [self._ask() for _ in range(8)]
        questions = [self._ask(kind="question", question="Which?", options=["eu", "us"], action=...) for _ in range(2)]
        self._ask(policy="two-eyes")
        self._ask(policy="strict")
        self._ask(batch={"id": "turn", "size": 3, "release": "all"}, context={"why": "x"}, resume_data=[1], risk="high")
        for request, verdict in zip(
            asked, ("approve", "approve", "approve", "reject", "request_revision"), strict=False
        ):
            self._decide(request, verdict)
        self._decide(asked[5], "edit", args={"amount": 5, "to": "A1"})
        self._decide(questions[0], "respond", response="eu")
        self._ok(self.agent.post(f"approvals/{asked[6]}/cancel/", {}))
        taken = self._ok(self.agent.post(f"approvals/{asked[0]}/consume/", {}))
        self.tokens[asked[0]] = taken["token"]
        self._ok(self.agent.post(f"approvals/{questions[0]}/consume/", {}))

    def _steps(self) -> None:
        self.claimed = []
        for _ in range(3):
            task = self._ok(self.agent.post("steps/claim/", {"queues": ["gpu"], "lease": 3600}))
            self.claimed.append(task["step"])
            self.tokens[task["step"]] = task["token"]
            said = {"token": task["token"]}
            self._ok(self.agent.post(f"steps/{task['step']}/event/", {**said, "key": "progress", "value": 1}))
            self._ok(self.agent.post(f"steps/{task['step']}/stream/", {**said, "chunk": [1]}))

    def _people(self) -> None:
        run, pending = (
            str(Run.objects.earliest("pk").pk),
            str(Approval.objects.filter(status="pending").latest("pk").pk),
        )
        self._ok(self.agent.post(f"runs/{run}/feedback/", {"key": "helpful", "score": 1, "step": "draft"}))
        self._ok(self.as_bob.post(f"approvals/{pending}/comments/", {"text": "Hm"}))
        self._ok(self.as_bob.post(f"approvals/{pending}/claim/", {}))
        ends = (datetime.now(UTC) + timedelta(days=1)).isoformat()
        self.delegation = self._ok(self.as_bob.post("delegations/", {"to": "dave", "ends_at": ends}))["id"]
        self.webhook = str(create_endpoint("https://example.com/hook", actor=self.people["olga"])[0].pk)

    def _ask(self, **said: Any) -> str:
        body = {
            name: value for name, value in {"policy": "refunds", "action": ACTION, **said}.items() if value is not ...
        }
        return str(self._ok(self.agent.post("approvals/", body))["id"])

    def _decide(self, pk: str, verdict: str, **said: Any) -> None:
        row = Approval.objects.get(pk=pk)
        body = {"verdict": verdict, "digest": row.digest, "comment": "because", **said}
        self._ok(self.as_bob.post(f"approvals/{pk}/decisions/", body))

    @staticmethod
    def _ok(response: Any) -> Any:
        assert response.status_code < 300, response.content
        return json.loads(response.content) if response.content else None


_PLAIN = {
    "policy": "refunds", "reviewers": None, "stages": None, "approvals": None, "rejections": None, "level": "",
    "phrase": "", "on_timeout": "", "editable": None, "timeout": "4h", "execute_within": None, "risk": "",
}  # fmt: skip
