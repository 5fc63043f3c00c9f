"""What operators see under `/admin/`: the rows, read-only; acts are actions that call verbs.

Question it answers: what is there, and what can be done about it?
May call: `engine` for control, `policies` and `audit` to read.
Never: an edited row.
"""

from hitl.admin.operators import machine, people, rows

__all__ = ["machine", "people", "rows"]
