"""The two workflows of requests that come alone: *gate → act*, and a question.

They have a run, a timeline, a chain, a deadline and a way to be cancelled like any other: one mechanism, not two. Each
run's gate carries its own spec on its row, since who is asked differs from request to request.
"""

from __future__ import annotations

from hitl.definition.specs import Definition, StepSpec

GATE = "ask"
ACT = "act"
_OWN_QUEUE = "hitl.request"  # its steps are started by consuming their grants, never claimed

REQUEST = Definition(
    name="hitl.request",
    title="Requests of agents",
    steps=(
        StepSpec(name=GATE, kind="gate"),
        StepSpec(
            name=ACT, after=(GATE,), gates=(GATE,), queue=_OWN_QUEUE, external=True, repeatable=False, max_attempts=1
        ),
    ),
)
QUESTION = Definition(name="hitl.question", title="Questions of agents", steps=(StepSpec(name=GATE, kind="gate"),))
NAMES = frozenset({REQUEST.name, QUESTION.name})
OWN_QUEUES = frozenset({_OWN_QUEUE})
