"""What the tests of notifications share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from hitl.models import Approval
from tests.servers import free_port


@pytest.fixture
def make(alice: Any, bob: Any, carol: Any, work: Any) -> Any:
    """An approval of an action with these arguments; options of the gate by name."""
    from hitl import Action, Workflow

    made = iter(range(100))

    def build(args: Any = None, *, requester: Any = None, on_behalf_of: Any = None, **options: Any) -> Approval:
        words = {"title": "Do it", "impact": "It is done", "type": "do"}
        words |= {name: options.pop(name) for name in ("title", "impact", "description", "target") if name in options}
        flow = Workflow(f"gate-{next(made)}")
        flow.step(lambda ctx: Action(args or {"n": 1}, **words), name="draft")
        flow.approval("ask", after="draft", **{"reviewers": ["group:finance"], **options})
        flow.step(lambda ctx: ctx.action.args, name="act", after="ask")
        run = flow.start(requester=requester or alice, on_behalf_of=on_behalf_of)
        work()
        return Approval.objects.get(run=run)

    return build


class Postbox:
    """Keeps what it is given; refuses for as long as it is told to."""

    def __init__(self) -> None:
        self.received: list[tuple[list[str], bytes]] = []
        self.refuse = False
        self.calls = 0

    async def handle_EHLO(self, server: Any, session: Any, envelope: Any, hostname: str, responses: Any) -> Any:
        """One more connection."""
        self.calls += 1
        session.host_name = hostname
        return responses

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """One mail."""
        if self.refuse:
            return "451 try again later"
        self.received.append((envelope.rcpt_tos, envelope.content))
        return "250 OK"


@pytest.fixture
def postbox(settings: Any) -> Iterator[Postbox]:
    """A real SMTP server, and Django told to use it."""
    box = Postbox()
    controller = Controller(box, hostname="127.0.0.1", port=free_port())
    controller.start()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", controller.port
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
    try:
        yield box
    finally:
        controller.stop()
