"""Random calls by everybody, held against our own document.

A `World` has rows of every kind in many states; schemathesis makes calls from the document; most are then given ids,
tokens and digests that exist, since otherwise they would only meet 404. `Visitor` sends them as one principal,
checks each answer against the document, and that no program ever moves a decision. All of it is drawn from fixed seeds.
"""

from __future__ import annotations

import copy
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any
from uuid import UUID

import schemathesis
from django.core.signals import got_request_exception
from django.db import transaction
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from werkzeug.test import Client

from hitl.models import Approval, Decision
from tests.api.world import World

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
DECIDED = ("approved", "rejected", "answered")
# What a key may do to a request that is there: its own, and never to one of the statuses above.
MOVING = {"approvals_cancel", "approvals_consume", "approvals_revise", "approvals_result", "runs_cancel"}
_REAL = 0.85
_TEMPLATED = 0.75
DEEP = b'{"a": ' * 70 + b"1" + b"}" * 70
HOSTILE: dict[str, tuple[bytes, str]] = {
    "too deep": (DEEP, "application/json"),
    "far too deep": (b"[" * 100_000 + b"]" * 100_000, "application/json"),
    "too large": (b'{"a": "' + b"x" * 1_200_000 + b'"}', "application/json"),
    "NaN": (b'{"a": NaN}', "application/json"),
    "infinity": (b'{"a": 1e999}', "application/json"),
    "twice the same key": (b'{"a": 1, "a": 2}', "application/json"),
    "half a character": (b'{"a": "\\ud800"}', "application/json"),
    "a NUL": (b'{"a": "\\u0000"}', "application/json"),
    "no UTF-8": (b'{"a": "\xff"}', "application/json"),
    "a list": (b"[]", "application/json"),
    "a number": (b"7", "application/json"),
    "a very long number": (b'{"a": ' + b"9" * 5000 + b"}", "application/json"),
    "half of it": (b'{"a": ', "application/json"),
    "a form": (b"a=1", "application/x-www-form-urlencoded"),
}


def tightened(document: dict[str, Any]) -> dict[str, Any]:
    """The document, refusing what it does not name in answers: clients must bear new members, but we must name them."""
    strict = copy.deepcopy(document)
    for name, shape in strict["components"]["schemas"].items():
        if not name.endswith("Request") and name != "Problem" and shape.get("type") == "object":
            shape.setdefault("additionalProperties", False)
    return strict


def schema_of(document: dict[str, Any], app: Any) -> Any:
    """The document as schemathesis reads it; who comes is ours to say."""
    config = schemathesis.Config.from_dict({"generation": {"with-security-parameters": False}})
    schema = schemathesis.openapi.from_dict(tightened(document), config=config)
    schema.app = app
    return schema


@dataclass
class Visitor:
    """One principal at the door: headers and cookies; `agent` where it comes with a key."""

    world: World
    headers: dict[str, str]
    cookies: dict[str, str]
    agent: bool
    app: Any
    seen: Counter[int] = field(default_factory=Counter)
    failures: dict[str, str] = field(default_factory=dict)
    traces: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many calls there were."""
        return sum(self.seen.values())

    @property
    def good(self) -> float:
        """The share of good answers."""
        return sum(n for status, n in self.seen.items() if status < 300) / max(self.count, 1)

    def visit(self, case: Any, real: bool) -> None:
        """Send one call and check everything."""
        rng = Random(f"{case.operation.label} {self.count}")
        make_real(case, self.world, rng, body=real)
        self._send(case, lambda: case.call(app=self.app, headers=self.headers, cookies=self.cookies))

    def hostile(self, operation: Any, name: str) -> None:
        """Send a body that is none."""
        raw, media = HOSTILE[name]
        case = operation.Case(headers={}, cookies={}, query={}, path_parameters={})
        rng = Random(f"{operation.label} {name}")
        make_real(case, self.world, rng, body=False)
        client = Client(self.app)
        for key, value in self.cookies.items():
            client.set_cookie(key, value)
        sent = {**self.headers, "Content-Type": media, "Idempotency-Key": f"{operation.label} {name}"}
        self._send(case, lambda: client.open(case.formatted_path, method=case.method, data=raw, headers=sent))

    def _send(self, case: Any, send: Callable[[], Any]) -> None:
        operation = case.operation.definition.raw["operationId"]
        self.traces.clear()
        got_request_exception.connect(self._fell)
        before = deciding() if self.agent or case.method == "GET" else None
        try:
            with transaction.atomic():  # so that an error of the database does not spoil what comes after
                response = send()
        except Exception as error:
            self.seen[599] += 1
            place = traceback.extract_tb(error.__traceback__)[-1]
            self._note(
                f"{operation}: {type(error).__name__} in {place.name}", case, "".join(traceback.format_exception(error))
            )
            return
        finally:
            got_request_exception.disconnect(self._fell)
        self.seen[response.status_code] += 1
        try:
            case.validate_response(response, checks=CHECKS)
        except (Failure, FailureGroup) as error:
            for one in getattr(error, "exceptions", [error]):
                self._note(f"{operation} {response.status_code}: {one.title}: {one.message[:200]}", case, str(one))
        if before is not None:
            self._check_decisions(operation, case, before, deciding())

    def _check_decisions(self, operation: str, case: Any, before: Any, after: Any) -> None:
        if before == after:
            return
        if before[0] != after[0]:
            self._note(f"{operation}: a decision changed", case, "")
        moved = {pk for pk in before[1].keys() & after[1].keys() if before[1][pk] != after[1][pk]}
        if moved and (case.method == "GET" or operation not in MOVING):
            self._note(f"{operation}: a request moved", case, "")
        for pk in moved | (after[1].keys() - before[1].keys()):
            if after[1][pk][0] in DECIDED and before[1].get(pk, [""])[0] not in DECIDED:
                self._note(f"{operation}: a request became {after[1][pk][0]}", case, "")

    def _fell(self, **told: Any) -> None:
        self.traces.append(traceback.format_exc())

    def _note(self, what: str, case: Any, more: str) -> None:
        more = "".join([more, *self.traces])
        if what not in self.failures:
            self.failures[what] = (
                f"{case.method} {case.formatted_path} {case.query} {str(case.body)[:600]}\n{more[-2500:]}"
            )


def deciding() -> tuple[Any, dict[Any, Any]]:
    """All decisions, and what deciding writes into requests."""
    columns = ("pk", "status", "decided_via", "decided_at", "effective_digest", "stage")
    rows = {row[0]: row[1:] for row in Approval.objects.values_list(*columns)}
    return list(Decision.objects.order_by("pk").values_list("pk", "verdict", "approval", "withdrawn_at")), rows


def make_real(case: Any, world: World, rng: Random, *, body: bool) -> None:
    """Give the call ids that exist, and where it is to be understood what it needs besides."""
    operation = case.operation.definition.raw["operationId"]
    path = dict(case.path_parameters or {})
    for name in [part[1:-1] for part in case.operation.path.split("/") if part.startswith("{")]:
        made = str(path.get(name, ""))
        if rng.random() < _REAL or not made.strip("./") or set(made) & set("/\r\n"):
            path[name] = world.named(operation, name, rng)
        elif name == "id":  # what is no id at all is no address of ours
            path[name] = (
                rng.randrange(10**6) if operation.startswith("delegations") else str(UUID(int=rng.getrandbits(128)))
            )
    case.path_parameters = path
    if body and isinstance(case.body, dict) and rng.random() < _TEMPLATED:
        kept = {name: value for name, value in case.body.items() if rng.random() < 0.3}
        case.body = {**kept, **world.body(operation, path.get("id"), rng)}


def calls(operations: list[Any], visitor: Visitor, total: int) -> None:
    """Make about so many calls, some to each operation, in rounds until there are enough."""
    for round_ in range(50):
        if visitor.count >= total:
            return
        each = max(1, (total - visitor.count) // len(operations))
        bad = each // 4
        for operation in operations:
            point = transaction.savepoint()
            _some(operation, GenerationMode.POSITIVE, each - bad, round_, lambda case: visitor.visit(case, True))
            if bad:
                _some(operation, GenerationMode.NEGATIVE, bad, round_, lambda case: visitor.visit(case, False))
            transaction.savepoint_rollback(point)  # each finds the same world


def _some(operation: Any, mode: Any, count: int, round_: int, visit: Callable[[Any], None]) -> None:
    @seed(f"{operation.label} {round_}")
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(generation_mode=mode))
    def go(case: Any) -> None:
        visit(case)

    try:
        go()
    except Unsatisfiable:
        assert mode is GenerationMode.NEGATIVE, operation.label  # nothing about it can be wrong


def operations_of(schema: Any) -> Iterator[Any]:
    """All calls of the document."""
    for found in schema.get_all_operations():
        yield found.ok()
