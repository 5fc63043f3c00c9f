"""Who must say yes, and who may.

Question it answers: which requirement does a gate make, and may this person decide now?
May call: `transitions`' rows, `models`, `audit` for policies and keys.
Never: votes, runs' statuses, mails.
"""

from hitl.policies.documents import apply_policy
from hitl.policies.eligibility import Explanation, Facts, explain, gather, own_people, own_request, why_not
from hitl.policies.keys import SCOPES, authenticate, create_key, revoke_key
from hitl.policies.requirements import Candidate, requirement_for, resolve

__all__ = [
    "SCOPES",
    "Candidate",
    "Explanation",
    "Facts",
    "apply_policy",
    "authenticate",
    "create_key",
    "explain",
    "gather",
    "own_people",
    "own_request",
    "requirement_for",
    "resolve",
    "revoke_key",
    "why_not",
]
