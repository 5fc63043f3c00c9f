"""The example of a how-to as a program: `PAGE FUNCTION ARGUMENT…` runs the page's blocks, then one of their functions.

Only what needs a network has a stand-in: the model, or the command line. Prints what the function returns, as JSON.
"""

from __future__ import annotations

import asyncio
import functools
import json
import os
import sys
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parents[3] / "docs" / "howto"


def example(page: str) -> dict[str, Any]:
    """The names that the python blocks of a page define, in their order."""
    parts = (DOCS / page).read_text().split("```python\n")[1:]
    names: dict[str, Any] = {"__name__": "example"}
    for part in parts:
        exec(compile(part.partition("\n```")[0], page, "exec", dont_inherit=True), names)
    return names


def openai_agents(names: dict[str, Any]) -> None:
    """A model in the place of OpenAI's."""
    from agents import set_tracing_disabled
    from agents.testing import ModelStep, ScriptedModel, assistant_message, function_call

    def turn(seen: Any) -> list[Any]:
        outputs = [item["output"] for item in seen.input if item.get("type") == "function_call_output"]
        call = function_call("refund", json.dumps({"order": "A1", "amount": 900}), call_id="c1")
        return [assistant_message(outputs[0])] if outputs else [call]

    set_tracing_disabled(True)
    names["agent"].model = ScriptedModel([ModelStep.respond(turn) for _ in range(3)])


def claude(names: dict[str, Any]) -> None:
    """A command line in the place of Claude Code."""
    from tests.adapters.programs.claude_line import Line

    line = Line([("toolu_page", "Bash", {"command": "ls page"})], Path(os.environ["FOLDER"]) / "page.json")
    names["query"] = functools.partial(names["query"], transport=line)


if __name__ == "__main__":
    page, function, *words = sys.argv[1:]
    names = example(page)
    openai_agents(names) if page.startswith("openai") else claude(names)
    named = dict(word.split("=", 1) for word in words if "=" in word)
    print(json.dumps(asyncio.run(names[function](*(word for word in words if "=" not in word), **named))))
