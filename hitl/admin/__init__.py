"""Door for reviewers (`/review/`) and operators (`/admin/`).

Question it answers: what does a person see, and which verb did they choose?
May call: `decisions`, `policies.explain`, `engine` for control, `audit` for timelines.
Never: a rule or a status; approvals, decisions and audit rows are not editable.
"""

from hitl.admin import keys, machine, operators, people, reviews

__all__ = ["keys", "machine", "operators", "people", "reviews"]
