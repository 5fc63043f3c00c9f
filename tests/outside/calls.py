"""Every POST of the API: how one of each is made that is taken."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from hitl import Workflow, clock, engine
from hitl.models import Run
from tests.api.conftest import Api
from tests.outside.conftest import ACTION, Agent

LATER = "2099-01-01T00:00:00Z"
Call = tuple[Api, str, Any]


class World:
    """Everything that the routes need, made when it is asked for."""

    def __init__(self, make: Callable[..., Agent], operator: Api, say: Any, users: dict[str, Any], work: Any) -> None:
        self.make, self.agent, self.operator, self.say, self.work = make, make("world"), operator, say, work
        self.users, self.bob = users, Api(user=users["bob"])
        self.number = itertools.count()

    def run(self) -> Run:
        """A run that waits for people."""
        run = self.agent.api.post("runs/", {"workflow": "test-refund", "input": {"order_id": "A"}}).json()
        self.work()
        return Run.objects.get(pk=run["id"])

    def task(self, **spec: Any) -> dict[str, Any]:
        """An external step in the agent's hands."""
        self.film(**spec)
        return dict(self.agent.claim())

    def film(self, **spec: Any) -> Run:
        """A run whose only step is external."""
        flow = Workflow(f"film-{next(self.number)}")
        flow.step(name="render", external=True, queue="gpu", **spec)
        return flow.start(requester=self.users["alice"])

    def loop(self) -> dict[str, Any]:
        """An external loop in the agent's hands."""
        flow = Workflow(f"loop-{next(self.number)}")
        flow.agent_loop("think", None, external=True, queue="gpu")  # type: ignore[arg-type]
        flow.start(requester=self.users["alice"])
        return dict(self.agent.claim())

    def of(self, request: dict[str, Any], verb: str, body: Any = None, api: Api | None = None) -> Call:
        """A call about a request, the agent's by default."""
        return api or self.agent.api, f"approvals/{request['id']}/{verb}/", body or {}

    def held(self, verb: str, task: dict[str, Any] | None = None, **said: Any) -> Call:
        """A call about a step."""
        task = task or self.task()
        return self.agent.api, f"steps/{task['step']}/{verb}/", {"token": task["token"], **said}

    def hook(self, verb: str) -> Call:
        """A call about a webhook."""
        made = self.operator.post("webhooks/", {"url": "https://example.com/hook"}).json()
        return self.operator, f"webhooks/{made['id']}/{verb}/", {}

    def decided(self, verdict: str = "approve", **said: Any) -> dict[str, Any]:
        """A request that bob decided."""
        seen = self.agent.ask(**said)
        self.say(seen, verdict, comment="so")
        return seen


def _reported(world: World) -> Call:
    seen = world.decided()
    return world.of(seen, "result", {"token": world.agent.take(seen)["token"], "output": {"paid": 1}})


def _resolved(world: World) -> Call:
    task = world.task(repeatable=False)
    clock.move(timedelta(minutes=2))
    engine.sweep()
    return world.operator, f"steps/{task['step']}/resolve/", {"outcome": "retry"}


def _unfrozen(world: World) -> Call:
    run = world.run()
    engine.freeze(f"run:{run.pk}", actor=world.users["root"])
    return world.operator, f"runs/{run.pk}/unfreeze/", {}


def _retried(world: World) -> Call:
    run = world.run()
    engine.cancel(run.pk, actor=world.users["root"])
    return world.operator, f"runs/{run.pk}/retry/", {}


def _released(world: World) -> Call:
    seen = world.agent.ask()
    assert world.bob.post(f"approvals/{seen['id']}/claim/", {}).status_code == 200
    return world.of(seen, "release", api=world.bob)


def _reminded(world: World) -> Call:
    seen = world.agent.ask()
    clock.move(timedelta(minutes=20))
    return world.of(seen, "remind")


def _withdrawn(world: World) -> Call:
    return world.of(world.decided(policy="two-eyes"), "withdraw", {"reason": "slip"}, world.bob)


def _ended(world: World) -> Call:
    made = world.bob.post("delegations/", {"to": "carol", "ends_at": LATER}).json()
    return world.bob, f"delegations/{made['id']}/revoke/", {}


def _items(world: World) -> list[dict[str, str]]:
    return [{"id": seen["id"], "digest": seen["digest"]} for seen in (world.agent.ask(), world.agent.ask())]


CALLS: dict[str, Callable[[World], Call]] = {
    "api-runs": lambda w: (w.agent.api, "runs/", {"workflow": "test-refund", "input": {"order_id": "A"}}),
    "api-cancel": lambda w: (w.operator, f"runs/{w.run().pk}/cancel/", {"reason": "stop"}),
    "api-retry": _retried,
    "api-fork": lambda w: (w.operator, f"runs/{w.run().pk}/fork/", {"step": "draft"}),
    "api-freeze": lambda w: (w.operator, f"runs/{w.run().pk}/freeze/", {}),
    "api-unfreeze": _unfrozen,
    "api-signals": lambda w: (w.agent.api, f"runs/{w.run().pk}/signals/go/", {"payload": 1}),
    "api-feedback": lambda w: (w.agent.api, f"runs/{w.run().pk}/feedback/", {"key": "good", "score": 1}),
    "api-resolve": _resolved,
    "api-claim-step": lambda w: (w.film() and w.agent.api, "steps/claim/", {"queues": ["gpu"]}),
    "api-heartbeat": lambda w: w.held("heartbeat"),
    "api-checkpoint": lambda w: w.held("checkpoint", data={"n": 1}),
    "api-put": lambda w: w.held("stream", chunk="a"),
    "api-publish": lambda w: w.held("event", key="k", value=1),
    "api-results": lambda w: w.held("results", name="x", value=1),
    "api-wait": lambda w: w.held("wait", kind="sleep", name="nap", seconds=60),
    "api-ask": lambda w: w.held("ask", name="q", question="Which?", policy="refunds"),
    "api-approve": lambda w: w.held("approve", name="a", policy="refunds", action=ACTION),
    "api-complete": lambda w: w.held("complete", output={"film": 1}),
    "api-continue": lambda w: w.held("continue", w.loop(), state={"n": 1}),
    "api-fail": lambda w: w.held("fail", why="no memory"),
    "api-approvals": lambda w: (w.agent.api, "approvals/", w.agent.body(resume_data=[1])),
    "api-bulk": lambda w: (w.bob, "approvals/bulk/", {"verdict": "approve", "items": _items(w)}),
    "api-preflight": lambda w: (
        w.bob,
        "approvals/bulk/preflight/",
        {"verdict": "approve", "ids": [item["id"] for item in _items(w)]},
    ),
    "api-consume": lambda w: w.of(w.decided(resume_data={"a": 1}), "consume"),
    "api-result": _reported,
    "api-revise": lambda w: w.of(w.decided("request_revision"), "revise", {"action": ACTION}),
    "api-decisions": lambda w: w.of(
        (seen := w.agent.ask()), "decisions", {"verdict": "approve", "digest": seen["digest"]}, w.bob
    ),
    "api-claim": lambda w: w.of(w.agent.ask(), "claim", api=w.bob),
    "api-release": _released,
    "api-delegate": lambda w: w.of(w.agent.ask(), "delegate", {"to": "erin", "reason": "away"}, w.bob),
    "api-assign": lambda w: w.of(w.agent.ask(), "assign", {"to": "erin", "reason": "knows"}, w.operator),
    "api-escalate": lambda w: w.of(w.agent.ask(policy="ladder"), "escalate", {"reason": "now"}, w.operator),
    "api-extend": lambda w: w.of(
        w.agent.ask(), "extend", {"until": (clock.now() + timedelta(hours=6)).isoformat(), "reason": "late"}, w.operator
    ),
    "api-remind": _reminded,
    "api-comments": lambda w: w.of(w.agent.ask(), "comments", {"text": "hm"}, w.bob),
    "api-watch": lambda w: w.of(w.agent.ask(), "watch", api=w.bob),
    "api-withdraw": _withdrawn,
    "api-revoke": lambda w: w.of(w.decided(), "revoke", {"reason": "slip"}, w.bob),
    "api-cancel-request": lambda w: w.of(w.agent.ask(), "cancel", {"reason": "no more"}),
    "api-webhooks": lambda w: (w.operator, "webhooks/", {"url": "https://example.com/hook"}),
    "api-webhook-rotate": lambda w: w.hook("rotate"),
    "api-webhook-disable": lambda w: w.hook("disable"),
    "api-webhook-enable": lambda w: w.hook("enable"),
    "api-webhook-test": lambda w: w.hook("test"),
    "api-webhook-replay": lambda w: w.hook("deliveries/replay"),
    "api-step-up": lambda w: (w.bob, "step-up/", {"password": "a-long-word"}),
    "api-delegations": lambda w: (w.bob, "delegations/", {"to": "carol", "ends_at": LATER, "reason": "away"}),
    "api-revoke-delegation": _ended,
}

KEPT = [name for name in CALLS if name != "api-step-up"]  # it answers with nothing, and nothing is not kept


def told(answer: Any) -> tuple[int, bytes, str]:
    """What two answers have in common that are the same."""
    return answer.status_code, answer.content, answer.get("Location", "")
