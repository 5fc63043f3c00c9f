"""LangGraph: what a graph's interrupts wait for is decided in the product.

Question it answers: what does a paused thread wait for, and with which `Command(resume=…)` does it go on?
May call: `hitl.client`, its neighbour `common`, langgraph and langchain-core.
Never: two resumes of one turn; an empty, missing or bare answer.

All interrupts a thread waits at are one turn: one batch, released together and answered by one `Command(resume=…)`.
LangGraph keeps no lock on a thread, and two resumes at once run a tool twice. The first request of a turn is that lock:
who takes it goes on, everybody else does nothing.
"""

from hitl.client.adapters.langgraph.bridge import Bridge
from hitl.client.adapters.langgraph.results import Result, ThreadWaits
from hitl.client.adapters.langgraph.shapes import Unanswered

__all__ = ["Bridge", "Result", "ThreadWaits", "Unanswered"]
