"""What the Claude Agent SDK talks to, scripted: the control protocol of its command line, without a model or a network.

It makes the scene's tool calls in one turn, obeys what hooks and `can_use_tool` answer, writes a line to the file
`EFFECTS` for every tool that runs, and tells as its result what a model would have seen. Its session, a file, keeps a
deferred call, as the real one does: resumed, it makes that very call again.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from claude_agent_sdk import Transport


class Line(Transport):
    """One process of the command line: `calls` are (tool use id, tool, input)."""

    def __init__(self, calls: list[tuple[str, str, dict[str, Any]]], session: Path) -> None:
        self.calls, self.session = calls, session
        self.hooks: dict[str, list[str]] = {}
        self._out: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._answers: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._turn: asyncio.Task[None] | None = None

    # -- what the SDK calls ---------------------------------------------------------------------------

    async def connect(self) -> None: ...

    def is_ready(self) -> bool:
        return True

    async def end_input(self) -> None: ...

    async def close(self) -> None:
        if self._turn is not None:
            self._turn.cancel()

    async def write(self, data: str) -> None:
        for line in data.splitlines():
            await self._read(json.loads(line))

    async def read_messages(self) -> AsyncIterator[dict[str, Any]]:
        while (message := await self._out.get()) is not None:
            yield message

    # -- what the command line does -------------------------------------------------------------------

    async def _read(self, message: dict[str, Any]) -> None:
        if message["type"] == "control_request":
            for event, matchers in (message["request"].get("hooks") or {}).items():
                self.hooks[event] = [id for matcher in matchers for id in matcher["hookCallbackIds"]]
            told = {"subtype": "success", "request_id": message["request_id"]}
            told["response"] = {"commands": [], "hook_on_failure_supported": True}
            await self._out.put({"type": "control_response", "response": told})
        elif message["type"] == "control_response":
            self._answers.pop(message["response"]["request_id"]).set_result(message["response"])
        elif message["type"] == "user":
            self._turn = asyncio.create_task(self._run())

    async def _ask(self, **request: Any) -> dict[str, Any]:
        id = f"line-{len(self._answers)}-{request.get('tool_use_id')}-{request['subtype']}"
        self._answers[id] = asyncio.get_running_loop().create_future()
        await self._out.put({"type": "control_request", "request_id": id, "request": request})
        answer = await self._answers[id]
        return answer.get("response") or {"error": answer.get("error")}

    async def _hook(self, event: str, use: str, tool: str, input: dict[str, Any], **more: Any) -> dict[str, Any]:
        told: dict[str, Any] = {}
        for callback in self.hooks.get(event, []):
            asked = {"hook_event_name": event, "session_id": "s", "tool_name": tool, "tool_input": input, **more}
            answer = await self._ask(subtype="hook_callback", callback_id=callback, tool_use_id=use, input=asked)
            told |= answer.get("hookSpecificOutput") or {}
        return told

    async def _run(self) -> None:
        saw: list[dict[str, Any]] = []
        calls = [tuple(json.loads(self.session.read_text()))] if self.session.exists() else self.calls
        deferred = None
        for use, tool, input in calls:
            became = await self._call(use, tool, input, alone=len(calls) == 1)
            if became == "deferred":
                self.session.write_text(json.dumps([use, tool, input]))
                deferred = {"id": use, "name": tool, "input": input}
                break
            assert isinstance(became, dict)
            saw.append({"use": use, "tool": tool, **became})
            if became.get("interrupt"):
                break
        ended = {"type": "result", "subtype": "success", "duration_ms": 1, "duration_api_ms": 1, "is_error": False}
        ended |= {"num_turns": 1, "session_id": "s", "result": json.dumps(saw), "deferred_tool_use": deferred}
        await self._out.put(ended)
        await self._out.put(None)

    async def _call(self, use: str, tool: str, input: dict[str, Any], *, alone: bool) -> dict[str, Any] | str:
        before = await self._hook("PreToolUse", use, tool, input)
        decision = before.get("permissionDecision")
        if decision == "defer" and alone:
            return "deferred"
        if decision == "deny":
            return {"denied": before["permissionDecisionReason"]}
        if decision == "allow":
            return await self._tool(use, tool, before["updatedInput"])
        asked = {"subtype": "can_use_tool", "tool_name": tool, "input": input, "permission_suggestions": []}
        answer = await self._ask(**asked, tool_use_id=use)
        if answer.get("behavior") == "allow":
            return await self._tool(use, tool, answer["updatedInput"])
        return {"denied": answer.get("message") or str(answer), "interrupt": answer.get("interrupt", False)}

    async def _tool(self, use: str, tool: str, input: dict[str, Any]) -> dict[str, Any]:
        file = os.open(os.environ["EFFECTS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, f"{tool} {json.dumps(input)}\n".encode())
        os.close(file)
        if "broken" in json.dumps(input):
            after = await self._hook("PostToolUseFailure", use, tool, input, error="exit code 1")
        else:
            after = await self._hook("PostToolUse", use, tool, input, tool_response={"stdout": "ok"})
        return {"ran": input, "told": after.get("additionalContext", "")}
