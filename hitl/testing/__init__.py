"""Authors test their workflows: without a broker, gates decided in one line, time that moves when told to.

Question it answers: does my workflow do what I meant, whatever people say and however long they take?
May call: `engine` and `decisions`, as workers and screens do; `triggers`, to let a test database be emptied.
Never: anything a worker or a person could not do; be imported by what serves or works.
"""

from hitl.testing.runs import TestRun, run_workflow
from hitl.testing.world import NotWaiting, audit_may_be_flushed, fresh, reset_time

__all__ = ["NotWaiting", "TestRun", "audit_may_be_flushed", "fresh", "reset_time", "run_workflow"]
