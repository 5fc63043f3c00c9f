"""What can be proved.

Question it answers: who did what, when, on which bytes, and is that record whole?
May call: `models`, `definition.canonical`, the clock.
Never: statuses, rules, sockets. Nobody else writes an AuditRecord.
"""

from hitl.audit.actors import SYSTEM, Actor, correlation, person_name
from hitl.audit.chain import Entry, append, hold, records_of, seal
from hitl.audit.timeline import Line, timeline, timelines
from hitl.audit.verify import Problem, Report, verify

__all__ = [
    "SYSTEM",
    "Actor",
    "Entry",
    "Line",
    "Problem",
    "Report",
    "append",
    "correlation",
    "hold",
    "person_name",
    "records_of",
    "seal",
    "timeline",
    "timelines",
    "verify",
]
