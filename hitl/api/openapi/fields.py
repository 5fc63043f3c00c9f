"""How our own kinds of fields look from outside."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiSerializerFieldExtension

from hitl.states import Verdict

# Words that a body's text field takes; the verbs behind refuse others.
WORDS: dict[tuple[str, str], list[str]] = {
    ("Decide", "verdict"): Verdict.values,
    ("Preflight", "verdict"): [Verdict.APPROVE.value, Verdict.REJECT.value],
    ("DecideAll", "verdict"): [Verdict.APPROVE.value, Verdict.REJECT.value],
    ("ResolveStep", "outcome"): ["succeeded", "failed", "retry"],
    ("StartRun", "risk"): ["", "low", "medium", "high", "critical"],
}
_ACTION = {
    "type": "refund",
    "args": {"order": "A-17", "amount": 900},
    "title": "Refund 900 to A-17",
    "impact": "Money leaves",
}
# What people see first of a body with many fields.
EXAMPLES: dict[str, dict[str, Any]] = {
    "Ask": {"policy": "refunds", "action": _ACTION, "description": "The parcel never came.", "timeout": "4h"},
    "StartRun": {"workflow": "refund", "input": {"order_id": "A-17"}},
    "Decide": {"verdict": "approve", "digest": "…", "comment": ""},
    "ClaimStep": {"queues": ["gpu"], "lease": 60},
}


class _Lasting(OpenApiSerializerFieldExtension):
    target_class = "hitl.api.shapes.asking.Lasting"

    def map_serializer_field(self, auto_schema: Any, direction: str) -> dict[str, Any]:
        words = {
            "type": "string",
            "pattern": r"^(?=\d)(\d+d)?(\d+h)?(\d+m)?(\d+s)?$",
            "examples": ["45m", "4h", "1h30m", "2d"],
        }
        return {
            "anyOf": [{"type": "number", "exclusiveMinimum": 0, "maximum": 31_622_400}, words],
            "description": "A duration: seconds, or words such as 45m, 4h, 1h30m, 2d.",
        }


class _ZonedTime(OpenApiSerializerFieldExtension):
    target_class = "hitl.api.shapes.bodies.ZonedTime"

    def map_serializer_field(self, auto_schema: Any, direction: str) -> dict[str, Any]:
        return {"type": "string", "format": "date-time", "description": "With its zone."}
