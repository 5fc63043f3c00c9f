"""Taking what was decided, once, and telling what came of it: for the adapters that live in an event loop."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, cast

from hitl.client import AsyncClient, Client, ClientError, Conflict, Grant
from hitl.client.adapters.common import acall, reportable

AnyClient = Client | AsyncClient
_log = logging.getLogger("hitl.client")


async def take(client: AnyClient, id: str, *, patience: float) -> Grant:
    """Consume a decided request, waiting up to `patience` seconds for a cool-off to end.

    Raises AlreadyConsumed for whoever is not the first, NotDecided and BatchOpen while it is open.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + patience
    while True:
        try:
            return cast(Grant, await acall(client.consume, id))
        except Conflict as error:
            if error.code != "too_early" or loop.time() >= until:
                raise
        await asyncio.sleep(min(0.5, max(until - loop.time(), 0.0)))


async def report(client: AnyClient, id: str, token: str, *, output: Any = None, error: str = "") -> None:
    """Tell what came of an approved action. A report that does not arrive is logged: the product then holds the action
    for uncertain, and a person settles it."""
    try:
        if error:
            await acall(client.report, id, token, error=error[:2000])
        else:
            await acall(client.report, id, token, output=reportable(output))
    except ClientError as failed:
        _log.warning("the result of %s was not taken: %s", id, failed)


def sentence(error: BaseException) -> str:
    """An error in one line, never empty."""
    return f"{type(error).__name__}: {error}".rstrip(": ")
