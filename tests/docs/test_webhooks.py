"""The page about webhooks: its function believes what hitl sends, and nothing else."""

from __future__ import annotations

from typing import Any

from hitl import notifications
from hitl.models import Approval
from hitl.notifications import endpoints
from tests.docs.test_docs import ROOT, read, run_block
from tests.notifications.receivers import receiver


def test_the_function_of_the_page_verifies_what_hitl_sends(waiting: Approval, root: Any, settings: Any) -> None:
    block = next(block for block in read(ROOT / "docs/howto/webhooks.md") if "def verify" in block.text)
    verify = run_block(block)["verify"]
    settings.HITL_WEBHOOK_ALLOW = ["localhost"]
    with receiver() as there:
        endpoint, old = endpoints.create_endpoint(there.url, actor=root)
        new = endpoints.rotate_secret(endpoint, actor=root)
        notifications.deliver()
        assert notifications.deliver_hooks() == 1
    ((headers, body),) = there.got
    assert verify(new, headers, body)
    assert verify(old, headers, body)
    assert not verify(new, headers, body + b" ")
    assert not verify(new, {**headers, "webhook-id": "x"}, body)
    assert not verify(new, {**headers, "webhook-timestamp": "1700000000"}, body)
    assert not verify("whsec_" + "A" * 43 + "=", headers, body)
