"""The gated run of the benchmarks, and how its worker tells the client what just happened.

The worker sends datagrams on loopback: when a gate's transaction has committed, and from the first line of step B. They
are part of the measurement only, and cost a few microseconds.
"""

from __future__ import annotations

import json
import os
import socket
import time
from typing import Any

from django.db import transaction

from hitl import Action, Workflow, decisions

_PORT = int(os.environ.get("HITL_BENCH_PORT", "0"))
_socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
_KILOBYTE = "x" * 1000


def tell(**event: Any) -> None:
    """Send one event to the client, with this machine's monotonic time."""
    if _PORT:
        _socket.sendto(json.dumps({**event, "at": time.monotonic_ns()}).encode(), ("127.0.0.1", _PORT))


_request = decisions.request


def _tell_request(t: Any, step: Any, proposal: Any, *, key: str = "") -> Any:
    approval = _request(t, step, proposal, key=key)
    event = {"kind": "gate", "run": str(t.run.pk), "approval": str(approval.pk), "digest": approval.digest}
    transaction.on_commit(lambda: tell(**event))
    return approval


decisions.request = _tell_request

gated = Workflow("bench-gated")


@gated.step
def a(ctx: Any) -> Action:
    """1 KB of output."""
    return Action({"text": _KILOBYTE}, type="send", title="Send a kilobyte", impact="It is sent")


gate = gated.approval("gate", after=a, reviewers=["user:reviewer"])


@gated.step(after=gate)
def b(ctx: Any) -> dict[str, Any]:
    """The protected step."""
    tell(kind="b", run=ctx.run_id)
    return {"sent": len(ctx.action.text)}
