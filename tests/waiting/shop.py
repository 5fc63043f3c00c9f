"""A request of an agent on a database of its own, made and decided by processes of their own: `make`, `decide`."""

from __future__ import annotations

import json
import os
import sys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

import django

django.setup()


def make() -> None:
    """Tables, people, and one request that waits; prints its id and the agent's token."""
    from django.contrib.auth.models import Group, User
    from django.core.management import call_command

    from hitl import Action
    from hitl.definition.gates import gate_spec
    from hitl.engine import outside
    from hitl.policies import create_key

    call_command("migrate", verbosity=0)
    alice, bob = (User.objects.create_user(name, f"{name}@example.com") for name in ("alice", "bob"))
    bob.groups.add(Group.objects.create(name="finance"))
    scopes = ["approvals:request", "approvals:read", "approvals:reviewers"]
    key, token = create_key("refund-bot", owner=alice, scopes=scopes, actor=alice)
    action = Action({"amount": 250}, type="refund", title="Refund 250", impact="Money leaves")
    asked = outside.ask(action, gate_spec("this request", reviewers=["group:finance"]), actor=key)
    print(json.dumps({"id": str(asked.pk), "token": token}))


def decide() -> None:
    """Bob says yes."""
    from django.contrib.auth.models import User

    from hitl import decisions
    from hitl.models import Approval

    asked = Approval.objects.get()
    decisions.decide(asked.pk, actor=User.objects.get(username="bob"), verdict="approve", digest=asked.digest)


if __name__ == "__main__":
    {"make": make, "decide": decide}[sys.argv[1]]()
