"""A scripted payment provider: it keeps a ledger in memory and takes each idempotency key once, as a real one does."""

from __future__ import annotations

from typing import Any

ledger: dict[str, dict[str, Any]] = {}


def refund(order_id: str, amount: int, *, idempotency_key: str) -> dict[str, Any]:
    """Refund an amount; the same key again returns the first receipt and moves no money."""
    return ledger.setdefault(idempotency_key, {"receipt": f"psp-{order_id}", "order_id": order_id, "refunded": amount})
