"""What programs are told, as Standard Webhooks have it: ids and how it stands, signed; what a request says is fetched
with a key. The endpoints of operators and the callbacks of agents get the same, each by its own secrets."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from django.conf import settings
from django.utils.crypto import salted_hmac

from hitl import clock
from hitl.models import ApiKey, Approval, Notification, WebhookEndpoint
from hitl.notifications.channels import net
from hitl.notifications.channels.errors import Undelivered

_PREFIX = "whsec_"
_LONGEST_WAIT = 86400.0  # seconds that a receiver may ask us to wait
TRIAL = "hitl.test"


def new_secret() -> str:
    """A secret of 32 random bytes."""
    return _written(secrets.token_bytes(32))


def callback_secret(key: ApiKey) -> str:
    """What signs the callbacks of this key's requests; made of the project's own secret, so that it is kept nowhere."""
    return _derived(key.pk, settings.SECRET_KEY)


def kind_of(row: Notification) -> str:
    """What a message is called, for programs."""
    return f"approval.{row.kind}" if row.approval is not None else TRIAL


def send(row: Notification) -> str:
    """Tell an endpoint, or the callback of a request. Raises Undelivered and OSError."""
    url, keys = _where(row)
    body = json.dumps(told(row), separators=(",", ":")).encode()
    stamp = str(int(clock.now().timestamp()))
    signed = f"{row.pk}.{stamp}.".encode() + body
    answer = net.post(
        url,
        body,
        {
            "Content-Type": "application/json",
            "webhook-id": str(row.pk),
            "webhook-timestamp": stamp,
            "webhook-signature": " ".join(_signature(key, signed) for key in keys),
        },
    )
    if answer.status // 100 != 2:
        wait = _wait(answer.headers.get("Retry-After", "")) if answer.status in (429, 503) else None
        raise Undelivered(f"it answered {answer.status}", gone=answer.status == 410, retry_after=wait)
    return ""


def told(row: Notification) -> dict[str, Any]:
    """The body: nothing of it was written by an agent or a person but the topic and the workflow's name."""
    body: dict[str, Any] = {"type": kind_of(row), "timestamp": row.created_at.isoformat(), "data": {}}
    approval = row.approval
    if approval is not None:
        body["data"] = {
            "approval": str(approval.pk),
            "run": str(approval.run_id),
            "workflow": approval.run.workflow.name,
            "kind": approval.kind,
            "status": approval.status,
            "revision": approval.revision,
            "digest": approval.digest,
            "topic": approval.topic,
            "stream": approval.run.stream,
            "seq": (row.payload or {}).get("seq"),
        }
    return body


def living(endpoint: WebhookEndpoint) -> list[dict[str, Any]]:
    """The secrets that count now, the newest first, each with its end (`until`), which the newest has not."""
    now = clock.now()
    return [one for one in endpoint.secrets if one["until"] is None or datetime.fromisoformat(one["until"]) > now]


def _where(row: Notification) -> tuple[str, list[str]]:
    if row.endpoint is not None:
        return row.endpoint.url, [one["secret"] for one in living(row.endpoint)]
    approval = row.approval
    assert isinstance(approval, Approval)
    known: list[Any] = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return approval.callback_url, [_derived(approval.agent_key_id, secret) for secret in known]


def _derived(key: Any, secret: Any) -> str:
    return _written(salted_hmac("hitl.callback", str(key), secret=secret, algorithm="sha256").digest())


def _written(secret: bytes) -> str:
    return _PREFIX + base64.b64encode(secret).decode()


def _signature(secret: str, signed: bytes) -> str:
    made = hmac.new(base64.b64decode(secret.removeprefix(_PREFIX)), signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(made).decode()


def _wait(said: str) -> float | None:
    """The seconds of a Retry-After, which is a number or a date; a day at most, None where it says nothing."""
    try:
        if said.strip().isdigit():
            wait = float(said)
        else:
            at = parsedate_to_datetime(said)
            wait = ((at if at.tzinfo else at.replace(tzinfo=UTC)) - clock.now()).total_seconds()
    except (TypeError, ValueError, OverflowError):
        return None
    return min(max(wait, 0.0), _LONGEST_WAIT)
