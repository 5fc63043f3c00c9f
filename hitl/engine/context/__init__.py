"""What a handler sees.

Question it answers: what does a handler know, what does it remember, and what can it wait for?
May call: `models` for what is stored under its lease, `decisions` and signals through the executor.
Never: a status; a lock on the run while the author's code runs.
"""

from hitl.engine.context.known import Context
from hitl.engine.context.pauses import ApprovalResult, Guidance, Park, Won

__all__ = ["ApprovalResult", "Context", "Guidance", "Park", "Won"]
