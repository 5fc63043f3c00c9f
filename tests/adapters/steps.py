"""What the tests of this room do over and over."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def begin(bridge: Any, scene: str) -> Any:
    """Start the thread of a scene."""
    return bridge.invoke({"messages": [("user", scene)]}, thread(scene))


def thread(name: str) -> dict[str, Any]:
    """A thread's config."""
    return {"configurable": {"thread_id": name}}


def eventually(check: Callable[[], Any]) -> Any:
    """What it says once it says something true."""
    for _ in range(300):
        found = check()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError("it never happened")
