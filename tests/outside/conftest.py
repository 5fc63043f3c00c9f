"""An agent with a key, the people it asks, and external steps in its hands."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.auth.models import Permission

from hitl import Workflow, clock, dispatch
from hitl.models import ApiKey, Approval
from hitl.policies import apply_policy, create_key
from hitl.policies.keys import SCOPES
from tests.api.conftest import Api

_STAGE = {"reviewers": ["group:finance"]}
POLICIES: dict[str, Any] = {
    "refunds": {"stages": [_STAGE]},
    "two-eyes": {"stages": [{**_STAGE, "approvals": 2}]},
    "silent": {"stages": [{**_STAGE, "timeout": "4h"}], "on_timeout": "approve"},
    "strict": {"stages": [_STAGE], "level": "verify"},
    "told": {"stages": [_STAGE], "level": "info"},
    "twice": {"stages": [_STAGE, {"reviewers": ["group:directors"]}]},
}
ACTION = {"type": "refund", "args": {"amount": 900, "to": "A1"}, "title": "Refund 900 to A1", "impact": "Money leaves"}
_ALL = [scope for scope in SCOPES if scope != "approvals:reviewers"]


@dataclass
class Agent:
    """A program with its key, at the API's door."""

    row: ApiKey
    api: Api

    def body(self, **said: Any) -> dict[str, Any]:
        """The body of a request for a refund by the policy `refunds`, changed as it is said."""
        action = said.pop("action", None)
        whole = {"policy": "refunds", "action": {**ACTION, **(action or {})}, **said}
        return {name: value for name, value in whole.items() if value is not ...}

    def ask(self, **said: Any) -> dict[str, Any]:
        """A request that is taken."""
        answer = self.api.post("approvals/", self.body(**said))
        assert answer.status_code == 201, answer.content
        return dict(answer.json())

    def question(self, question: str = "Which region?", **said: Any) -> dict[str, Any]:
        """A question that is taken."""
        answer = self.api.post("approvals/", {"kind": "question", "question": question, "policy": "refunds", **said})
        assert answer.status_code == 201, answer.content
        return dict(answer.json())

    def see(self, request: Any) -> dict[str, Any]:
        """A request as it is now."""
        answer = self.api.get(f"approvals/{_id(request)}/")
        assert answer.status_code == 200, answer.content
        return dict(answer.json())

    def act(self, request: Any, verb: str, body: Any = None, **options: Any) -> Any:
        """One call about a request."""
        return self.api.post(f"approvals/{_id(request)}/{verb}/", {} if body is None else body, **options)

    def take(self, request: Any) -> dict[str, Any]:
        """What came of it, taken."""
        answer = self.act(request, "consume")
        assert answer.status_code == 200, answer.content
        return dict(answer.json())

    def claim(self, *queues: str, **said: Any) -> Any:
        """The step that is claimed, or None."""
        answer = self.api.post("steps/claim/", {"queues": list(queues) or ["gpu"], **said})
        assert answer.status_code in (200, 204), answer.content
        return answer.json() if answer.status_code == 200 else None

    def work(self, task: dict[str, Any], verb: str, **said: Any) -> Any:
        """One call about a claimed step."""
        return self.api.post(f"steps/{task['step']}/{verb}/", {"token": task["token"], **said})


def _id(request: Any) -> str:
    return str(request["id"] if isinstance(request, dict) else getattr(request, "pk", request))


def row_of(request: Any) -> Approval:
    """The request's row."""
    return Approval.objects.select_related("run", "step").get(pk=_id(request))


@pytest.fixture
def policies(alice: Any, bob: Any, carol: Any, people: Callable[..., Any]) -> None:
    """What agents ask by."""
    people("dana", "directors")
    for name, default in POLICIES.items():
        apply_policy({"name": name, "default": default}, actor=alice)


@pytest.fixture
def agents(policies: None, alice: Any) -> Callable[..., Agent]:
    """`agents("other", scopes=…, policies=…, limits=…)` is one more program of alice's."""

    def make(name: str = "robot", **options: Any) -> Agent:
        said = {"scopes": _ALL, "policies": ["*"], "owner": alice, **options}
        key, token = create_key(name, actor=alice, **said)
        ApiKey.objects.update(last_used_at=clock.now())  # as if it had called a moment ago: a call then writes nothing
        return Agent(key, Api(token=token))

    return make


@pytest.fixture
def agent(agents: Callable[..., Agent]) -> Agent:
    """One that may ask by every policy and work on every queue."""
    return agents()


@pytest.fixture
def say(bob: Any) -> Callable[..., Any]:
    """`say(request, "reject", comment=…, by=carol)`: a person's word over the API; the answer's body."""
    apis: dict[Any, Api] = {}

    def decide(request: Any, verdict: str = "approve", *, by: Any = None, **said: Any) -> Any:
        who = by or bob
        api = apis.setdefault(who.pk, Api(user=who))
        row = row_of(request)
        answer = api.post(f"approvals/{row.pk}/decisions/", {"verdict": verdict, "digest": row.digest, **said})
        assert answer.status_code in (200, 202), answer.content
        return answer.json()

    return decide


@pytest.fixture
def operator(people: Callable[..., Any]) -> Api:
    """Somebody who operates, signed in."""
    user = people("olga")
    user.user_permissions.add(Permission.objects.get(codename="operate"))
    return Api(user=user)


@pytest.fixture
def rung(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The queues that bells were rung for."""
    heard: list[str] = []
    monkeypatch.setattr(dispatch, "_send", lambda task, queue: heard.append(queue))
    return heard


@pytest.fixture
def render(alice: Any) -> Callable[..., Any]:
    """`render(name="x", max_attempts=2)` starts a run whose only step is external, on the queue gpu."""
    number = itertools.count()

    def start(*, input: Any = None, queue: str = "gpu", **spec: Any) -> Any:
        flow = Workflow(f"film-{next(number)}")
        flow.step(name="render", external=True, queue=queue, **spec)
        return flow.start(input, requester=alice)

    return start


@pytest.fixture
def world(
    agents: Any, operator: Api, say: Any, people: Any, refund: Any, work: Any, alice: Any, bob: Any, root: Any
) -> Any:
    """What the calls of `calls.CALLS` are made in."""
    from tests.outside.calls import World

    ladder = {"stages": [{**_STAGE, "escalate": [{"after": "1h", "to": ["group:directors"]}]}]}
    apply_policy({"name": "ladder", "default": ladder}, actor=alice)
    bob.set_password("a-long-word")
    bob.save()
    people("erin")
    return World(agents, operator, say, {"alice": alice, "bob": bob, "root": root}, work)
