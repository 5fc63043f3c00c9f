"""Door for reviewers (`/review/`) and operators (`/admin/`).

Question it answers: what does a person see, and which verb did they choose?
May call: `decisions`, `policies.explain`, `engine` for control, `audit` for timelines.
Never: a rule or a status; approvals, decisions and audit rows are not editable.
"""

from types import ModuleType

from hitl.admin import keys, operators
from hitl.admin.requests import views

__all__ = ["keys", "operators", "rooms", "views"]


def rooms() -> list[ModuleType]:
    """Those with pages under `/review/`: each has `urls(wrap)`."""
    from hitl.admin.inbox import live
    from hitl.admin.keys import owners
    from hitl.admin.oversight import pages as oversight
    from hitl.admin.people import delegations, preferences
    from hitl.admin.policies import pages as policies
    from hitl.admin.records import pages as records
    from hitl.admin.runs import pages as runs
    from hitl.admin.webhooks import pages as webhooks

    return [live, runs, policies, oversight, records, delegations, preferences, owners, webhooks]
