"""Who must say yes, and who may.

Question it answers: which requirement does a gate make, and may this person decide now?
May call: `transitions`' rows, `models`, `audit` for policies and keys.
Never: votes, runs' statuses, mails.
"""

from hitl.policies.documents import apply_policy
from hitl.policies.eligibility import REASONS, Facts, gather, own_people, why_not
from hitl.policies.explain import Explanation, explain
from hitl.policies.keys import SCOPES, authenticate, create_key, revoke_key
from hitl.policies.requirements import Asks, Candidate, requirement_for, rerun, resolve, when

__all__ = [
    "REASONS",
    "SCOPES",
    "Asks",
    "Candidate",
    "Explanation",
    "Facts",
    "apply_policy",
    "authenticate",
    "create_key",
    "explain",
    "gather",
    "own_people",
    "requirement_for",
    "rerun",
    "resolve",
    "revoke_key",
    "when",
    "why_not",
]
