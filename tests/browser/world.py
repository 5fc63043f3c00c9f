"""A small house full of work: one row of everything that a page can show, made by the verbs.

`build(say)` asks `say(place, nice)` for every text that an agent, a sender, an author or a person may write; what it
gets goes there. With the nice words the pages are pictures for the documentation, with hostile ones a walk of attacks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

from pydantic import BaseModel, Field

from hitl import Action, Plan, Workflow, clock, decisions, engine, policies
from hitl.definition.gates import gate_spec
from hitl.engine.outside import ask, ask_question
from hitl.models import Approval, Notification, Run, WebhookEndpoint
from hitl.notifications import deliver
from hitl.policies.delegations import create_delegation
from hitl.transitions import locked

Say = Callable[..., str]


def nice(place: str, words: str, most: int = 0) -> str:
    """The words themselves."""
    return words


@dataclass
class World:
    """What there is: people by login, and the rows that pages are about by name."""

    people: dict[str, Any] = field(default_factory=dict)
    keys: dict[str, Any] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)
    requests: dict[str, Approval] = field(default_factory=dict)
    delegation: Any = None
    webhook: Any = None


class Wanted(BaseModel):
    """What is to be cleaned up."""

    bucket: str = Field(title="Bucket", description="Its name, without the region.")
    older_than: str | None = Field(None, title="Older than", description="Only objects from before this day.")
    dry_run: bool = Field(False, title="Only count", description="Delete nothing.")


def build(say: Say = nice) -> World:
    """The house, with everything in it."""
    world = World()
    _people(world, say)
    _policies(world, say)
    _cleanup(world, say)
    _mailing(world, say)
    _outside(world, say)
    _broken(world, say)
    _listening(world, say)
    _beside(world, say)
    return world


def _people(world: World, say: Say) -> None:
    from django.contrib.auth.models import Group, User

    team, board = (Group.objects.create(name=say("group", name, 120)) for name in ("storage owners", "directors"))
    for login, first, last, groups in (
        ("dana", "Dana", "Ortiz", (team, board)),
        ("ines", "Ines", "Roy", (team, board)),
        ("sam", "Sam", "Lee", ()),
        ("rita", "Rita", "Root", ()),
    ):
        name = {"first_name": say("first name", first, 150), "last_name": say("last name", last, 150)}
        user = User(username=say("username", login, 100), email=f"{login}@example.com", **name)
        user.is_staff = user.is_superuser = login == "rita"
        user.set_password("a-long-word-for-tests")
        user.save()
        user.groups.set(groups)
        world.people[login] = user
    world.people["team"], world.people["board"] = f"group:{team.name}", f"group:{board.name}"


def _policies(world: World, say: Say) -> None:
    first = {"reviewers": [world.people["team"]], "timeout": "4h", "remind": ["1h"]}
    both = [first, {"reviewers": [world.people["board"]], "timeout": "2h"}]
    rule = {"name": say("rule", "dry runs pass", 100), "when": "args.dry_run == true", "auto": "approve"}
    words = say("policy description", "Storage owners look.", 900)
    document: dict[str, Any] = {"name": "deletion", "description": words, "default": {"stages": [first]}}
    policies.apply_policy(document, actor=world.people["rita"])
    words = say("policy description", "Storage owners look, then directors.", 900)
    document |= {"description": words, "default": {"stages": both}, "rules": [{**rule, "until": "2099-12-31"}]}
    policies.apply_policy(document, actor=world.people["rita"])


def _cleanup(world: World, say: Say) -> None:
    """Buckets: a critical request in its second revision and one that is low, in a run with streams and events."""
    dana, ines, sam = (world.people[name] for name in ("dana", "ines", "sam"))
    kind = say("action type", "s3.delete_bucket", 190)  # a revision keeps it
    flow = Workflow("cleanup", title=say("workflow", "Clean up storage", 180), input=Wanted)

    @flow.step(name="find")
    def find(ctx: Any) -> Any:
        ctx.put_stream(say("stream", "Reading the access logs of 14 buckets."), name="log")
        ctx.put_stream(say("stream", "Nobody has read 3 of them for 200 days."), name="log:2")
        ctx.set_event(say("event key", "progress", 150), say("event", "3 of 14 buckets found"))
        return {"buckets": [say("output", "prod-exports-2024")], "objects": 41208}

    @flow.step(name="propose", after="find")
    def propose(ctx: Any) -> Action:
        args = {"bucket": ctx.input["bucket"], "older_than": None, "dry_run": ctx.input["dry_run"]}
        if ctx.instructions:
            args["older_than"] = "2024-12-31"
        for name, value in (("reason", "no reads for 210 days"), ("tag", "exports\u200b")):
            args[say("argument name", name, 400)] = say("argument", value, 20_000)
        return Action(
            args,
            type=kind,
            title=say("title", f"Delete bucket {ctx.input['bucket']}", 480),
            impact=say("impact", "41,208 objects (1.3 TB) are deleted for good.", 4_800),
            description=say(
                "description",
                "The bucket has had **no reads for 210 days** and costs €31 a month.\n\n"
                "- Legal cleared deletion of 2024 exports in [LEG-212](https://tracker.example/LEG-212)\n"
                "- the newest object is from 2024-12-30",
                19_000,
            ),
            target=say("target", "s3 · eu-west-1", 900),
        )

    flow.approval("approve", after="propose", policy="deletion", risk="low")
    flow.step(lambda ctx: {"deleted": 41208}, name="delete", after="approve")
    flow.step(lambda ctx: say("output", "Deleted."), name="report", after="delete")
    for name, bucket, risk in (("cleanup", "prod-exports-2024", "critical"), ("done", "tmp-thumbnails", "low")):
        wanted = {"bucket": say("input", bucket), "dry_run": False}
        options = {"external_id": say("external id", f"INC-{len(world.runs)}", 190), "risk": risk}
        world.runs[name] = flow.start(wanted, requester=sam, **options)
    engine.drain("default")
    first, done = (_newest(world, name) for name in ("cleanup", "done"))
    words = say("comment", "Keep the exports of 2025.", 9_000)
    decisions.decide(first, actor=dana, verdict="request_revision", digest=first.digest, comment=words)
    words = say("comment", "These are only thumbnails.", 9_000)
    decisions.decide(done, actor=dana, verdict="approve", digest=done.digest, comment=words)
    done = _newest(world, "done")
    decisions.decide(done, actor=ines, verdict="approve", digest=done.digest)
    engine.drain("default")
    world.requests["superseded"] = first
    request = _newest(world, "cleanup")
    decisions.comment(request, actor=ines, text=say("remark", "Who uses the exports of 2023?", 9_000))
    decisions.comment(request, actor=sam, text=say("remark", "Nobody since March.", 9_000))
    decisions.watch(request, actor=sam)
    decisions.claim(request, actor=dana)
    words = {"comment": say("feedback", "Saved us a day.", 1_900), "score": 0.9}
    decisions.give_feedback(world.runs["done"], say("feedback key", "usefulness", 90), actor=sam, **words)
    vote = world.requests["done"].decisions.first()
    decisions.give_feedback(world.runs["done"], "decision", actor=sam, score=1.0, decision=vote.pk)


def _newest(world: World, name: str) -> Approval:
    """The newest request of a run, kept by the run's name."""
    world.requests[name] = Approval.objects.filter(run=world.runs[name]).order_by("-opened_at", "-revision")[0]
    return world.requests[name]


class Letter(BaseModel):
    """A mail with what is put to it, so that a form has everything to show."""

    to: str
    kind: Literal["apology", "offer"]
    amount: int = Field(ge=0)
    urgent: bool
    lines: list[str]
    extra: dict[str, Any]


class Offer(BaseModel):
    """What the agent wants to know."""

    option: Literal["refund", "replace", "decline"] = Field(title="What shall I offer?")
    amount: int = Field(title="Amount in EUR", description="At most what was paid.", ge=0)
    urgent: bool = Field(title="Is it urgent?")
    note: str | None = Field(None, title="A note for the customer")


def _mailing(world: World, say: Say) -> None:
    """Letters: one that waits with typed arguments, one that was sent after edits, one refused; and a question."""
    dana, sam = world.people["dana"], world.people["sam"]
    flow = Workflow("letters", title=say("workflow", "Answer a complaint", 180))
    plan = [{"name": "read", "handler": "look"}, {"name": "sum-up", "handler": "look", "after": ["read"]}]
    flow.handler("look")(lambda ctx: say("output", "The parcel arrived damaged."))
    flow.planner("plan", handler=lambda ctx: Plan(plan), allowed=["look"], ungated="it only reads")

    @flow.step(name="draft", after="plan")
    def draft(ctx: Any) -> Action:
        letter = {
            "to": say("argument", "ann@example.com", 250),
            "kind": "apology",
            "amount": 40,
            "urgent": False,
            "lines": [say("argument", "We are sorry."), say("argument", "It will not happen again.")],
            "extra": {say("argument name", "order", 400): say("argument", "A-17")},
        }
        title, impact = say("title", "Mail to Ann Lee", 480), say("impact", "A mail leaves the house.", 4_800)
        return Action(Letter.model_validate(letter), title=title, impact=impact, reversible=True, target="ann")

    flow.approval(
        "look", after="draft", reviewers=[world.people["team"]], risk="medium", timeout=timedelta(minutes=100)
    )
    flow.step(lambda ctx: {"sent": True}, name="send", after="look")
    for name in ("letter", "edited", "refused"):
        world.runs[name] = flow.start({"complaint": say("input", "C-88")}, requester=sam)
    engine.drain("default")
    edited, refused = _newest(world, "edited"), _newest(world, "refused")
    args = {**edited.args, "amount": 60, "lines": [say("edit", "We are very sorry.")]}
    words = say("comment", "60 is what they paid.", 9_000)
    decisions.decide(edited, actor=dana, verdict="edit", digest=edited.digest, args=args, comment=words)
    words = say("comment", "We do not write to this address.", 9_000)
    decisions.decide(refused, actor=dana, verdict="reject", digest=refused.digest, comment=words)
    asking = Workflow("offers", title=say("workflow", "Find an offer", 180))
    question = "The parcel of order A-17 arrived damaged. The customer asks for a quick answer.\n\nWhat shall I offer?"
    options = {"reviewers": [world.people["team"]], "schema": Offer, "timeout": timedelta(hours=26)}
    asking.step(lambda ctx: ctx.ask("q", say("question", question, 4_900), **options), name="think")
    for name in ("question", "answered"):
        world.runs[name] = asking.start(requester=sam)
    engine.drain("default")
    answered = _newest(world, "answered")
    said = {"option": "refund", "amount": 40, "urgent": True, "note": say("answer", "With our apologies.")}
    decisions.decide(answered, actor=dana, verdict="respond", digest=answered.digest, response=said)
    engine.drain("default")
    for name in ("letter", "edited", "refused", "question", "answered"):
        _newest(world, name)


def _outside(world: World, say: Say) -> None:
    """What agents ask over the API: an approval with a schema and a context, and a question with options."""
    scopes = ["runs:start", "runs:read", "approvals:request", "approvals:read", "approvals:reviewers"]
    owner = {"owner": world.people["sam"], "actor": world.people["sam"], "policies": ["*"]}
    key, _ = policies.create_key(say("agent", "Research agent", 95), scopes=scopes, **owner)
    other, _ = policies.create_key(say("agent", "Old agent", 95), scopes=scopes, **owner)
    policies.revoke_key(other, actor=world.people["sam"])
    world.keys = {"agent": key, "old": other}
    gate = gate_spec(
        "a test",
        reviewers=[world.people["team"]],
        risk="high",
        level="verify",
        phrase="SEND 412",
        timeout=timedelta(minutes=12),
    )
    schema = {
        "type": "object",
        "title": say("schema title", "Renewal mail"),
        "properties": {
            "audience": {
                "type": "string",
                "title": say("schema title", "Who gets it"),
                "description": say("schema description", "A segment of customers."),
                "enum": [say("schema enum", "renewals"), "all"],
            },
            "text": {"type": "string"},
        },
    }
    args = {"audience": schema["properties"]["audience"]["enum"][0], "text": say("argument", "Your plan renews soon.")}
    action = Action(
        args,
        type=say("action type", "send_mail", 190),
        title=say("title", "Send renewal mail to 412 customers", 480),
        impact=say("impact", "The mail goes out at once.", 4_800),
        description=say("description", "412 plans renew next week.", 19_000),
    )
    more = {
        "actor": key,
        "context": {say("context name", "segment", 400): say("context", "renewals in June")},
        "batch": say("batch", "june renewals", 190),
        "external_id": say("external id", "CRM-7", 190),
    }
    request = ask(action, gate, args_schema=schema, **more)
    options = [say("option", "Europe"), say("option", "The whole world")]
    gate = gate_spec("a test", reviewers=[world.people["team"]], risk="low", timeout=timedelta(hours=30))
    words = say("question", "Which region should the report cover?", 4_900)
    choice = ask_question(words, gate, options=options, **more)
    for name, row in (("outside", request), ("choice", choice)):
        world.runs[name], world.requests[name] = row.run, row


def _broken(world: World, say: Say) -> None:
    """Runs that failed, that nobody knows the end of, and that were cancelled."""
    flow = Workflow("payout", title=say("workflow", "Pay a supplier", 180))

    def fail(ctx: Any) -> None:
        raise ValueError(say("failure", "the bank did not answer: 503", 1_900))

    flow.step(fail, name="pay", max_attempts=1)
    unsure = Workflow("transfer", title=say("workflow", "Transfer money", 180))
    unsure.step(lambda ctx: None, name="pay", repeatable=False)
    sam, rita = world.people["sam"], world.people["rita"]
    world.runs["failed"] = flow.start({"supplier": say("input", "Muster AG")}, requester=sam)
    engine.drain("default")
    world.runs["uncertain"] = unsure.start(requester=sam)
    with locked(world.runs["uncertain"].pk) as t:
        t.lease(t.step("pay"))
    with locked(world.runs["uncertain"].pk) as t:
        t.move(t.step("pay"), "uncertain")
    world.runs["cancelled"] = unsure.start(requester=sam)
    engine.cancel(world.runs["cancelled"], actor=sam, reason=say("reason", "ordered twice", 1_900))
    engine.freeze("workflow:transfer", actor=rita, reason=say("reason", "the bank is being moved", 1_900))


def _listening(world: World, say: Say) -> None:
    """A run that waits for a signal."""
    name = say("signal", "parcel", 90)
    flow = Workflow("returns", title=say("workflow", "Wait for a parcel", 180))
    flow.wait_for_signal("arrival", signal=name)
    world.runs["listening"] = flow.start({"order": "A-17"}, requester=world.people["sam"])
    engine.drain("default")
    run = world.runs["listening"]
    engine.signal(
        run, say("signal", "weather", 170), {"text": say("signal payload", "rain")}, sender=world.keys["agent"]
    )


def _beside(world: World, say: Say) -> None:
    """A delegation, a webhook, and mails: delivered, and one that nobody could deliver."""
    dana, ines = world.people["dana"], world.people["ines"]
    words = {"ends_at": clock.now() + timedelta(days=3), "reason": say("reason", "On holiday", 400)}
    world.delegation = create_delegation(ines, dana, actor=ines, **words)
    words = {"description": say("webhook", "The ticket system", 190), "created_by": world.people["rita"]}
    address = {"url": "https://tickets.example/hook", "secrets": [], "created_at": clock.now()}
    world.webhook = WebhookEndpoint.objects.create(**words, **address)
    deliver()
    dead = {"status": "dead", "last_error": say("failure", "550 mailbox unavailable", 1_900)}
    Notification.objects.filter(pk=Notification.objects.order_by("pk").values("pk")[:1]).update(**dead)
