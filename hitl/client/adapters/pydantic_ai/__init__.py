"""Pydantic AI: deferred tool calls are decided in the product, during the run or long after it.

Question it answers: what does a run wait for, and with which answers does it go on?
May call: `hitl.client`, its neighbour `common`, pydantic-ai.
Never: two resumes of one turn; an answer made of nothing.

Pydantic AI wants the answers to all calls of a turn together: they are one batch, released together. The paused run's
messages are kept in the product with the first request of the turn, where only this API key reads them. Taking that
request is the lock: whoever takes it goes on, everybody else does nothing.
"""

from hitl.client.adapters.pydantic_ai.approvals import Approvals, Result
from hitl.client.adapters.pydantic_ai.turns import Taken

__all__ = ["Approvals", "Result", "Taken"]
