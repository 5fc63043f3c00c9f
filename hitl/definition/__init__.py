"""What a workflow is.

Question it answers: what should happen, in which order, and what may be asked of whom?
May call: pydantic, the standard library, `exceptions`.
Never: Django, a clock, a socket, a database.
"""

from hitl.definition.action import Action
from hitl.definition.builder import StepRef, Workflow, workflow
from hitl.definition.canonical import canonical, digest, parse
from hitl.definition.kinds import Gate
from hitl.definition.outcomes import (
    Approve,
    Complete,
    Continue,
    Escalate,
    Human,
    Pause,
    Plan,
    Restart,
    Signal,
    Timer,
)
from hitl.definition.policy import PolicyDocument, Rule, choose
from hitl.definition.specs import Definition, GateSpec, StepSpec
from hitl.definition.values import Requirement, Stage

__all__ = [
    "Action",
    "Approve",
    "Complete",
    "Continue",
    "Definition",
    "Escalate",
    "Gate",
    "GateSpec",
    "Human",
    "Pause",
    "Plan",
    "PolicyDocument",
    "Requirement",
    "Restart",
    "Rule",
    "Signal",
    "Stage",
    "StepRef",
    "StepSpec",
    "Timer",
    "Workflow",
    "canonical",
    "choose",
    "digest",
    "parse",
    "workflow",
]
