"""The workflow of the crash tests, and a payment provider that lives outside: a folder that survives every process."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from hitl import Action, Workflow


def ledger() -> Path:
    """The provider's books."""
    return Path(os.environ["HITL_TEST_LEDGER"])


def charge(amount: int, *, idempotency_key: str) -> dict[str, Any]:
    """Take money once a key, as a real provider does; every call is noted."""
    with (ledger() / "calls").open("a") as calls:
        calls.write(idempotency_key + "\n")
    (ledger() / f"charge-{idempotency_key.replace(':', '_')}").write_text(str(amount))
    return {"charged": amount}


def make() -> Workflow:
    """draft → review → pay; `draft` waits while the file `hold` is there, so that it can be killed inside."""
    flow = Workflow("crash-refund")

    @flow.step
    def draft(ctx: Any) -> Action:
        (ledger() / f"drafting-{ctx.attempt}").touch()
        while (ledger() / "hold").exists():
            time.sleep(0.02)
        return Action({"amount": 250}, type="refund", title="Refund 250", impact="Money leaves")

    review = flow.approval("review", after=draft, reviewers=["user:bob"])

    @flow.step(after=review)
    def pay(ctx: Any) -> Any:
        key = ctx.idempotency_key("psp")
        return ctx.once("psp", charge, ctx.action.amount, idempotency_key=key)

    return flow
