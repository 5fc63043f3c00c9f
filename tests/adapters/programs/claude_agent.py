"""Sessions of the Claude Agent SDK, one for each `SCENE`: `kind-name`, or `policy/kind-name`; `name` is the session.

`FOLDER` is where the sessions live, `WAIT` how long a call waits, `DEFER=1` lets the process end instead. Prints what
Claude saw in each, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from claude_agent_sdk import ClaudeAgentOptions, ResultMessage, query

from hitl.client import AsyncClient
from hitl.client.adapters.claude import Approvals
from tests.adapters.programs.claude_line import Line

QUESTIONS = [
    {"question": "Which region?", "options": [{"label": "eu", "description": "Dublin"}, {"label": "us"}]},
    {"question": "Which days?", "multiSelect": True, "options": [{"label": "Mon"}, {"label": "Tue"}]},
]


def calls(kind: str, name: str) -> list[tuple[str, str, dict[str, Any]]]:
    """The calls Claude makes in one turn. A model never uses an id twice."""
    remove = ("Bash", {"command": f"rm {name}"})
    made: list[tuple[str, dict[str, Any]]] = {
        "one": [remove],
        "two": [remove, ("Bash", {"command": f"rm {name}-2"})],
        "again": [remove, remove],
        "ask": [("AskUserQuestion", {"questions": QUESTIONS})],
        "odd": [("AskUserQuestion", {"words": 1})],
    }[kind]
    return [(f"toolu_{name}_{os.getpid()}_{number}", *call) for number, call in enumerate(made)]


async def session(client: AsyncClient, scene: str) -> dict[str, Any]:
    """Whatever Claude does in this process."""
    policy, _, rest = scene.rpartition("/")
    kind, _, name = rest.partition("-")
    wait = float(os.environ.get("WAIT", "0"))
    approvals = Approvals(
        client, session=f"{os.environ.get('SESSION', 's')}-{name}", policy=policy or "refunds", wait=wait
    )
    hooks = approvals.hooks(defer=os.environ.get("DEFER") == "1")
    options = ClaudeAgentOptions(can_use_tool=approvals.can_use_tool, hooks=hooks)
    line = Line(calls(kind, name), Path(os.environ["FOLDER"]) / f"{name}.json")
    told: dict[str, Any] = {}
    async for message in query(prompt="go", options=options, transport=line):
        if isinstance(message, ResultMessage):
            told = {"saw": json.loads(message.result or "[]"), "deferred": message.deferred_tool_use is not None}
    return {**told, "pending": [request.id for request in approvals.pending]}


async def main(scenes: list[str]) -> None:
    """One process."""
    async with AsyncClient(retries=1) as client:
        if os.environ.get("HOLD"):
            print("ready", flush=True)
            sys.stdin.readline()
        print(json.dumps([await session(client, scene) for scene in scenes]))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
