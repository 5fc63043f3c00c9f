"""What an agent outside may choose: less than an author, and only what makes it stricter."""

from __future__ import annotations

from typing import Any

from hitl.conf import conf
from hitl.definition import GateSpec
from hitl.definition.values import RISKS
from hitl.exceptions import BadInput, NotAllowed, OverLimit
from hitl.models import ApiKey, Approval
from hitl.policies.eligibility import REASONS

ANY = "*"
_SHORTEST_PHRASE = 6
LIMITS = ("pending", "rate", "risk", "queues")


def of_agent(key: Any, gate: GateSpec) -> GateSpec:
    """The gate as an agent's, which makes its policy stricter and never laxer. Raises NotAllowed where this key may not
    ask by this policy, or not name reviewers itself, and BadInput for what no agent chooses."""
    if not isinstance(key, ApiKey):
        raise NotAllowed(REASONS["only_agents"], reason="only_agents")
    if gate.policy and not {ANY, gate.policy} & set(key.policies):
        raise NotAllowed(REASONS["policy_not_listed"], reason="policy_not_listed")
    if not gate.policy and "approvals:reviewers" not in key.scopes:
        raise NotAllowed(REASONS["needs_reviewers_scope"], reason="needs_reviewers_scope")
    if gate.requirement is not None and gate.requirement.by_requester:
        raise BadInput("reviewers: an agent does not choose that whom it names confirms alone; a policy may")
    if gate.phrase and (gate.level != "verify" or len(gate.phrase.strip()) < _SHORTEST_PHRASE):
        raise BadInput(f"phrase: it belongs to the level verify, and has at least {_SHORTEST_PHRASE} characters")
    if gate.on_timeout == "approve":
        raise BadInput("on_timeout is reject or escalate: an agent never says that silence is a yes")
    return gate.model_copy(update={"outside": True})


def default_policy(key: Any) -> str:
    """The policy a key asks by where it names none: its only one; raises BadInput where there are several or none."""
    named = [name for name in getattr(key, "policies", ()) if name != ANY]
    if len(named) != 1:
        raise BadInput("name the policy: this key has " + (", ".join(named) or "none of its own"))
    return str(named[0])


def risk_for(key: ApiKey, asked: str) -> str:
    """The risk of what this key asks: what it says, and no less than its own least (medium, unless its owner trusts it
    with less)."""
    least = str(key.limits.get("risk", "medium"))
    if asked and asked not in RISKS:
        raise BadInput(f"{asked!r} is no risk; there are {', '.join(RISKS)}")
    return max(least, asked or least, key=RISKS.index)


def check_room(key: ApiKey) -> None:
    """Raise OverLimit where so many requests of this key wait already that people could not see anything else."""
    most = key.limits.get("pending", conf.MAX_PENDING)
    if Approval.objects.pending().filter(agent_key=key.pk).order_by()[:most].count() >= most:
        raise OverLimit(f"{most} requests of this key wait for people already", limit=most)


def check_limits(limits: dict[str, Any]) -> dict[str, Any]:
    """A key's limits as they are kept; raises BadInput for what is none."""
    unknown = sorted(limits.keys() - set(LIMITS))
    if unknown:
        raise BadInput(f"there is no limit {', '.join(unknown)}; there are {', '.join(LIMITS)}")
    for name in ("pending", "rate"):
        value = limits.get(name)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
            raise BadInput(f"the limit {name} is a number from 1 on, not {value!r}")
    if limits.get("risk", "low") not in RISKS:
        raise BadInput(f"the limit risk is one of {', '.join(RISKS)}")
    queues = limits.get("queues", [])
    if not isinstance(queues, list) or not all(isinstance(name, str) and name for name in queues):
        raise BadInput("the limit queues is a list of names")
    return {name: value for name, value in limits.items() if value is not None}
