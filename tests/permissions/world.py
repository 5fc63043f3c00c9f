"""The world of the matrix: one request in one status, and everybody who could want something from it.

It is made once for each status and kind of asker; every cell does what it does inside a savepoint that is rolled back.
Stage 1 asks the group finance for five approvals (four are cast by the people below), stage 2 two directors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission

from hitl import Action, Workflow, clock, decisions, engine
from hitl.audit import SYSTEM
from hitl.models import ApiKey, Approval
from hitl.policies import create_key
from hitl.policies.delegations import create_delegation

STAGES = [
    {
        "reviewers": ["group:finance"],
        "approvals": 5,
        "timeout": timedelta(hours=4),
        "escalate": [{"after": timedelta(hours=2), "to": ["group:managers"]}],
    },
    {"reviewers": ["group:directors"], "approvals": 2, "timeout": timedelta(hours=4)},
]
SCHEMA = {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}
PASSWORD = "correct horse"

# Who is in which groups when the request opens; who is named nowhere is in none.
GROUPS = {
    "finance": (
        "on_behalf_of", "candidate", "holder", "decider", "voter", "voter_of_both", "ex_voter", "ex_member", "absent",
        "represented", "hander", "editor", "editor_deputy", "asker_deputy", "teammate", "deactivated",
    ),
    "directors": ("director", "director_voter", "voter_of_both"),
    "managers": ("manager",),
    "team": ("teammate",),
}  # fmt: skip
OTHERS = ("deputy", "deputy_voted", "handed", "viewer", "staff", "superuser", "operator", "outsider", "friend")
# Who stands in for whom, by a delegation.
DEPUTIES = {"deputy": "absent", "deputy_voted": "represented", "editor_deputy": "editor", "asker_deputy": "alice"}
VOTERS = ("voter", "voter_of_both", "ex_voter", "deputy_voted")


@dataclass
class World:
    """One request and everybody around it, by what they are to it."""

    asker: str
    status: str
    people: dict[str, Any] = field(default_factory=dict)
    keys: dict[str, ApiKey] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    approval: Any = None

    def who(self, principal: str) -> Any:
        """The user, the key or the system behind a principal of the matrix."""
        if principal == "system":
            return SYSTEM
        if principal.startswith("key:"):
            return self.keys["own_key"]
        if principal.endswith("_key"):
            return self.keys[principal]
        return self.people[principal]

    def fresh(self) -> Approval:
        """The request as the database has it."""
        return Approval.objects.select_related("run__workflow", "step").get(pk=self.approval.pk)


def build(asker: str, status: str) -> World:
    """The world of one status: `asker` is a person, an agent of a person (key), or an agent of a team."""
    world = World(asker, status)
    _people(world)
    run = _start(world)
    engine.drain("default")
    world.approval = Approval.objects.get(run=run)
    if status not in ("question", "answered"):
        _first_revision(world)
    if status not in ("question", "answered", "superseded"):
        _votes(world)
    _REACH[status](world)
    _afterwards(world)
    world.approval = world.fresh()
    return world


def vote(world: World, name: str, verdict: str = "approve", **said: Any) -> decisions.Outcome:
    """One person of the world decides on its request."""
    row = world.approval
    return decisions.decide(row.pk, actor=world.people[name], verdict=verdict, digest=row.digest, **said)


def _people(world: World) -> None:
    groups = {name: Group.objects.get_or_create(name=name)[0] for name in GROUPS}
    names = dict.fromkeys(["alice", *(name for members in GROUPS.values() for name in members), *OTHERS])
    for name in names:
        rights = {"is_staff": name in ("staff", "superuser"), "is_superuser": name == "superuser"}
        user = get_user_model()(username=name, email=f"{name}@example.com", **rights)
        user.set_password(PASSWORD)
        user.save()
        user.groups.set(group for key, group in groups.items() if name in GROUPS[key])
        world.people[name] = user
    for name, codename in (("viewer", "view_approval"), ("operator", "operate")):
        right = Permission.objects.get(codename=codename, content_type__app_label="hitl")
        world.people[name].user_permissions.add(right)
    owner = groups["team"] if world.asker == "team" else world.people["alice"]
    for name, owned_by in (("own_key", owner), ("other_key", world.people["friend"])):
        scopes = ["runs:start", "approvals:read", "approvals:request"]
        world.keys[name], world.tokens[name] = create_key(name, owner=owned_by, scopes=scopes, actor=SYSTEM)
    ends = clock.now() + timedelta(days=2)
    for deputy, absent in DEPUTIES.items():
        one = world.people[absent]
        create_delegation(one, world.people[deputy], ends_at=ends, actor=one)


def _start(world: World) -> Any:
    flow = Workflow("matrix")
    if world.status in ("question", "answered"):
        open_to_all = [{**stage, "approvals": 1} for stage in STAGES]
        flow.step(lambda ctx: ctx.ask("which", "Which order?", schema=SCHEMA, stages=open_to_all), name="draft")
    else:
        flow.step(lambda ctx: Action({"n": 1}, type="do", title="Do it", impact="It is done"), name="draft")
        flow.approval("ask", after="draft", stages=STAGES)
        flow.step(lambda ctx: ctx.action.n, name="act", after="ask")
    behalf = {} if world.asker == "team" else {"on_behalf_of": world.people["on_behalf_of"]}
    return flow.start(
        {}, requester=world.people["alice"] if world.asker == "person" else world.keys["own_key"], **behalf
    )


def _first_revision(world: World) -> None:
    """One votes on the first revision, then the editor changes it: everything else is about the second."""
    vote(world, "voter")
    fresh = vote(world, "editor", "edit", args={"n": 2}).approval
    if world.status != "superseded":
        world.approval = fresh


def _votes(world: World) -> None:
    for name in VOTERS:
        vote(world, name)
    people = world.people
    decisions.delegate(world.approval.pk, actor=people["hander"], to=people["handed"], reason="on holiday")


def _afterwards(world: World) -> None:
    """People leave after they were asked; and some time passes, so that reminding is no nuisance."""
    for name in ("ex_member", "ex_voter"):
        world.people[name].groups.clear()
    gone = world.people["deactivated"]
    gone.is_active = False
    gone.save(update_fields=["is_active"])
    clock.move(timedelta(minutes=20))
    if world.status == "overdue":
        clock.move(timedelta(hours=4))
    if world.status == "pending":
        decisions.claim(world.approval.pk, actor=world.people["holder"])
    ApiKey.objects.update(last_used_at=clock.now())  # else the first call of each writes that down
    for name in world.people:  # Django remembers permissions on the instance
        world.people[name] = get_user_model().objects.get(pk=world.people[name].pk)


def _second_stage(world: World) -> None:
    vote(world, "decider")
    vote(world, "director_voter")


def _approve(world: World) -> None:
    _second_stage(world)
    vote(world, "director")


def _consume(world: World) -> None:
    _approve(world)
    engine.drain("default")


def _revoke(world: World) -> None:
    _approve(world)
    decisions.revoke(world.approval.pk, actor=world.people["operator"], reason="a slip")


def _revise(world: World) -> None:
    vote(world, "decider", "request_revision", comment="smaller")
    engine.drain("default")


def _expire(world: World) -> None:
    clock.move(timedelta(hours=5))
    decisions.expire(Approval.objects.get(pk=world.approval.pk))


def _nothing(world: World) -> None:
    pass


_REACH: dict[str, Callable[[World], Any]] = {
    "question": _nothing,
    "pending": _nothing,
    "stage_2": _second_stage,
    "overdue": _nothing,
    "approved": _approve,
    "consumed": _consume,
    "rejected": lambda world: vote(world, "decider", "reject", comment="no"),
    "answered": lambda world: vote(world, "decider", "respond", response={"answer": "A-17"}),
    "revision_requested": _revise,
    "expired": _expire,
    "cancelled": lambda world: decisions.cancel(world.approval.pk, actor=world.people["operator"]),
    "superseded": _nothing,
    "revoked": _revoke,
}
STATUSES = tuple(_REACH)
