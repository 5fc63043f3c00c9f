"""The same POST twice: one effect, one answer.

The claim of the key, the work and the answer commit together, so that nothing is ever done without its answer being
kept, or kept without being done. Only what succeeded is kept: a refused or failed call may be tried again with its key.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from django.db import IntegrityError, OperationalError, transaction
from django.utils.crypto import salted_hmac
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from hitl.audit import Actor
from hitl.conf import conf
from hitl.definition import canonical
from hitl.exceptions import BadInput, IdempotencyConflict, InFlight
from hitl.models import IdempotencyRecord, sql
from hitl.transitions import definition_of

REPLAYED = "Idempotent-Replayed"
_PATIENCE = 5_000  # milliseconds a second call waits for the first


def key_of(request: Request) -> str | None:
    """The `Idempotency-Key` header; raises BadInput for one that is no key."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and not (1 <= len(key) <= 200 and key.isprintable()):
        raise BadInput("the Idempotency-Key has 1 to 200 printable characters")
    return key


def once(request: Request, key: str, work: Callable[[], Response]) -> Response:
    """Do the work, or give the answer that the same principal got for the same key, path and body.

    Raises IdempotencyConflict for the key of another call, and InFlight where the first one takes longer than 5 s.
    """
    principal = Actor.of(request.user).text
    fingerprint = _fingerprint(request)
    try:
        with transaction.atomic():
            record = _claimed(principal, key, fingerprint)
            if record is not None:
                response = work()
                _keep(record, response)
                return response
    except Exception:
        definition_of.cache_clear()  # a workflow's row may have been rolled back, and its number be given again
        raise
    return _replayed(principal, key, fingerprint)


def _claimed(principal: str, key: str, fingerprint: str) -> IdempotencyRecord | None:
    """The record we hold now, or None where one stands already. A second call waits here for the first to commit."""
    now = sql.database_clock()
    try:
        with transaction.atomic():
            sql.be_patient(_PATIENCE)
            IdempotencyRecord.objects.filter(principal=principal, key=key, expires_at__lte=now).delete()
            made = IdempotencyRecord.objects.create(
                principal=principal, key=key, fingerprint=fingerprint, expires_at=now + conf.KEEP_ANSWERS
            )
            sql.be_patient(0)
            return made
    except IntegrityError:
        return None
    except OperationalError as error:
        if not sql.was_busy(error):
            raise
        raise InFlight() from error


def _keep(record: IdempotencyRecord, response: Response) -> None:
    if not 200 <= response.status_code < 300 or response.status_code == 204:  # refused, or there was nothing to do
        record.delete()
        return
    record.code = response.status_code
    record.body = JSONRenderer().render(response.data).decode() if response.data is not None else ""
    record.location = response.get("Location", "")
    record.save(update_fields=["code", "body", "location"])


def _replayed(principal: str, key: str, fingerprint: str) -> Response:
    record = IdempotencyRecord.objects.filter(principal=principal, key=key).first()
    if record is None:  # the first was refused just now, or its record has ended
        raise InFlight()
    if record.fingerprint != fingerprint:
        raise IdempotencyConflict(f"the key {key!r} was used for another call")
    headers = {REPLAYED: "true", **({"Location": record.location} if record.location else {})}
    # What we wrote ourselves is read as it is: an answer may lie deeper than what comes in may.
    return Response(json.loads(record.body) if record.body else None, status=record.code, headers=headers)


def _fingerprint(request: Request) -> str:
    body: Any = request.data
    said = f"{request.method} {request.path}\n".encode() + canonical(body if body else {}, what="body")
    # With our secret: a body may hold a password, which a plain hash would let be guessed.
    return salted_hmac("hitl.idempotency", said, algorithm="sha256").hexdigest()
