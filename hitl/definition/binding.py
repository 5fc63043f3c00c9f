"""What a decision is bound to: the canonical bytes of one action in one place, and their digest.

Everything that decides what will happen is in it; title, description and context are not: they are the agent's words.
"""

from __future__ import annotations

from typing import Any

from hitl.definition.action import Action
from hitl.definition.canonical import canonical, digest, parse

SCHEMA = 1
_WHERE = ("run", "revision")


def bind(
    action: Action,
    *,
    workflow: str,
    run: str,
    step: str,
    key: str,
    revision: int,
    requester: str,
    execute_within: float,
) -> bytes:
    """The canonical bytes a decision on this action is about."""
    return canonical(
        {
            "schema": SCHEMA,
            "workflow": workflow,
            "run": run,
            "step": step,
            "key": key,
            "revision": revision,
            "type": action.type,
            "args": action.args,
            "target": action.target,
            "impact": action.impact,
            "reversible": action.reversible,
            "requester": requester,
            "execute_within": execute_within,
        },
        what="action",
    )


def edited(binding: bytes, args: dict[str, Any], action_type: str) -> bytes:
    """The same binding with edited arguments, perhaps of another type: of that nobody said that it can be undone."""
    content = parse(binding)
    reversible = content["reversible"] and action_type == content["type"]
    return canonical({**content, "args": args, "type": action_type, "reversible": reversible}, what="action")


def binding_digest(binding: bytes) -> str:
    """What reviewers see, send back, and what is compared before the action runs."""
    return digest("hitl.action.v1", binding)


def action_digest(binding: bytes) -> str:
    """The same without run and revision: equal for the same proposal made again."""
    content = {name: value for name, value in parse(binding).items() if name not in _WHERE}
    return digest("hitl.action.v1.content", canonical(content))
