"""What an agent keeps for itself is seen by nobody else; and who asked, or is asked for, does not decide."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client

from hitl.models import Notification
from hitl.models.audit import AuditRecord
from tests.api.conftest import Api, problem
from tests.outside.conftest import Agent, row_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("whole_house")]
SECRET = "kept-by-the-agent-8f2c"
SHOWN = "said-by-the-agent-77aa"


@pytest.fixture
def page(client: Client, bob: Any, root: Any) -> Callable[..., Iterator[tuple[str, str]]]:
    """The pages of a request and its run, as a reviewer, a superuser and an operator see them."""

    def look(seen: dict[str, Any]) -> Iterator[tuple[str, str]]:
        for who, sites in ((bob, ["review"]), (root, ["review", "admin"])):
            client.force_login(who, backend="django.contrib.auth.backends.ModelBackend")
            for site in sites:
                for path in ("approval/", f"approval/{seen['id']}/change/", "run/", f"run/{seen['run']}/change/"):
                    answer = client.get(f"/{site}/hitl/{path}", follow=True)
                    yield f"{who} {site} {path} {answer.status_code}", answer.content.decode()

    return look


def test_resume_data_is_its_own_key_s(
    agent: Agent, agents: Callable[..., Agent], say: Any, operator: Api, bob: Any, page: Any, caplog: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    other = agents("other")
    seen = agent.ask(resume_data={"token": SECRET}, context={"why": SHOWN})
    assert seen["resume_data"] == {"token": SECRET}
    reviewer = Api(user=bob)
    for api in (reviewer, operator):
        answer = api.get(f"approvals/{seen['id']}/")
        assert answer.status_code == 200
        assert (answer.json()["resume_data"], SHOWN in answer.content.decode()) == (None, True)
        assert SECRET not in answer.content.decode()
    say(seen, comment="fine")
    agent.act(seen, "consume", key="once")
    for api in (reviewer, operator, other.api):
        for path in (
            f"approvals/{seen['id']}/",
            "approvals/",
            f"runs/{seen['run']}/",
            f"approvals/{seen['id']}/explain/",
        ):
            assert SECRET not in api.get(path).content.decode()
        for path in (f"runs/{seen['run']}/timeline/", f"runs/{seen['run']}/audit/", "audit/"):
            assert SECRET not in api.get(path).content.decode()
    shown = dict(page(seen))
    assert any(SHOWN in text for text in shown.values()), list(shown)
    assert [where for where, text in shown.items() if SECRET in text] == []
    assert SECRET not in str(list(AuditRecord.objects.values()))
    assert SECRET not in str(list(Notification.objects.values()))
    assert SECRET not in caplog.text


def test_another_key_finds_nothing(agent: Agent, agents: Callable[..., Agent], say: Any) -> None:
    """Also one of the same owner: it is told what it would be told of a request that is not there."""
    seen, other = agent.ask(), agents("other")
    say(seen)
    token = agent.take(seen)["token"]
    nowhere = "00000000-0000-7000-8000-000000000000"
    for verb, body in (("consume", {}), ("result", {"token": token}), ("cancel", {}), ("remind", {})):
        mine, none = (other.act(pk, verb, body) for pk in (seen, nowhere))
        assert problem(mine, 404, "unknown_approval").keys() == problem(none, 404, "unknown_approval").keys()
    problem(other.api.get(f"approvals/{seen['id']}/"), 404, "unknown_approval")
    problem(other.api.get(f"runs/{seen['run']}/"), 404, "unknown_run")
    assert other.api.get("approvals/").json()["results"] == []
    assert agent.act(seen, "result", {"token": token}).status_code == 200


def test_a_person_takes_nothing(agent: Agent, say: Any, bob: Any, operator: Api) -> None:
    seen = agent.ask()
    say(seen)
    for api in (Api(user=bob), operator):
        for verb, body in (
            ("consume", {}),
            ("result", {"token": seen["id"]}),
            ("revise", {"action": agent.body()["action"]}),
        ):
            assert (
                problem(api.post(f"approvals/{seen['id']}/{verb}/", body), 403, "not_allowed")["reason"]
                == "only_agents"
            )
    assert row_of(seen).consumed_at is None


@pytest.mark.parametrize("who", ["owner", "asked for"])
def test_who_it_is_for_does_not_decide(who: str, agents: Callable[..., Agent], bob: Any, carol: Any) -> None:
    """Neither the owner of the key nor whom it asks for, though they are among those who are asked."""
    agent = agents(owner=bob) if who == "owner" else agents()
    seen = agent.ask(**({} if who == "owner" else {"on_behalf_of": "bob"}))
    row = row_of(seen)
    body = {"verdict": "approve", "digest": row.digest}
    refused = problem(Api(user=bob).post(f"approvals/{row.pk}/decisions/", body), 403, "not_allowed")
    assert refused["reason"] == "own_request"
    assert Api(user=carol).post(f"approvals/{row.pk}/decisions/", body).status_code == 200


def test_no_key_decides(agents: Callable[..., Agent]) -> None:
    """Whatever scopes it has."""
    from hitl.policies.keys import SCOPES

    agent = agents(scopes=list(SCOPES))
    seen = agent.ask()
    for verdict in ("approve", "reject", "edit", "request_revision"):
        said = {"verdict": verdict, "digest": seen["digest"], "comment": "I say so", "args": {"amount": 1}}
        assert agent.act(seen, "decisions", said).status_code == 403
    for verb in ("claim", "release", "escalate", "withdraw", "revoke"):
        assert agent.act(seen, verb).status_code == 403, verb
    items = [{"id": seen["id"], "digest": seen["digest"]}]
    assert agent.api.post("approvals/bulk/", {"verdict": "approve", "items": items}).status_code == 403
    assert (row_of(seen).status, row_of(seen).decisions.count()) == ("pending", 0)
