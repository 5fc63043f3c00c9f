"""What a workflow is.

Question it answers: what should happen, in which order, and what may be asked of whom?
May call: pydantic, the standard library, `exceptions`.
Never: Django, a clock, a socket, a database.
"""

from hitl.definition.action import Action
from hitl.definition.builder import StepRef, Workflow
from hitl.definition.canonical import canonical, digest, parse
from hitl.definition.outcomes import Complete
from hitl.definition.specs import Definition, GateSpec, StepSpec
from hitl.definition.values import PolicyDocument, Requirement, Stage

__all__ = [
    "Action",
    "Complete",
    "Definition",
    "GateSpec",
    "PolicyDocument",
    "Requirement",
    "Stage",
    "StepRef",
    "StepSpec",
    "Workflow",
    "canonical",
    "digest",
    "parse",
]
